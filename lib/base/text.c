#include "base/text.h"

#include "base/mark.h"

#include <string.h>

static const char digit_pairs[201] = "0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

const uint64_t mt_powers_of_ten[MT_POWERS_OF_TEN] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

static inline uint8_t *put_pair(void *to, uint32_t below_100)
{
    memcpy(to, digit_pairs + (size_t)below_100 * 2, 2);
    return (uint8_t *)to + 2;
}

/* Most numbers in a record are counts, ports and codes. */
static inline uint8_t *put_small(uint8_t *to, uint32_t below_1000)
{
    if (below_1000 >= 100) {
        *to++ = (uint8_t)('0' + below_1000 / 100);
        return put_pair(to, below_1000 % 100);
    }
    if (below_1000 >= 10)
        return put_pair(to, below_1000);
    *to = (uint8_t)('0' + below_1000);
    return to + 1;
}

/* Digits of value, by its bit length and one comparison: 1233/4096 is a little
 * more than log10(2). */
static size_t digit_count(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;

    return guess + ((value | 1) >= mt_powers_of_ten[guess] ? 1 : 0);
}

static MT_NOINLINE uint8_t *put_large(uint8_t *to, uint64_t value)
{
    uint8_t *end = to + digit_count(value);
    to = end;
    while (value >= 100) {
        to -= 2;
        put_pair(to, (uint32_t)(value % 100));
        value /= 100;
    }
    if (value >= 10)
        put_pair(to - 2, (uint32_t)value);
    else
        to[-1] = (uint8_t)('0' + value);
    return end;
}

uint8_t *mt_text_u64(uint8_t *to, uint64_t value)
{
    return value < 1000 ? put_small(to, (uint32_t)value) : put_large(to, value);
}

uint8_t *mt_text_ipv4(uint8_t *to, const uint8_t bytes[4])
{
    for (unsigned i = 0; i < 4; i++) {
        to = put_small(to, bytes[i]);
        *to++ = '.';
    }
    return to - 1;
}

typedef uint8_t vector __attribute__((vector_size(16)));

/* 39 lies between what follows '9' and 'a'. */
static inline vector hex_digits(vector nibbles)
{
    return nibbles + '0' + ((vector)(nibbles > 9) & 39);
}

uint8_t *mt_text_hex(uint8_t *to, const uint8_t *bytes, size_t size)
{
    for (; size >= 16; size -= 16, bytes += 16, to += 32) {
        vector v;
        memcpy(&v, bytes, sizeof(v));
        vector high = hex_digits(v >> 4);
        vector low = hex_digits(v & 15);
        vector first =
            __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        vector last =
            __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        memcpy(to, &first, sizeof(first));
        memcpy(to + 16, &last, sizeof(last));
    }
    for (; size > 0; size--, bytes++) {
        *to++ = (uint8_t) "0123456789abcdef"[*bytes >> 4];
        *to++ = (uint8_t) "0123456789abcdef"[*bytes & 15];
    }
    return to;
}

struct civil {
    uint32_t year;
    uint32_t month;
    uint32_t day;
};

/* Days since 1970-01-01 in the Gregorian calendar. Years run from March, so
 * that the leap day is the last one; an era is 400 of them, 146097 days. */
static struct civil civil_of_days(uint32_t days)
{
    uint32_t z = days + 719468; /* since 0000-03-01 */
    uint32_t era = z / 146097;
    uint32_t day_of_era = z - era * 146097;
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t from_march = (5 * day_of_year + 2) / 153;
    struct civil c;

    c.day = day_of_year - (153 * from_march + 2) / 5 + 1;
    c.month = from_march < 10 ? from_march + 3 : from_march - 9;
    c.year = year_of_era + era * 400 + (c.month <= 2 ? 1 : 0);
    return c;
}

static MT_NOINLINE void make_second(struct mt_text_second *second, uint64_t seconds)
{
    static const char shape[MT_TEXT_TIME_MAX] = "0000-00-00T00:00:00.000000000Z";
    uint32_t days = (uint32_t)(seconds / 86400);
    uint32_t second_of_day = (uint32_t)(seconds - (uint64_t)days * 86400);
    struct civil c = civil_of_days(days);
    char *to = second->text;

    memcpy(to, shape, sizeof(shape));
    put_pair(to, c.year / 100);
    put_pair(to + 2, c.year % 100);
    put_pair(to + 5, c.month);
    put_pair(to + 8, c.day);
    put_pair(to + 11, second_of_day / 3600);
    put_pair(to + 14, second_of_day / 60 % 60);
    put_pair(to + 17, second_of_day % 60);
    second->number = seconds + 1;
}

uint8_t *mt_text_time(uint8_t *to, uint64_t time, struct mt_text_second *second)
{
    uint64_t seconds = time / MT_SEC;
    uint32_t nanos = (uint32_t)(time - seconds * MT_SEC);

    if (MT_UNLIKELY(second->number != seconds + 1))
        make_second(second, seconds);
    memcpy(to, second->text, MT_TEXT_TIME_MAX);

    uint32_t high = nanos / 10000; /* five digits, and four */
    uint32_t low = nanos - high * 10000;
    to[20] = (uint8_t)('0' + high / 10000);
    put_pair(to + 21, high / 100 % 100);
    put_pair(to + 23, high % 100);
    put_pair(to + 25, low / 100);
    put_pair(to + 27, low % 100);
    return to + 30;
}
