#include "statistics.h"

#include "packet/packet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *counter_name(int counter)
{
    if (counter < MT_COUNTER_REJECT_FIRST)
        return mt_counter_name((enum mt_counter)counter);
    int reject = counter - MT_COUNTER_REJECT_FIRST;
    return reject < MT_REJECT_COUNT ? mt_reject_name((enum mt_reject)reject) : NULL;
}

static void put_counters(FILE *file, const struct mt_stats *stats)
{
    const char *separator = "";
    fputc('{', file);
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        const char *name = counter_name(i);
        if (!name)
            continue;
        fprintf(file, "%s\n  \"%s\": %" PRIu64, separator, name, mt_stats_get(stats, (enum mt_counter)i));
        separator = ",";
    }
    fputs("\n}\n", file);
}

bool mt_statistics_write(const char *path, const struct mt_stats *stats)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "we");
    if (!file) {
        fprintf(stderr, "mailtap: --stats %s: %s\n", path, strerror(errno));
        return false;
    }
    put_counters(file, stats);
    bool is_written = !ferror(file);
    if (!is_stdout && fclose(file) != 0)
        is_written = false;
    if (!is_written)
        fprintf(stderr, "mailtap: --stats %s: could not be written\n", path);
    return is_written;
}
