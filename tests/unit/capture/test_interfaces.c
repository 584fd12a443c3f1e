/* Interfaces of the kernel, in a network namespace of each test's own. */
#include "driver_world.h"
#include "reading.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ETHER_TYPE_LOCAL = 0x88b5 };

static struct world world;

static int run(const char *command)
{
    int status = system(command); /* NOLINT(cert-env33-c): fixed words */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

/* A pair of interfaces, va and vb, that nobody else sends on. */
static void make_pair(void)
{
    assert_int_equal(run("ip link add va type veth peer name vb && "
                         "sysctl -q -w net.ipv6.conf.va.disable_ipv6=1 net.ipv6.conf.vb.disable_ipv6=1 && "
                         "ip link set va up && ip link set vb up"),
                     0);
}

static void begin(void)
{
    if (unshare(CLONE_NEWNET) != 0 || run("ip -V >/dev/null 2>&1") != 0) {
        print_message("skipped: no right to make a network namespace, or no ip command\n");
        skip();
    }
    make_pair();
    world_init(&world);
}

static int send_socket(const char *interface)
{
    const struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_ifindex = (int)if_nametoindex(interface),
    };
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* count frames of 60 bytes and more, each followed by its number. */
static void send_frames(const char *interface, unsigned count)
{
    int fd = send_socket(interface);
    for (unsigned i = 0; i < count; i++) {
        uint8_t frame[1514] = {
            0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, ETHER_TYPE_LOCAL >> 8, ETHER_TYPE_LOCAL & 0xff};
        memcpy(frame + 14, &i, sizeof(i));
        ssize_t size = 60 + (ssize_t)(i * 97 % 1454);
        assert_int_equal(send(fd, frame, (size_t)size, 0), size);
        if (i % 64 == 63)
            usleep(1000); /* no more than the smallest ring holds */
    }
    close(fd);
}

static void must_be_driven_by(const char *driver)
{
    char words[64];
    snprintf(words, sizeof(words), "va: by %s, ", driver);
    if (strstr(world.notes, words) == NULL) {
        print_message("skipped: not %s here: %s\n", driver, world.notes);
        world_fini(&world);
        skip();
    }
}

static void must_carry_frames(void)
{
    enum { COUNT = 500 };
    size_t before = world.frame_count;
    send_frames("vb", COUNT);
    world_take(&world, 0, before + COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(world.frames[before + i].size, 60 + i * 97 % 1454);
    struct mt_port_counts counts[2];
    mt_ports_count(world.opened, counts, 2);
    assert_int_equal(counts[0].missed, 0);
    assert_true(counts[0].is_up);
    world_must_balance(&world);
}

static void an_interface_that_nobody_uses_is_captured_by_af_xdp(void **state)
{
    (void)state;
    begin();
    world_interface(&world, "va");
    world_must_open(&world);
    must_be_driven_by("net_af_xdp");
    must_carry_frames();
    world_fini(&world);
}

static void an_interface_with_addresses_keeps_its_frames_and_is_captured_by_af_packet(void **state)
{
    (void)state;
    begin();
    assert_int_equal(run("ip addr add 192.0.2.1/24 dev va"), 0);
    world_interface(&world, "va");
    world_must_open(&world);
    assert_non_null(strstr(world.notes, "would take the frames of an interface that the system itself uses"));
    must_be_driven_by("net_af_packet");
    must_carry_frames();
    world_fini(&world);
}

/* Without a frame, although frames bear times: or nothing of a quiet wire would end. */
static void time_passes_on_a_quiet_interface_by_libpcap(void **state)
{
    (void)state;
    begin();
    world_port(&world, "net_pcap0,rx_iface=va");
    world_must_open(&world);
    struct mt_capture *capture = mt_ports_source(world.opened, 0);
    uint64_t before = capture->ops->now(capture);
    assert_true(before > 0);
    usleep(1000);
    assert_true(capture->ops->now(capture) > before);
    send_frames("vb", 10);
    world_take(&world, 0, 10);
    assert_true(world.frames[0].time > before);
    assert_int_equal(world_counter(&world, MT_COUNTER_TIME_BACKWARDS), 0);
    world_fini(&world);
}

static void what_the_kernel_could_not_put_into_the_ring_is_counted(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    begin();
    assert_int_equal(run("ip addr add 192.0.2.1/24 dev va"), 0);
    world_interface(&world, "va");
    world_must_open(&world);
    must_be_driven_by("net_af_packet");
    send_frames("vb", COUNT); /* to a ring of 1024 that nobody empties */
    struct mt_port_counts counts;
    mt_ports_count(world.opened, &counts, 1);
    assert_true(counts.missed > 0);
    world_take(&world, 0, COUNT - counts.missed);
    mt_ports_count(world.opened, &counts, 1);
    assert_int_equal(counts.frames + counts.missed, COUNT);
    world_must_balance(&world);
    world_fini(&world);
}

static void a_tagged_frame_has_its_tag(void **state)
{
    (void)state;
    uint8_t frame[80] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x81, 0x00, 0x20, 0x07, 0x88, 0xb5, 'm'};
    begin();
    assert_int_equal(run("ip addr add 192.0.2.1/24 dev va"), 0);
    world_interface(&world, "va");
    world_must_open(&world);
    int fd = send_socket("vb");
    assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
    close(fd);
    world_take(&world, 0, 1);
    assert_int_equal(world.frames[0].size, sizeof(frame));
    assert_int_equal(world.frames[0].sum, sum_of(frame, sizeof(frame)));
    world_fini(&world);
}

static void a_port_that_goes_and_returns_stops_no_other(void **state)
{
    (void)state;
    struct mt_port_counts counts[2];
    begin();
    world_interface(&world, "va");
    world_port(&world, "net_ring0");
    world_must_open(&world);
    /* ports stand before interfaces */
    send_frames("vb", 100);
    world_take(&world, 0, 100);
    assert_int_equal(run("ip link del va"), 0);
    for (int i = 0; i < 3; i++) {
        struct mt_frame frames[MT_BURST_MAX];
        bool is_end;
        struct mt_capture *capture = mt_ports_source(world.opened, 0);
        mt_ports_count(world.opened, counts, 2);
        assert_true(counts[1].is_gone);
        assert_false(counts[1].is_up);
        assert_false(counts[0].is_gone);
        assert_int_equal(capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end), 0);
        capture->ops->release(capture);
    }
    make_pair();
    mt_ports_count(world.opened, counts, 2);
    assert_false(counts[1].is_gone);
    assert_true(counts[1].is_up);
    send_frames("vb", 200);
    world_take(&world, 0, 300);
    mt_ports_count(world.opened, counts, 2);
    assert_int_equal(counts[1].frames, 300);
    world_must_balance(&world);
    world_fini(&world);
}

