/* mailtap live over net_ring, whose other end can only be in the same process:
 *
 *   ring_live CAPTURE MAILTAP live OPTION...     MAILTAP is not looked at
 *
 * A thread puts the capture's frames into the ring of net_ring0 once the port has
 * been started, as many as the ring takes. The exit code is that of live. */
#include "../../app/app.h"

#include "base/compiler.h"
#include "base/log.h"

#include <pcap/pcap.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORT "net_ring0"
#define RING "ETH_RXTX0_net_ring0"
#define BUFFERS 1535u /* more than the ring holds */

struct feeder {
    const char *path;
    _Atomic bool is_over;
    bool has_failed; /* read when the thread has ended */
};

static void pause_for(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static bool is_started(void)
{
    struct rte_eth_link link = {0};
    uint16_t port;

    return rte_eth_dev_get_port_by_name(PORT, &port) == 0 && rte_eth_link_get_nowait(port, &link) == 0 &&
           link.link_status == RTE_ETH_LINK_UP;
}

static struct rte_mbuf *take_buffer(struct feeder *feeder, struct rte_mempool *pool)
{
    struct rte_mbuf *mbuf;

    while ((mbuf = rte_pktmbuf_alloc(pool)) == NULL && !atomic_load(&feeder->is_over))
        pause_for(50000);
    return mbuf;
}

/* In as many buffers as it needs. NULL when the run is over. */
static struct rte_mbuf *frame_of(struct feeder *feeder, struct rte_mempool *pool, const uint8_t *bytes,
                                 uint32_t size)
{
    struct rte_mbuf *first = NULL;

    while (first == NULL || size > 0) {
        struct rte_mbuf *mbuf = take_buffer(feeder, pool);
        if (mbuf == NULL)
            break;
        uint32_t part = RTE_MIN(size, (uint32_t)rte_pktmbuf_tailroom(mbuf));
        memcpy(rte_pktmbuf_append(mbuf, (uint16_t)part), bytes, part);
        bytes += part;
        size -= part;
        if (first == NULL)
            first = mbuf;
        else
            rte_pktmbuf_chain(first, mbuf);
    }
    return first;
}

static bool feed_frames(struct feeder *feeder, pcap_t *capture)
{
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create("ring_live", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    struct rte_ring *ring = rte_ring_lookup(RING);
    struct pcap_pkthdr *header;
    const uint8_t *bytes;

    while (pool != NULL && ring != NULL && pcap_next_ex(capture, &header, &bytes) == 1) {
        struct rte_mbuf *frame = frame_of(feeder, pool, bytes, header->caplen);
        while (!atomic_load(&feeder->is_over) && rte_ring_enqueue(ring, frame) != 0)
            pause_for(50000);
    }
    return pool != NULL && ring != NULL;
}

static void *feed(void *argument)
{
    struct feeder *feeder = argument;
    char why[PCAP_ERRBUF_SIZE] = "";
    pcap_t *capture = pcap_open_offline(feeder->path, why);

    while (!is_started() && !atomic_load(&feeder->is_over))
        pause_for(1000000);
    feeder->has_failed = capture == NULL || !feed_frames(feeder, capture);
    if (feeder->has_failed)
        fprintf(stderr, "ring_live: nothing to send: %s\n", capture == NULL ? why : rte_strerror(rte_errno));
    if (capture != NULL)
        pcap_close(capture);
    return NULL;
}

static void log_to_stderr(enum mt_log_level level, const char *message)
{
    (void)level;
    fprintf(stderr, "ring_live: %s\n", message);
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc < 4 || strcmp(argv[3], "live") != 0) {
        fputs("usage: ring_live CAPTURE MAILTAP live OPTION...\n", stderr);
        return MT_EXIT_USAGE;
    }
    struct feeder feeder = {.path = argv[1]};
    mt_log_set_sink(log_to_stderr);
    if (pthread_create(&thread, NULL, feed, &feeder) != 0)
        return MT_EXIT_USAGE;
    int code = mt_app_live(argc - 3, argv + 3);
    atomic_store(&feeder.is_over, true);
    pthread_join(thread, NULL);
    return feeder.has_failed ? MT_EXIT_USAGE : code;
}
