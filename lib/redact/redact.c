#include "redact/redact_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What every list type is made of. */
struct list {
    const void *items;
    uint32_t count;
};
MT_STATIC_ASSERT(sizeof(struct list) == sizeof(struct mt_texts) &&
                     offsetof(struct list, count) == offsetof(struct mt_texts, count),
                 "lists of the records look alike");
MT_STATIC_ASSERT(sizeof(struct list) == sizeof(struct mt_transactions), "as those of structs");

struct decision {
    const char *group;
    const char *path;
    enum mt_privacy privacy;
};

static const struct decision decisions[] = {
#define MT_PRIVACY_FIELD(group, path, privacy) {group, path, MT_PRIVACY_##privacy},
#include "redact/privacy.def"
};

bool mt_redact_mode_parse(struct mt_span word, enum mt_redact_mode *ret_mode)
{
    static const char *const words[] = {
        [MT_REDACT_NONE] = "none",
        [MT_REDACT_LOCAL_PART] = "local-part",
        [MT_REDACT_HASH] = "hash",
        [MT_REDACT_DROP] = "drop",
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        if (mt_span_eq(word, mt_span_cstr(words[i]))) {
            *ret_mode = (enum mt_redact_mode)i;
            return true;
        }
    }
    return false;
}

enum mt_privacy mt_redact_privacy(const struct mt_field_group *group, const struct mt_field *field)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(decisions); i++) {
        if (strcmp(decisions[i].group, group->name) == 0 && strcmp(decisions[i].path, field->path) == 0)
            return decisions[i].privacy;
    }
    return MT_PRIVACY_UNDECIDED;
}

/* --- creation --------------------------------------------------------------- */

static bool knows_group(const struct mt_redact *redact, const struct mt_field_group *group)
{
    for (uint32_t i = 0; i < redact->group_count; i++) {
        if (redact->groups[i].group == group)
            return true;
    }
    return false;
}

static int add_group(struct mt_redact *redact, const struct mt_field_group *group)
{
    if (knows_group(redact, group))
        return 0;
    MT_BUG_ON(redact->group_count == MT_REDACT_GROUPS);
    uint8_t *privacy = calloc(group->count, 1);
    if (privacy == NULL)
        return -ENOMEM;
    redact->groups[redact->group_count].group = group;
    redact->groups[redact->group_count++].privacy = privacy;
    int rc = 0;
    for (uint32_t i = 0; i < group->count && rc == 0; i++) {
        privacy[i] = (uint8_t)mt_redact_privacy(group, &group->fields[i]);
        const struct mt_field_group *items = mt_field_items((enum mt_field_type)group->fields[i].type);
        if (items != NULL)
            rc = add_group(redact, items);
    }
    return rc;
}

int mt_redact_create(const struct mt_redact_config *config, struct mt_redact **ret_redact)
{
    *ret_redact = NULL;
    if (config->mode == MT_REDACT_NONE)
        return 0;
    struct mt_redact *redact = calloc(1, sizeof(*redact));
    if (redact == NULL)
        return -ENOMEM;
    redact->config = *config;
    /* reserved, touched as used */
    void *room = mmap(NULL, MT_REDACT_ROOM, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room != MAP_FAILED)
        redact->b = mt_buf(room, MT_REDACT_ROOM);
    int rc = room == MAP_FAILED ? -ENOMEM : add_group(redact, &mt_group_session);
    if (rc == 0)
        rc = add_group(redact, &mt_group_alert);
    if (rc != 0) {
        mt_redact_destroy(redact);
        return rc;
    }
    *ret_redact = redact;
    return 0;
}

void mt_redact_destroy(struct mt_redact *redact)
{
    if (redact == NULL)
        return;
    for (uint32_t i = 0; i < redact->group_count; i++)
        free(redact->groups[i].privacy);
    if (redact->b.ptr != NULL)
        munmap(redact->b.ptr, MT_REDACT_ROOM);
    free(redact);
}

/* --- texts ------------------------------------------------------------------ */

