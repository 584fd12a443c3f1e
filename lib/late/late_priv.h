/* What mt_late_load does, for a library of any name.
 *
 * Ownership: a library that was opened stays. Thread: any. Limits: none.
 */
#ifndef MT_LATE_LATE_PRIV_H
#define MT_LATE_LATE_PRIV_H

#include <stddef.h>

int mt_late_open(const char *soname, const char *package, const char *const *names, size_t count,
                 void *ret_calls, char *ret_reason, size_t reason_size);

#endif
