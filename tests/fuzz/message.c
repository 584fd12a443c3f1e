/* Content bytes as a message header, whole and in pieces: the events must be
 * the same. Each value, and the whole input as a value, is split into mailboxes
 * and decoded. The first bytes choose the pieces and the room for decoding. */
#include "fuzz.h"

#include "../unit/smtp/replay.h"
#include "base/codec.h"
#include "base/scan.h"
#include "message/mime.h"

#include <stdlib.h>

#define MAILBOXES_MAX 8

struct plan {
    uint8_t pieces[4]; /* sizes less one, in turn */
    uint8_t room[2];   /* for decoded words */
    uint8_t charset;   /* bits: the callback converts, truly */
    uint8_t spare;
};

static void require(bool is_true, const char *what)
{
    if (!is_true)
        replay_broken("contract: %s", what);
}

static void check_mailboxes(struct mt_span value)
{
    struct mt_span mailboxes[MAILBOXES_MAX];
    size_t count = mt_message_split_mailboxes(value, mailboxes, MAILBOXES_MAX);
    const uint8_t *behind = value.ptr;

    require(count <= value.size / 2 + 1, "no more mailboxes than separators allow");
    for (size_t i = 0; i < count && i < MAILBOXES_MAX; i++) {
        require(mailboxes[i].size > 0 && mailboxes[i].ptr >= behind, "mailboxes stand one behind the other");
        behind = mailboxes[i].ptr + mailboxes[i].size;
        require(behind <= value.ptr + value.size, "a mailbox lies within its list");
        require(mt_span_trim(mailboxes[i]).size == mailboxes[i].size, "a mailbox is trimmed");
    }
}

static bool convert(void *ctx, struct mt_span charset, struct mt_span bytes, struct mt_buf *ret_utf8)
{
    const struct plan *plan = ctx;

    require(charset.size > 0, "a charset has a name");
    mt_buf_put_span(ret_utf8, bytes);
    return plan->charset & 1;
}

static void check_words(struct mt_span value, struct plan *plan)
{
    size_t room = plan->room[0] | (size_t)plan->room[1] << 8;
    uint8_t *storage = malloc(room + 1);

    require(storage != NULL, "memory");
    struct mt_buf out = mt_buf(storage, room);
    mt_message_decode_words(value, plan->charset & 2 ? convert : NULL, plan, &out);
    require(out.size <= room && mt_utf8_valid(mt_buf_span(&out)), "decoded words are UTF-8");
    free(storage);
}

static bool is_part(struct mt_span text, struct mt_span value)
{
    return text.ptr == NULL || (text.ptr >= value.ptr && text.ptr + text.size <= value.ptr + value.size);
}

static void check_received(struct mt_span value)
{
    struct mt_message_hop hop;
    struct mt_span rest = mt_span_none();
    int64_t seconds = 0;

    mt_message_parse_received(value, &hop);
    const struct mt_span texts[] = {hop.from_name, hop.from_host, hop.by, hop.with, hop.id, hop.recipient};
    for (size_t i = 0; i < MT_ARRAY_COUNT(texts); i++)
        require(is_part(texts[i], value), "a hop's texts are parts of its field");
    require(hop.from_ip.family == 0 || hop.from_ip.family == 4 || hop.from_ip.family == 6, "an address");
    if (mt_message_parse_date(value, &seconds, &rest))
        require(is_part(rest, value) && seconds >= -INT64_C(2208988800) - 86400 * 5, "a date from 1900 on");
}

struct log {
    struct replay_text text;
    struct plan *plan;
};

static void on_field(void *ctx, struct mt_span name, struct mt_span value, bool is_cut)
{
    struct log *log = ctx;

    require(name.size > 0 && name.size + value.size < MT_MESSAGE_FIELD_MAX, "a field within its limit");
    check_mailboxes(value);
    check_words(value, log->plan);
    check_received(value);
    replay_put_bytes(&log->text, name);
    replay_put(&log->text, is_cut ? "!" : ":");
    replay_put_bytes(&log->text, value);
    replay_put(&log->text, "\n");
}

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct log *log = ctx;
    replay_put(&log->text, "%s\n", mt_anomaly_name(anomaly));
}

