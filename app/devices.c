/* mailtap devices: what can be captured here, as a table or as JSON. */
#include "app.h"

#include "base/buf.h"
#include "capture/devices.h"
#include "export/json.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096
#define COLUMNS 7

static const char usage[] =
    "mailtap devices [--json]\n"
    "\n"
    "Lists what can be captured from on this machine: by which driver, with which queues,\n"
    "how connections are spread over workers, and what is missing, with the command that\n"
    "mends it. Starts no driver and changes nothing.\n"
    "\n"
    "  --json  one JSON object\n";

/* --- table ----------------------------------------------------------------- */

struct row {
    char cell[COLUMNS][160];
};

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static void fill_row(const struct mt_device *device, struct row *row)
{
    const char *state = device->is_up ? "up" : "down";
    /* a card taken from the kernel has no such state */
    bool has_state = strncmp(device->option, "--port", 6) != 0 || device->queues > 0;
    snprintf(row->cell[0], sizeof(row->cell[0]), "%s",
             device->option[0] != '\0' ? device->option : device->name);
    snprintf(row->cell[1], sizeof(row->cell[1]), "%s", or_dash(device->driver));
    snprintf(row->cell[2], sizeof(row->cell[2]), "%s", or_dash(device->kernel));
    snprintf(row->cell[3], sizeof(row->cell[3]), device->queues > 0 ? "%u" : "-", device->queues);
    snprintf(row->cell[4], sizeof(row->cell[4]), "%s", or_dash(device->spread));
    if (has_state && device->speed > 0)
        snprintf(row->cell[5], sizeof(row->cell[5]), "%s, %u Mbit/s", state, device->speed);
    else
        snprintf(row->cell[5], sizeof(row->cell[5]), "%s", has_state ? state : "-");
    snprintf(row->cell[6], sizeof(row->cell[6]), "%s",
             device->missing[0] != '\0' ? device->missing : "nothing");
}

static void print_row(const struct row *row, const int *widths)
{
    for (int i = 0; i < COLUMNS - 1; i++)
        printf("%-*s  ", widths[i], row->cell[i]);
    puts(row->cell[COLUMNS - 1]);
}

static void print_table(const struct mt_device *devices, size_t count)
{
    const struct row head = {{"CAPTURE WITH", "BY", "KERNEL", "QUEUES", "SPREAD BY", "STATE", "MISSING"}};
    struct row row;
    int widths[COLUMNS] = {0};
    for (int i = 0; i < COLUMNS; i++)
        widths[i] = (int)strlen(head.cell[i]);
    for (size_t i = 0; i < count; i++) {
        fill_row(&devices[i], &row);
        for (int j = 0; j < COLUMNS; j++) {
            int width = (int)strlen(row.cell[j]);
            widths[j] = width > widths[j] ? width : widths[j];
        }
    }
    print_row(&head, widths);
    for (size_t i = 0; i < count; i++) {
        fill_row(&devices[i], &row);
        print_row(&row, widths);
    }
}

static void print_text(const struct mt_device *devices, size_t count, const struct mt_device_host *host)
{
    if (count > 0)
        print_table(devices, count);
    else
        puts("There is no network interface and no network card here.");
    bool has_mend = false;
    for (size_t i = 0; i < count; i++) {
        if (devices[i].mend[0] == '\0')
            continue;
        printf("%s%s: %s\n", has_mend ? "" : "\nTo mend what is missing:\n", devices[i].name,
               devices[i].mend);
        has_mend = true;
    }
    printf("\n%u processor%s, %llu huge pages of %llu KiB (%llu free)\n", host->processors,
           host->processors == 1 ? "" : "s", (unsigned long long)host->huge_pages_total,
           (unsigned long long)(host->huge_page_size >> 10), (unsigned long long)host->huge_pages_free);
    for (size_t i = 0; i < sizeof(host->notes) / sizeof(host->notes[0]) && host->notes[i][0] != '\0'; i++)
        puts(host->notes[i]);
}

/* --- JSON --------------------------------------------------------------------- */

static void put_text(struct mt_buf *b, const char *key, const char *value)
{
    if (value[0] == '\0')
        return;
    mt_buf_put_cstr(b, key);
    mt_json_put_string(b, mt_span_cstr(value));
}

