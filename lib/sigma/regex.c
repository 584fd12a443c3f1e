/* How large an expression is once its repetitions are written out, and how long
 * backtracking may take: both before anybody compiles it. */
#include "sigma/regex_priv.h"

#include <stdio.h>

#define MANY (UINT64_C(1) << 40) /* sums and products stop here */
#define NESTING_MAX 250u         /* as PCRE2's */
#define ENDLESS UINT32_MAX
/* Of a repetition of what can itself be read in several ways. */
#define DEGREE_NESTED 8u
/* What a JIT may spend on one text: some 10 ms. It does not count its steps. */
#define JIT_WORK_BITS 24u

/* A part of an expression, as an automaton: places are characters or sets of them,
 * ways lead from one to the next. */
struct part {
    uint64_t places;
    uint64_t ways;
    uint64_t first; /* places that it may begin with */
    uint64_t last;
    uint32_t degree; /* how many unbounded repetitions may go back one after the other */
    uint32_t bits;   /* of how many choices bounded ones give */
    bool is_empty;   /* it matches nothing at all, too */
    bool is_open;    /* it can be read in several ways */
    bool is_anchored;
};

struct reading {
    struct mt_span rest;
    uint32_t nesting;
    bool is_multiline;
    bool is_known;
};

static uint64_t sum(uint64_t a, uint64_t b)
{
    return mt_min_u64(a + b, MANY);
}

static uint64_t product(uint64_t a, uint64_t b)
{
    uint64_t result;
    return __builtin_mul_overflow(a, b, &result) ? MANY : mt_min_u64(result, MANY);
}

static uint8_t at(const struct reading *r, size_t i)
{
    return i < r->rest.size ? r->rest.ptr[i] : 0;
}

static void skip(struct reading *r, size_t count)
{
    r->rest = mt_span_from(r->rest, mt_min_u64(count, r->rest.size));
}

static void skip_behind(struct reading *r, uint8_t end)
{
    while (r->rest.size > 0 && r->rest.ptr[0] != end)
        skip(r, 1);
    skip(r, 1);
}

/* --- parts of parts ------------------------------------------------------------ */

static struct part one_place(void)
{
    return (struct part){.places = 1, .first = 1, .last = 1};
}

static struct part behind(const struct part *a, const struct part *b)
{
    return (struct part){.places = sum(a->places, b->places),
                         .ways = sum(sum(a->ways, b->ways), product(a->last, b->first)),
                         .first = a->is_empty ? sum(a->first, b->first) : a->first,
                         .last = b->is_empty ? sum(a->last, b->last) : b->last,
                         .degree = a->degree + b->degree,
                         .bits = a->bits + b->bits,
                         .is_empty = a->is_empty && b->is_empty,
                         .is_open = a->is_open || b->is_open,
                         .is_anchored = a->is_anchored};
}

static struct part either(const struct part *a, const struct part *b)
{
    return (struct part){.places = sum(a->places, b->places),
                         .ways = sum(a->ways, b->ways),
                         .first = sum(a->first, b->first),
                         .last = sum(a->last, b->last),
                         .degree = (uint32_t)mt_max_u64(a->degree, b->degree),
                         .bits = (uint32_t)mt_max_u64(a->bits, b->bits),
                         .is_empty = a->is_empty || b->is_empty,
                         .is_open = true,
                         .is_anchored = a->is_anchored && b->is_anchored};
}

static struct part repeated(const struct part *of, uint32_t min, uint32_t max)
{
    uint64_t copies = max == ENDLESS ? mt_max_u64(min, 1) : max;
    uint64_t between = product(of->last, of->first);
    struct part part = {.is_empty = true};
    if (copies == 0)
        return part;
    part = *of;
    part.places = product(of->places, copies);
    part.ways = product(of->ways, copies);
    part.ways = sum(part.ways, of->is_empty ? product(between, product(copies, copies - 1) / 2)
                                            : product(between, copies - 1));
    part.ways = sum(part.ways, max == ENDLESS ? between : 0);
    part.first = of->is_empty ? product(of->first, copies) : of->first;
    uint64_t ends = of->is_empty ? copies : copies - mt_min_u64(mt_max_u64(min, 1), copies) + 1;
    part.last = product(of->last, ends);
    part.is_empty |= min == 0;
    part.is_open |= min != max;
    part.is_anchored &= min > 0;
    bool is_several = max == ENDLESS || max > 3;
    if (is_several && of->is_open)
        part.degree += DEGREE_NESTED;
    else
        part.bits = (uint32_t)mt_min_u64(product(part.bits, copies), 64);
    if (max == ENDLESS)
        part.degree++;
    else if (max > min)
        part.bits += 64 - (uint32_t)__builtin_clzll(max - min);
    return part;
}