static const struct mt_message_events events = {.field = on_field, .anomaly = on_anomaly};

static void parse(struct mt_span bytes, bool is_whole, struct log *log)
{
    struct mt_message_header header;
    bool goes_on = true;

    mt_message_header_start(&header);
    for (size_t i = 0; bytes.size > 0 && goes_on; i++) {
        size_t size = is_whole ? bytes.size : log->plan->pieces[i % sizeof(log->plan->pieces)] + 1u;
        struct mt_span piece = mt_span_head(bytes, size);
        uint8_t *copy = malloc(piece.size);
        require(copy != NULL, "memory");
        memcpy(copy, piece.ptr, piece.size);
        goes_on = mt_message_header_parse(&header, mt_span(copy, piece.size), &events, log);
        free(copy);
        bytes = mt_span_from(bytes, size);
    }
    mt_message_header_finish(&header, &events, log);
}

/* --- the parts -------------------------------------------------------------- */

struct tree {
    struct replay_text text;
    struct plan *plan;
    struct mt_mime mime;
    struct mt_message_header *header;
    uint64_t body;
};

static void on_part(void *ctx, const struct mt_mime_part *part)
{
    struct tree *tree = ctx;

    require(part->path_size > 0 && part->path_size <= MT_MIME_PATH_MAX, "a path within its limit");
    require(part->type.size <= MT_MIME_TYPE_MAX && part->charset.size <= MT_MIME_CHARSET_MAX, "short texts");
    require(part->name.size <= MT_MIME_NAME_MAX && mt_utf8_valid(part->name), "names are UTF-8");
    for (unsigned i = 0; i < part->path_size; i++)
        replay_put(&tree->text, ".%u", part->path[i]);
    replay_put(&tree->text, " %d %d ", part->encoding, part->flags);
    replay_put_bytes(&tree->text, part->type);
    replay_put_bytes(&tree->text, part->charset);
    replay_put_bytes(&tree->text, part->name);
    replay_put(&tree->text, "\n");
    tree->body = 0;
}

static void on_part_end(void *ctx, uint64_t encoded, uint64_t decoded)
{
    struct tree *tree = ctx;

    require(encoded == tree->body, "a part is as large as its body");
    replay_put(&tree->text, "= %llu %llu\n", (unsigned long long)encoded, (unsigned long long)decoded);
}

static void on_body(void *ctx, struct mt_span bytes)
{
    struct tree *tree = ctx;
    tree->body += bytes.size;
}

static void on_tree_field(void *ctx, const struct mt_mime_part *part, struct mt_span name,
                          struct mt_span value, bool is_cut)
{
    struct tree *tree = ctx;

    require(part->path_size > 0 && part->path_size <= MT_MIME_PATH_MAX,
            "a message in the message has a path");
    require(name.size > 0 && name.size + value.size < MT_MESSAGE_FIELD_MAX, "a field within its limit");
    for (unsigned i = 0; i < part->path_size; i++)
        replay_put(&tree->text, ".%u", part->path[i]);
    replay_put(&tree->text, " %d ", is_cut);
    replay_put_bytes(&tree->text, name);
    replay_put_bytes(&tree->text, value);
    replay_put(&tree->text, "\n");
}

static void on_tree_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct tree *tree = ctx;
    replay_put(&tree->text, "%s\n", mt_anomaly_name(anomaly));
}

static struct mt_message_header *get_header(void *ctx)
{
    struct tree *tree = ctx;

    require(tree->header == NULL, "one header at a time");
    tree->header = malloc(sizeof(*tree->header));
    require(tree->header != NULL, "memory");
    return tree->header;
}

static void put_header(void *ctx, struct mt_message_header *header)
{
    struct tree *tree = ctx;

    require(header == tree->header, "the header that was lent");
    free(header);
    tree->header = NULL;
}