static struct mt_span redact_text(struct mt_redact *redact, enum mt_privacy privacy, struct mt_span text)
{
    bool is_dropped =
        redact->config.mode == MT_REDACT_DROP &&
        (privacy == MT_PRIVACY_ADDRESS || privacy == MT_PRIVACY_DOMAIN || privacy == MT_PRIVACY_MAILBOX);

    if (text.size == 0 || privacy == MT_PRIVACY_KEEP)
        return text;
    size_t start = redact->b.size;
    switch (privacy) {
    case MT_PRIVACY_ADDRESS:
        mt_redact_put_address(redact, text);
        break;
    case MT_PRIVACY_DOMAIN:
        mt_redact_put_domain(redact, text);
        break;
    case MT_PRIVACY_MAILBOX:
        mt_redact_put_mailbox(redact, text);
        break;
    case MT_PRIVACY_URL:
        mt_redact_put_url(redact, text);
        break;
    case MT_PRIVACY_LINE:
        mt_redact_put_line(redact, text);
        break;
    case MT_PRIVACY_KEEP:
    case MT_PRIVACY_UNDECIDED:
    case MT_PRIVACY_FREE:
        mt_redact_put_free(redact, text);
        break;
    }
    if (is_dropped || redact->b.overflow)
        return mt_span_none();
    return mt_span(redact->b.ptr + start, redact->b.size - start);
}

struct mt_span mt_redact_text(struct mt_redact *redact, enum mt_privacy privacy, struct mt_span text)
{
    redact->b.size = 0;
    redact->b.overflow = false;
    return redact_text(redact, privacy, text);
}

/* --- records ---------------------------------------------------------------- */

/* Room for count items, aligned; NULL when there is none. */
static void *take_room(struct mt_redact *redact, size_t count, size_t size)
{
    size_t start = (redact->b.size + 15) & ~(size_t)15;

    if (start > redact->b.cap || count > (redact->b.cap - start) / size) {
        redact->b.overflow = true;
        return NULL;
    }
    redact->b.size = start + count * size;
    return redact->b.ptr + start;
}

static void redact_texts(struct mt_redact *redact, enum mt_privacy privacy, struct mt_texts *texts)
{
    if (texts->count == 0 || privacy == MT_PRIVACY_KEEP)
        return;
    struct mt_span *items = take_room(redact, texts->count, sizeof(*items));
    uint32_t count = 0;
    for (uint32_t i = 0; items != NULL && i < texts->count; i++) {
        struct mt_span text = redact_text(redact, privacy, texts->items[i]);
        if (text.ptr != NULL)
            items[count++] = text;
    }
    *texts = (struct mt_texts){.items = items, .count = count};
}

static void redact_struct(struct mt_redact *redact, const struct mt_field_group *group, void *record);

static void redact_list(struct mt_redact *redact, const struct mt_field_group *group, struct list *list)
{
    if (list->count == 0)
        return;
    uint8_t *items = take_room(redact, list->count, group->struct_size);
    if (items != NULL)
        memcpy(items, list->items, (size_t)list->count * group->struct_size);
    for (uint32_t i = 0; items != NULL && i < list->count; i++)
        redact_struct(redact, group, items + (size_t)i * group->struct_size);
    list->items = items;
    list->count = items != NULL ? list->count : 0;
}

static void redact_parameter(struct mt_redact *redact, struct mt_record_parameter *parameter)
{
    size_t start = redact->b.size;

    if (parameter->value.size > 0) {
        mt_redact_put_parameter(redact, parameter->keyword, parameter->value);
        parameter->value = mt_span(redact->b.ptr + start, redact->b.size - start);
    }
    parameter->keyword = redact_text(redact, MT_PRIVACY_FREE, parameter->keyword);
}

/* Does the field hold mailboxes, whose names and comments go as well? Fields that
 * programs made up for that have "-To" or "-From" in their names. */
static bool holds_mailboxes(struct mt_span name)
{
    static const char *const names[] = {
        "From", "To", "Cc", "Bcc", "Sender", "Return-Path", "Return-Receipt-To"};
    static const char *const ends[] = {"-To", "-Cc", "-Bcc", "-From", "-Sender", "-Recipient"};

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (mt_span_ieq_cstr(name, names[i]))
            return true;
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(ends); i++) {
        size_t size = strlen(ends[i]);
        if (name.size > size && mt_span_ieq_cstr(mt_span_from(name, name.size - size), ends[i]))
            return true;
    }
    return false;
}

