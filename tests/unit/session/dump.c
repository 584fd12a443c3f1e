#include "dump.h"

#include <stdio.h>

static const char *const skipped[] = {
    "@timestamp",
    "ecs.",
    "event.",
    "observer.",
    "source.",
    "destination.",
    "network.bytes",
    "network.packets",
    "network.transport",
    "network.type",
    "network.vlan",
    /* times, and digests of what stands elsewhere: test_dialogue.c */
    "smtp.latency.",
    "latency.",
    "smtp.silence",
    "smtp.bytes.",
    "smtp.fingerprint.",
    "start",
    "end",
};

static bool is_skipped(const char *path)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(skipped); i++) {
        size_t size = strlen(skipped[i]);
        bool is_prefix = skipped[i][size - 1] == '.';
        if (is_prefix ? strncmp(path, skipped[i], size) == 0 : strcmp(path, skipped[i]) == 0)
            return true;
    }
    return strcmp(path, "network.vlan.id") == 0;
}

static void dump_group(struct text *text, const char *prefix, const struct mt_field_group *group,
                       const void *object);

static void line(struct text *text, const char *prefix, const char *path)
{
    text_put(text, "%s%s:", prefix, path);
}

static void dump_parameters(struct text *text, const struct mt_parameters *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        text_put(text, " ");
        text_put_quoted(text, list->items[i].keyword);
        text_put(text, "=");
        text_put_quoted(text, list->items[i].value);
    }
}

/* The lists of structs share their shape: items, count. */
static void dump_items(struct text *text, const char *prefix, const struct mt_field *field,
                       const void *member)
{
    const struct mt_field_group *group = mt_field_items(field->type);
    const struct mt_texts *list = member;
    const uint8_t *items = (const uint8_t *)list->items;

    for (uint32_t i = 0; i < list->count; i++) {
        char below[256];
        snprintf(below, sizeof(below), "%s%s[%u].", prefix, field->path, i);
        dump_group(text, below, group, items + (size_t)i * group->struct_size);
    }
}

static bool is_absent(const struct mt_field *field, const void *member)
{
    switch (field->type) {
    case MT_FIELD_TYPE_TEXT:
        return ((const struct mt_span *)member)->ptr == NULL;
    case MT_FIELD_TYPE_NAME:
        return *(const char *const *)member == NULL;
    case MT_FIELD_TYPE_COUNT:
    case MT_FIELD_TYPE_TIME:
        return *(const uint64_t *)member == 0;
    case MT_FIELD_TYPE_CODE:
        return *(const uint16_t *)member == 0;
    case MT_FIELD_TYPE_FLAG:
        return *(const uint8_t *)member == MT_FLAG_ABSENT;
    case MT_FIELD_TYPE_IP:
        return ((const struct mt_ip *)member)->family == 0;
    case MT_FIELD_TYPE_MAC:
        return *(const uint8_t *const *)member == NULL;
    case MT_FIELD_TYPE_U64:
        return false;
    default:
        return ((const struct mt_texts *)member)->count == 0;
    }
}

static void dump_scalar(struct text *text, const struct mt_field *field, const void *member)
{
    switch (field->type) {
    case MT_FIELD_TYPE_TEXT:
        text_put(text, " ");
        text_put_quoted(text, *(const struct mt_span *)member);
        break;
    case MT_FIELD_TYPE_NAME:
        text_put(text, " %s", *(const char *const *)member);
        break;
    case MT_FIELD_TYPE_CODE:
        text_put(text, " %u", *(const uint16_t *)member);
        break;
    case MT_FIELD_TYPE_FLAG:
        text_put(text, " %s", *(const uint8_t *)member == MT_FLAG_TRUE ? "true" : "false");
        break;
    case MT_FIELD_TYPE_TEXTS:
        for (uint32_t i = 0; i < ((const struct mt_texts *)member)->count; i++) {
            text_put(text, i > 0 ? ", " : " ");
            text_put_quoted(text, ((const struct mt_texts *)member)->items[i]);
        }
        break;
    case MT_FIELD_TYPE_NAMES:
        for (uint32_t i = 0; i < ((const struct mt_names *)member)->count; i++)
            text_put(text, " %s", ((const struct mt_names *)member)->items[i]);
        break;
    case MT_FIELD_TYPE_CODES:
        for (uint32_t i = 0; i < ((const struct mt_codes *)member)->count; i++)
            text_put(text, " %03u=%u", ((const struct mt_codes *)member)->items[i].code,
                     ((const struct mt_codes *)member)->items[i].count);
        break;
    case MT_FIELD_TYPE_VERBS:
        for (uint32_t i = 0; i < ((const struct mt_verbs *)member)->count; i++)
            text_put(text, " %s=%u", ((const struct mt_verbs *)member)->items[i].verb,
                     ((const struct mt_verbs *)member)->items[i].count);
        break;
    case MT_FIELD_TYPE_PARAMETERS:
        dump_parameters(text, member);
        break;
    default:
        text_put(text, " %llu", (unsigned long long)*(const uint64_t *)member);
        break;
    }
}