static void put_number(struct mt_buf *b, const char *key, uint64_t value)
{
    mt_buf_put_cstr(b, key);
    mt_buf_put_u64(b, value);
}

static void put_flag(struct mt_buf *b, const char *key, bool value)
{
    mt_buf_put_cstr(b, key);
    mt_buf_put_cstr(b, value ? "true" : "false");
}

static void print_device(const struct mt_device *device, const char *before)
{
    char line[LINE_SIZE];
    struct mt_buf b = mt_buf(line, sizeof(line));
    put_text(&b, "{\"name\":", device->name);
    put_text(&b, ",\"option\":", device->option);
    put_text(&b, ",\"driver\":", device->driver);
    put_text(&b, ",\"kernel\":", device->kernel);
    put_text(&b, ",\"spread\":", device->spread);
    if (device->queues > 0)
        put_number(&b, ",\"queues\":", device->queues);
    if (device->speed > 0)
        put_number(&b, ",\"speed\":", device->speed);
    if (device->numa_node >= 0)
        put_number(&b, ",\"numa_node\":", (uint64_t)device->numa_node);
    put_flag(&b, ",\"up\":", device->is_up);
    put_text(&b, ",\"missing\":", device->missing);
    put_text(&b, ",\"mend\":", device->mend);
    mt_buf_put_byte(&b, '}');
    fputs(before, stdout);
    fwrite(line, 1, b.size, stdout);
}

static void print_host(const struct mt_device_host *host)
{
    char line[LINE_SIZE];
    struct mt_buf b = mt_buf(line, sizeof(line));
    put_number(&b, "\"host\":{\"processors\":", host->processors);
    put_number(&b, ",\"huge_pages\":{\"total\":", host->huge_pages_total);
    put_number(&b, ",\"free\":", host->huge_pages_free);
    put_number(&b, ",\"size\":", host->huge_page_size);
    put_flag(&b, "},\"vfio\":", host->has_vfio);
    put_flag(&b, ",\"iommu\":", host->has_iommu);
    put_flag(&b, ",\"privileged\":", host->is_privileged);
    mt_buf_put_cstr(&b, ",\"notes\":[");
    for (size_t i = 0; i < sizeof(host->notes) / sizeof(host->notes[0]) && host->notes[i][0] != '\0'; i++) {
        mt_buf_put_cstr(&b, i == 0 ? "" : ",");
        mt_json_put_string(&b, mt_span_cstr(host->notes[i]));
    }
    mt_buf_put_cstr(&b, "]}}\n");
    fwrite(line, 1, b.size, stdout);
}

static void print_json(const struct mt_device *devices, size_t count, const struct mt_device_host *host)
{
    fputs("{\"devices\":[", stdout);
    for (size_t i = 0; i < count; i++)
        print_device(&devices[i], i == 0 ? "\n" : ",\n");
    fputs("],\n", stdout);
    print_host(host);
}

int mt_app_devices(int argc, char **argv)
{
    enum { OPT_JSON = 1, OPT_HELP };
    static const struct option options[] = {
        {"json", no_argument, NULL, OPT_JSON},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
    };
    bool is_json = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_HELP) {
            fputs(usage, stdout);
            return MT_EXIT_OK;
        }
        if (option == '?') {
            fputs(usage, stderr);
            return MT_EXIT_USAGE;
        }
        is_json |= option == OPT_JSON;
    }
    if (optind < argc) {
        fprintf(stderr, "mailtap: devices takes no '%s'\n\n%s", argv[optind], usage);
        return MT_EXIT_USAGE;
    }
    struct mt_device_host host;
    struct mt_device *devices = calloc(MT_DEVICES_MAX, sizeof(*devices));
    if (devices == NULL) {
        fputs("mailtap: no memory\n", stderr);
        return MT_EXIT_START;
    }
    size_t count = mt_devices_list(devices, MT_DEVICES_MAX, &host);
    (is_json ? print_json : print_text)(devices, count, &host);
    free(devices);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "mailtap: standard output: %s\n", strerrordesc_np(errno));
        return MT_EXIT_INCOMPLETE;
    }
    return MT_EXIT_OK;
}
