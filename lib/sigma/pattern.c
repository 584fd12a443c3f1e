/* Text patterns: Sigma's wildcards and escapes. */
#include "sigma/rule_priv.h"

#include <errno.h>

/* A backslash escapes *, ? and itself (and % where placeholders are); before
 * anything else it is a backslash. */
static bool is_escapable(uint8_t c, bool has_placeholders)
{
    return c == '*' || c == '?' || c == '\\' || (has_placeholders && c == '%');
}

int mt_sigma_pattern_parse(struct mt_sigma_memory *memory, struct mt_span text, bool has_placeholders,
                           struct mt_sigma_pattern *ret_pattern)
{
    uint16_t *symbols = mt_sigma_alloc(memory, (text.size + 1) * sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    uint32_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.ptr[i];
        uint16_t symbol = c;
        if (c == '\\' && i + 1 < text.size && is_escapable(text.ptr[i + 1], has_placeholders))
            symbol = text.ptr[++i];
        else if (c == '*')
            symbol = MT_SIGMA_ANY;
        else if (c == '?')
            symbol = MT_SIGMA_ONE;
        else if (c == '%' && has_placeholders)
            symbol = MT_SIGMA_PERCENT;
        if (symbol == MT_SIGMA_ANY && count > 0 && symbols[count - 1] == MT_SIGMA_ANY)
            continue;
        symbols[count++] = symbol;
    }
    *ret_pattern = (struct mt_sigma_pattern){.symbols = symbols, .count = count};
    return 0;
}

bool mt_sigma_pattern_is_plain(const struct mt_sigma_pattern *pattern)
{
    for (uint32_t i = 0; i < pattern->count; i++) {
        if (pattern->symbols[i] > 255)
            return false;
    }
    return true;
}

static bool is_same(uint16_t symbol, uint8_t c, bool is_cased)
{
    if (symbol == MT_SIGMA_ONE || symbol == c)
        return true;
    return !is_cased && symbol < 256 && mt_ascii_lower((uint8_t)symbol) == mt_ascii_lower(c);
}

/* The last * is where a mismatch goes back to: linear in the product, without
 * recursion. */
bool mt_sigma_pattern_matches(const struct mt_sigma_pattern *pattern, bool is_cased, struct mt_span text)
{
    uint32_t p = 0;
    uint32_t star = UINT32_MAX;
    size_t star_at = 0;
    size_t i = 0;
    while (i < text.size) {
        if (p < pattern->count && pattern->symbols[p] == MT_SIGMA_ANY) {
            star = p++;
            star_at = i;
        } else if (p < pattern->count && is_same(pattern->symbols[p], text.ptr[i], is_cased)) {
            p++;
            i++;
        } else if (star != UINT32_MAX) {
            p = star + 1;
            i = ++star_at;
        } else {
            return false;
        }
    }
    while (p < pattern->count && pattern->symbols[p] == MT_SIGMA_ANY)
        p++;
    return p == pattern->count;
}
