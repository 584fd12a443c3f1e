#include "capture/ports_priv.h"
#include "driver_world.h"
#include "maker.h"
#include "reading.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

enum { SECOND = 1700000000 };

static struct world world;

/* A capture of records of these sizes, step microseconds apart. */
static const char *capture_of(const char *name, const uint32_t *sizes, size_t count, uint32_t first,
                              uint32_t step)
{
    struct made made;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    for (size_t i = 0; i < count; i++)
        made_record(&made, SECOND, first + (uint32_t)i * step, sizes[i], sizes[i], (unsigned)i);
    const char *path = place_made(name, &made);
    made_fini(&made);
    return path;
}

static uint32_t made_sum(unsigned seed, uint32_t size)
{
    uint8_t *bytes = malloc(size);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = made_byte(seed, i);
    uint32_t sum = sum_of(bytes, size);
    free(bytes);
    return sum;
}

static void end(void)
{
    world_fini(&world);
    place_fini();
}

/* --- frames ----------------------------------------------------------------- */

static void frames_of_a_capture_come_out_byte_equal_with_their_times(void **state)
{
    (void)state;
    uint32_t sizes[500];
    for (size_t i = 0; i < 500; i++)
        sizes[i] = 60 + (uint32_t)(i * 7 % 1454);
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, 500, 10, 3));
    world_must_open(&world);
    assert_int_equal(mt_ports_source_count(world.opened), 1);
    world_take(&world, 0, 500);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(world.frames[i].time, SECOND * MT_SEC + (10 + i * 3) * 1000);
        assert_int_equal(world.frames[i].number, world.frames[i].time);
        assert_int_equal(world.frames[i].size, sizes[i]);
        assert_int_equal(world.frames[i].sum, made_sum((unsigned)i, sizes[i]));
    }
    world_must_balance(&world);
    end();
}

static void frames_of_one_time_have_numbers_that_rise_by_one(void **state)
{
    (void)state;
    uint32_t sizes[100];
    for (size_t i = 0; i < 100; i++)
        sizes[i] = 64;
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, 100, 5, 0));
    world_must_open(&world);
    world_take(&world, 0, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(world.frames[i].time, SECOND * MT_SEC + 5000);
        assert_int_equal(world.frames[i].number, SECOND * MT_SEC + 5000 + i);
    }
    end();
}

static void two_ports_are_one_tap_in_the_order_of_time(void **state)
{
    (void)state;
    uint32_t sizes[200];
    for (size_t i = 0; i < 200; i++)
        sizes[i] = 100;
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("a.pcap", sizes, 200, 0, 10));
    /* bursts of the second port lie between those of the first */
    world_port(&world, "net_pcap1,rx_pcap=%s", capture_of("b.pcap", sizes, 150, 5, 7));
    world_must_open(&world);
    assert_int_equal(mt_ports_source_count(world.opened), 1);
    world_take(&world, 0, 350);
    for (size_t i = 1; i < 350; i++) {
        assert_true(world.frames[i].time >= world.frames[i - 1].time);
        assert_true(world.frames[i].number > world.frames[i - 1].number);
    }
    assert_int_equal(world_counter(&world, MT_COUNTER_TIME_BACKWARDS), 0);
    world_must_balance(&world);
    end();
}

static void a_frame_in_several_buffers_comes_out_whole(void **state)
{
    (void)state;
    const uint32_t sizes[] = {60, 2048, 2049, 4096, 9000, 65000, 60};
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, 7, 0, 1));
    world_must_open(&world);
    world_take(&world, 0, 7);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(world.frames[i].size, sizes[i]);
        assert_int_equal(world.frames[i].sum, made_sum(i, sizes[i]));
    }
    world_must_balance(&world);
    assert_int_equal(world_pool_free("mailtap_joined"), world_pool_size("mailtap_joined"));
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames"));
    end();
}

