/* Starting the driver library with arguments that are computed, not asked for. */
#include "capture/ports_priv.h"
#include "capture/sysfs_priv.h"

#include <dirent.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define TEXT_SIZE 8192

/* What the library and its drivers take beside packet buffers; touched only as
 * it is used. */
#define OVERHEAD ((size_t)96 << 20)

struct words {
    char *word[WORDS_MAX];
    int count;
    char text[TEXT_SIZE];
    size_t used;
};

static void add_word(struct words *words, const char *format, ...) MT_PRINTF(2, 3);

static void add_word(struct words *words, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof(words->text) - words->used;
    int size = vsnprintf(words->text + words->used, room, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= room || words->count >= WORDS_MAX - 1)
        return;
    words->word[words->count++] = words->text + words->used;
    words->used += (size_t)size + 1;
}

static void add_extra(struct words *words, const char *extra)
{
    while (extra != NULL && *extra != '\0') {
        size_t blank = strspn(extra, " \t");
        size_t size = strcspn(extra + blank, " \t");
        if (size > 0)
            add_word(words, "%.*s", (int)size, extra + blank);
        extra += blank + size;
    }
}

/* Bytes in free huge pages of any size. */
static size_t huge_bytes_free(void)
{
    static const char folder[] = "/sys/kernel/mm/hugepages";
    DIR *dir = opendir(folder);
    size_t bytes = 0;
    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        unsigned long kib;
        if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
            continue;
        bytes += (size_t)mt_sysfs_number(0, "%s/%s/free_hugepages", folder, entry->d_name) * kib * 1024;
    }
    closedir(dir);
    return bytes;
}

static size_t memory_available(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "MemAvailable: %llu", &kib) != 1)
        ;
    fclose(file);
    return (size_t)kib * 1024;
}

static bool has_word(const char *extra, const char *word)
{
    return extra != NULL && strstr(extra, word) != NULL;
}

/* Decides between huge and ordinary pages. */
static int choose_pages(struct mt_ports *ports, const struct mt_ports_config *config,
                        const struct mt_port_plan *plan, char *ret_reason, size_t reason_size)
{
    size_t needed = plan->bytes + OVERHEAD;
    size_t huge = huge_bytes_free();
    bool is_refused = has_word(config->eal_extra, "--no-huge");
    ports->is_without_huge_pages = is_refused || huge < needed;
    if (!ports->is_without_huge_pages)
        return 0;
    size_t available = memory_available();
    int rc = mt_port_plan_check(plan, 0, available, "memory", ret_reason, reason_size);
    if (rc != 0 || is_refused)
        return rc;
    mt_ports_say(
        ports,
        "%s huge pages (%zu MiB free, %zu MiB needed): using ordinary ones, which costs up to a third of the "
        "speed "
        "and rules out most network cards; \"sysctl vm.nr_hugepages=%zu\" mends it",
        huge == 0 ? "no" : "too few", huge >> 20, needed >> 20, (needed >> 21) + 1);
    return 0;
}

static void add_devices(struct words *words, const struct mt_ports *ports)
{
    bool has_pci = false;
    for (size_t i = 0; i < ports->port_count; i++) {
        const struct mt_port_request *request = &ports->port[i].request;
        if (request->kind == MT_PORT_PCI) {
            add_word(words, "--allow=%s", request->text);
            has_pci = true;
        }
    }
    if (!has_pci)
        add_word(words, "--no-pci");
}

static const char *why_not(struct mt_ports *ports)
{
    const char *reason = mt_port_log_reason(ports->log);
    if (reason[0] != '\0')
        return reason;
    return rte_errno != 0 ? rte_strerror(rte_errno) : "it does not say why";
}

int mt_port_eal_start(struct mt_ports *ports, const struct mt_ports_config *config,
                      const struct mt_port_plan *plan, char *ret_reason, size_t reason_size)
{
    struct words words = {0};
    char cores[1024];
    int rc = choose_pages(ports, config, plan, ret_reason, reason_size);
    if (rc != 0)
        return rc;
    mt_cores_pin(&ports->cores, MT_THREAD_CONTROL, 0);
    mt_cores_describe_others(&ports->cores, cores, sizeof(cores));
    add_word(&words, "mailtap");
    /* nothing is left in the file system, so instances don't meet, and threads
     * of our own may register */
    add_word(&words, "%s", ports->is_without_huge_pages ? "--no-shconf" : "--in-memory");
    add_word(&words, "--file-prefix=mailtap");
    /* one core of theirs, ours, wherever nobody polls; polling threads are our own.
     * Threads of the library go where it and this thread may run */
    add_word(&words, "--lcores=0@(%s)", cores);
    if (ports->is_without_huge_pages) {
        if (!has_word(config->eal_extra, "--no-huge"))
            add_word(&words, "--no-huge");
        add_word(&words, "-m");
        add_word(&words, "%zu", ((plan->bytes + OVERHEAD) >> 20) + 1);
    }
    add_devices(&words, ports);
    add_word(&words, "--log-level=%s", config->is_verbose ? "*:info" : "*:notice");
    add_extra(&words, config->eal_extra);

    mt_port_log_reset(ports->log);
    mt_port_log_capture(ports->log);
    rc = rte_eal_init(words.count, words.word);
    int error = rte_errno;
    mt_port_log_capture_end(ports->log);
    rte_errno = error;
    if (rc >= 0)
        return 0;
    snprintf(ret_reason, reason_size, "the driver library (DPDK) does not start: %s%s", why_not(ports),
             error == EACCES || error == EPERM ? "; run mailtap as root" : "");
    return error > 0 ? -error : -EIO;
}
