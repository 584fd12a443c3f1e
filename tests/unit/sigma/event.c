#include "event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIST_MAX 8u

static struct mt_record_session session;
static struct mt_record_command command;
static struct mt_record_reply reply;
static struct mt_sigma_statistics statistics;
static struct mt_record_finding finding;
static _Alignas(16) uint8_t room[256 << 10];
static size_t used;

static void *take(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    assert_true(used + size <= sizeof(room));
    void *at = room + used;
    used += size;
    memset(at, 0, size);
    return at;
}

struct mt_record_session *event_start(void)
{
    memset(&session, 0, sizeof(session));
    memset(&command, 0, sizeof(command));
    memset(&reply, 0, sizeof(reply));
    memset(&statistics, 0, sizeof(statistics));
    memset(&finding, 0, sizeof(finding));
    used = 0;
    return &session;
}

static const char *text_of(struct mt_span value)
{
    char *copy = take(value.size + 1);
    memcpy(copy, value.ptr, value.size);
    return copy;
}

static uint64_t number_of(struct mt_span value)
{
    return strtoull(text_of(value), NULL, 10);
}

/* Every list is {items, count}: the next place of one. */
static void *next_item(void *list, size_t size)
{
    struct mt_texts *texts = list;
    if (!texts->items)
        texts->items = take(LIST_MAX * size);
    assert_true(texts->count < LIST_MAX);
    return (uint8_t *)(uintptr_t)texts->items + size * texts->count++;
}

static void set_keyed(enum mt_field_type type, void *at, const char *key, struct mt_span value)
{
    if (type == MT_FIELD_TYPE_CODES) {
        struct mt_code_count *item = next_item(at, sizeof(*item));
        *item = (struct mt_code_count){(uint16_t)atoi(key), (uint32_t)number_of(value)};
    } else if (type == MT_FIELD_TYPE_VERBS) {
        struct mt_verb_count *item = next_item(at, sizeof(*item));
        *item = (struct mt_verb_count){text_of(mt_span_cstr(key)), (uint32_t)number_of(value)};
    } else {
        struct mt_record_parameter *item = next_item(at, sizeof(*item));
        item->keyword = mt_span_cstr(text_of(mt_span_cstr(key)));
        item->value = value;
    }
}

static void set_scalar(enum mt_field_type type, void *at, struct mt_span value)
{
    switch (type) {
    case MT_FIELD_TYPE_TEXT:
        *(struct mt_span *)at = value;
        break;
    case MT_FIELD_TYPE_NAME:
        *(const char **)at = text_of(value);
        break;
    case MT_FIELD_TYPE_U64:
    case MT_FIELD_TYPE_COUNT:
    case MT_FIELD_TYPE_TIME:
        *(uint64_t *)at = number_of(value);
        break;
    case MT_FIELD_TYPE_CODE:
        *(uint16_t *)at = (uint16_t)number_of(value);
        break;
    case MT_FIELD_TYPE_FLAG:
        *(uint8_t *)at = mt_span_ieq_cstr(value, "true") ? MT_FLAG_TRUE : MT_FLAG_FALSE;
        break;
    case MT_FIELD_TYPE_IP:
        assert_true(mt_ip_parse(value, at));
        break;
    case MT_FIELD_TYPE_TEXTS:
        *(struct mt_span *)next_item(at, sizeof(struct mt_span)) = value;
        break;
    case MT_FIELD_TYPE_NAMES:
        *(const char **)next_item(at, sizeof(char *)) = text_of(value);
        break;
    default:
        fail_msg("a value for a field that has none");
    }
}

static const struct mt_field *field_of(const struct mt_field_group *group, const char *path)
{
    for (uint32_t i = 0; i < group->count; i++) {
        size_t size = strlen(group->fields[i].path);
        if (strncmp(path, group->fields[i].path, size) == 0 && strchr(".[", path[size]))
            return &group->fields[i];
    }
    fail_msg("no field %s", path);
    return NULL;
}

static void set_in(const struct mt_field_group *group, void *at, const char *path, struct mt_span value)
{
    const struct mt_field *field = field_of(group, path);
    enum mt_field_type type = (enum mt_field_type)field->type;
    const char *rest = path + strlen(field->path);
    void *member = (uint8_t *)at + field->off;
    if (*rest == '\0') {
        set_scalar(type, member, value);
    } else if (*rest == '.') {
        set_keyed(type, member, rest + 1, value);
    } else {
        const struct mt_field_group *items = mt_field_items(type);
        struct mt_texts *list = member;
        uint32_t index = (uint32_t)atoi(rest + 1);
        while (list->count <= index)
            next_item(list, items->struct_size);
        set_in(items, (uint8_t *)(uintptr_t)list->items + index * items->struct_size, strchr(rest, '.') + 1,
               value);
    }
}

static bool is_of(const struct mt_field_group *group, const char *path)
{
    for (uint32_t i = 0; i < group->count; i++) {
        size_t size = strlen(group->fields[i].path);
        if (strncmp(path, group->fields[i].path, size) == 0 && (path[size] == '\0' || path[size] == '['))
            return true;
    }
    return false;
}

void event_set(struct mt_record_session *record, const char *path, struct mt_span value)
{
    uint8_t *copy = take(value.size + 1);
    if (value.size > 0)
        memcpy(copy, value.ptr, value.size);
    struct mt_span kept = mt_span(copy, value.size);
    bool is_of_finding = is_of(&mt_group_finding, path);
    /* some names are the session's too */
    if (is_of_finding)
        set_in(&mt_group_finding, &finding, path, kept);
    if (is_of_finding && !is_of(&mt_group_session, path))
        return;
    if (strncmp(path, "smtp.command.", 13) == 0)
        set_in(&mt_group_command, &command, path, kept);
    else if (strncmp(path, "smtp.reply.", 11) == 0)
        set_in(&mt_group_reply, &reply, path, kept);
    else if (strncmp(path, "mailtap.statistics.", 19) == 0)
        set_in(&mt_sigma_group_statistics, &statistics, path, kept);
    else
        set_in(&mt_group_session, record, path, kept);
}

struct mt_sigma_event event_single(enum mt_sigma_category category)
{
    return (struct mt_sigma_event){.session = &session,
                                   .command = category == MT_SIGMA_COMMAND ? &command : NULL,
                                   .reply = category == MT_SIGMA_REPLY ? &reply : NULL,
                                   .statistics = category == MT_SIGMA_STATISTICS ? &statistics : NULL,
                                   .finding = category == MT_SIGMA_FINDING ? &finding : NULL};
}

static struct mt_span unescaped(char *text)
{
    size_t n = 0;
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        char hex[3] = "";
        if (text[i] == '\\' && text[i + 1] == 'x') {
            memcpy(hex, text + i + 2, 2);
            text[n++] = (char)strtoul(hex, NULL, 16);
            i += 3;
        } else {
            text[n++] = text[i];
        }
    }
    return mt_span(text, n);
}

struct mt_record_session *event_of(const char *line)
{
    static char copy[8192];
    struct mt_record_session *record = event_start();
    assert_true((size_t)snprintf(copy, sizeof(copy), "%s", line) < sizeof(copy));
    char *rest = copy;
    while (rest && *rest) {
        char *next = strstr(rest, " | ");
        if (next) {
            *next = '\0';
            next += 3;
        }
        char *value = strchr(rest, '=');
        if (!value)
            fail_msg("no value: %s", rest);
        *value++ = '\0';
        event_set(record, rest, unescaped(value));
        rest = next;
    }
    return record;
}