static void a_frame_that_no_buffer_can_take_is_counted(void **state)
{
    (void)state;
    const uint32_t sizes[] = {60, 65500, 65535, 60};
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, 4, 0, 1));
    world_must_open(&world);
    world_take(&world, 0, 2);
    assert_int_equal(world_counter(&world, MT_COUNTER_PORT_TOO_LARGE), 2);
    world_must_balance(&world);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames"));
    end();
}

static void what_the_filter_refuses_is_counted_and_nothing_else_is_missing(void **state)
{
    (void)state;
    uint32_t sizes[300];
    size_t passing = 0;
    for (size_t i = 0; i < 300; i++) {
        sizes[i] = i % 40 < 35 ? 80 : 500; /* also bursts that are refused whole */
        passing += sizes[i] == 500;
    }
    world_init(&world);
    world.config.filter = "greater 400";
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, 300, 0, 1));
    world_must_open(&world);
    world_take(&world, 0, passing);
    for (size_t i = 0; i < passing; i++)
        assert_int_equal(world.frames[i].size, 500);
    bool is_end;
    struct mt_frame frames[MT_BURST_MAX];
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    assert_int_equal(capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end), 0);
    assert_int_equal(world_counter(&world, MT_COUNTER_FILTERED), 300 - passing);
    world_must_balance(&world);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames"));
    end();
}

/* --- keeping and holding -------------------------------------------------------- */

static void kept_frames_stay_until_they_are_given_back(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    uint32_t sizes[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        sizes[i] = 60 + (uint32_t)i;
    static struct mt_frame kept[COUNT + MT_BURST_MAX];
    void *handles[COUNT];
    size_t count = 0;
    bool is_end;
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, COUNT, 0, 1));
    world_must_open(&world);
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    for (int i = 0; i < 1000 && count < COUNT; i++) {
        count += capture->ops->burst(capture, kept + count, MT_BURST_MAX, &is_end);
        capture->ops->keep(capture);
    }
    assert_int_equal(count, COUNT);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames") - COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(sum_of(kept[i].data, kept[i].size), made_sum(i, sizes[i]));
        handles[i] = kept[i].handle;
    }
    capture->ops->give_back(capture, handles, COUNT);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames"));
    end();
}

static void no_more_than_a_share_of_the_pool_can_be_held(void **state)
{
    (void)state;
    static void *held[65536];
    size_t count = 0;
    bool is_full = false;
    bool is_end;
    struct mt_frame frames[MT_BURST_MAX];
    world_init(&world);
    world.config.queue_size = 256;
    world_port(&world, "net_null0,size=100");
    world_must_open(&world);
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    const struct mt_frame_hold *hold = capture->hold;
    while (!is_full) {
        size_t burst = capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
        assert_true(burst > 0);
        for (size_t i = 0; i < burst && !is_full; i++) {
            is_full = !hold->hold(hold->ctx, frames[i].handle);
            if (!is_full)
                held[count++] = frames[i].handle;
        }
        capture->ops->release(capture);
    }
    assert_int_equal(count, world_pool_size("mailtap_frames") / 8);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames") - count);
    /* frames go on coming, and one that is dropped makes room for one */
    assert_true(capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end) > 0);
    assert_false(hold->hold(hold->ctx, frames[0].handle));
    hold->drop(hold->ctx, held[--count]);
    assert_true(hold->hold(hold->ctx, frames[0].handle));
    assert_false(hold->hold(hold->ctx, frames[1].handle));
    hold->drop(hold->ctx, frames[0].handle);
    capture->ops->release(capture);
    while (count > 0)
        hold->drop(hold->ctx, held[--count]);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames"));
    end();
}

/* --- a ring: what the processor's counter stamps --------------------------------- */

static uint64_t wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * MT_SEC + (uint64_t)now.tv_nsec;
}

