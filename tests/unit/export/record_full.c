#include "record_full.h"

#include "export/format_select_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_SIZE 65536u

static _Alignas(16) uint8_t arena[ARENA_SIZE];
static size_t used;

static void *take(size_t size)
{
    void *memory = arena + used;
    used += (size + 15) / 16 * 16;
    if (used > ARENA_SIZE)
        abort();
    memset(memory, 0, size);
    return memory;
}

/* Names that decide something; the others are "name" and "other". */
static const struct {
    const char *path;
    const char *values[3];
} names[] = {
    {"smtp.end", {"quit", "rst", "evicted"}},
    {"smtp.pickup", {"syn", "midstream", "other"}},
    {"smtp.direction", {"both", "client_only", "server_only"}},
    {"smtp.starttls.outcome", {"established", "refused", "no_tls"}},
    {"network.protocol", {"smtp", "lmtp", "other"}},
    {"tls.version", {"1.3", "1.2", "1.0"}},
    {"smtp.transactions[].outcome", {"delivered", "rejected", "aborted"}},
    {"smtp.transactions[].mode", {"data", "bdat", "other"}},
    {"rule.level", {"medium", "high", "low"}},
    {"rule.version", {"1", "2", "3"}},
    {"mailtap.confidence", {"medium", "high", "low"}},
};

static const char *name_of(const char *path, unsigned value)
{
    static const char *const others[] = {"name", "other", "third"};

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (strcmp(names[i].path, path) == 0)
            return names[i].values[value];
    }
    return others[value];
}

static struct mt_span text_of(const char *path, unsigned value)
{
    char *text = take(256);

    if (strcmp(path, "network.vlan.id") == 0)
        snprintf(text, 256, "%u", 42 + value);
    else if (strcmp(path, "smtp.transactions[].message.received") == 0)
        snprintf(text, 256, "from a.example (a.example [192.0.2.%u]) by b.example", 1 + value);
    else if (strcmp(path, "smtp.transactions[].message.originating_ip") == 0)
        snprintf(text, 256, "192.0.2.%u", 1 + value);
    else if (strstr(path, "address") != NULL)
        snprintf(text, 256, "box%u@%s.example", value, strrchr(path, '.') + 1);
    else
        snprintf(text, 256, "%s %u", path, value);
    return mt_span_cstr(text);
}

struct list {
    const void *items;
    uint32_t count;
};

struct change {
    const char *path; /* NULL: none */
    enum record_change change;
};

static void fill(const struct mt_field_group *group, void *record, const char *prefix,
                 const struct change *change);

static void join(char path[MT_SELECTION_PATH_MAX], const char *a, const char *b, const char *c)
{
    struct mt_buf text = mt_buf(path, MT_SELECTION_PATH_MAX);

    mt_buf_put_cstr(&text, a);
    mt_buf_put_cstr(&text, b);
    mt_buf_put(&text, c, strlen(c) + 1);
    if (text.overflow)
        abort();
}

static struct list list_of(const struct mt_field *field, const char *path, unsigned value,
                           const struct change *change)
{
    const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);
    void *item = take(items != NULL ? items->struct_size : 16);

    if (items != NULL) {
        /* two texts of parameters and of what was counted by have no paths of their own */
        char below[MT_SELECTION_PATH_MAX];
        bool is_pairs = mt_selection_items(field) == NULL;
        join(below, path, is_pairs && value != 0 ? "other" : "[]", ".");
        fill(items, item, below, change);
    } else if (field->type == MT_FIELD_TYPE_TEXTS) {
        *(struct mt_span *)item = text_of(path, value);
    } else if (field->type == MT_FIELD_TYPE_CODES) {
        *(struct mt_code_count *)item = (struct mt_code_count){(uint16_t)(250 + value), 1};
    } else if (field->type == MT_FIELD_TYPE_VERBS) {
        *(struct mt_verb_count *)item = (struct mt_verb_count){"mail", 1 + value};
    } else {
        *(const char **)item = name_of(path, value);
    }
    return (struct list){item, 1};
}

static struct mt_ip ip_of(const char *path, unsigned value)
{
    uint8_t first = strncmp(path, "source", 6) == 0 ? 198 : 203;

    return (struct mt_ip){.bytes = {first, 51, 100, (uint8_t)(1 + value)}, .family = 4};
}

static const uint8_t *mac_of(const char *path, unsigned value)
{
    uint8_t *mac = take(6);

    mac[0] = 2;
    mac[4] = (uint8_t)path[0];
    mac[5] = (uint8_t)value;
    return mac;
}

static uint64_t number_of(const char *path, enum mt_field_type type, unsigned value)
{
    uint64_t number = 100 + strlen(path);

    if (type == MT_FIELD_TYPE_TIME)
        return UINT64_C(1700000000000000000) + (number + UINT64_C(17) * value) * 1000000000;
    if (strcmp(path, "event.duration") == 0)
        return (3 + value) * UINT64_C(1000000000);
    if (strcmp(path, "event.severity") == 0)
        return 50 + UINT64_C(25) * value;
    return number + UINT64_C(100) * value;
}

static void fill_field(const struct mt_field *field, void *member, const char *path, unsigned value,
                       const struct change *change)
{
    enum mt_field_type type = (enum mt_field_type)field->type;

    if (type == MT_FIELD_TYPE_TEXT)
        *(struct mt_span *)member = text_of(path, value);
    else if (type == MT_FIELD_TYPE_NAME)
        *(const char **)member = name_of(path, value);
    else if (type == MT_FIELD_TYPE_CODE)
        *(uint16_t *)member = (uint16_t)(250 + value);
    else if (type == MT_FIELD_TYPE_FLAG)
        *(uint8_t *)member = value == 0 ? MT_FLAG_TRUE : MT_FLAG_FALSE;
    else if (type == MT_FIELD_TYPE_IP)
        *(struct mt_ip *)member = ip_of(path, value);
    else if (type == MT_FIELD_TYPE_MAC)
        *(const uint8_t **)member = mac_of(path, value);
    else if (type < MT_FIELD_TYPE_TEXTS)
        *(uint64_t *)member = number_of(path, type, value);
    else
        *(struct list *)member = list_of(field, path, value, change);
}

static void fill(const struct mt_field_group *group, void *record, const char *prefix,
                 const struct change *change)
{
    memset(record, 0, group->struct_size);
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        char path[MT_SELECTION_PATH_MAX];
        join(path, prefix, field->path, "");
        bool is_changed = change->path != NULL && strcmp(path, change->path) == 0;
        if (is_changed && change->change == RECORD_ABSENT)
            continue;
        fill_field(field, (uint8_t *)record + field->off, path, is_changed ? change->change : 0, change);
    }
}

const struct mt_record_session *record_full_session(const char *path, enum record_change change)
{
    static struct mt_record_session record;
    const struct change one = {path, change};

    used = 0;
    fill(&mt_group_session, &record, "", &one);
    return &record;
}

const struct mt_record_alert *record_full_alert(const char *path, enum record_change change)
{
    static struct mt_record_alert alert;
    const struct change one = {path, change};

    used = 0;
    fill(&mt_group_alert, &alert, "", &one);
    return &alert;
}
