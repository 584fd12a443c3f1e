#include "driver_world.h"

#include "reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_mempool.h>

enum { EMPTY_POLLS_MAX = 200000, SKIPPED = 77 };

void world_init(struct world *world)
{
    *world = (struct world){.config = {.workers = 1}};
    world->config.ports = world->ports;
    world->config.interfaces = world->interfaces;
}

void world_port(struct world *world, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    assert_true(vasprintf(&text, format, args) > 0);
    va_end(args);
    world->ports[world->config.port_count++] = text;
}

void world_interface(struct world *world, const char *name)
{
    world->interfaces[world->config.interface_count++] = name;
}

static void note(void *ctx, const char *line)
{
    struct world *world = ctx;
    size_t used = strlen(world->notes);
    snprintf(world->notes + used, sizeof(world->notes) - used, "%s\n", line);
}

void world_open(struct world *world)
{
    world->rc =
        mt_ports_open(&world->config, note, world, world->reason, sizeof(world->reason), &world->opened);
}

void world_must_open(struct world *world)
{
    world_open(world);
    if (world->rc != 0)
        fail_msg("not opened: %s", world->reason);
}

static size_t take_burst(struct world *world, struct mt_capture *capture, bool *ret_end)
{
    struct mt_frame frames[MT_BURST_MAX];
    size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, ret_end);
    for (size_t i = 0; i < count && world->frame_count < WORLD_FRAMES_MAX; i++) {
        assert_int_equal(frames[i].link, MT_LINK_ETHERNET);
        assert_non_null(frames[i].handle);
        assert_true(frames[i].wire_size >= frames[i].size);
        world->frames[world->frame_count++] = (struct world_frame){
            .time = frames[i].mark.time,
            .number = frames[i].mark.number,
            .size = frames[i].size,
            .sum = sum_of(frames[i].data, frames[i].size),
        };
    }
    capture->ops->release(capture);
    return count;
}

void world_take(struct world *world, size_t source, size_t count)
{
    struct mt_capture *capture = mt_ports_source(world->opened, source);
    bool is_end = false;
    for (unsigned empty = 0; world->frame_count < count && empty < EMPTY_POLLS_MAX; empty++) {
        if (take_burst(world, capture, &is_end) > 0)
            empty = 0;
        assert_false(is_end);
    }
    assert_true(world->frame_count >= count);
}

void world_drain(struct world *world, size_t source)
{
    bool is_end = false;
    while (!is_end)
        take_burst(world, mt_ports_source(world->opened, source), &is_end);
}

uint64_t world_counter(struct world *world, enum mt_counter counter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < mt_ports_source_count(world->opened); i++)
        sum += mt_stats_get(mt_ports_source(world->opened, i)->stats, counter);
    return sum;
}

void world_must_balance(struct world *world)
{
    struct mt_port_counts counts[4];
    size_t count = mt_ports_count(world->opened, counts, 4);
    uint64_t frames = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t by_queue = 0;
        for (uint32_t j = 0; j < counts[i].queue_count; j++)
            by_queue += counts[i].queue_frames[j];
        assert_int_equal(by_queue, counts[i].frames);
        frames += counts[i].frames;
        bytes += counts[i].bytes;
    }
    assert_int_equal(frames, world->frame_count + world_counter(world, MT_COUNTER_FILTERED) +
                                 world_counter(world, MT_COUNTER_PORT_TOO_LARGE));
    assert_int_equal(frames, world_counter(world, MT_COUNTER_FRAMES));
    assert_int_equal(bytes, world_counter(world, MT_COUNTER_BYTES));
}

size_t world_pool_free(const char *name)
{
    return rte_mempool_avail_count(rte_mempool_lookup(name));
}

size_t world_pool_size(const char *name)
{
    return rte_mempool_lookup(name)->size;
}

void world_fini(struct world *world)
{
    if (world->opened != NULL)
        mt_ports_close(world->opened);
    for (size_t i = 0; i < world->config.port_count; i++)
        free((void *)(uintptr_t)world->ports[i]);
}

/* --- a process a test -------------------------------------------------------- */

static int run_in_process(const char *name)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test", name, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int try_library(void)
{
    static struct world world;
    world_init(&world);
    world_port(&world, "net_null0");
    world_open(&world);
    if (world.rc != 0)
        printf("skipped: the driver library does not start here: %s\n", world.reason);
    world_fini(&world);
    return world.rc == 0 ? 0 : SKIPPED;
}

int world_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    if (argc > 1 && strcmp(argv[1], "try") == 0)
        return try_library();
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
        return _cmocka_run_group_tests(argv[1], tests, count, NULL, NULL);
    }
    int failed = 0;
    if (run_in_process("try") == SKIPPED)
        return SKIPPED;
    for (size_t i = 0; i < count; i++)
        failed += run_in_process(tests[i].name) != 0;
    printf("%zu tests, each in a process of its own, %d failed\n", count, failed);
    return failed == 0 ? 0 : 1;
}