static void put_into_ring(const char *ring, unsigned count, unsigned parts)
{
    struct rte_mempool *pool = rte_mempool_lookup("mailtap_frames");
    for (unsigned i = 0; i < count; i++) {
        struct rte_mbuf *first = NULL;
        for (unsigned part = 0; part < parts; part++) {
            struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
            char *bytes = rte_pktmbuf_append(mbuf, 100);
            memset(bytes, (int)part, 100);
            if (first == NULL)
                first = mbuf;
            else
                assert_int_equal(rte_pktmbuf_chain(first, mbuf), 0);
        }
        assert_int_equal(rte_ring_enqueue(rte_ring_lookup(ring), first), 0);
    }
}

static void frames_of_a_ring_are_stamped_when_they_are_polled(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_ring0");
    world_must_open(&world);
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    uint64_t before = wall();
    for (int i = 0; i < 20; i++) {
        put_into_ring("ETH_RXTX0_net_ring0", 40, 1);
        world_take(&world, 0, world.frame_count + 40);
        /* between frames the source says a time that later ones keep to */
        uint64_t now = capture->ops->now(capture);
        put_into_ring("ETH_RXTX0_net_ring0", 1, 1);
        world_take(&world, 0, world.frame_count + 1);
        assert_true(world.frames[world.frame_count - 1].time >= now);
        assert_true(world.frames[world.frame_count - 1].number >= now);
    }
    uint64_t after = wall();
    for (size_t i = 0; i < world.frame_count; i++) {
        assert_in_range(world.frames[i].time, before - MT_MSEC, after + MT_MSEC);
        assert_true(i == 0 || world.frames[i].number > world.frames[i - 1].number);
    }
    world_must_balance(&world);
    end();
}

static void a_chain_of_many_small_parts_is_joined(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_ring0");
    world_must_open(&world);
    put_into_ring("ETH_RXTX0_net_ring0", 50, 30);
    world_take(&world, 0, 50);
    uint8_t expected[3000];
    for (size_t i = 0; i < sizeof(expected); i++)
        expected[i] = (uint8_t)(i / 100);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(world.frames[i].size, sizeof(expected));
        assert_int_equal(world.frames[i].sum, sum_of(expected, sizeof(expected)));
    }
    world_must_balance(&world);
    assert_int_equal(world_pool_free("mailtap_frames"), world_pool_size("mailtap_frames"));
    end();
}

static void what_waits_when_the_ports_are_stopped_is_polled_to_the_end(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_ring0");
    world_port(&world, "net_ring1");
    world_must_open(&world);
    put_into_ring("ETH_RXTX0_net_ring0", 300, 1);
    put_into_ring("ETH_RXTX0_net_ring1", 200, 1);
    mt_ports_stop(world.opened);
    world_drain(&world, 0);
    assert_int_equal(world.frame_count, 500);
    world_must_balance(&world);
    end();
}

static void a_device_that_never_runs_dry_ends_after_the_stop(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_null0");
    world_must_open(&world);
    mt_ports_stop(world.opened);
    bool is_end = false;
    size_t bursts = 0;
    struct mt_frame frames[MT_BURST_MAX];
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    for (; !is_end && bursts < 100000; bursts++) {
        capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
        capture->ops->release(capture);
    }
    assert_true(is_end);
    end();
}

/* --- waiting ------------------------------------------------------------------- */

/* A device without interrupts that says nothing of it: to wait for one would be to
 * sleep through whatever comes. */
static void a_device_that_cannot_wake_us_is_not_waited_for(void **state)
{
    (void)state;
    enum { POLLS = 600 };
    world_init(&world);
    world.config.poll = MT_POLL_ADAPTIVE;
    world_port(&world, "net_memif0,role=server,socket=%s,socket-abstract=no", place("memif.sock"));
    world_must_open(&world);
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    const struct mt_port_source *source = (const struct mt_port_source *)capture;
    assert_false(source->queues[0]->is_deaf);
    for (uint32_t polls = 1; polls < POLLS; polls++)
        capture->ops->idle(capture, polls);
    assert_true(source->queues[0]->is_deaf);
    end();
}

/* Frames that come one by one are worth a pause in which they gather; whole bursts
 * are not. */
