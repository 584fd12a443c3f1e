/* What the parts of live capture share: ports, their queues, sources, pools.
 *
 * Ownership: mt_ports owns everything here. Thread: main opens, counts and
 * closes; a queue's pending frames and a source belong to the thread that polls
 * it; fields marked atomic are for both. Limits: those of capture/ports.h.
 */
#ifndef MT_CAPTURE_PORTS_PRIV_H
#define MT_CAPTURE_PORTS_PRIV_H

#include "capture/clock_priv.h"
#include "capture/filter_priv.h"
#include "capture/port_cores_priv.h"
#include "capture/port_driver_priv.h"
#include "capture/ports.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define MT_PORT_SOURCES_MAX 64u
#define MT_PORT_QUEUES_MAX 64u
#define MT_PORT_SOCKETS_MAX 64u
#define MT_PORT_HASH_KEY_MAX 64u
#define MT_PORT_FILES_MAX 1024u
#define MT_PORT_QUEUE_SIZE 4096u /* descriptors, unless asked for otherwise */

/* A frame of several buffers is copied into one of these; the largest that an
 * mbuf's 16-bit sizes allow. */
#define MT_PORT_JOIN_SIZE (UINT16_MAX - RTE_PKTMBUF_HEADROOM)
#define MT_PORT_JOIN_COUNT 255u

/* For af_packet, whose frames may be as large as what the kernel has merged. */
#define MT_PORT_LARGE_COUNT 1023u

/* The most that a queue is polled for after the stop: more than what a queue
 * holds, less than what a sender that does not stop could keep us with. */
#define MT_PORT_DRAIN_MAX 32768u

struct mt_port_log;

enum mt_port_stamp {
    MT_PORT_STAMP_NONE,   /* the processor's counter, once a burst */
    MT_PORT_STAMP_SYSTEM, /* since the epoch: the kernel's */
    MT_PORT_STAMP_FILE,   /* since the epoch, of any day */
    MT_PORT_STAMP_DEVICE, /* ticks of the device's clock */
};

/* Who may touch a queue. */
enum mt_port_queue_state {
    MT_QUEUE_POLLED,
    MT_QUEUE_WANTED, /* main wants it: the poller gives it up in its next burst */
    MT_QUEUE_IDLE,   /* main's */
};

struct mt_port_queue {
    struct mt_port *port;
    uint16_t id;
    _Atomic uint32_t state; /* enum mt_port_queue_state */
    _Atomic uint64_t frames;
    _Atomic uint64_t bytes;
    /* the poller's */
    bool is_drained;
    bool is_deaf; /* its device can't wake a thread that waits for it */
    uint32_t drain_left;
    uint32_t at; /* pending[at..count) are not handed out yet */
    uint32_t count;
    uint64_t time[MT_BURST_MAX];
    struct rte_mbuf *pending[MT_BURST_MAX];
};

/* Losses as the device counts them. */
struct mt_port_losses {
    uint64_t missed;
    uint64_t no_buffer;
    uint64_t errors;
};

/* Kernel sockets that a driver has opened: they know of losses that it does not. */
struct mt_port_sockets {
    bool was_open[MT_PORT_FILES_MAX]; /* before the driver came */
    int fd[MT_PORT_SOCKETS_MAX];
    uint32_t count;
    uint64_t packet_missed;
    uint64_t xdp_missed;
};

struct mt_port {
    struct mt_ports *ports;
    struct mt_port_request request; /* to open it again */
    char name[64];                  /* for the user */
    char driver[32];
    char device[64]; /* of the driver library */
    uint16_t id;
    bool is_probed; /* by us: to be removed when closed */
    bool is_open;
    bool is_started;
    bool was_promiscuous;
    bool has_interrupts;
    bool has_stamps;
    bool is_filtering;                   /* drops what is not mail */
    const struct mt_port_driver *chosen; /* of request.drivers */
    int numa_node;
    unsigned ifindex; /* of a kernel interface; 0: none */
    enum mt_port_stamp stamp;
    struct mt_clock clock; /* of the device, with STAMP_DEVICE */
    uint16_t queue_count;
    uint16_t queue_size;
    struct rte_mempool *pool;
    struct mt_port_queue queues[MT_PORT_QUEUES_MAX];
    struct mt_port_sockets sockets;
    struct mt_port_losses before; /* of earlier lives of the device */
    struct mt_port_losses start;  /* what the device said when it was opened */
    struct mt_port_losses now;
    bool is_gone;
    char why_not_better[512];
    _Atomic bool is_removed; /* said by the driver, in its own thread */
};

