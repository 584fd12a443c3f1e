/* Which processor each thread of a live run gets.
 *
 * Ownership: plain values. Thread: main plans, any reads. Limits: processors
 * below MT_CORES_MAX.
 */
#ifndef MT_CAPTURE_PORT_CORES_PRIV_H
#define MT_CAPTURE_PORT_CORES_PRIV_H

#include "capture/capture.h"

#include <stdbool.h>

#define MT_CORES_MAX 1024u
#define MT_CORES_POLLING_MAX 65u /* a reader and MT_WORKERS_MAX workers */

struct mt_cores {
    bool is_allowed[MT_CORES_MAX]; /* to this process */
    uint32_t allowed_count;
    uint32_t last;                     /* the highest processor of the machine */
    int polling[MT_CORES_POLLING_MAX]; /* the reader first, where there is one; -1: not pinned */
    uint32_t polling_count;
    bool has_reader;
};

/* Which processors there are, and which this thread may use: before it is bound
 * to some of them. */
void mt_cores_init(struct mt_cores *cores);

/* May be called again, with what is known later.
 * list: "2-5,8", or NULL: automatic, those of numa_node (-1: any) first, one a
 * physical core before any twice. sysfs: "/sys". 0; or -EINVAL and a sentence. */
int mt_cores_plan(struct mt_cores *cores, const char *list, uint32_t workers, bool has_reader, int numa_node,
                  const char *sysfs, char *ret_reason, size_t reason_size);

/* The processor for a thread; -1: wherever the system puts it. */
int mt_cores_of(const struct mt_cores *cores, enum mt_thread_role role, unsigned index);

/* Binds the calling thread, and those that it starts, as planned. The collector
 * and the control thread stay off the polling processors, if there are others. */
void mt_cores_pin(const struct mt_cores *cores, enum mt_thread_role role, unsigned index);

/* Those that are allowed, as "0-1", "0,2-7". */
void mt_cores_describe(const struct mt_cores *cores, char *ret_text, size_t text_size);

/* Those of them that nobody polls on; all, when there is none. */
void mt_cores_describe_others(const struct mt_cores *cores, char *ret_text, size_t text_size);

#endif
