/* Ports opened for a test, and what came out of them. The driver library starts
 * once in a process, so each test of it runs in a process of its own.
 *
 * Ownership: the world owns its ports and frames (world_fini). Thread: one.
 * Limits: WORLD_FRAMES_MAX frames.
 */
#ifndef MT_TESTS_CAPTURE_DRIVER_WORLD_H
#define MT_TESTS_CAPTURE_DRIVER_WORLD_H

#include "capture/ports.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WORLD_FRAMES_MAX 4096

struct world_frame {
    uint64_t time;
    uint64_t number;
    uint32_t size;
    uint32_t sum;
};

struct world {
    struct mt_ports_config config;
    const char *ports[4];
    const char *interfaces[2];
    struct mt_ports *opened;
    int rc;
    char reason[1024];
    char notes[4096];
    size_t frame_count;
    struct world_frame frames[WORLD_FRAMES_MAX];
};

void world_init(struct world *world);
void world_port(struct world *world, const char *format, ...) MT_PRINTF(2, 3);
void world_interface(struct world *world, const char *name);
/* Sets rc, reason and notes. */
void world_open(struct world *world);
/* Fails the test when that does not work. */
void world_must_open(struct world *world);
/* Takes frames of a source into the list until count are there or it has long
 * given none. */
void world_take(struct world *world, size_t source, size_t count);
/* After the stop: until the source says that it has ended. */
void world_drain(struct world *world, size_t source);
/* Frames of the ports are those handed out, filtered and too large. */
void world_must_balance(struct world *world);
uint64_t world_counter(struct world *world, enum mt_counter counter);
/* Buffers of a pool that are in nobody's hands. */
size_t world_pool_free(const char *name);
size_t world_pool_size(const char *name);
void world_fini(struct world *world);

/* Runs each test in a process of its own; the exit code of main. 77 when the
 * driver library does not start here at all, with the reason. */
int world_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

#endif
