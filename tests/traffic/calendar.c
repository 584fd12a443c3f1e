#include "calendar.h"

#include <string.h>

struct date {
    unsigned year, month, day, weekday, hour, minute, second;
    uint32_t fraction;
};

/* Days to year, month, day, counted in eras of 400 years that begin in March,
 * so that the leap day is a year's last. */
static struct date date_of(uint64_t time)
{
    uint64_t seconds = time / 1000000000;
    uint64_t days = seconds / 86400 + 719468;
    uint64_t era = days / 146097;
    uint64_t day_of_era = days % 146097;
    uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month = (5 * day_of_year + 2) / 153;
    struct date date = {
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
        .weekday = (unsigned)((seconds / 86400 + 4) % 7),
        .hour = (unsigned)(seconds % 86400 / 3600),
        .minute = (unsigned)(seconds % 3600 / 60),
        .second = (unsigned)(seconds % 60),
        .fraction = (uint32_t)(time % 1000000000),
    };

    date.year = (unsigned)(year_of_era + era * 400 + (date.month <= 2));
    return date;
}

static char *digits(char *at, unsigned count, uint32_t value)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

static char *clock_of(char *at, const struct date *date)
{
    at = digits(at, 2, date->hour);
    *at++ = ':';
    at = digits(at, 2, date->minute);
    *at++ = ':';
    return digits(at, 2, date->second);
}

void mt_calendar_rfc3339(uint64_t time, char *ret_text)
{
    struct date date = date_of(time);
    char *at = digits(ret_text, 4, date.year);

    *at++ = '-';
    at = digits(at, 2, date.month);
    *at++ = '-';
    at = digits(at, 2, date.day);
    *at++ = 'T';
    at = clock_of(at, &date);
    *at++ = '.';
    at = digits(at, 9, date.fraction);
    *at++ = 'Z';
    *at = '\0';
}

void mt_calendar_rfc5322(uint64_t time, char *ret_text)
{
    static const char weekdays[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct date date = date_of(time);
    char *at = ret_text;

    memcpy(at, weekdays + (size_t)3 * date.weekday, 3);
    memcpy(at + 3, ", ", 2);
    at = digits(at + 5, 2, date.day);
    *at++ = ' ';
    memcpy(at, months + (size_t)3 * (date.month - 1), 3);
    at[3] = ' ';
    at = digits(at + 4, 4, date.year);
    *at++ = ' ';
    at = clock_of(at, &date);
    memcpy(at, " +0000", 7);
}
