/* A text that grows.
 *
 * Ownership: text_free. Thread: one. Limits: memory.
 */
#ifndef TESTS_SESSION_TEXT_H
#define TESTS_SESSION_TEXT_H

#include "base/span.h"

struct text {
    char *ptr; /* zero-terminated once anything was put */
    size_t size;
    size_t cap;
};

void text_put(struct text *text, const char *format, ...) MT_PRINTF(2, 3);
void text_put_bytes(struct text *text, struct mt_span bytes);
/* In quotes; what is not printable ASCII or UTF-8 as \xNN. */
void text_put_quoted(struct text *text, struct mt_span bytes);
void text_clear(struct text *text);
void text_free(struct text *text);

#endif
