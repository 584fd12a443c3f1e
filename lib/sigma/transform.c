#include "sigma/transform_priv.h"

#include "base/codec.h"

#include <errno.h>

int mt_sigma_values_add(struct mt_sigma_memory *memory, struct mt_sigma_values *values,
                        struct mt_sigma_pattern pattern)
{
    if (values->count == MT_SIGMA_VALUES_MAX || pattern.count > MT_SIGMA_VALUE_MAX * 4)
        return -E2BIG;
    if (values->count == values->cap) {
        uint32_t cap = values->cap ? values->cap * 2 : 4;
        struct mt_sigma_pattern *items = mt_sigma_alloc(memory, cap * sizeof(*items));
        if (!items)
            return -ENOMEM;
        if (values->count > 0)
            memcpy(items, values->items, values->count * sizeof(*items));
        values->items = items;
        values->cap = cap;
    }
    values->items[values->count++] = pattern;
    return 0;
}

static int pattern_make(struct mt_sigma_memory *memory, uint32_t room, struct mt_sigma_pattern *ret_pattern)
{
    uint16_t *symbols = mt_sigma_alloc(memory, ((size_t)room + 1) * sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    *ret_pattern = (struct mt_sigma_pattern){.symbols = symbols};
    return 0;
}

static void put(struct mt_sigma_pattern *pattern, uint16_t symbol)
{
    pattern->symbols[pattern->count++] = symbol;
}

static void put_all(struct mt_sigma_pattern *to, const struct mt_sigma_pattern *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        put(to, from->symbols[i]);
}

/* contains, startswith, endswith: a * where none is yet. */
static int wrap(struct mt_sigma_memory *memory, struct mt_sigma_pattern *pattern, bool before, bool after)
{
    struct mt_sigma_pattern wrapped;
    int rc = pattern_make(memory, pattern->count + 2, &wrapped);
    if (rc != 0)
        return rc;
    if (before && (pattern->count == 0 || pattern->symbols[0] != MT_SIGMA_ANY))
        put(&wrapped, MT_SIGMA_ANY);
    put_all(&wrapped, pattern);
    if (after && (wrapped.count == 0 || wrapped.symbols[wrapped.count - 1] != MT_SIGMA_ANY))
        put(&wrapped, MT_SIGMA_ANY);
    *pattern = wrapped;
    return 0;
}

/* --- UTF-16 ------------------------------------------------------------------ */

static uint32_t code_point(const uint8_t *bytes, size_t size)
{
    static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = bytes[0] & first_bits[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (bytes[i] & 0x3f);
    return code;
}

static void put_unit(struct mt_sigma_pattern *pattern, uint32_t unit, bool is_big)
{
    uint16_t low = (uint16_t)(unit & 0xff);
    uint16_t high = (uint16_t)(unit >> 8 & 0xff);
    put(pattern, is_big ? high : low);
    put(pattern, is_big ? low : high);
}

static void put_point(struct mt_sigma_pattern *pattern, uint32_t code, bool is_big)
{
    if (code < 0x10000) {
        put_unit(pattern, code, is_big);
        return;
    }
    put_unit(pattern, 0xd800 + ((code - 0x10000) >> 10), is_big);
    put_unit(pattern, 0xdc00 + ((code - 0x10000) & 0x3ff), is_big);
}

/* Wildcards stay what they are. */
static int to_utf16(struct mt_sigma_memory *memory, struct mt_sigma_pattern *pattern, bool is_big,
                    bool has_mark)
{
    struct mt_sigma_pattern wide;
    int rc = pattern_make(memory, pattern->count * 4 + 2, &wide);
    if (rc != 0)
        return rc;
    if (has_mark)
        put_unit(&wide, 0xfeff, is_big);
    for (uint32_t i = 0; i < pattern->count;) {
        uint8_t bytes[4];
        size_t size = 0;
        while (size < sizeof(bytes) && i + size < pattern->count && pattern->symbols[i + size] < 256) {
            bytes[size] = (uint8_t)pattern->symbols[i + size];
            size++;
        }
        size = size > 0 ? mt_utf8_char(mt_span(bytes, size)) : 0;
        if (size == 0) {
            put(&wide, pattern->symbols[i++]);
            continue;
        }
        put_point(&wide, code_point(bytes, size), is_big);
        i += (uint32_t)size;
    }
    *pattern = wide;
    return 0;
}

/* --- base64 ------------------------------------------------------------------ */

/* shift blanks before the text; the characters that depend on what stands around
 * it are cut when has_neighbours. */
static int to_base64(struct mt_sigma_memory *memory, const struct mt_sigma_pattern *pattern, unsigned shift,
                     bool has_neighbours, struct mt_sigma_pattern *ret_pattern)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const uint8_t cut_first[] = {0, 2, 3};
    static const uint8_t cut_last[] = {0, 3, 2};
    struct mt_sigma_pattern out;
    int rc = pattern_make(memory, (pattern->count + shift) * 2 + 8, &out);
    if (rc != 0)
        return rc;
    uint32_t size = pattern->count + shift;
    for (uint32_t i = 0; i < size; i += 3) {
        uint32_t bits = 0;
        for (uint32_t k = i; k < i + 3; k++) {
            uint32_t byte = 0;
            if (k < size)
                byte = k < shift ? ' ' : pattern->symbols[k - shift];
            bits = bits << 8 | byte;
        }
        for (uint32_t k = 0; k < 4; k++)
            put(&out, i + k > size ? '=' : (uint16_t)alphabet[bits >> (18 - 6 * k) & 63]);
    }
    if (has_neighbours) {
        uint32_t first = cut_first[shift];
        uint32_t last = cut_last[size % 3];
        out.count = out.count > first + last ? out.count - first - last : 0;
        out.symbols += first;
    }
    *ret_pattern = out;
    return 0;
}

/* --- dashes ------------------------------------------------------------------ */

static const char *const dashes[] = {"-", "/", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\x95"};

static bool is_word(uint16_t symbol)
{
    return symbol < 256 && (symbol >= 0x80 || symbol == '_' || mt_ascii_is_alpha((uint8_t)symbol) ||
                            mt_ascii_is_digit((uint8_t)symbol));
}

/* Size of the dash at i, where a word begins or a blank ends; 0: none. */
static uint32_t dash_at(const struct mt_sigma_pattern *pattern, uint32_t i)
{
    uint16_t before = i > 0 ? pattern->symbols[i - 1] : ' ';
    for (size_t d = 0; d < MT_ARRAY_COUNT(dashes); d++) {
        uint32_t size = (uint32_t)strlen(dashes[d]);
        uint32_t k = 0;
        while (k < size && i + k < pattern->count && pattern->symbols[i + k] == (uint8_t)dashes[d][k])
            k++;
        bool is_before_word = i + size < pattern->count && is_word(pattern->symbols[i + size]);
        if (k == size && (before == ' ' || (!is_word(before) && is_before_word)))
            return size;
    }
    return 0;
}

static int replace_dash(struct mt_sigma_memory *memory, const struct mt_sigma_pattern *pattern, uint32_t at,
                        uint32_t size, const char *dash, struct mt_sigma_pattern *ret_pattern)
{
    struct mt_sigma_pattern out;
    int rc = pattern_make(memory, pattern->count + 4, &out);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < at; i++)
        put(&out, pattern->symbols[i]);
    for (const char *c = dash; *c; c++)
        put(&out, (uint8_t)*c);
    for (uint32_t i = at + size; i < pattern->count; i++)
        put(&out, pattern->symbols[i]);
    *ret_pattern = out;
    return 0;
}

/* Every dash that begins a word by every other. */
static int permute_dashes(struct mt_sigma_memory *memory, const struct mt_sigma_pattern *pattern,
                          uint32_t from, struct mt_sigma_values *values)
{
    uint32_t size = 0;
    while (from < pattern->count && (size = dash_at(pattern, from)) == 0)
        from++;
    if (from == pattern->count)
        return mt_sigma_values_add(memory, values, *pattern);
    for (size_t d = 0; d < MT_ARRAY_COUNT(dashes); d++) {
        struct mt_sigma_pattern other;
        int rc = replace_dash(memory, pattern, from, size, dashes[d], &other);
        if (rc == 0)
            rc = permute_dashes(memory, &other, from + (uint32_t)strlen(dashes[d]), values);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- all --------------------------------------------------------------------- */

static int transform_one(struct mt_sigma_memory *memory, enum mt_sigma_modifier modifier,
                         struct mt_sigma_pattern pattern, struct mt_sigma_values *to)
{
    int rc = 0;
    bool is_encoding = modifier == MT_SIGMA_MOD_BASE64 || modifier == MT_SIGMA_MOD_BASE64OFFSET;
    if (is_encoding && (!mt_sigma_pattern_is_plain(&pattern) || pattern.count == 0))
        return -EINVAL;
    switch ((int)modifier) {
    case MT_SIGMA_MOD_CONTAINS:
        rc = wrap(memory, &pattern, true, true);
        break;
    case MT_SIGMA_MOD_STARTSWITH:
        rc = wrap(memory, &pattern, false, true);
        break;
    case MT_SIGMA_MOD_ENDSWITH:
        rc = wrap(memory, &pattern, true, false);
        break;
    case MT_SIGMA_MOD_UTF16LE:
    case MT_SIGMA_MOD_WIDE:
        rc = to_utf16(memory, &pattern, false, false);
        break;
    case MT_SIGMA_MOD_UTF16BE:
        rc = to_utf16(memory, &pattern, true, false);
        break;
    case MT_SIGMA_MOD_UTF16:
        rc = to_utf16(memory, &pattern, false, true);
        break;
    case MT_SIGMA_MOD_BASE64:
        rc = to_base64(memory, &pattern, 0, false, &pattern);
        break;
    case MT_SIGMA_MOD_BASE64OFFSET:
        for (unsigned shift = 0; shift < 3 && rc == 0; shift++) {
            struct mt_sigma_pattern shifted;
            rc = to_base64(memory, &pattern, shift, true, &shifted);
            if (rc == 0)
                rc = mt_sigma_values_add(memory, to, shifted);
        }
        return rc;
    case MT_SIGMA_MOD_WINDASH:
        return permute_dashes(memory, &pattern, 0, to);
    default:
        break;
    }
    return rc != 0 ? rc : mt_sigma_values_add(memory, to, pattern);
}

int mt_sigma_transform(struct mt_sigma_memory *memory, enum mt_sigma_modifier modifier,
                       struct mt_sigma_values *values)
{
    struct mt_sigma_values after = {.count = 0};
    for (uint32_t i = 0; i < values->count; i++) {
        int rc = transform_one(memory, modifier, values->items[i], &after);
        if (rc != 0)
            return rc;
    }
    *values = after;
    return 0;
}
