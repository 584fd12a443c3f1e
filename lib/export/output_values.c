#include "export/output_values_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DIGITS_MAX 15u
#define DISTANCE_WORD_MAX 40u
#define SECRET_MAX ((size_t)64 << 10)

struct unit {
    const char *name;
    uint64_t factor;
};

static bool parse_unit(const char *text, const struct unit *units, size_t count, uint64_t *ret_value)
{
    uint64_t number = 0;
    size_t digits = 0;

    while (mt_ascii_is_digit((uint8_t)text[digits]) && digits <= DIGITS_MAX)
        number = number * 10 + (uint64_t)(text[digits++] - '0');
    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(text + digits, units[i].name) != 0 && !(i == 0 && text[digits] == '\0'))
            continue;
        if (number > INT64_MAX / units[i].factor)
            return false;
        *ret_value = number * units[i].factor;
        return true;
    }
    return false;
}

bool mt_output_parse_size(const char *text, uint64_t *ret_size)
{
    static const struct unit units[] = {
        {"B", 1},         {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
        {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30},
    };
    return parse_unit(text, units, MT_ARRAY_COUNT(units), ret_size);
}

bool mt_output_parse_time(const char *text, uint64_t *ret_time)
{
    static const struct unit units[] = {
        {"s", UINT64_C(1000000000)},         {"ms", 1000000},
        {"m", UINT64_C(60) * 1000000000},    {"h", UINT64_C(3600) * 1000000000},
        {"d", UINT64_C(86400) * 1000000000},
    };
    return parse_unit(text, units, MT_ARRAY_COUNT(units), ret_time);
}

bool mt_output_parse_count(const char *text, uint64_t *ret_count)
{
    static const struct unit units[] = {{"", 1}};
    return parse_unit(text, units, MT_ARRAY_COUNT(units), ret_count);
}

bool mt_output_parse_choice(const char *words, const char *text, uint64_t *ret_index)
{
    uint64_t index = 0;

    for (const char *word = words;; index++) {
        size_t size = strcspn(word, "|");
        if (strlen(text) == size && strncasecmp(word, text, size) == 0) {
            *ret_index = index;
            return true;
        }
        if (word[size] == '\0')
            return false;
        word += size + 1;
    }
}

bool mt_output_parse_flag(const char *text, bool *ret_flag)
{
    uint64_t index;

    if (!mt_output_parse_choice("0|1|no|yes|false|true|off|on", text, &index))
        return false;
    *ret_flag = (index & 1) != 0;
    return true;
}

size_t mt_output_distance(const char *a, const char *b, size_t most)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    size_t row[DISTANCE_WORD_MAX + 1];

    if (a_size > DISTANCE_WORD_MAX || b_size > DISTANCE_WORD_MAX)
        return most + 1;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = mt_min_u64(best, mt_min_u64(row[j], row[j - 1]) + 1);
            diagonal = row[j];
            row[j] = best;
        }
    }
    return mt_min_u64(row[b_size], most + 1);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)mt_ascii_lower((uint8_t)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mt_output_unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}

char *mt_output_read_secret(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = fd < 0 ? NULL : malloc(SECRET_MAX + 1);
    ssize_t size = text == NULL ? -1 : read(fd, text, SECRET_MAX);
    int error = errno;

    if (fd >= 0)
        close(fd);
    if (size < 0) {
        free(text);
        errno = error;
        return NULL;
    }
    text[size] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return text;
}