static void an_adaptive_source_waits_where_frames_come_one_by_one(void **state)
{
    (void)state;
    uint32_t patience[3];
    uint32_t sizes[200];
    for (size_t i = 0; i < 200; i++)
        sizes[i] = 100;
    world_init(&world);
    world.config.poll = MT_POLL_ADAPTIVE;
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("patience", sizes, 200, 0, 10));
    world_must_open(&world);
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    const struct mt_port_source *source = (const struct mt_port_source *)capture;
    struct mt_frame frames[MT_BURST_MAX];
    bool is_end;
    patience[0] = source->patience;
    for (int i = 0; i < 60; i++) {
        assert_int_equal(capture->ops->burst(capture, frames, 1, &is_end), 1);
        capture->ops->release(capture);
    }
    patience[1] = source->patience;
    assert_int_equal(capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end), MT_BURST_MAX);
    capture->ops->release(capture);
    patience[2] = source->patience;
    assert_true(patience[1] < patience[0] / 50);
    assert_int_equal(patience[2], patience[0]);
    end();
}

/* --- spreading ------------------------------------------------------------------ */

static void a_device_with_queues_for_all_workers_gives_each_its_source(void **state)
{
    (void)state;
    world_init(&world);
    world.config.workers = 2;
    world.config.spread = MT_SPREAD_DEVICE;
    world_port(&world, "net_null0");
    world_port(&world, "net_null1");
    world_must_open(&world);
    assert_int_equal(mt_ports_source_count(world.opened), 2);
    world_take(&world, 0, 100);
    world_take(&world, 1, world.frame_count + 100);
    struct mt_port_counts counts[2];
    assert_int_equal(mt_ports_count(world.opened, counts, 2), 2);
    assert_int_equal(counts[0].queue_count, 2);
    assert_true(counts[0].queue_frames[0] > 0 && counts[1].queue_frames[0] > 0);
    assert_true(counts[0].queue_frames[1] > 0 && counts[1].queue_frames[1] > 0);
    world_must_balance(&world);
    end();
}

static void hashes_that_mean_nothing_are_not_relied_upon(void **state)
{
    (void)state;
    world_init(&world);
    world.config.workers = 2;
    world_port(&world, "net_null0");
    world_must_open(&world);
    assert_int_equal(mt_ports_source_count(world.opened), 1);
    end();
}

/* --- what is refused ---------------------------------------------------------------- */

