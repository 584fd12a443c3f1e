#include "capture/port_cores_priv.h"

#include "base/compiler.h"
#include "capture/sysfs_priv.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mt_cores_init(struct mt_cores *cores)
{
    cpu_set_t set;
    *cores = (struct mt_cores){.has_reader = false};
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        CPU_SET(0, &set);
    for (uint32_t i = 0; i < MT_CORES_MAX && i < CPU_SETSIZE; i++) {
        cores->is_allowed[i] = CPU_ISSET(i, &set);
        cores->allowed_count += cores->is_allowed[i];
        if (cores->is_allowed[i])
            cores->last = i;
    }
    long configured = sysconf(_SC_NPROCESSORS_CONF);
    if (configured > 0 && (uint32_t)configured <= MT_CORES_MAX)
        cores->last = (uint32_t)mt_max_u64(cores->last, (uint64_t)configured - 1);
}

static void describe(const bool *is_in, char *ret_text, size_t text_size)
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < MT_CORES_MAX && used < text_size; i++) {
        if (!is_in[i])
            continue;
        uint32_t first = i;
        while (i + 1 < MT_CORES_MAX && is_in[i + 1])
            i++;
        const char *comma = used > 0 ? "," : "";
        int size = first == i ? snprintf(ret_text + used, text_size - used, "%s%u", comma, first)
                              : snprintf(ret_text + used, text_size - used, "%s%u-%u", comma, first, i);
        used += size > 0 ? (size_t)size : 0;
    }
}

/* Where there is no processor beside the polling ones, all have to share. */
static void find_others(const struct mt_cores *cores, bool *ret_others)
{
    memcpy(ret_others, cores->is_allowed, sizeof(cores->is_allowed));
    if (cores->polling_count >= cores->allowed_count)
        return;
    for (uint32_t i = 0; i < cores->polling_count; i++)
        ret_others[cores->polling[i]] = false;
}

void mt_cores_describe(const struct mt_cores *cores, char *ret_text, size_t text_size)
{
    describe(cores->is_allowed, ret_text, text_size);
}

void mt_cores_describe_others(const struct mt_cores *cores, char *ret_text, size_t text_size)
{
    bool others[MT_CORES_MAX];
    find_others(cores, others);
    describe(others, ret_text, text_size);
}

/* --- a given list ----------------------------------------------------------- */

static bool parse_number(const char **text, uint32_t *ret_number)
{
    const char *at = *text;
    uint32_t number = 0;
    if (!isdigit((unsigned char)*at))
        return false;
    while (isdigit((unsigned char)*at)) {
        number = number * 10 + (uint32_t)(*at++ - '0');
        if (number > 1000000)
            return false;
    }
    *text = at;
    *ret_number = number;
    return true;
}

static int add_core(struct mt_cores *cores, uint32_t core, char *ret_reason, size_t reason_size)
{
    char allowed[256];
    mt_cores_describe(cores, allowed, sizeof(allowed));
    if (core > cores->last) {
        snprintf(ret_reason, reason_size, "core %u does not exist; this machine has 0-%u", core, cores->last);
        return -EINVAL;
    }
    if (!cores->is_allowed[core]) {
        snprintf(ret_reason, reason_size,
                 "core %u is not allowed to this process, which may use %s (taskset, cgroup)", core, allowed);
        return -EINVAL;
    }
    for (uint32_t i = 0; i < cores->polling_count; i++) {
        if (cores->polling[i] == (int)core) {
            snprintf(ret_reason, reason_size, "core %u stands twice in the list of cores", core);
            return -EINVAL;
        }
    }
    /* cores beyond what is needed are no mistake: they may be meant for more workers */
    if (cores->polling_count < MT_CORES_POLLING_MAX)
        cores->polling[cores->polling_count++] = (int)core;
    return 0;
}

static int parse_list(struct mt_cores *cores, const char *list, char *ret_reason, size_t reason_size)
{
    const char *at = list;
    for (;;) {
        uint32_t first = 0;
        uint32_t last;
        bool is_good = parse_number(&at, &first);
        last = first;
        if (is_good && *at == '-') {
            at++;
            is_good = parse_number(&at, &last) && last >= first;
        }
        if (!is_good || (*at != ',' && *at != '\0')) {
            snprintf(ret_reason, reason_size,
                     "the list of cores \"%s\" is not understood; write it like \"2-5,8\"", list);
            return -EINVAL;
        }
        for (uint32_t core = first; core <= last; core++) {
            int rc = add_core(cores, core, ret_reason, reason_size);
            if (rc != 0)
                return rc;
        }
        if (*at == '\0')
            return 0;
        at++;
    }
}

