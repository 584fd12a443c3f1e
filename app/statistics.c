#include "statistics.h"

#include "packet/packet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *mt_statistics_name(int counter)
{
    if (counter < MT_COUNTER_REJECT_FIRST)
        return mt_counter_name((enum mt_counter)counter);
    int reject = counter - MT_COUNTER_REJECT_FIRST;
    return reject < MT_REJECT_COUNT ? mt_reject_name((enum mt_reject)reject) : NULL;
}

void mt_statistics_put(FILE *file, const struct mt_stats *stats, bool is_pretty)
{
    const char *separator = "";
    fputc('{', file);
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        const char *name = mt_statistics_name(i);
        if (!name)
            continue;
        fprintf(file, "%s%s\"%s\": %" PRIu64, separator, is_pretty ? "\n  " : "", name,
                mt_stats_get(stats, (enum mt_counter)i));
        separator = is_pretty ? "," : ", ";
    }
    fputs(is_pretty ? "\n}" : "}", file);
}

bool mt_statistics_write(const char *path, const struct mt_stats *stats)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "we");
    if (!file) {
        fprintf(stderr, "mailtap: --stats %s: %s\n", path, strerror(errno));
        return false;
    }
    mt_statistics_put(file, stats, true);
    fputc('\n', file);
    bool is_written = !ferror(file);
    if (!is_stdout && fclose(file) != 0)
        is_written = false;
    if (!is_written)
        fprintf(stderr, "mailtap: --stats %s: could not be written\n", path);
    return is_written;
}
