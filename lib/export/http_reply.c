#include "export/http_priv.h"

#include "late/late.h"

#include <errno.h>
#include <stdio.h>

static const char *const call_names[] = {
#define MT_LATE(name) #name,
#include "export/jansson.def"
#undef MT_LATE
};

int mt_json_load(struct mt_json_calls *ret_calls, char *ret_reason, size_t reason_size)
{
    return mt_late_load(MT_LATE_JANSSON, call_names, MT_ARRAY_COUNT(call_names), ret_calls, ret_reason,
                        reason_size);
}

/* {"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,
 * "error":{"type":"...","reason":"..."}}}]}: items stand in the order of the
 * request. */
static const json_t *item_at(const struct mt_json_calls *json, const json_t *items, size_t index)
{
    const json_t *item = json->json_array_get(items, index);
    void *iterator = json_is_object(item) ? json->json_object_iter((json_t *)(uintptr_t)item) : NULL;

    return iterator == NULL ? NULL : json->json_object_iter_value(iterator);
}

static const char *text_of(const struct mt_json_calls *json, const json_t *object, const char *key)
{
    const char *text = json->json_string_value(json->json_object_get(object, key));

    return text == NULL ? "" : text;
}

static void describe(const struct mt_json_calls *json, const json_t *item, json_int_t status,
                     char *ret_reason, size_t size)
{
    const json_t *error = json->json_object_get(item, "error");

    snprintf(ret_reason, size, "status %lld %.60s: %.160s", (long long)status, text_of(json, error, "type"),
             text_of(json, error, "reason"));
}

/* What a status says of one document: it may be there already (409), be wrong for
 * good, or have come at a bad time. */
static void judge_item(const struct mt_json_calls *json, const struct mt_target_hooks *hooks,
                       struct mt_batch *batch, size_t index, const json_t *item)
{
    json_int_t status = json->json_integer_value(json->json_object_get(item, "status"));
    char reason[MT_REASON_MAX];

    if ((status >= 200 && status < 300) || status == 409) {
        batch->states[index] = MT_DOCUMENT_SENT;
        return;
    }
    describe(json, item, status, reason, sizeof(reason));
    if (status >= 400 && status < 500 && status != 401 && status != 403 && status != 404 && status != 429)
        hooks->refuse(hooks->ctx, batch, index, reason);
    else
        snprintf(batch->reason, sizeof(batch->reason), "the receiver takes only a part: %.220s", reason);
}

static int judge_items(const struct mt_json_calls *json, const struct mt_target_hooks *hooks,
                       struct mt_batch *batch, size_t from, size_t to, const json_t *items)
{
    size_t index = 0;
    size_t pending = 0;

    for (size_t i = from; i < to; i++) {
        if (batch->states[i] != MT_DOCUMENT_PENDING)
            continue;
        const json_t *item = item_at(json, items, index++);
        if (item == NULL)
            return -EBADMSG;
        judge_item(json, hooks, batch, i, item);
        pending += batch->states[i] == MT_DOCUMENT_PENDING;
    }
    return pending == 0 ? 0 : -EAGAIN;
}

int mt_http_judge(const struct mt_json_calls *json, const struct mt_output_config *config,
                  const struct mt_target_hooks *hooks, struct mt_batch *batch, size_t from, size_t to,
                  struct mt_span reply)
{
    int error = -EBADMSG;

    if (config->target != MT_TARGET_ELASTICSEARCH) {
        mt_batch_sent(batch, from, to);
        return 0;
    }
    json_t *root = json->json_loadb((const char *)reply.ptr, reply.size, 0, NULL);
    if (json_is_false(json->json_object_get(root, "errors"))) {
        mt_batch_sent(batch, from, to);
        error = 0;
    } else if (json_is_array(json->json_object_get(root, "items"))) {
        error = judge_items(json, hooks, batch, from, to, json->json_object_get(root, "items"));
    }
    if (root != NULL)
        json->json_delete(root);
    if (error == -EBADMSG)
        snprintf(batch->reason, sizeof(batch->reason), "the answer is not one of Elasticsearch's _bulk");
    return error;
}

size_t mt_http_culprit(const struct mt_json_calls *json, const struct mt_output_config *config,
                       const struct mt_batch *batch, size_t from, size_t to, struct mt_span reply)
{
    if (config->target != MT_TARGET_SPLUNK)
        return to;
    json_t *root = json->json_loadb((const char *)reply.ptr, reply.size, 0, NULL);
    const json_t *number = json->json_object_get(root, "invalid-event-number");
    json_int_t wanted = json_is_integer(number) ? json->json_integer_value(number) : -1;
    size_t found = to;

    for (size_t i = from; i < to && wanted >= 0; i++) {
        if (batch->states[i] != MT_DOCUMENT_PENDING)
            continue;
        if (wanted-- == 0)
            found = i;
    }
    if (root != NULL)
        json->json_delete(root);
    return found;
}