struct mt_port_pool {
    struct rte_mempool *pool;
    _Atomic uint32_t held;
    uint32_t held_max;
};

struct mt_port_source {
    struct mt_capture capture;
    struct mt_ports *ports;
    struct mt_capture_filter *filter;
    struct mt_port_queue *queues[MT_PORTS_OPEN_MAX * MT_PORT_QUEUES_MAX];
    uint32_t queue_count;
    uint32_t turn;     /* of the queue that is polled first */
    uint32_t patience; /* empty polls before an adaptive source pauses */
    uint64_t last_time;
    uint64_t last_number;
    uint32_t burst_count;
    struct rte_mbuf *burst[MT_BURST_MAX];
    struct mt_stats stats;
};

enum { MT_POOL_FRAMES, MT_POOL_JOINED, MT_POOL_LARGE, MT_POOL_COUNT };

struct mt_ports {
    struct mt_port_log *log;
    struct mt_port port[MT_PORTS_OPEN_MAX];
    size_t port_count;
    struct mt_port_source *sources;
    size_t source_count;
    struct mt_port_pool pools[MT_POOL_COUNT];
    struct mt_frame_hold hold;
    struct mt_clock clock; /* the processor's counter */
    struct mt_cores cores;
    int stamp_field;     /* where mbufs carry a time; -1: nowhere */
    uint64_t stamp_flag; /* set in mbufs that do */
    _Atomic bool is_stopping;
    bool is_without_huge_pages;
    /* of the configuration, for ports that are opened again */
    uint32_t workers;
    uint32_t queue_size;
    uint32_t frame_max;
    uint32_t pause_max;    /* ns, of an idle source */
    enum mt_spread spread; /* DEVICE or SOFTWARE */
    enum mt_poll poll;
    bool promiscuous_off;
    bool is_verbose;
    uint16_t mail_ports[65]; /* MT_PORTS_MAX, and 53 */
    uint32_t mail_port_count;
    mt_ports_note *note;
    void *note_ctx;
};

/* --- port_log.c: the driver library's messages ------------------------------ */

int mt_port_log_create(bool is_verbose, struct mt_port_log **ret_log);
void mt_port_log_destroy(struct mt_port_log *log);
/* Forget what was said so far; what was said since then that explains a failure, or "". */
void mt_port_log_reset(struct mt_port_log *log);
const char *mt_port_log_reason(struct mt_port_log *log);
/* Libraries below the drivers print by themselves: what goes to standard error
 * in between is treated as messages. */
void mt_port_log_capture(struct mt_port_log *log);
void mt_port_log_capture_end(struct mt_port_log *log);

/* --- port_memory.c ----------------------------------------------------------- */

struct mt_port_plan {
    uint32_t queues;      /* of all ports */
    uint32_t descriptors; /* a queue */
    uint32_t sources;
    uint32_t workers;
    uint32_t buffer_size; /* bytes of a frame, without headroom */
    bool needs_large;
    /* computed */
    uint32_t frames; /* buffers */
    uint32_t held;
    uint32_t kept;
    uint32_t cached;
    uint32_t in_bursts;
    size_t frame_bytes; /* one buffer with what belongs to it */
    size_t bytes;       /* all pools */
};

void mt_port_plan_compute(struct mt_port_plan *plan);
/* "38 MiB for packet buffers: ..." */
void mt_port_plan_describe(const struct mt_port_plan *plan, char *ret_text, size_t text_size);
/* 0; or -ENOMEM and the arithmetic. limit: the configuration's, or 0; available: bytes that
 * can be had of kind ("huge pages", "memory"), or 0 when not known. */
