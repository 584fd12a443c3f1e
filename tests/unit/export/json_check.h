/* A strict reader of one JSON text (RFC 8259), for tests: UTF-8 only, no raw
 * control characters, no key twice in an object.
 *
 * Ownership: spans of the text. Thread: any. Limits: 16 levels.
 */
#ifndef MT_TESTS_JSON_CHECK_H
#define MT_TESTS_JSON_CHECK_H

#include "base/span.h"

/* Called for every value that is no object and no array. path is dotted, an
 * array adds "[]": smtp.transactions[].from.address. */
typedef void json_check_value(void *ctx, const char *path, struct mt_span value);

/* True when the whole of text is one JSON value; else *ret_off is where it
 * stops being one. */
bool json_check(struct mt_span text, json_check_value *value, void *ctx, size_t *ret_off);

/* The first value at path, raw, strings with their quotes; absent when there is
 * none. */
struct mt_span json_find(struct mt_span text, const char *path);

#endif