/* --- reading --------------------------------------------------------------------- */

static struct part read_alternatives(struct reading *r);

static void skip_set(struct reading *r)
{
    skip(r, at(r, 1) == '^' ? 2 : 1);
    if (at(r, 0) == ']')
        skip(r, 1);
    while (r->rest.size > 0 && at(r, 0) != ']') {
        uint8_t kind = at(r, 1);
        if (at(r, 0) == '\\') {
            r->is_known &= kind != 'Q' && kind != 'E';
            skip(r, 2);
        } else if (at(r, 0) == '[' && (kind == ':' || kind == '.' || kind == '=')) {
            /* [:alpha:]; or no more than two characters */
            size_t end = 2;
            while (end < r->rest.size && mt_ascii_is_alpha(at(r, end)))
                end++;
            skip(r, at(r, end) == kind && at(r, end + 1) == ']' ? end + 2 : 1);
        } else {
            skip(r, 1);
        }
    }
    skip(r, 1);
}

static struct part read_escape(struct reading *r)
{
    uint8_t kind = at(r, 1);
    struct part part = one_place();
    r->is_known &= kind != 'Q' && kind != 'E' && kind != 'K';
    if (kind && strchr("AbBzZG", kind))
        part = (struct part){.is_empty = true, .is_anchored = kind == 'A' || kind == 'G'};
    bool has_braces = kind && strchr("xopPNgku", kind) && at(r, 2) == '{';
    skip(r, 2);
    if (has_braces)
        skip_behind(r, '}');
    return part;
}

/* Behind "(?": what kind of group it is. False: none that is read here. */
static bool skip_kind(struct reading *r)
{
    uint8_t kind = at(r, 0);
    uint8_t next = at(r, 1);
    if (kind == ':' || kind == '>' || kind == '|' || kind == '=' || kind == '!') {
        skip(r, 1);
    } else if (kind == '<' && (next == '=' || next == '!')) {
        skip(r, 2);
    } else if (kind == '<' || kind == '\'' || (kind == 'P' && next == '<')) {
        skip(r, kind == 'P' ? 2 : 1);
        skip_behind(r, kind == '\'' ? '\'' : '>');
    } else {
        size_t end = 0;
        while (at(r, end) == 'i' || at(r, end) == 's')
            end++;
        if (end == 0 || (at(r, end) != ':' && at(r, end) != ')'))
            return false;
        skip(r, at(r, end) == ':' ? end + 1 : end);
    }
    return true;
}

static struct part read_group(struct reading *r)
{
    struct part part = {.is_empty = true};
    skip(r, 1);
    if (at(r, 0) == '?' && at(r, 1) == '#') {
        skip_behind(r, ')');
        return part;
    }
    bool is_odd = at(r, 0) == '*' || r->nesting == NESTING_MAX;
    if (at(r, 0) == '?') {
        skip(r, 1);
        is_odd |= !skip_kind(r);
    }
    r->is_known &= !is_odd;
    if (!r->is_known)
        return part;
    r->nesting++;
    part = read_alternatives(r);
    r->nesting--;
    skip(r, 1);
    return part;
}

static struct part read_atom(struct reading *r)
{
    struct part part = {.is_empty = true};
    switch (at(r, 0)) {
    case '(':
        return read_group(r);
    case '[':
        skip_set(r);
        return one_place();
    case '\\':
        return read_escape(r);
    case '^':
        part.is_anchored = !r->is_multiline;
        skip(r, 1);
        return part;
    case '$':
        skip(r, 1);
        return part;
    default:
        skip(r, 1);
        return one_place();
    }
}

static size_t skip_number(const struct reading *r, size_t i, uint32_t *ret_number)
{
    uint64_t number = 0;
    while (at(r, i) == ' ')
        i++;
    for (; mt_ascii_is_digit(at(r, i)); i++)
        number = mt_min_u64(number * 10 + (at(r, i) - '0'), ENDLESS - 1);
    while (at(r, i) == ' ')
        i++;
    *ret_number = (uint32_t)number;
    return i;
}