static void must_refuse(int rc, const char *words)
{
    world_open(&world);
    assert_int_equal(world.rc, rc);
    if (strstr(world.reason, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world.reason, words);
    assert_null(strchr(world.reason, '\n'));
    world_fini(&world);
}

static void a_wrong_request_is_refused_before_the_library_starts(void **state)
{
    (void)state;
    static const uint16_t none[1];
    static const struct {
        const char *port;
        const char *interface;
        int rc;
        const char *words;
    } wrong[] = {
        {NULL, NULL, -22, "name a --port or an --interface"},
        {"0000:ff:1f.7", NULL, -19, "there is no PCI device 0000:ff:1f.7; \"mailtap devices\" lists"},
        {"lo", NULL, -22, "lo is an interface of the kernel, not a port; use --interface lo"},
        {",role=server", NULL, -22, "is no port"},
        {NULL, "nosuch0", -22, "there is no interface nosuch0; there is "},
        {NULL, "loo", -22, "did you mean lo?"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        world_init(&world);
        world.config.mail_ports = none;
        if (wrong[i].port != NULL)
            world_port(&world, "%s", wrong[i].port);
        if (wrong[i].interface != NULL)
            world_interface(&world, wrong[i].interface);
        must_refuse(wrong[i].rc, wrong[i].words);
    }
}

static void wrong_settings_are_refused_before_the_library_starts(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        static const char *const words[] = {"core 9999 does not exist; this machine has 0-",
                                            "filter \"tcp prot 25\": ",
                                            "net_null0 is named twice",
                                            "0 workers are not between 1 and 64",
                                            "frames of 70000 bytes are not between",
                                            "queues of 7 descriptors are not between",
                                            "do not fit into the 4 MiB allowed for them; allow "};
        world_init(&world);
        world_port(&world, "net_null0");
        if (i == 0)
            world.config.cores = "9999";
        if (i == 1)
            world.config.filter = "tcp prot 25";
        if (i == 2)
            world_port(&world, "net_null0,size=60");
        if (i == 3)
            world.config.workers = 0;
        if (i == 4)
            world.config.frame_max = 70000;
        if (i == 5)
            world.config.queue_size = 7;
        if (i == 6)
            world.config.memory_max = 4u << 20;
        must_refuse(i == 6 ? -12 : -22, words[i]);
    }
}

static void a_device_that_the_library_does_not_know_is_named(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_nosuch0,size=3");
    world_open(&world);
    assert_true(world.rc < 0);
    assert_string_equal(world.reason,
                        "port net_nosuch0: the driver library has no driver for devices of this "
                        "name; check its name and arguments");
    end();
}

static void a_file_that_the_driver_does_not_find_is_named(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_pcap0,rx_pcap=/nosuch/in.pcap");
    world_open(&world);
    assert_true(world.rc < 0);
    assert_non_null(strstr(world.reason, "port net_pcap0: "));
    assert_non_null(strstr(world.reason, "/nosuch/in.pcap: No such file or directory"));
    end();
}

static void too_few_queues_for_the_workers_are_refused_with_what_mends_it(void **state)
{
    (void)state;
    const uint32_t sizes[] = {60};
    world_init(&world);
    world.config.workers = 3;
    world.config.spread = MT_SPREAD_DEVICE;
    world_port(&world, "net_pcap0,rx_pcap=%s", capture_of("in.pcap", sizes, 1, 0, 1));
    world_open(&world);
    assert_int_equal(world.rc, -22);
    assert_string_equal(world.reason, "net_pcap0 has 1 receive queue, but each of 3 workers needs one; use "
                                      "--workers 1, or --spread software");
    end();
}

static void a_second_start_of_the_library_is_refused(void **state)
{
    (void)state;
    world_init(&world);
    world_port(&world, "net_null0");
    world_must_open(&world);
    world_fini(&world);
    world_init(&world);
    world_port(&world, "net_null0");
    world_open(&world);
    assert_true(world.rc < 0);
    assert_non_null(strstr(world.reason, "the driver library (DPDK) does not start: "));
    end();
}

static void a_port_that_another_instance_has_is_refused(void **state)
{
    (void)state;
    char socket_path[256];
    int ready[2];
    int done[2];
    char byte;
    snprintf(socket_path, sizeof(socket_path), "%s", place("memif.sock"));
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t other = fork();
    world_init(&world);
    world_port(&world, "net_memif0,role=server,socket-abstract=no,socket=%s", socket_path);
    if (other == 0) {
        close(done[1]);
        world_open(&world);
        byte = world.rc == 0 ? 1 : 0;
        _exit(write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(done[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    world_open(&world);
    close(done[1]);
    waitpid(other, NULL, 0);
    assert_true(world.rc < 0);
    assert_non_null(strstr(world.reason, "port net_memif0: "));
    assert_non_null(strstr(world.reason, "another program uses it: stop that one (another mailtap?) first"));
    end();
}

/* --- notes, telemetry ------------------------------------------------------------------ */

static void memory_is_told_with_its_arithmetic(void **state)
{
    (void)state;
    world_init(&world);
    world.config.queue_size = 512;
    world.config.workers = 3;
    world_port(&world, "net_null0");
    world_must_open(&world);
    assert_non_null(strstr(world.notes, "net_null0: by net_null, 1 queue of 512, times of arrival here\n"));
    assert_non_null(strstr(world.notes, "(1 queue x 512 descriptors + 64 in bursts + "));
    assert_non_null(strstr(world.notes, " + 24576 on their way to workers + "));
    end();
}

static void fill(void *ctx, void *object, mt_ports_telemetry_put *put)
{
    put(object, "capture.frames", *(const uint64_t *)ctx);
    put(object, "second", 2);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* A folder for the library's sockets that no other instance knows. Instances that share one
 * and start or end at the same time take the socket's name from each other: the library
 * holds one that is bound and does not listen yet for a dead one. */
static void own_runtime_folder(char *path)
{
    assert_non_null(mkdtemp(path));
    assert_int_equal(setenv("RUNTIME_DIRECTORY", path, 1), 0);
}

static void telemetry_answers_by_name(void **state)
{
    (void)state;
    char folder[] = "/tmp/mailtap-test-XXXXXX";
    uint64_t value = UINT64_C(12345678901234567);
    char text[4096];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    own_runtime_folder(folder);
    world_init(&world);
    assert_int_equal(mt_ports_telemetry("test", "before the start", fill, &value), -ENOTSUP);
    world_port(&world, "net_null0");
    world_must_open(&world);
    assert_int_equal(mt_ports_telemetry("test", "of a test", fill, &value), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/dpdk_telemetry.v2", rte_eal_get_runtime_dir());
    assert_memory_equal(address.sun_path, folder, strlen(folder));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || read(fd, text, sizeof(text)) <= 0)
        fail_msg("no answer at %s", address.sun_path);
    assert_int_equal(write(fd, "/mailtap/test", 13), 13);
    ssize_t size = read(fd, text, sizeof(text) - 1);
    assert_true(size > 0);
    text[size] = '\0';
    close(fd);
    assert_non_null(strstr(text, "\"capture_frames\":12345678901234567"));
    assert_non_null(strstr(text, "\"second\":2"));
    end();
    assert_int_equal(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_a_capture_come_out_byte_equal_with_their_times),
        cmocka_unit_test(frames_of_one_time_have_numbers_that_rise_by_one),
        cmocka_unit_test(two_ports_are_one_tap_in_the_order_of_time),
        cmocka_unit_test(a_frame_in_several_buffers_comes_out_whole),
        cmocka_unit_test(a_frame_that_no_buffer_can_take_is_counted),
        cmocka_unit_test(what_the_filter_refuses_is_counted_and_nothing_else_is_missing),
        cmocka_unit_test(kept_frames_stay_until_they_are_given_back),
        cmocka_unit_test(no_more_than_a_share_of_the_pool_can_be_held),
        cmocka_unit_test(frames_of_a_ring_are_stamped_when_they_are_polled),
        cmocka_unit_test(a_chain_of_many_small_parts_is_joined),
        cmocka_unit_test(what_waits_when_the_ports_are_stopped_is_polled_to_the_end),
        cmocka_unit_test(a_device_that_never_runs_dry_ends_after_the_stop),
        cmocka_unit_test(a_device_that_cannot_wake_us_is_not_waited_for),
        cmocka_unit_test(an_adaptive_source_waits_where_frames_come_one_by_one),
        cmocka_unit_test(a_device_with_queues_for_all_workers_gives_each_its_source),
        cmocka_unit_test(hashes_that_mean_nothing_are_not_relied_upon),
        cmocka_unit_test(a_wrong_request_is_refused_before_the_library_starts),
        cmocka_unit_test(wrong_settings_are_refused_before_the_library_starts),
        cmocka_unit_test(a_device_that_the_library_does_not_know_is_named),
        cmocka_unit_test(a_file_that_the_driver_does_not_find_is_named),
        cmocka_unit_test(too_few_queues_for_the_workers_are_refused_with_what_mends_it),
        cmocka_unit_test(a_second_start_of_the_library_is_refused),
        cmocka_unit_test(a_port_that_another_instance_has_is_refused),
        cmocka_unit_test(memory_is_told_with_its_arithmetic),
        cmocka_unit_test(telemetry_answers_by_name),
    };
    return world_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
