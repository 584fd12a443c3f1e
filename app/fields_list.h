/* The records' fields one by one, for who prints them.
 *
 * Ownership: rows are borrowed for the call. Thread: main. Limits:
 * MT_FIELD_PATH_SIZE bytes a path.
 */
#ifndef MT_APP_FIELDS_LIST_H
#define MT_APP_FIELDS_LIST_H

#define MT_FIELD_PATH_SIZE 128

struct mt_field_row {
    const char *record;            /* "session" or "alert" */
    char path[MT_FIELD_PATH_SIZE]; /* smtp.transactions[].from.params.<keyword> */
    const char *type;              /* as in docs/fields.md */
    const char *meaning;
};

typedef void mt_field_function(void *ctx, const struct mt_field_row *row);

/* Those of sessions, then those of alerts; the items of a list behind the list. */
void mt_fields_each(mt_field_function *function, void *ctx);

/* Which receiver's schema: what `mailtap fields --format` takes, NULL behind the last. */
extern const char *const mt_field_formats[];

/* The index is that of mt_field_formats. 0, or -ENOMEM. */
int mt_fields_print_schema(unsigned format);

#endif
