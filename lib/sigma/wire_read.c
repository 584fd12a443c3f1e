#include "sigma/correlate_priv.h"
#include "sigma/wire.h"

#define HEAD_SIZE 22u
#define PARTS ((uint64_t)MT_SIGMA_ROUTES_MAX * MT_SIGMA_GROUPS_MAX)
#define KINDS MT_SIGMA_SEQUENCE_KINDS

/* Bytes that nobody vouches for. Once they are short, all that is read is zero. */
struct reading {
    struct mt_span rest;
    bool is_short;
};

static struct mt_span take(struct reading *r, size_t size)
{
    struct mt_span bytes = mt_span_head(r->rest, size);
    r->is_short |= bytes.size < size;
    r->rest = mt_span_from(r->rest, size);
    return r->is_short ? mt_span_none() : bytes;
}

static uint64_t take_number(struct reading *r, unsigned size)
{
    struct mt_span bytes = take(r, size);
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.size; i++)
        number |= (uint64_t)bytes.ptr[i] << 8 * i;
    return number;
}

static struct mt_span take_text(struct reading *r)
{
    return take(r, take_number(r, 1));
}

const char *mt_sigma_message_read(struct mt_span bytes, struct mt_sigma_message *ret_message)
{
    struct reading r = {.rest = bytes};
    struct mt_sigma_message message = {.run = 0};
    if (bytes.size < HEAD_SIZE || memcmp(bytes.ptr, "mtev", 4) != 0)
        return "it is no event of mailtap";
    take(&r, 4);
    if (take_number(&r, 1) != MT_SIGMA_EVENT_VERSION)
        return "it is of another version of events";
    uint64_t kind = take_number(&r, 1);
    message.run = take_number(&r, 8);
    message.number = take_number(&r, 8);
    message.sensor = take_text(&r);
    message.kind = (enum mt_sigma_message_kind)kind;
    if (kind == MT_SIGMA_MESSAGE_MARK) {
        message.time = take_number(&r, 8);
        if (message.time != MT_SIGMA_MARK_END && message.time > MT_SIGMA_TIME_MAX)
            return "its time can't be";
    } else if (kind == MT_SIGMA_MESSAGE_EVENT) {
        message.fingerprint = take_number(&r, 8);
        message.name = take_text(&r);
    } else if (kind != MT_SIGMA_MESSAGE_STATE) {
        return "it is of a kind that is not known";
    }
    message.rest = r.rest;
    if (r.is_short)
        return "it is cut";
    *ret_message = message;
    return NULL;
}

/* --- feeds ---------------------------------------------------------------------------- */

static void put_text(struct mt_buf *b, struct mt_span text)
{
    mt_buf_put_byte(b, (uint8_t)text.size);
    mt_buf_put(b, text.ptr, text.size);
}