int mt_port_plan_check(const struct mt_port_plan *plan, size_t limit, size_t available, const char *kind,
                       char *ret_reason, size_t reason_size);
int mt_port_pools_create(struct mt_ports *ports, const struct mt_port_plan *plan, char *ret_reason,
                         size_t reason_size);
void mt_port_pools_destroy(struct mt_ports *ports);

/* --- port_eal.c: the driver library itself ----------------------------------- */

/* 0; or -errno and a sentence. */
int mt_port_eal_start(struct mt_ports *ports, const struct mt_ports_config *config,
                      const struct mt_port_plan *plan, char *ret_reason, size_t reason_size);

/* --- port_device.c: one device ----------------------------------------------- */

/* Finds or makes the device of a driver; 0, or -errno and the reason without the port's name. */
int mt_port_probe(struct mt_port *port, const struct mt_port_driver *driver, char *ret_reason,
                  size_t reason_size);
/* Can it spread both directions of a connection to one of count queues? */
bool mt_port_can_spread(const struct mt_port *port, uint32_t count);
/* Of the symmetric hash, by which a device spreads. */
void mt_port_hash_key(uint8_t key[MT_PORT_HASH_KEY_MAX]);
uint64_t mt_port_hash_fields(const struct rte_eth_dev_info *info);
/* Configures queue_count queues and starts. */
int mt_port_start(struct mt_port *port, uint32_t queue_count, char *ret_reason, size_t reason_size);
void mt_port_close(struct mt_port *port);
/* Probes and starts by the first driver that works, with at most queue_count
 * queues; a device that was probed is only started. 0, and in ret_reason why
 * better drivers did not do; or -errno. */
int mt_port_open(struct mt_port *port, uint32_t queue_count, char *ret_reason, size_t reason_size);

/* --- port_flow.c --------------------------------------------------------------- */

/* Lets the device drop TCP that is not mail, where it can. */
void mt_port_flow_install(struct mt_port *port);

/* --- port_counts.c ------------------------------------------------------------- */

/* Remembers what is open; then finds the sockets that a driver has opened since. */
void mt_port_sockets_note(struct mt_port_sockets *sockets);
void mt_port_sockets_find(struct mt_port_sockets *sockets);
/* A device has been started: what it says now is where counting starts. */
void mt_port_losses_start(struct mt_port *port);
void mt_port_losses_update(struct mt_port *port);
/* It is going to be closed: what it said stands. */
void mt_port_losses_end(struct mt_port *port);
struct mt_port_losses mt_port_losses_of(const struct mt_port *port);

/* --- ports.c --------------------------------------------------------------------- */

/* A line for the user. */
void mt_ports_say(const struct mt_ports *ports, const char *format, ...) MT_PRINTF(2, 3);

/* --- port_telemetry.c ------------------------------------------------------------ */

/* Nobody is asked any more. */
void mt_port_telemetry_end(void);

/* --- port_watch.c ---------------------------------------------------------------- */

/* Has the port gone or come back? Closes and opens it, over several calls, so
 * that its poller is never waited for. */
void mt_port_watch(struct mt_port *port);

/* --- port_source.c ---------------------------------------------------------------- */

void mt_port_source_init(struct mt_port_source *source, struct mt_ports *ports);
void mt_port_hold_init(struct mt_ports *ports);

/* --- port_clock.c ----------------------------------------------------------------- */

/* Now, by the processor's counter. */
uint64_t mt_port_now(const struct mt_ports *ports);
void mt_port_clocks_init(struct mt_ports *ports);
/* To be called about once a second. */
void mt_port_clocks_correct(struct mt_ports *ports);
/* Sets up the clock of a device whose frames bear its ticks; false: it can't be
 * read. Takes a tenth of a second. */
bool mt_port_clock_start(struct mt_port *port);

#endif