static void an_interface_whose_frames_another_instance_takes_is_refused(void **state)
{
    (void)state;
    int ready[2];
    int done[2];
    char byte = 0;
    begin();
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    world_interface(&world, "va");
    pid_t other = fork();
    if (other == 0) {
        close(done[1]);
        world_open(&world);
        byte = world.rc == 0 && strstr(world.notes, "va: by net_af_xdp") != NULL ? 1 : 0;
        bool is_told = write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 0;
        world_fini(&world);
        _exit(is_told ? 0 : 1);
    }
    close(done[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    if (byte == 1)
        world_open(&world);
    close(done[1]);
    waitpid(other, NULL, 0);
    if (byte != 1) {
        print_message("skipped: no AF_XDP here\n");
        skip();
    }
    assert_int_equal(world.rc, -EBUSY);
    assert_string_equal(
        world.reason,
        "another program (another mailtap?) takes the frames of va by AF_XDP; stop it first, or if "
        "it was killed, \"ip link set va xdp off\" mends it");
}

static void an_interface_that_is_down_is_refused_with_what_mends_it(void **state)
{
    (void)state;
    begin();
    assert_int_equal(run("ip link set va down"), 0);
    world_interface(&world, "va");
    world_open(&world);
    assert_int_equal(world.rc, -ENETDOWN);
    assert_string_equal(world.reason, "va is down; \"ip link set va up\" mends it");
}

static void an_interface_is_left_as_it_was_found(void **state)
{
    (void)state;
    begin();
    world_interface(&world, "va");
    world_must_open(&world);
    assert_int_equal(run("ip -d link show va | grep -q 'promiscuity 1'"), 0);
    world_fini(&world);
    assert_int_equal(run("ip -d link show va | grep -q 'promiscuity 0'"), 0);
    assert_int_equal(run("ip link show va | grep -q xdp"), 1);
}

/* libxdp keeps 80 bytes of every umem; nothing else may be left. The sanitizer's
 * run-time library calls this, if there is one. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:xsk_umem__create\n";
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interface_that_nobody_uses_is_captured_by_af_xdp),
        cmocka_unit_test(an_interface_with_addresses_keeps_its_frames_and_is_captured_by_af_packet),
        cmocka_unit_test(time_passes_on_a_quiet_interface_by_libpcap),
        cmocka_unit_test(what_the_kernel_could_not_put_into_the_ring_is_counted),
        cmocka_unit_test(a_tagged_frame_has_its_tag),
        cmocka_unit_test(a_port_that_goes_and_returns_stops_no_other),
        cmocka_unit_test(an_interface_whose_frames_another_instance_takes_is_refused),
        cmocka_unit_test(an_interface_that_is_down_is_refused_with_what_mends_it),
        cmocka_unit_test(an_interface_is_left_as_it_was_found),
    };
    return world_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
