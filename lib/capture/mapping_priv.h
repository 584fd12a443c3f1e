/* A file mapped for reading that may be cut short meanwhile, or lie on a disk that
 * fails. Whoever touches a page that is gone gets SIGBUS: a handler puts a page of
 * zeros there and notes where, so that the reader of the file can say so and end it,
 * and no thread that still looks at its frames dies. Peers do the same where they
 * share mappings with others (the journal of systemd, compositors of Wayland); to
 * jump out of the handler instead would leave a worker's tables half changed.
 *
 * A SIGBUS for anything else meets the action that was set before.
 *
 * Ownership: the caller's struct, which stays where it is from open to close; the
 * descriptor stays the caller's. Thread: open and close from any, close when nobody
 * looks at bytes of the mapping and no handler can run for another one; lost from
 * any. Limits: what the kernel maps.
 */
#ifndef MT_CAPTURE_MAPPING_PRIV_H
#define MT_CAPTURE_MAPPING_PRIV_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct mt_mapping {
    const uint8_t *ptr; /* NULL: not open */
    size_t size;
    _Atomic size_t lost_off; /* of the first page that could not be read, or SIZE_MAX */
    struct mt_mapping *_Atomic next;
    struct mt_mapping *previous;
};

/* Maps the first size bytes, which must not be none. 0 or -errno. */
int mt_mapping_open(struct mt_mapping *mapping, int fd, size_t size);
void mt_mapping_close(struct mt_mapping *mapping);

/* Where the first page begins that could not be read so far, or SIZE_MAX. */
static inline size_t mt_mapping_lost(const struct mt_mapping *mapping)
{
    return atomic_load_explicit(&mapping->lost_off, memory_order_acquire);
}

#endif
