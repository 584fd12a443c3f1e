/* One walk over a capture, twice: with all bytes at once, and with windows that
 * hold just what the walk asks for. Both must see the same.
 *
 * Ownership: data is borrowed. Thread: one. Limits: memory.
 */
#ifndef MT_TESTS_FUZZ_WALK_PIECES_H
#define MT_TESTS_FUZZ_WALK_PIECES_H

#include "capture/walk_priv.h"

struct walk_target {
    size_t skip; /* bytes before the first record */
    void (*open)(void *walk, const uint8_t *data);
    size_t (*next)(void *walk, struct mt_window *window, struct mt_frame *ret_frames, size_t count_max,
                   enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault);
    void (*close)(void *walk);
    void *walk;
};

/* Aborts where the two differ or a rule of walk_priv.h is broken. */
void walk_both_ways(const struct walk_target *target, const uint8_t *data, size_t size);

#endif
