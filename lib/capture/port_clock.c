/* Readings of counters beside the system's clock. */

/* Of the whole library only rte_eth_read_clock is used before it is promised to
 * stay; without it times that a device stamps could not be read at all. */
#define ALLOW_EXPERIMENTAL_API

#include "capture/ports_priv.h"

#include <rte_cycles.h>
#include <time.h>

#define READINGS 5

static bool read_counter(const struct mt_port *port, uint64_t *ret_counter)
{
    *ret_counter = rte_rdtsc();
    return port == NULL || rte_eth_read_clock(port->id, ret_counter) == 0;
}

/* A counter (port's, or the processor's with NULL) and the system's clock at the
 * same moment: the best of a few, because between two readings the thread may be
 * interrupted. */
static bool read_pair(const struct mt_port *port, uint64_t *ret_counter, uint64_t *ret_wall)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < READINGS; i++) {
        struct timespec wall;
        uint64_t before;
        uint64_t after;
        uint64_t start = rte_rdtsc();
        if (!read_counter(port, &before))
            return false;
        clock_gettime(CLOCK_REALTIME, &wall);
        if (!read_counter(port, &after))
            return false;
        uint64_t took = rte_rdtsc() - start;
        if (took >= best)
            continue;
        best = took;
        *ret_counter = before + (after - before) / 2;
        *ret_wall = (uint64_t)wall.tv_sec * MT_SEC + (uint64_t)wall.tv_nsec;
    }
    return true;
}

uint64_t mt_port_now(const struct mt_ports *ports)
{
    return mt_clock_read(&ports->clock, rte_rdtsc());
}

void mt_port_clocks_init(struct mt_ports *ports)
{
    uint64_t counter = 0;
    uint64_t wall = 0;
    (void)read_pair(NULL, &counter, &wall);
    mt_clock_init(&ports->clock, rte_get_tsc_hz(), counter, wall);
}

bool mt_port_clock_start(struct mt_port *port)
{
    uint64_t counter = 0;
    uint64_t wall = 0;
    uint64_t counter_before = 0;
    uint64_t wall_before = 0;
    /* a tenth of a second tells the rate to some ppm; correcting does the rest */
    if (!read_pair(port, &counter_before, &wall_before))
        return false;
    rte_delay_us_sleep(100000);
    if (!read_pair(port, &counter, &wall) || counter <= counter_before || wall <= wall_before)
        return false;
    uint64_t hz = (uint64_t)((__uint128_t)(counter - counter_before) * MT_SEC / (wall - wall_before));
    mt_clock_init(&port->clock, hz, counter, wall);
    return true;
}

void mt_port_clocks_correct(struct mt_ports *ports)
{
    uint64_t counter;
    uint64_t wall;
    if (read_pair(NULL, &counter, &wall))
        mt_clock_correct(&ports->clock, counter, wall);
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        if (port->is_started && port->stamp == MT_PORT_STAMP_DEVICE && read_pair(port, &counter, &wall))
            mt_clock_correct(&port->clock, counter, wall);
    }
}
