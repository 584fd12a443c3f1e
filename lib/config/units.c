#include "config/units.h"

#define DIGITS_MAX 15u /* below 2^63 with every unit */
#define TIME_MAX (UINT64_C(1000) * 86400 * 1000000000)

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits, then one of the units, or nothing for the first. */
static bool parse(struct mt_span text, const struct unit *units, size_t unit_count, uint64_t most,
                  uint64_t *ret_value)
{
    uint64_t number = 0;
    size_t digits = 0;

    while (digits < text.size && mt_ascii_is_digit(text.ptr[digits]))
        number = number * 10 + (text.ptr[digits++] - '0');
    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    struct mt_span name = mt_span_from(text, digits);
    for (size_t i = 0; i < unit_count; i++) {
        if (!mt_span_ieq(name, mt_span_cstr(units[i].name)) && !(i == 0 && name.size == 0))
            continue;
        if (number > most / units[i].factor)
            return false;
        *ret_value = number * units[i].factor;
        return true;
    }
    return false;
}

bool mt_config_parse_size(struct mt_span text, uint64_t *ret_size)
{
    static const struct unit units[] = {
        {"B", 1},         {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
        {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30},
    };
    return parse(text, units, MT_ARRAY_COUNT(units), INT64_MAX, ret_size);
}

bool mt_config_parse_time(struct mt_span text, uint64_t *ret_time)
{
    static const struct unit units[] = {
        {"s", 1000000000},
        {"ms", 1000000},
        {"m", UINT64_C(60) * 1000000000},
        {"h", UINT64_C(3600) * 1000000000},
        {"d", UINT64_C(86400) * 1000000000},
    };
    return parse(text, units, MT_ARRAY_COUNT(units), TIME_MAX, ret_time);
}
