/* Libraries that are opened when something needs them first (dlopen), because a
 * start pays for every library that the program is linked with: 58 of them took
 * 12 of the 15 ms that reading a small capture took.
 *
 * A user of a library has a list of the functions that it calls, one
 * MT_LATE(name) a line, in a .def file; it makes of it a struct of pointers,
 * which belongs to the object that calls them, and the names to look for:
 *
 *     struct calls {
 *     #define MT_LATE(name) __typeof__(name) *name;
 *     #include "export/curl.def"
 *     #undef MT_LATE
 *     };
 *     static const char *const names[] = {
 *     #define MT_LATE(name) #name,
 *     ...
 *
 * Ownership: a library that was opened stays until the process ends. Thread: any.
 * Limits: none.
 */
#ifndef MT_LATE_LATE_H
#define MT_LATE_LATE_H

#include "base/compiler.h"

#include <stddef.h>

enum mt_late {
#define MT_LATE_LIBRARY(name, soname, package, feature, meaning) MT_LATE_##name,
#include "late/libraries.def"
#undef MT_LATE_LIBRARY
    MT_LATE_COUNT,
};

/* Opens the library and puts the address of each function into ret_calls, a
 * struct of pointers in the order of names. 0, or -ELIBACC and a sentence that
 * says what is missing and which package brings it. */
int mt_late_load(enum mt_late library, const char *const *names, size_t count, void *ret_calls,
                 char *ret_reason, size_t reason_size);

#endif
