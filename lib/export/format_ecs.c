/* The native form (export/json.h), whole or of chosen fields only: then the encoder
 * walks a table that holds no others. */
#include "export/format_priv.h"
#include "export/format_select_priv.h"
#include "export/json.h"
#include "export/json_table_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Groups of a selection: the whole ones first, then those that are cut. One kind of
 * items can be cut differently for each list that holds it. */
#define GROUPS_MAX 32u

struct cutter {
    const struct mt_selection *selection;
    struct mt_json_group *groups;
    unsigned group_count;
    struct mt_json_field *fields; /* of all cut groups */
    size_t field_count;
    size_t field_max;
    bool is_alert;
};

/* Which paths go through the fields of a group that were taken up to it. */
struct taken {
    const struct mt_field *steps[MT_SELECTION_STEPS_MAX];
    unsigned depth;
};

static const struct mt_selected *selected(const struct cutter *cutter, size_t i)
{
    const struct mt_selected_column *column = &cutter->selection->columns[i];

    return cutter->is_alert ? &column->alert : &column->session;
}

/* 0: not chosen; 1: something in it is; 2: all of it is. */
static unsigned chosen(const struct cutter *cutter, const struct taken *taken,
                       const struct mt_json_field *field, const struct mt_field **ret_step)
{
    unsigned found = 0;

    for (size_t i = 0; i < cutter->selection->count; i++) {
        const struct mt_selected *one = selected(cutter, i);
        bool is_same = one->depth > taken->depth;
        for (unsigned d = 0; is_same && d < taken->depth; d++)
            is_same = one->steps[d] == taken->steps[d];
        if (!is_same || one->steps[taken->depth]->off != field->off)
            continue;
        *ret_step = one->steps[taken->depth];
        if (one->depth == taken->depth + 1)
            return 2;
        found = 1;
    }
    return found;
}

/* Returns the index of the cut group, or 0 when there is no room for it. */
static unsigned cut_group(struct cutter *cutter, unsigned group, struct taken *taken)
{
    const struct mt_json_group *whole = &mt_json_groups[group];
    unsigned own = cutter->group_count++;
    struct mt_json_field *fields = cutter->fields + cutter->field_count;
    uint32_t count = 0;

    if (own >= GROUPS_MAX || cutter->field_max - cutter->field_count < whole->count)
        return 0;
    cutter->field_count += whole->count;
    for (uint32_t i = 0; i < whole->count; i++) {
        unsigned how = chosen(cutter, taken, &whole->fields[i], &taken->steps[taken->depth]);
        if (how == 0)
            continue;
        fields[count] = whole->fields[i];
        if (how == 1 && whole->fields[i].items != 0) {
            taken->depth++;
            fields[count].items = (uint8_t)cut_group(cutter, whole->fields[i].items, taken);
            taken->depth--;
            if (fields[count].items == 0)
                return 0;
        }
        count++;
    }
    cutter->groups[own] = (struct mt_json_group){fields, count, whole->struct_size};
    return own;
}

/* groups[0] is of no record: it keeps the fields, so that they can be freed. The
 * record's groups keep their numbers. */
static int cut(struct mt_selection *selection)
{
    static const unsigned records[] = {MT_JSON_GROUP_SESSION, MT_JSON_GROUP_ALERT};
    size_t field_max = 0;

    for (unsigned g = 1; g < MT_JSON_GROUP_COUNT; g++)
        field_max += (size_t)3 * mt_json_groups[g].count; /* no group is held by more than two lists */
    struct mt_json_group *groups = calloc(GROUPS_MAX, sizeof(*groups));
    struct mt_json_field *fields = aligned_alloc(MT_CACHE_LINE, field_max * sizeof(*fields));
    struct cutter cutter = {
        .selection = selection, .groups = groups, .fields = fields, .field_max = field_max};
    if (groups == NULL || fields == NULL) {
        free(groups);
        free(fields);
        return -ENOMEM;
    }
    memcpy(groups, mt_json_groups, sizeof(mt_json_groups));
    groups[MT_JSON_GROUP_NONE].fields = fields;
    selection->groups = groups;
    cutter.group_count = MT_JSON_GROUP_COUNT;
    for (unsigned i = 0; i < MT_ARRAY_COUNT(records); i++) {
        struct taken taken = {.depth = 0};
        cutter.is_alert = records[i] == MT_JSON_GROUP_ALERT;
        unsigned own = cut_group(&cutter, records[i], &taken);
        if (own == 0)
            return -E2BIG;
        groups[records[i]] = groups[own];
    }
    return 0;
}

static int create(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                  struct mt_format **ret_format)
{
    struct mt_format *format;
    int rc = mt_format_create(options, ret_reason, reason_size, &format);

    if (rc != 0)
        return rc;
    if (options->field_count > 0) {
        rc = mt_selection_create(options->fields, options->field_count, ret_reason, reason_size,
                                 &format->selection);
        if (rc == 0) {
            rc = cut(format->selection);
            if (rc != 0)
                snprintf(ret_reason, reason_size, "there is no room for the chosen fields");
        }
        if (rc != 0) {
            mt_format_destroy(format);
            return rc;
        }
    }
    *ret_format = format;
    return 0;
}

static bool put_out(struct mt_buf b, mt_format_emit *emit, void *ctx)
{
    if (b.overflow)
        return false;
    const struct mt_format_text text = {.text = mt_span(b.ptr, b.size - 1)};
    emit(ctx, &text);
    return true;
}

static bool put_session(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    struct mt_buf b = mt_buf(format->pen.begin, MT_FORMAT_TEXT_MAX + 1); /* the encoder ends lines */

    if (format->selection != NULL)
        mt_json_put_line(&b, format->selection->groups, MT_JSON_GROUP_SESSION, record);
    else
        mt_json_put_session(&b, record);
    return put_out(b, emit, ctx);
}

static bool put_alert(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    struct mt_buf b = mt_buf(format->pen.begin, MT_FORMAT_TEXT_MAX + 1);

    if (format->selection != NULL)
        mt_json_put_line(&b, format->selection->groups, MT_JSON_GROUP_ALERT, alert);
    else
        mt_json_put_alert(&b, alert);
    return put_out(b, emit, ctx);
}

const struct mt_format_ops mt_format_ecs = {
    .name = "ecs",
    .meaning = "the native form: JSON after the Elastic Common Schema, whole or of chosen fields",
    .is_json = true,
    .streams = {""},
    .create = create,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = put_session,
    .alert = put_alert,
};
