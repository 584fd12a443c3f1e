/* Small reads from /sys and /proc. Paths are given as a format; the first
 * argument of most is the root, so that tests can make one of their own.
 *
 * Ownership: the caller's buffers. Thread: any. Limits: paths of 4095 bytes,
 * first lines only.
 */
#ifndef MT_CAPTURE_SYSFS_PRIV_H
#define MT_CAPTURE_SYSFS_PRIV_H

#include "base/compiler.h"

#include <stdbool.h>

bool mt_sysfs_exists(const char *format, ...) MT_PRINTF(1, 2);

/* The first line, without its end; false and "" when there is none. */
bool mt_sysfs_text(char *ret_text, size_t text_size, const char *format, ...) MT_PRINTF(3, 4);

/* A number, also hexadecimal with 0x. */
long long mt_sysfs_number(long long otherwise, const char *format, ...) MT_PRINTF(2, 3);

/* The last part of what a symbolic link points to; false and "" when it is none. */
bool mt_sysfs_link(char *ret_name, size_t name_size, const char *format, ...) MT_PRINTF(3, 4);

/* The last part of the path after all links are followed; false and "" when it is none. */
bool mt_sysfs_real_name(char *ret_name, size_t name_size, const char *format, ...) MT_PRINTF(3, 4);

/* How many entries of a folder begin with prefix. */
uint32_t mt_sysfs_count(const char *prefix, const char *format, ...) MT_PRINTF(2, 3);

#endif