static void dump_group(struct text *text, const char *prefix, const struct mt_field_group *group,
                       const void *object)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        const uint8_t *member = (const uint8_t *)object + field->off;
        if (is_skipped(field->path) || is_absent(field, member))
            continue;
        bool is_list = mt_field_items(field->type) != NULL && field->type != MT_FIELD_TYPE_PARAMETERS;
        if (is_list) {
            dump_items(text, prefix, field, member);
            continue;
        }
        line(text, prefix, field->path);
        dump_scalar(text, field, member);
        text_put(text, "\n");
    }
}

void dump_session(struct text *text, const struct mt_record_session *record)
{
    dump_group(text, "", &mt_group_session, record);
}

/* "verb=mail argument=...; helo=client.example" */
static void dump_event(struct text *text, const struct mt_record_session *session,
                       const struct mt_field_group *group, const void *object)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        const uint8_t *member = (const uint8_t *)object + field->off;
        const char *name = strrchr(field->path, '.') + 1;
        if (strcmp(name, "time") == 0 || strcmp(name, "latency") == 0 || is_absent(field, member))
            continue;
        text_put(text, " %s:", name);
        dump_scalar(text, field, member);
    }
    if (session->helo_name.ptr != NULL) {
        text_put(text, "; helo: %s ", session->helo_verb);
        text_put_quoted(text, session->helo_name);
    }
    if (session->starttls_outcome != NULL)
        text_put(text, "; starttls: %s", session->starttls_outcome);
    text_put(text, "\n");
}

void dump_command(struct text *text, const struct mt_record_session *session,
                  const struct mt_record_command *command)
{
    text_put(text, "C");
    dump_event(text, session, &mt_group_command, command);
}

void dump_reply(struct text *text, const struct mt_record_session *session,
                const struct mt_record_reply *reply)
{
    text_put(text, "S");
    dump_event(text, session, &mt_group_reply, reply);
}

void dump_observation(struct text *text, const struct mt_observation *o)
{
    static const char *const kinds[] = {"rcpt", "message", "unsent", "probe", "helo"};

    text_put(text, "observation: %s", kinds[o->kind]);
    if (o->kind == MT_OBSERVE_RCPT || o->kind == MT_OBSERVE_MESSAGE || o->kind == MT_OBSERVE_UNSENT)
        text_put(text, " form=%u", o->form);
    if (o->kind == MT_OBSERVE_PROBE)
        text_put(text, " %s lines=%u", o->is_expn ? "expn" : "vrfy", o->reply_lines);
    if (o->code != 0)
        text_put(text, " code=%u", o->code);
    if (o->enhanced[0] != 0)
        text_put(text, " enhanced=%.6s", (const char *)o->enhanced);
    if (o->kind == MT_OBSERVE_HELO)
        text_put(text, " score=%u findings=%x", o->score, o->findings);
    if (o->kind == MT_OBSERVE_MESSAGE || o->kind == MT_OBSERVE_UNSENT)
        text_put(text, " recipients=%u", o->recipients);
    text_put(text, "%s%s%s%s", o->has_relay_text ? " relay_text" : "", o->is_local_domain ? " local" : "",
             o->is_client_home ? " client_home" : "", o->is_server_home ? " server_home" : "");
    text_put(text, " subject=");
    text_put_quoted(text, mt_span(o->subject, o->subject_size));
    if (o->domain_size > 0) {
        text_put(text, " domain=");
        text_put_quoted(text, mt_span(o->domain, o->domain_size));
    }
    if (o->queue_id_size > 0) {
        text_put(text, " queue_id=");
        text_put_quoted(text, mt_span(o->queue_id, o->queue_id_size));
    }
    text_put(text, "\n");
    for (unsigned i = 0; i < o->evidence_count; i++) {
        const struct mt_evidence *e = &o->evidence[i];
        text_put(text, "  %c: ", e->side == MT_CLIENT ? 'C' : 'S');
        text_put_quoted(text, mt_span(e->text, e->size));
        text_put(text, e->is_cut ? " cut\n" : "\n");
    }
}
