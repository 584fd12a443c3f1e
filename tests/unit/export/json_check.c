#include "json_check.h"

#include "base/codec.h"

#include <stdio.h>
#include <stdlib.h>

#define LEVELS_MAX 16
#define PATH_MAX_SIZE 512

struct reader {
    struct mt_span text;
    size_t at;
    unsigned level;
    char path[PATH_MAX_SIZE];
    json_check_value *value;
    void *ctx;
};

static bool read_value(struct reader *r);

static int peek(const struct reader *r)
{
    return r->at < r->text.size ? r->text.ptr[r->at] : -1;
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    struct mt_span rest = mt_span_from(r->text, r->at);
    size_t size = strlen(word);
    if (rest.size < size || memcmp(rest.ptr, word, size) != 0)
        return false;
    r->at += size;
    return true;
}

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool read_escape(struct reader *r)
{
    int c = peek(r);
    r->at++;
    if (c != 'u')
        return c > 0 && strchr("\"\\/bfnrt", c) != NULL;
    for (unsigned i = 0; i < 4; i++, r->at++) {
        if (!is_hex(peek(r)))
            return false;
    }
    return true;
}

static bool read_string(struct reader *r)
{
    if (!take(r, '"'))
        return false;
    while (!take(r, '"')) {
        if (take(r, '\\')) {
            if (!read_escape(r))
                return false;
            continue;
        }
        size_t size = mt_utf8_char(mt_span_from(r->text, r->at));
        if (size == 0 || peek(r) < 0x20)
            return false;
        r->at += size;
    }
    return true;
}

static bool read_digits(struct reader *r)
{
    size_t begin = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > begin;
}

static bool read_number(struct reader *r)
{
    (void)take(r, '-');
    if (!take(r, '0') && !read_digits(r))
        return false;
    if (take(r, '.') && !read_digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            (void)take(r, '-');
        return read_digits(r);
    }
    return true;
}

struct keys {
    struct mt_span *items;
    size_t count;
};

static bool add_key(struct keys *keys, struct mt_span key)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (mt_span_eq(keys->items[i], key))
            return false;
    }
    struct mt_span *items = realloc(keys->items, (keys->count + 1) * sizeof(*items));
    if (items == NULL)
        abort();
    items[keys->count++] = key;
    keys->items = items;
    return true;
}

static bool read_member(struct reader *r, struct keys *keys)
{
    size_t path_size = strlen(r->path);
    size_t begin = r->at;
    if (!read_string(r))
        return false;
    struct mt_span key = mt_span(r->text.ptr + begin + 1, r->at - begin - 2);
    if (!add_key(keys, key) || !take(r, ':'))
        return false;
    snprintf(r->path + path_size, PATH_MAX_SIZE - path_size, "%s%.*s", path_size > 0 ? "." : "",
             (int)key.size, (const char *)key.ptr);
    bool is_good = read_value(r);
    r->path[path_size] = '\0';
    return is_good;
}

static bool read_object(struct reader *r)
{
    struct keys keys = {0};
    bool is_good = true;

    if (take(r, '}'))
        return true;
    do
        is_good = read_member(r, &keys);
    while (is_good && take(r, ','));
    free(keys.items);
    return is_good && take(r, '}');
}

static bool read_array(struct reader *r)
{
    size_t path_size = strlen(r->path);
    bool is_good = true;

    if (take(r, ']'))
        return true;
    snprintf(r->path + path_size, PATH_MAX_SIZE - path_size, "[]");
    do
        is_good = read_value(r);
    while (is_good && take(r, ','));
    r->path[path_size] = '\0';
    return is_good && take(r, ']');
}

static bool read_scalar(struct reader *r)
{
    size_t begin = r->at;
    bool is_good;

    if (peek(r) == '"')
        is_good = read_string(r);
    else
        is_good = take_word(r, "true") || take_word(r, "false") || take_word(r, "null") || read_number(r);
    if (is_good && r->value != NULL)
        r->value(r->ctx, r->path, mt_span(r->text.ptr + begin, r->at - begin));
    return is_good;
}

static bool read_value(struct reader *r)
{
    bool is_good;

    if (r->level == LEVELS_MAX)
        return false;
    r->level++;
    if (take(r, '{'))
        is_good = read_object(r);
    else if (take(r, '['))
        is_good = read_array(r);
    else
        is_good = read_scalar(r);
    r->level--;
    return is_good;
}

bool json_check(struct mt_span text, json_check_value *value, void *ctx, size_t *ret_off)
{
    struct reader r = {.text = text, .value = value, .ctx = ctx};
    bool is_good = read_value(&r) && r.at == text.size;
    if (!is_good)
        *ret_off = r.at;
    return is_good;
}

struct finder {
    const char *path;
    struct mt_span found;
};

static void find_value(void *ctx, const char *path, struct mt_span value)
{
    struct finder *finder = ctx;
    if (finder->found.ptr == NULL && strcmp(path, finder->path) == 0)
        finder->found = value;
}

struct mt_span json_find(struct mt_span text, const char *path)
{
    struct finder finder = {.path = path, .found = mt_span_none()};
    size_t off;
    if (!json_check(text, find_value, &finder, &off))
        return mt_span_none();
    return finder.found;
}