/* The value as it stood may hold an address in any code, which nobody searches.
 * What signatures say of domains stands decided in message.dkim and message.arc. */
static void redact_header(struct mt_redact *redact, struct mt_record_header *header)
{
    bool is_signature =
        mt_span_ieq_cstr(header->name, "DKIM-Signature") || mt_span_istarts(header->name, "ARC-");
    bool is_mailbox = holds_mailboxes(header->name);

    header->raw = mt_span_none();
    if (is_signature)
        header->value = mt_span_none();
    else
        header->value = redact_text(redact, is_mailbox ? MT_PRIVACY_MAILBOX : MT_PRIVACY_FREE, header->value);
    header->name = redact_text(redact, MT_PRIVACY_FREE, header->name);
}

/* Does the key name this field? Keys are whole paths, fields those within their
 * group: "smtp.probes.vrfy.argument". */
static bool is_path_of(struct mt_span key, const char *path)
{
    size_t size = strlen(path);

    if (key.size < size || !mt_span_eq(mt_span_from(key, key.size - size), mt_span(path, size)))
        return false;
    return key.size == size || key.ptr[key.size - size - 1] == '.';
}

static void redact_groupby(struct mt_redact *redact, struct mt_record_groupby *groupby)
{
    enum mt_privacy privacy = MT_PRIVACY_FREE;
    size_t best = 0;

    for (size_t i = 0; i < MT_ARRAY_COUNT(decisions); i++) {
        size_t size = strlen(decisions[i].path);
        if (size > best && is_path_of(groupby->key, decisions[i].path)) {
            best = size;
            privacy = decisions[i].privacy;
        }
    }
    groupby->value = redact_text(redact, privacy, groupby->value);
    if (groupby->value.ptr == NULL)
        groupby->value = mt_span_cstr("[address]"); /* that it was counted by stays */
}

static void redact_struct(struct mt_redact *redact, const struct mt_field_group *group, void *record)
{
    uint32_t index = 0;

    if (group == &mt_group_parameter) {
        redact_parameter(redact, record);
        return;
    }
    if (group == &mt_group_header) {
        redact_header(redact, record);
        return;
    }
    if (group == &mt_group_groupby) {
        redact_groupby(redact, record);
        return;
    }
    while (redact->groups[index].group != group)
        index++;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        enum mt_privacy privacy = redact->groups[index].privacy[i];
        void *member = (uint8_t *)record + field->off;
        const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);
        if (items != NULL) {
            redact_list(redact, items, member);
        } else if (field->type == MT_FIELD_TYPE_TEXTS) {
            redact_texts(redact, privacy, member);
        } else if (field->type == MT_FIELD_TYPE_TEXT) {
            struct mt_span *text = member;
            *text = redact_text(redact, privacy, *text);
        }
    }
}

/* Twice when needed: a name that stands alone somewhere is known everywhere the
 * second time. */
static bool redact_record(struct mt_redact *redact, const struct mt_field_group *group, const void *record,
                          void *ret_record)
{
    mt_redact_forget_names(redact);
    for (int pass = 0; pass < 2; pass++) {
        uint32_t names = redact->name_count;
        redact->b.size = 0;
        redact->b.overflow = false;
        memcpy(ret_record, record, group->struct_size);
        redact_struct(redact, group, ret_record);
        if (redact->name_count == names)
            break;
    }
    return !redact->b.overflow;
}

bool mt_redact_session(struct mt_redact *redact, const struct mt_record_session *record,
                       struct mt_record_session *ret_record)
{
    return redact_record(redact, &mt_group_session, record, ret_record);
}

bool mt_redact_alert(struct mt_redact *redact, const struct mt_record_alert *alert,
                     struct mt_record_alert *ret_alert)
{
    return redact_record(redact, &mt_group_alert, alert, ret_alert);
}
