/* A session record and an alert with every field of record/fields.def set to
 * something that it can hold, and the same with one of them changed.
 *
 * Ownership: static storage, until the next call. Thread: one. Limits: one item a
 * list.
 */
#ifndef MT_TESTS_EXPORT_RECORD_FULL_H
#define MT_TESTS_EXPORT_RECORD_FULL_H

#include "record/record.h"

/* How the field at `path` (as mt_selection_walk() gives it) differs from the others. */
enum record_change {
    RECORD_ABSENT,
    RECORD_OTHER,
    RECORD_OTHER_AGAIN,
    RECORD_CHANGE_COUNT,
};

/* path NULL: none is changed. */
const struct mt_record_session *record_full_session(const char *path, enum record_change change);
const struct mt_record_alert *record_full_alert(const char *path, enum record_change change);

#endif
