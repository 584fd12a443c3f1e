/* The lists that say where each field goes in each format, as data, and as the
 * tables of docs/formats.md.
 *
 * Ownership: constants. Thread: any. Limits: none.
 */
#ifndef MT_TESTS_EXPORT_FORMAT_MAPS_H
#define MT_TESTS_EXPORT_FORMAT_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct format_map_entry {
    bool is_alert;
    const char *path;
    const char *target; /* NULL: left out */
    const char *note;   /* how, or why not */
};

struct format_map {
    const char *format;
    const struct format_map_entry *entries;
    size_t count;
};

extern const struct format_map format_maps[];
extern const size_t format_map_count;

/* "session: mapped", "session: left out" and the same for alerts, in Markdown. */
void format_map_print(const struct format_map *map, FILE *to);

#endif