static const struct mt_mime_events mime_events = {
    on_part, on_part_end, on_body, on_tree_field, on_tree_anomaly, get_header, put_header,
};

static void on_top_field(void *ctx, struct mt_span name, struct mt_span value, bool is_cut)
{
    struct tree *tree = ctx;

    (void)is_cut;
    mt_mime_field(&tree->mime, name, value, tree->plan->charset & 2 ? convert : NULL, tree->plan);
}

static const struct mt_message_events top_events = {.field = on_top_field, .anomaly = on_tree_anomaly};

/* As the session feeds it: cut before each dash behind a line end. */
static void feed_tree(struct tree *tree, struct mt_span bytes)
{
    while (bytes.size > 0) {
        size_t eol = mt_scan_eol_dash(bytes);
        struct mt_span piece = mt_span_head(bytes, eol + 1);
        uint8_t *copy = malloc(piece.size);
        require(copy != NULL, "memory");
        memcpy(copy, piece.ptr, piece.size);
        mt_mime_body(&tree->mime, mt_span(copy, piece.size), tree->plan->charset & 2 ? convert : NULL,
                     tree->plan, &mime_events, tree);
        free(copy);
        bytes = mt_span_from(bytes, piece.size);
    }
}

static void parse_tree(struct mt_span bytes, bool is_whole, struct tree *tree)
{
    struct mt_message_header header;
    bool in_header = true;

    mt_mime_start(&tree->mime);
    mt_message_header_start(&header);
    for (size_t i = 0; bytes.size > 0; i++) {
        size_t size = is_whole ? bytes.size : tree->plan->pieces[i % sizeof(tree->plan->pieces)] + 1u;
        struct mt_span piece = mt_span_head(bytes, size);
        bytes = mt_span_from(bytes, size);
        if (in_header) {
            size_t taken = 0;
            in_header = mt_message_header_parse_to(&header, piece, &top_events, tree, &taken);
            require(taken <= piece.size && (!in_header || taken == piece.size), "a header takes its bytes");
            if (in_header)
                continue;
            mt_mime_header_end(&tree->mime, &mime_events, tree);
            if (taken > 0 && piece.ptr[taken - 1] == '\r')
                mt_mime_skip_lf(&tree->mime);
            piece = mt_span_from(piece, taken);
        }
        feed_tree(tree, piece);
    }
    if (in_header) {
        mt_message_header_finish(&header, &top_events, tree);
        mt_mime_header_end(&tree->mime, &mime_events, tree);
    }
    mt_mime_finish(&tree->mime, true, &mime_events, tree);
    require(tree->header == NULL, "every header comes back");
}

static void check_tree(struct mt_span bytes, struct plan *plan)
{
    struct tree whole = {.plan = plan}, pieces = {.plan = plan};

    parse_tree(bytes, true, &whole);
    parse_tree(bytes, false, &pieces);
    require(mt_span_eq(mt_span(whole.text.ptr, whole.text.size), mt_span(pieces.text.ptr, pieces.text.size)),
            "the same tree whole and in pieces");
    free(whole.text.ptr);
    free(pieces.text.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan plan;

    if (size < sizeof(plan))
        return 0;
    memcpy(&plan, data, sizeof(plan));
    struct mt_span bytes = mt_span(data + sizeof(plan), size - sizeof(plan));
    struct log whole = {.plan = &plan}, pieces = {.plan = &plan};

    parse(bytes, true, &whole);
    parse(bytes, false, &pieces);
    require(mt_span_eq(mt_span(whole.text.ptr, whole.text.size), mt_span(pieces.text.ptr, pieces.text.size)),
            "the same events whole and in pieces");
    check_mailboxes(bytes);
    check_words(bytes, &plan);
    check_received(bytes);
    check_tree(bytes, &plan);
    free(whole.text.ptr);
    free(pieces.text.ptr);
    return 0;
}
