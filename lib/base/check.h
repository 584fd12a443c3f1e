/* Assertions for our own mistakes, at two prices; never for anything that a
 * packet can cause, and never turned into compiler assumptions.
 *
 * MT_BUG_ON is always compiled in and aborts. MT_CHECK_HOT exists in builds
 * with -Dhot_checks=true (CI, sanitizers) and is type-checked in all others.
 *
 * Ownership: none. Thread: any. Limits: none.
 */
#ifndef MT_BASE_CHECK_H
#define MT_BASE_CHECK_H

#include "base/compiler.h"

/* Prints the place and the condition to standard error and aborts. */
void mt_check_failed(const char *file, int line, const char *condition) __attribute__((noreturn, cold));

#define MT_BUG_ON(cond)                                 \
    do {                                                \
        if (MT_UNLIKELY(cond))                          \
            mt_check_failed(__FILE__, __LINE__, #cond); \
    } while (0)

#ifdef MT_HOT_CHECKS
#define MT_CHECK_HOT(cond)                              \
    do {                                                \
        if (MT_UNLIKELY(!(cond)))                       \
            mt_check_failed(__FILE__, __LINE__, #cond); \
    } while (0)
#else
#define MT_CHECK_HOT(cond) ((void)sizeof(!(cond)))
#endif

#endif
