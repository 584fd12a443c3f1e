#include "statistics.h"

#include "export/json.h"
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

void mt_statistics_filters(const struct mt_sigma *sigma, struct mt_filter_counts *ret_counts)
{
    ret_counts->count = 0;
    for (size_t i = 0; sigma && i < mt_sigma_rule_count(sigma); i++) {
        const struct mt_sigma_rule *rule = mt_sigma_rule(sigma, i);
        if (rule->kind != MT_SIGMA_KIND_FILTER)
            continue;
        uint64_t count = mt_sigma_filtered(sigma, rule);
        bool is_full = ret_counts->count == MT_FILTERS_MAX;
        size_t at = is_full ? MT_FILTERS_MAX - 1 : ret_counts->count++;
        snprintf(ret_counts->items[at].name, MT_FILTER_NAME_MAX, "%s",
                 is_full ? "(further filters)" : rule->name);
        ret_counts->items[at].count = is_full ? ret_counts->items[at].count + count : count;
    }
}

static void put_members(FILE *file, const struct mt_stats *stats, bool is_pretty)
{
    const char *separator = "";
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        const char *name = mt_statistics_name(i);
        if (!name)
            continue;
        fprintf(file, "%s%s\"%s\": %" PRIu64, separator, is_pretty ? "\n  " : "", name,
                mt_stats_get(stats, (enum mt_counter)i));
        separator = is_pretty ? "," : ", ";
    }
}

void mt_statistics_put(FILE *file, const struct mt_stats *stats, bool is_pretty)
{
    fputc('{', file);
    put_members(file, stats, is_pretty);
    fputs(is_pretty ? "\n}" : "}", file);
}

void mt_statistics_put_filters(FILE *file, const struct mt_filter_counts *filters)
{
    fputc('{', file);
    for (size_t i = 0; i < filters->count; i++) {
        uint8_t memory[6 * MT_FILTER_NAME_MAX + 2];
        struct mt_buf b = mt_buf(memory, sizeof(memory));
        mt_json_put_string(&b, mt_span_cstr(filters->items[i].name));
        fputs(i > 0 ? ", " : "", file);
        fwrite(memory, 1, b.size, file);
        fprintf(file, ": %" PRIu64, filters->items[i].count);
    }
    fputc('}', file);
}

bool mt_statistics_write(const char *path, const struct mt_stats *stats,
                         const struct mt_filter_counts *filters)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "we");
    if (!file) {
        fprintf(stderr, "mailtap: --stats %s: %s\n", path, strerror(errno));
        return false;
    }
    fputc('{', file);
    put_members(file, stats, true);
    if (filters->count > 0) {
        fputs(",\n  \"rules.filters\": ", file);
        mt_statistics_put_filters(file, filters);
    }
    fputs("\n}\n", file);
    bool is_written = !ferror(file);
    if (!is_stdout && fclose(file) != 0)
        is_written = false;
    if (!is_written)
        fprintf(stderr, "mailtap: --stats %s: could not be written\n", path);
    return is_written;
}
