/* Values of an output's keys as people write them.
 *
 * Ownership: none; texts are made with malloc for the caller. Thread: any.
 * Limits: a secret's file may have 64 KiB.
 */
#ifndef MT_EXPORT_OUTPUT_VALUES_PRIV_H
#define MT_EXPORT_OUTPUT_VALUES_PRIV_H

#include "export/outputs.h"

/* "64M": bytes, or K, M, G (1024 each). "500ms": seconds, or ms, s, m, h, d; in ns. */
bool mt_output_parse_size(const char *text, uint64_t *ret_size);
bool mt_output_parse_time(const char *text, uint64_t *ret_time);
bool mt_output_parse_count(const char *text, uint64_t *ret_count);

/* The index of text among words, "one|two|three". */
bool mt_output_parse_choice(const char *words, const char *text, uint64_t *ret_index);
bool mt_output_parse_flag(const char *text, bool *ret_flag);

/* How many letters must be changed, added or left out; at most most + 1. */
size_t mt_output_distance(const char *a, const char *b, size_t most);

/* %XX in place; false: not two hexadecimal digits, or a NUL. */
bool mt_output_unescape(char *text);

/* The first line of a file; NULL and errno. */
char *mt_output_read_secret(const char *path);

#endif
