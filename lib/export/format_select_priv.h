/* Chosen fields: paths of record/fields.def to steps through the record's structs.
 *
 * "smtp.transactions[].from.address" is two steps: the list in the session, and the
 * member of its items. The brackets may be left out, as jq users will not and
 * spreadsheet users will.
 *
 * Ownership: whoever makes a selection destroys it. Thread: any; constant once
 * made. Limits: MT_SELECTION_MAX fields, MT_SELECTION_STEPS_MAX lists deep.
 */
#ifndef MT_EXPORT_FORMAT_SELECT_PRIV_H
#define MT_EXPORT_FORMAT_SELECT_PRIV_H

#include "record/record.h"

#define MT_SELECTION_MAX 256u
#define MT_SELECTION_STEPS_MAX 3u
#define MT_SELECTION_PATH_MAX 96u

struct mt_selected {
    const struct mt_field *steps[MT_SELECTION_STEPS_MAX];
    unsigned depth; /* 0: not in this record */
};

struct mt_selected_column {
    const char *path; /* of the list that was given; the caller keeps it */
    struct mt_selected session;
    struct mt_selected alert;
};

struct mt_json_group;

struct mt_selection {
    size_t count;
    struct mt_json_group *groups; /* of the ecs format; NULL in others */
    struct mt_selected_column columns[];
};

/* 0; -EINVAL and a sentence that names the nearest known field; -ENOMEM. */
int mt_selection_create(const char *const *paths, size_t count, char *ret_reason, size_t reason_size,
                        struct mt_selection **ret_selection);
void mt_selection_destroy(struct mt_selection *selection);

/* Is this field written as an array of objects, which have fields of their own? */
const struct mt_field_group *mt_selection_items(const struct mt_field *field);

/* Every path of a record, lists of objects and what is in them; path lives for the call. */
typedef void mt_selection_visit(void *ctx, const char *path, const struct mt_selected *field);
void mt_selection_walk(const struct mt_field_group *group, mt_selection_visit *visit, void *ctx);

#endif
