#include "format_maps.h"

#define SESSION false
#define ALERT true
#define MT_MAPPED(record, path, target, note) {record, path, target, note},
#define MT_LEFT_OUT(record, path, why) {record, path, NULL, why},

static const struct format_map_entry zeek[] = {
#include "export/format_zeek.def"
};

#define MT_MAPPED(record, path, target, note) {record, path, target, note},
#define MT_LEFT_OUT(record, path, why) {record, path, NULL, why},

static const struct format_map_entry eve[] = {
#include "export/format_eve.def"
};

#define MT_MAPPED(record, path, target, note) {record, path, target, note},
#define MT_LEFT_OUT(record, path, why) {record, path, NULL, why},

static const struct format_map_entry cef[] = {
#include "export/format_cef.def"
};

#define MT_MAPPED(record, path, target, note) {record, path, target, note},
#define MT_LEFT_OUT(record, path, why) {record, path, NULL, why},

static const struct format_map_entry leef[] = {
#include "export/format_leef.def"
};

#define MT_MAPPED(record, path, target, note) {record, path, target, note},
#define MT_LEFT_OUT(record, path, why) {record, path, NULL, why},

static const struct format_map_entry ocsf[] = {
#include "export/format_ocsf.def"
};

#define MAP(name, list)                            \
    {                                              \
        name, list, sizeof(list) / sizeof(list[0]) \
    }

/* ecs, csv and tsv carry every field under its own path. */
const struct format_map format_maps[] = {
    MAP("zeek", zeek), MAP("zeek-json", zeek), MAP("eve", eve),
    MAP("cef", cef),   MAP("leef", leef),      MAP("ocsf", ocsf),
};
const size_t format_map_count = sizeof(format_maps) / sizeof(format_maps[0]);

static void print_mapped(const struct format_map *map, bool is_alert, FILE *to)
{
    fprintf(to, "| %s | In the format | How |\n|---|---|---|\n", is_alert ? "Alert" : "Session record");
    for (size_t i = 0; i < map->count; i++) {
        const struct format_map_entry *entry = &map->entries[i];
        if (entry->is_alert == is_alert && entry->target != NULL)
            fprintf(to, "| `%s` | %s | %s |\n", entry->path, entry->target, entry->note);
    }
    fputc('\n', to);
}

static void print_left_out(const struct format_map *map, bool is_alert, FILE *to)
{
    fprintf(to, "| Left out of %s | Why |\n|---|---|\n", is_alert ? "alerts" : "session records");
    for (size_t i = 0; i < map->count; i++) {
        const struct format_map_entry *entry = &map->entries[i];
        if (entry->is_alert == is_alert && entry->target == NULL)
            fprintf(to, "| `%s` | %s |\n", entry->path, entry->note);
    }
    fputc('\n', to);
}

void format_map_print(const struct format_map *map, FILE *to)
{
    for (unsigned is_alert = 0; is_alert < 2; is_alert++) {
        print_mapped(map, is_alert, to);
        print_left_out(map, is_alert, to);
    }
}
