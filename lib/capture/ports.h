/* Live capture by DPDK polling: ports, the spreading of their frames over
 * queues, and where frames were lost.
 *
 * All ports of a run are one tap: each direction of a link may come on a port of
 * its own. A source polls one queue of every port. Where every device spreads by
 * a symmetric hash there are as many sources as workers, and both directions of a
 * connection come out of the same one; elsewhere there is one source, and the
 * pipeline spreads.
 *
 * Times are the device's where it stamps frames, else the processor's counter,
 * kept to the system's clock; they never run backwards.
 *
 * Ownership: the ports own the driver, its memory and the sources. Thread: open,
 * count and close from one thread (main); a source by the thread that polls it.
 * Limits: MT_PORTS_OPEN_MAX ports, MT_WORKERS_MAX sources, 8192 frames kept a
 * worker where one source serves several, an eighth of all buffers held; a process
 * opens ports once in its life, because the driver library can't be started twice.
 */
#ifndef MT_CAPTURE_PORTS_H
#define MT_CAPTURE_PORTS_H

#include "capture/capture.h"

#define MT_PORTS_OPEN_MAX 16u

enum mt_spread {
    MT_SPREAD_AUTO,     /* DEVICE where every port can, else SOFTWARE */
    MT_SPREAD_DEVICE,   /* one queue a worker. Also for devices that can't say so, when whoever
                         * fills their queues spreads by a symmetric hash (memif, ring) */
    MT_SPREAD_SOFTWARE, /* one queue; the pipeline spreads */
};

enum mt_poll {
    MT_POLL_BUSY,
    MT_POLL_ADAPTIVE, /* waits (interrupt, or a growing pause) when idle */
};

struct mt_ports_config {
    const char *const *ports; /* PCI addresses, names or vdev strings ("net_memif0,role=server") */
    size_t port_count;
    const char *const *interfaces; /* kernel interfaces: af_xdp, else af_packet, else libpcap */
    size_t interface_count;
    uint32_t workers;           /* at least 1 */
    const uint16_t *mail_ports; /* pushed into the device where it can filter */
    uint32_t mail_port_count;
    const char *filter;    /* BPF, or NULL; run in software on what the device lets through */
    const char *cores;     /* "2-5,8": reader first, then workers; NULL: automatic */
    const char *eal_extra; /* further words for the driver library, or NULL */
    size_t memory_max;     /* for packet buffers; 0: what is computed */
    uint32_t queue_size;   /* descriptors; 0: 4096 or what the device allows */
    uint32_t frame_max;    /* 0: 1518 and the buffers' room; to 9600 */
    enum mt_spread spread;
    enum mt_poll poll;
    bool promiscuous_off;
    bool is_verbose; /* messages of the driver library too */
};

/* Of one port, since it was opened. All frames that the port knows of are
 * frames + missed + no_buffer + errors. */
struct mt_port_counts {
    char name[64];
    char driver[32];
    uint64_t frames; /* handed to us */
    uint64_t bytes;
    uint64_t missed;    /* imissed: the queue was full */
    uint64_t no_buffer; /* rx_nombuf: the pool was empty */
    uint64_t errors;    /* ierrors: damaged on the wire */
    uint64_t queue_frames[64];
    uint32_t queue_count;
    bool is_up;
    bool is_gone; /* the device was removed; it is opened again when it returns */
};

struct mt_ports;

/* Lines for the user, in order: which driver was chosen and why, how memory was
 * sized, what it costs to be without huge pages. */
typedef void mt_ports_note(void *ctx, const char *line);

/* 0; or -errno with a sentence in ret_reason: what, where, and the command that
 * mends it (-EINVAL: the request is wrong, everything else: could not start).
 * Nothing is polled before the first burst. */
int mt_ports_open(const struct mt_ports_config *config, mt_ports_note *note, void *note_ctx, char *ret_reason,
                  size_t reason_size, struct mt_ports **ret_ports);

/* The sources: 1, or as many as workers. Counters of a source (frames, filtered)
 * are in its stats, which the ports own. */
size_t mt_ports_source_count(const struct mt_ports *ports);
struct mt_capture *mt_ports_source(struct mt_ports *ports, size_t index);

/* Asks the devices; also looks after ports that have gone or returned and keeps
 * the clock. To be called about once a second. Returns how many ports there
 * are; stores at most count_max. */
size_t mt_ports_count(struct mt_ports *ports, struct mt_port_counts *ret_counts, size_t count_max);

/* From here on sources hand out what their queues still hold, at most 32768
 * frames each, and then say that they have ended. Devices stop when they are
 * closed: one that is stopped can't be polled. */
void mt_ports_stop(struct mt_ports *ports);
void mt_ports_close(struct mt_ports *ports);

/* Answers `/mailtap/NAME` of the driver library's telemetry socket with a JSON
 * object of numbers: fill is called from the telemetry's own thread. -ENOTSUP
 * when there is none. */
typedef void mt_ports_telemetry_put(void *object, const char *name, uint64_t value);
typedef void mt_ports_telemetry_fill(void *ctx, void *object, mt_ports_telemetry_put *put);
int mt_ports_telemetry(const char *name, const char *help, mt_ports_telemetry_fill *fill, void *ctx);

#endif
