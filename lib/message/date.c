/* Dates of headers (RFC 5322 §3.3, with the obsolete forms of §4.3), and the
 * order of asctime, which old programs write. */
#include "message/message.h"

#define SECONDS_A_DAY 86400

struct words {
    struct mt_span rest;
    struct mt_span word; /* the current one; empty at the end */
};

/* Comments are passed over, and one that never closes is the end. */
static void skip_blanks(struct words *w)
{
    unsigned depth = 0;

    while (w->rest.size > 0) {
        uint8_t byte = w->rest.ptr[0];
        if (byte == '(')
            depth++;
        else if (byte == ')' && depth > 0)
            depth--;
        else if (depth == 0 && byte != ' ' && byte != '\t' && byte != ',')
            return;
        w->rest = mt_span_from(w->rest, 1);
    }
}

static bool ends_word(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == ',' || byte == '(';
}

static void next(struct words *w)
{
    size_t size = 0;

    skip_blanks(w);
    while (size < w->rest.size && !ends_word(w->rest.ptr[size]))
        size++;
    w->word = mt_span_head(w->rest, size);
    w->rest = mt_span_from(w->rest, size);
}

/* At most four digits, all of the text; -1 when it is anything else. */
static int number(struct mt_span text)
{
    int value = 0;

    if (text.size == 0 || text.size > 4)
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        if (!mt_ascii_is_digit(text.ptr[i]))
            return -1;
        value = value * 10 + text.ptr[i] - '0';
    }
    return value;
}

/* Three letters, of which case does not matter, as one number. */
#define LETTERS(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

/* 1 to 12, or 0. */
static int month_of(struct mt_span word)
{
    static const uint32_t months[] = {
        LETTERS('j', 'a', 'n'), LETTERS('f', 'e', 'b'), LETTERS('m', 'a', 'r'), LETTERS('a', 'p', 'r'),
        LETTERS('m', 'a', 'y'), LETTERS('j', 'u', 'n'), LETTERS('j', 'u', 'l'), LETTERS('a', 'u', 'g'),
        LETTERS('s', 'e', 'p'), LETTERS('o', 'c', 't'), LETTERS('n', 'o', 'v'), LETTERS('d', 'e', 'c'),
    };

    if (word.size < 3)
        return 0;
    uint32_t letters =
        LETTERS(mt_ascii_lower(word.ptr[0]), mt_ascii_lower(word.ptr[1]), mt_ascii_lower(word.ptr[2]));
    for (size_t i = 0; i < MT_ARRAY_COUNT(months); i++) {
        if (letters == months[i])
            return (int)i + 1;
    }
    return 0;
}

/* "10:00" or "10:00:02", a fraction behind it is left out; -1 when it is none. */
static int seconds_of(struct mt_span word)
{
    int parts[3] = {-1, -1, 0};

    for (unsigned i = 0; i < 3 && word.size > 0; i++) {
        size_t size = 0;
        while (size < word.size && mt_ascii_is_digit(word.ptr[size]))
            size++;
        parts[i] = size <= 2 ? number(mt_span_head(word, size)) : -1;
        word = mt_span_from(word, size);
        if (word.size > 0 && word.ptr[0] != (i < 2 ? ':' : '.'))
            return -1;
        word = mt_span_from(word, 1);
    }
    /* 60 is a leap second */
    if (parts[0] < 0 || parts[0] > 23 || parts[1] < 0 || parts[1] > 59 || parts[2] < 0 || parts[2] > 60)
        return -1;
    return parts[0] * 3600 + parts[1] * 60 + parts[2];
}

/* Seconds east of Greenwich. Letters other than these say nothing that can be
 * trusted (RFC 5322 §4.3). */
static bool zone_of(struct mt_span word, int *ret_zone)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"GMT", 0},  {"UT", 0},   {"UTC", 0},  {"Z", 0},    {"EST", -5}, {"EDT", -4},
                 {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};

    if (word.size == 5 && (word.ptr[0] == '+' || word.ptr[0] == '-')) {
        int value = number(mt_span_from(word, 1));
        int zone = value / 100 * 3600 + value % 100 * 60;
        *ret_zone = word.ptr[0] == '-' ? -zone : zone;
        return value >= 0 && value % 100 < 60;
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(zones); i++) {
        if (mt_span_ieq_cstr(word, zones[i].name)) {
            *ret_zone = zones[i].hours * 3600;
            return true;
        }
    }
    return false;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01, Gregorian. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3; /* from March on */

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* Years of two and three digits: RFC 5322 §4.3. */
static int year_of(struct mt_span word)
{
    int year = number(word);

    if (word.size == 2)
        return year < 0 ? year : year < 50 ? year + 2000 : year + 1900;
    if (word.size == 3)
        return year < 0 ? year : year + 1900;
    return word.size == 4 ? year : -1;
}

bool mt_message_parse_date(struct mt_span text, int64_t *ret_seconds, struct mt_span *ret_rest)
{
    struct words w = {.rest = text};
    int day = 0, month = 0, year = 0, zone = 0;

    next(&w);
    if (w.word.size > 0 && mt_ascii_is_alpha(w.word.ptr[0]) && month_of(w.word) == 0)
        next(&w);                           /* the day of the week */
    bool is_asctime = month_of(w.word) > 0; /* Jul 1 10:00:02 2025 +0000 */
    if (is_asctime) {
        month = month_of(w.word);
        next(&w);
    }
    day = number(w.word);
    next(&w);
    if (!is_asctime) {
        month = month_of(w.word);
        next(&w);
        year = year_of(w.word);
        next(&w);
    }
    int seconds = seconds_of(w.word);
    next(&w);
    if (is_asctime) {
        year = year_of(w.word);
        next(&w);
    }
    if (seconds < 0 || month == 0 || year < 1900 || !zone_of(w.word, &zone))
        return false;
    if (day < 1 || day > days_of_month(year, month))
        return false;
    *ret_seconds = days_of(year, month, day) * SECONDS_A_DAY + seconds - zone;
    skip_blanks(&w);
    *ret_rest = w.rest;
    return true;
}