/* Only whoever wrote a line escaped it. */
static bool is_printable(struct mt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

static bool read_ip(struct reading *r, struct mt_ip *ret_ip)
{
    uint64_t family = take_number(r, 1);
    struct mt_span bytes = take(r, family == 4 ? 4 : family == 6 ? 16 : 0);
    *ret_ip = (struct mt_ip){.family = (uint8_t)family};
    if (bytes.size > 0)
        memcpy(ret_ip->bytes, bytes.ptr, bytes.size);
    return family == 0 || family == 4 || family == 6;
}

static void copy_groups(struct reading *r, const struct mt_sigma_frame_head *head, struct mt_buf *b)
{
    for (uint32_t i = 0; i < head->group_count; i++) {
        struct mt_hash128 group;
        group.word[0] = take_number(r, 8);
        group.word[1] = take_number(r, 8);
        mt_buf_put(b, &group, sizeof(group));
        for (uint32_t k = 0; k < head->key_count; k++)
            put_text(b, take_text(r));
    }
}

static void copy_values(struct reading *r, const struct mt_sigma_frame_head *head, struct mt_buf *b)
{
    for (uint32_t i = 0; i < head->value_count; i++) {
        uint64_t number = take_number(r, 8);
        mt_buf_put(b, &number, sizeof(number));
        put_text(b, take_text(r));
    }
}

struct family {
    const struct mt_sigma *sigma;
    uint64_t fingerprint;
    const struct mt_sigma_loaded *of[MT_SIGMA_ROUTES_MAX];
};

/* Does the frame stand where the rules would put it? */
static bool is_in_place(const struct family *family, const struct mt_sigma_frame_head *head, uint32_t index)
{
    const struct mt_sigma_loaded *of = family->of[index];
    if (head->ref >= of->ref_count || head->key_count != of->correlation->group_by.count)
        return false;
    if (head->parent == MT_SIGMA_ROUTE_NONE)
        return true;
    return head->parent < index && of->refs[head->ref].rule == family->of[head->parent];
}

static enum mt_sigma_event_status copy_frame(struct reading *r, struct family *family, uint32_t index,
                                             struct mt_buf *b)
{
    size_t start = b->size;
    struct mt_sigma_frame_head head = {.identity = take_number(r, 8)};
    head.ref = (uint8_t)take_number(r, 1);
    head.parent = (uint8_t)take_number(r, 1);
    head.key_count = (uint8_t)take_number(r, 1);
    family->of[index] = mt_sigma_of_identity(family->sigma, head.identity);
    if (!family->of[index] || family->of[index]->correlation->fingerprint != family->fingerprint)
        return r->is_short ? MT_SIGMA_EVENT_DAMAGED : MT_SIGMA_EVENT_OTHER_RULES;
    if (!is_in_place(family, &head, index))
        return MT_SIGMA_EVENT_DAMAGED;
    mt_buf_put(b, &head, sizeof(head));
    for (uint32_t i = 0; i < head.key_count; i++)
        take_text(r); /* which field it is these rules know */
    head.group_count = (uint8_t)take_number(r, 1);
    if (head.group_count > MT_SIGMA_GROUPS_MAX)
        return MT_SIGMA_EVENT_DAMAGED;
    copy_groups(r, &head, b);
    head.groups_size = (uint16_t)(b->size - start - sizeof(head));
    head.value_count = (uint8_t)take_number(r, 1);
    if (head.value_count > MT_SIGMA_VALUES_SENT_MAX)
        return MT_SIGMA_EVENT_DAMAGED;
    copy_values(r, &head, b);
    if (r->is_short || b->overflow)
        return MT_SIGMA_EVENT_DAMAGED;
    head.size = (uint16_t)(b->size - start);
    memcpy(b->ptr + start, &head, sizeof(head));
    return MT_SIGMA_EVENT_OK;
}

static bool copy_head(struct reading *r, struct mt_sigma_feed_head *head, struct mt_buf *b)
{
    head->time = take_number(r, 8);
    head->completed = take_number(r, 8);
    bool has_ips = read_ip(r, &head->source_ip) && read_ip(r, &head->destination_ip);
    head->source_port = (uint16_t)take_number(r, 2);
    head->destination_port = (uint16_t)take_number(r, 2);
    uint64_t sequence = take_number(r, 4);
    uint64_t part = take_number(r, 2);
    head->events = (uint8_t)take_number(r, 1);
    /* what kind of feed it is stays in the uppermost bits */
    head->sequence = (uint32_t)((sequence & KINDS) | ((sequence * PARTS + part) & ~KINDS));
    struct mt_span event_id = take_text(r);
    head->event_id_size = (uint8_t)event_id.size;
    head->line_count = (uint8_t)take_number(r, 1);
    if (!has_ips || part >= PARTS || head->events == 0 || event_id.size > 64 ||
        head->line_count > MT_SIGMA_FEED_LINES_MAX || head->time > MT_SIGMA_TIME_MAX ||
        head->completed > MT_SIGMA_TIME_MAX)
        return false;
    mt_buf_put(b, head, sizeof(*head));
    mt_buf_put_span(b, event_id);
    for (uint32_t i = 0; i < head->line_count; i++) {
        const struct mt_sigma_feed_line line = {.value = take_text(r)};
        if (!is_printable(line.value))
            return false;
        mt_sigma_line_put(b, &line);
    }
    head->frames_off = (uint16_t)b->size;
    head->frame_count = (uint8_t)take_number(r, 1);
    return !r->is_short && head->frame_count <= MT_SIGMA_ROUTES_MAX;
}

enum mt_sigma_event_status mt_sigma_event_read(const struct mt_sigma *sigma,
                                               const struct mt_sigma_message *message,
                                               struct mt_buf *ret_feed)
{
    struct reading r = {.rest = message->rest};
    struct mt_sigma_feed_head head;
    struct family family = {.sigma = sigma, .fingerprint = message->fingerprint};
    memset(&head, 0, sizeof(head)); /* what is between members too: feeds are compared by their bytes */
    ret_feed->size = 0;
    if (!copy_head(&r, &head, ret_feed))
        return MT_SIGMA_EVENT_DAMAGED;
    for (uint32_t i = 0; i < head.frame_count; i++) {
        enum mt_sigma_event_status status = copy_frame(&r, &family, i, ret_feed);
        if (status != MT_SIGMA_EVENT_OK)
            return status;
    }
    if (r.rest.size > 0 || ret_feed->overflow)
        return MT_SIGMA_EVENT_DAMAGED;
    memcpy(ret_feed->ptr, &head, sizeof(head));
    return MT_SIGMA_EVENT_OK;
}