/* {3}, {3,}, {3,5} and {,5}, which older libraries take for text. */
static bool read_braces(struct reading *r, uint32_t *ret_min, uint32_t *ret_max)
{
    uint32_t min;
    uint32_t max;
    size_t i = skip_number(r, 1, &min);
    bool is_number = mt_ascii_is_digit(at(r, i - 1));
    max = min;
    if (at(r, i) == ',') {
        size_t from = i + 1;
        i = skip_number(r, from, &max);
        bool has_max = i > from && mt_ascii_is_digit(at(r, i - 1));
        if (!has_max && !is_number)
            return false;
        max = has_max ? max : ENDLESS;
    } else if (!is_number) {
        return false;
    }
    if (at(r, i) != '}')
        return false;
    skip(r, i + 1);
    *ret_min = min;
    *ret_max = max;
    return true;
}

static bool read_repetition(struct reading *r, uint32_t *ret_min, uint32_t *ret_max)
{
    uint8_t sign = at(r, 0);
    bool is_one = sign == '*' || sign == '+' || sign == '?';
    *ret_min = sign == '+';
    *ret_max = sign == '?' ? 1 : ENDLESS;
    if (is_one)
        skip(r, 1);
    else if (sign != '{' || !read_braces(r, ret_min, ret_max))
        return false;
    if (at(r, 0) == '?' || at(r, 0) == '+')
        skip(r, 1);
    return true;
}

static struct part read_sequence(struct reading *r)
{
    struct part all = {.is_empty = true};
    bool is_first = true;
    while (r->rest.size > 0 && at(r, 0) != '|' && at(r, 0) != ')' && r->is_known) {
        uint32_t min;
        uint32_t max;
        struct part next = read_atom(r);
        while (r->is_known && read_repetition(r, &min, &max))
            next = repeated(&next, min, max);
        all = is_first ? next : behind(&all, &next);
        is_first = false;
    }
    return all;
}

static struct part read_alternatives(struct reading *r)
{
    struct part all = read_sequence(r);
    if (at(r, 0) == '|')
        all.bits++;
    while (at(r, 0) == '|' && r->is_known) {
        skip(r, 1);
        struct part next = read_sequence(r);
        all = either(&all, &next);
    }
    return all;
}

/* --- what comes of it -------------------------------------------------------------- */

/* The longest text of which no more than 2^JIT_WORK_BITS steps can become. */
static uint32_t short_text(const struct part *part)
{
    uint32_t degree = part->degree + !part->is_anchored;
    if (part->bits >= JIT_WORK_BITS)
        return 0;
    if (degree == 0)
        return UINT32_MAX;
    return UINT32_C(1) << (JIT_WORK_BITS - part->bits) / degree;
}

struct mt_sigma_regex_size mt_sigma_regex_measure(struct mt_span regex, uint8_t flags)
{
    struct reading r = {.rest = regex, .is_multiline = flags & MT_SIGMA_REGEX_M, .is_known = true};
    struct part part = read_alternatives(&r);
    if (!r.is_known || r.rest.size > 0)
        return (struct mt_sigma_regex_size){.is_known = false};
    return (struct mt_sigma_regex_size){.is_known = true,
                                        .is_anchored = part.is_anchored,
                                        .size = sum(part.places, part.ways),
                                        .jit_text_max = short_text(&part)};
}

pcre2_code *mt_sigma_regex_compile(struct mt_span regex, uint8_t flags, int *ret_error, size_t *ret_off)
{
    uint32_t options = 0;
    options |= flags & MT_SIGMA_REGEX_I ? PCRE2_CASELESS : 0;
    options |= flags & MT_SIGMA_REGEX_M ? PCRE2_MULTILINE : 0;
    options |= flags & MT_SIGMA_REGEX_S ? PCRE2_DOTALL : 0;
    return pcre2_compile(regex.ptr, regex.size, options | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF,
                         ret_error, ret_off, NULL);
}

int mt_sigma_regex_check(struct mt_span regex, uint8_t flags, char *ret_error, size_t error_size)
{
    int error;
    size_t off;
    pcre2_code *code = mt_sigma_regex_compile(regex, flags, &error, &off);
    if (!code) {
        PCRE2_UCHAR text[120] = "";
        pcre2_get_error_message(error, text, sizeof(text));
        snprintf(ret_error, error_size, "%s, at its byte %zu", (const char *)text, off + 1);
        return -EINVAL;
    }
    pcre2_code_free(code);
    struct mt_sigma_regex_size size = mt_sigma_regex_measure(regex, flags);
    if (size.is_known && size.size > MT_SIGMA_REGEX_SIZE_MAX) {
        snprintf(ret_error, error_size,
                 "too large: with what repeats written out it is over %u characters and ways between them; "
                 "repeat less often",
                 MT_SIGMA_REGEX_SIZE_MAX);
        return -EINVAL;
    }
    return 0;
}