/* --- automatic -------------------------------------------------------------- */

/* The lowest processor of the same physical core. */
static uint32_t first_sibling(const char *sysfs, uint32_t core)
{
    char line[128];
    if (!mt_sysfs_text(line, sizeof(line), "%s/devices/system/cpu/cpu%u/topology/thread_siblings_list", sysfs,
                       core))
        return core;
    return (uint32_t)strtoul(line, NULL, 10);
}

static bool is_on_node(const char *sysfs, uint32_t core, int node)
{
    return node < 0 || mt_sysfs_exists("%s/devices/system/node/node%d/cpu%u", sysfs, node, core);
}

/* Smaller is better: the port's node, then a physical core of its own. The
 * lowest processor is what systems put their own work on, so it comes last of
 * its kind. */
static uint32_t rank(const char *sysfs, uint32_t core, int node, uint32_t lowest)
{
    uint32_t is_far = !is_on_node(sysfs, core, node);
    uint32_t is_second = first_sibling(sysfs, core) != core;
    return (is_far << 2) | (is_second << 1) | (core == lowest);
}

static void choose(struct mt_cores *cores, uint32_t needed, int node, const char *sysfs)
{
    uint32_t lowest = 0;
    while (lowest < MT_CORES_MAX - 1 && !cores->is_allowed[lowest])
        lowest++;
    for (uint32_t wanted = 0; wanted < 8; wanted++) {
        for (uint32_t core = 0; core < MT_CORES_MAX && cores->polling_count < needed; core++) {
            if (cores->is_allowed[core] && rank(sysfs, core, node, lowest) == wanted)
                cores->polling[cores->polling_count++] = (int)core;
        }
    }
}

int mt_cores_plan(struct mt_cores *cores, const char *list, uint32_t workers, bool has_reader, int numa_node,
                  const char *sysfs, char *ret_reason, size_t reason_size)
{
    uint32_t needed = (uint32_t)mt_min_u64(workers + has_reader, MT_CORES_POLLING_MAX);
    cores->has_reader = has_reader;
    cores->polling_count = 0;
    if (list == NULL) {
        /* threads that share a processor are better moved about by the system,
         * and a machine of one has no choice */
        if (cores->allowed_count > 1 && cores->allowed_count >= needed)
            choose(cores, needed, numa_node, sysfs);
        return 0;
    }
    int rc = parse_list(cores, list, ret_reason, reason_size);
    if (rc == 0 && cores->polling_count < needed) {
        snprintf(ret_reason, reason_size,
                 "the list of cores \"%s\" has %u, but %u are needed (%s%u worker%s); name more or use fewer "
                 "workers",
                 list, cores->polling_count, needed, has_reader ? "a reader and " : "", workers,
                 workers == 1 ? "" : "s");
        rc = -EINVAL;
    }
    return rc;
}

int mt_cores_of(const struct mt_cores *cores, enum mt_thread_role role, unsigned index)
{
    uint32_t place;
    switch (role) {
    case MT_THREAD_READER:
        place = 0;
        break;
    case MT_THREAD_WORKER:
        place = index + cores->has_reader;
        break;
    default:
        return -1;
    }
    return place < cores->polling_count ? cores->polling[place] : -1;
}

void mt_cores_pin(const struct mt_cores *cores, enum mt_thread_role role, unsigned index)
{
    int core = mt_cores_of(cores, role, index);
    cpu_set_t set;
    CPU_ZERO(&set);
    if (core >= 0) {
        CPU_SET((size_t)core, &set);
    } else {
        bool others[MT_CORES_MAX];
        find_others(cores, others);
        for (uint32_t i = 0; i < MT_CORES_MAX && i < CPU_SETSIZE; i++) {
            if (others[i])
                CPU_SET(i, &set);
        }
    }
    /* what fails here costs speed, not packets */
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}
