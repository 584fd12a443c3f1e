/* The window that a format's walk sees, and what the walk says about it: the
 * same for a mapped file, a stream and a test.
 *
 * A walk reads from window->pos on and moves it; it keeps no pointer into the
 * window. When it says MT_WALK_MORE it is called again with at least
 * window->need bytes from pos on, or with is_last. The result of a walk does
 * not depend on how the bytes were cut into windows.
 *
 * Ownership: the caller's window; frames point into it. Thread: one. Limits:
 * need never exceeds MT_WINDOW_NEED_MAX.
 */
#ifndef MT_CAPTURE_WALK_PRIV_H
#define MT_CAPTURE_WALK_PRIV_H

#include "base/buf.h"
#include "packet/frame.h"

/* Holds three largest pcap records and a header (see mt_resync_next). */
#define MT_WINDOW_NEED_MAX (1u << 20)

struct mt_window {
    const uint8_t *ptr;
    size_t size;
    size_t pos;     /* next byte to read */
    uint64_t off;   /* of ptr[0] in the uncompressed file */
    size_t need;    /* with MT_WALK_MORE: bytes wanted from pos on */
    bool is_last;   /* nothing follows behind size */
    bool is_mapped; /* worth fetching ahead; frames are persistent */
};

enum mt_walk_status {
    MT_WALK_FULL,  /* as many frames as were asked for */
    MT_WALK_MORE,  /* window->need says how many bytes are missing */
    MT_WALK_FAULT, /* damage: the fault says where; call again to go on behind it */
    MT_WALK_END,
};

/* Where and how a file is damaged, for struct mt_capture_damage. */
struct mt_walk_fault {
    uint64_t off;
    bool is_end; /* the bytes ended here: nothing comes behind it */
    char reason[160];
};

static inline size_t mt_window_left(const struct mt_window *window)
{
    return window->size - window->pos;
}

static inline const uint8_t *mt_window_at(const struct mt_window *window)
{
    return window->ptr + window->pos;
}

static inline uint64_t mt_window_off(const struct mt_window *window)
{
    return window->off + window->pos;
}

/* What is left can't be enough: ask for more. */
static inline enum mt_walk_status mt_window_more(struct mt_window *window, size_t need)
{
    window->need = need;
    return MT_WALK_MORE;
}

/* A packet can't have been shorter than what was captured of it, nor absurdly
 * long: one comparison for both. */
#define MT_WALK_WIRE_MAX (256u << 20)

static inline uint32_t mt_walk_wire_size(uint32_t size, uint32_t claim)
{
    return MT_LIKELY(claim - size <= MT_WALK_WIRE_MAX) ? claim : size;
}

/* The second half of a reason: where reading goes on and what is lost. */
static inline void mt_walk_put_lost(struct mt_buf *text, uint64_t damaged_off, uint64_t next_off,
                                    bool is_found)
{
    mt_buf_put_cstr(text, is_found ? "; reading goes on at byte " : "; nothing readable follows");
    if (is_found)
        mt_buf_put_u64(text, next_off);
    mt_buf_put_cstr(text, ", ");
    mt_buf_put_u64(text, next_off - damaged_off);
    mt_buf_put_cstr(text, " bytes are lost");
}

/* A record's lines are fetched while the walk passes it. This is what makes the
 * walk fast: record headers form a chain of dependent misses, but a stream of
 * requests for every line sets the hardware prefetcher going, which then has
 * the next header ready (46 -> 35 ns a record, measured), and whoever looks at
 * the payload next finds it in the cache. Bounded, for huge records: their
 * tail may never be looked at. Addresses past the mapping are harmless. */
#define MT_WALK_FETCH_MAX 2048

static inline void mt_walk_fetch(const uint8_t *record, size_t size)
{
    size_t end = size < MT_WALK_FETCH_MAX ? size : MT_WALK_FETCH_MAX;
    for (size_t off = 0; off < end; off += MT_CACHE_LINE)
        MT_PREFETCH_READ(record + off);
    if (size > MT_WALK_FETCH_MAX)
        MT_PREFETCH_READ(record + size);
}

#endif
