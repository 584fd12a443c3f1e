#include "base/buf.h"

#include "base/codec.h"
#include "base/mark.h"
#include "base/scan.h"

static const char digit_pairs[201] = "0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

static const char hex_digits[17] = "0123456789abcdef";

static inline void store_pair(uint8_t *to, uint32_t below_100)
{
    memcpy(to, digit_pairs + (size_t)below_100 * 2, 2);
}

/* Digits of value, by its bit length and one comparison: 1233/4096 is a little
 * more than log10(2). */
static size_t digit_count(uint64_t value)
{
    static const uint64_t powers[20] = {
        UINT64_C(0),
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
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;

    return guess + (value >= powers[guess] ? 1 : 0);
}

void mt_buf_put_u64(struct mt_buf *b, uint64_t value)
{
    size_t count = digit_count(value);
    if (MT_UNLIKELY(count > b->cap - b->size)) {
        b->overflow = true;
        return;
    }

    uint8_t *end = b->ptr + b->size + count;
    b->size += count;
    while (value >= 100) {
        end -= 2;
        store_pair(end, (uint32_t)(value % 100));
        value /= 100;
    }
    if (value >= 10)
        store_pair(end - 2, (uint32_t)value);
    else
        end[-1] = (uint8_t)('0' + value);
}

void mt_buf_put_hex(struct mt_buf *b, struct mt_span bytes)
{
    if (bytes.size > (b->cap - b->size) / 2) {
        b->overflow = true;
        return;
    }
    uint8_t *to = b->ptr + b->size;
    for (size_t i = 0; i < bytes.size; i++) {
        *to++ = (uint8_t)hex_digits[bytes.ptr[i] >> 4];
        *to++ = (uint8_t)hex_digits[bytes.ptr[i] & 15];
    }
    b->size += bytes.size * 2;
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

void mt_buf_put_time(struct mt_buf *b, uint64_t time)
{
    static const char shape[] = "0000-00-00T00:00:00.000000000Z";
    const size_t size = sizeof(shape) - 1;

    if (MT_UNLIKELY(size > b->cap - b->size)) {
        b->overflow = true;
        return;
    }

    uint64_t seconds = time / MT_SEC;
    uint32_t nanos = (uint32_t)(time - seconds * MT_SEC);
    uint32_t days = (uint32_t)(seconds / 86400);
    uint32_t second_of_day = (uint32_t)(seconds - (uint64_t)days * 86400);
    struct civil c = civil_of_days(days);
    uint8_t *to = b->ptr + b->size;

    memcpy(to, shape, size);
    store_pair(to, c.year / 100);
    store_pair(to + 2, c.year % 100);
    store_pair(to + 5, c.month);
    store_pair(to + 8, c.day);
    store_pair(to + 11, second_of_day / 3600);
    store_pair(to + 14, second_of_day / 60 % 60);
    store_pair(to + 17, second_of_day % 60);
    to[20] = (uint8_t)('0' + nanos / 100000000);
    store_pair(to + 21, nanos / 1000000 % 100);
    store_pair(to + 23, nanos / 10000 % 100);
    store_pair(to + 25, nanos / 100 % 100);
    store_pair(to + 27, nanos % 100);
    b->size += size;
}

/* U+0080 to U+009F are the C1 controls, which a terminal may obey. */
static bool is_c1_control(struct mt_span character)
{
    return character.size == 2 && character.ptr[0] == 0xc2 && character.ptr[1] < 0xa0;
}

static struct mt_span escape_one(struct mt_span rest, uint8_t storage[4], size_t *ret_consumed)
{
    uint8_t c = rest.ptr[0];
    size_t size = mt_utf8_char(rest);
    struct mt_span character = mt_span_head(rest, size);

    if (c == '\\') {
        *ret_consumed = 1;
        return mt_span("\\\\", 2);
    }
    if ((size == 1 && c >= 0x20 && c != 0x7f) || (size > 1 && !is_c1_control(character))) {
        *ret_consumed = size;
        return character;
    }
    storage[0] = '\\';
    storage[1] = 'x';
    storage[2] = (uint8_t)hex_digits[c >> 4];
    storage[3] = (uint8_t)hex_digits[c & 15];
    *ret_consumed = 1;
    return mt_span(storage, 4);
}

void mt_buf_put_escaped(struct mt_buf *b, struct mt_span bytes)
{
    size_t off = 0;

    while (off < bytes.size) {
        struct mt_span rest = mt_span_from(bytes, off);
        size_t plain = mt_scan_json_special(rest);
        if (plain > b->cap - b->size) {
            mt_buf_put_head(b, mt_span_head(rest, plain));
            return;
        }
        mt_buf_put(b, rest.ptr, plain);
        off += plain;
        if (off == bytes.size)
            return;

        uint8_t storage[4];
        size_t consumed;
        struct mt_span text = escape_one(mt_span_from(bytes, off), storage, &consumed);
        if (text.size > b->cap - b->size) {
            b->overflow = true;
            return;
        }
        mt_buf_put_span(b, text);
        off += consumed;
    }
}
