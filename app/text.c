#include "text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

const char *mt_text_number(uint64_t value, char text[MT_TEXT_SIZE])
{
    char digits[MT_TEXT_SIZE];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    int out = 0;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

const char *mt_text_bytes(uint64_t bytes, char text[MT_TEXT_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    snprintf(text, MT_TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *mt_text_share(uint64_t part, uint64_t whole, char text[MT_TEXT_SIZE])
{
    double share = whole > 0 ? (double)part / (double)whole * 100 : 0;
    if (part == 0 || whole == 0)
        snprintf(text, MT_TEXT_SIZE, "0 %%");
    else if (part >= whole)
        snprintf(text, MT_TEXT_SIZE, "100 %%");
    else if (share < 0.01)
        snprintf(text, MT_TEXT_SIZE, "under 0.01 %%");
    else if (share > 99.99)
        snprintf(text, MT_TEXT_SIZE, "over 99.99 %%");
    else
        snprintf(text, MT_TEXT_SIZE, "%.*f %%", share < 1 || share > 99 ? 2 : 1, share);
    return text;
}

const char *mt_text_rate(double rate, char text[MT_TEXT_SIZE])
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;
    while (rate >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        rate /= 1000;
        unit++;
    }
    int decimals = unit == 0 || rate >= 99.95 ? 0 : rate >= 9.995 ? 1 : 2;
    snprintf(text, MT_TEXT_SIZE, "%.*f%s", decimals, rate, units[unit]);
    return text;
}
