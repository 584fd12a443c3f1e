#include "base/codec.h"
#include "message/find.h"

#define REPLACEMENT 0xfffdu
#define BYTE_ORDER_MARK 0xfeffu
#define SWAPPED_MARK 0xfffeu
#define UTF8_MAX ((size_t)4)

enum {
    ORDER_LITTLE,
    ORDER_BIG,
    ORDER_UNKNOWN, /* until the first unit */
};

bool mt_wide_start(struct mt_wide *wide, struct mt_span charset)
{
    bool is_plain = mt_span_ieq_cstr(charset, "utf-16") || mt_span_ieq_cstr(charset, "ucs-2") ||
                    mt_span_ieq_cstr(charset, "iso-10646-ucs-2") || mt_span_ieq_cstr(charset, "unicode");

    *wide = (struct mt_wide){.order = ORDER_UNKNOWN};
    if (mt_span_ieq_cstr(charset, "utf-16le"))
        wide->order = ORDER_LITTLE;
    else if (mt_span_ieq_cstr(charset, "utf-16be"))
        wide->order = ORDER_BIG;
    else if (!is_plain)
        return false;
    return true;
}

/* RFC 2781 §4.3: without a mark it is big-endian; but text that begins with a Latin
 * letter shows by its zero which it is, and many leave the mark out. */
static uint8_t order_of(uint8_t first, uint8_t second)
{
    unsigned unit = (unsigned)first << 8 | second;

    if (unit == SWAPPED_MARK || (first != 0 && second == 0))
        return ORDER_LITTLE;
    return ORDER_BIG;
}

/* RFC 2781 §2.2 */
static void put_unit(struct mt_wide *wide, uint16_t unit, struct mt_buf *ret_utf8)
{
    bool is_low = unit >= 0xdc00 && unit <= 0xdfff;
    uint16_t high = wide->high;

    wide->high = 0;
    if (high != 0 && is_low) {
        mt_utf8_put(ret_utf8, 0x10000u + ((uint32_t)(high - 0xd800u) << 10) + (unit - 0xdc00u));
        return;
    }
    if (high != 0)
        mt_utf8_put(ret_utf8, REPLACEMENT);
    if (unit >= 0xd800 && unit <= 0xdbff)
        wide->high = unit;
    else if (unit != BYTE_ORDER_MARK)
        mt_utf8_put(ret_utf8, is_low ? REPLACEMENT : unit);
}

size_t mt_wide_take(struct mt_wide *wide, struct mt_span bytes, struct mt_buf *ret_utf8)
{
    size_t i = 0;

    for (; i < bytes.size && ret_utf8->cap - ret_utf8->size >= 2 * UTF8_MAX; i++) {
        uint8_t byte = bytes.ptr[i];
        if (!wide->has_first) {
            wide->first = byte;
            wide->has_first = true;
            continue;
        }
        wide->has_first = false;
        if (wide->order == ORDER_UNKNOWN)
            wide->order = order_of(wide->first, byte);
        bool is_big = wide->order == ORDER_BIG;
        unsigned high = is_big ? wide->first : byte;
        unsigned low = is_big ? byte : wide->first;
        put_unit(wide, (uint16_t)(high << 8 | low), ret_utf8);
    }
    return i;
}
