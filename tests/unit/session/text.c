#include "text.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void reserve(struct text *text, size_t more)
{
    if (text->cap - text->size > more)
        return;
    text->cap = (text->size + more + 1) * 2;
    text->ptr = realloc(text->ptr, text->cap);
    if (text->ptr == NULL)
        abort();
}

void text_put_bytes(struct text *text, struct mt_span bytes)
{
    reserve(text, bytes.size);
    if (bytes.size > 0)
        memcpy(text->ptr + text->size, bytes.ptr, bytes.size);
    text->size += bytes.size;
    text->ptr[text->size] = 0;
}

void text_put(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    reserve(text, (size_t)size);
    va_start(arguments, format);
    vsnprintf(text->ptr + text->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)size;
}

void text_put_quoted(struct text *text, struct mt_span bytes)
{
    size_t cap = bytes.size * 4 + 1;
    uint8_t *escaped = malloc(cap);
    struct mt_buf b = mt_buf(escaped, cap);

    mt_buf_put_escaped(&b, bytes);
    text_put(text, "\"%.*s\"", (int)b.size, (const char *)b.ptr);
    free(escaped);
}

void text_clear(struct text *text)
{
    text->size = 0;
    if (text->ptr != NULL)
        text->ptr[0] = 0;
}

void text_free(struct text *text)
{
    free(text->ptr);
    *text = (struct text){0};
}
