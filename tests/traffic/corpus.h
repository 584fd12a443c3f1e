/* What message bodies, TLS records and odd lines are made of: rings of bytes
 * that are the same in every run. A body is a stretch of whole lines of a ring.
 *
 * Ownership: the corpus owns its rings; read-only once made. Thread: any.
 * Limits: a stretch may be longer than its ring, it then goes round.
 */
#ifndef MT_TRAFFIC_CORPUS_H
#define MT_TRAFFIC_CORPUS_H

#include "random.h"

#include <stddef.h>

enum mt_ring {
    MT_RING_TEXT,   /* prose; some lines begin with a stuffed dot */
    MT_RING_BASE64, /* 76 columns */
    MT_RING_DOTS,   /* mostly dots, in every place where they hurt */
    MT_RING_RANDOM, /* what TLS looks like from outside; no lines */
    MT_RING_COUNT,
};

struct mt_corpus;

struct mt_corpus *mt_corpus_create(void);
void mt_corpus_destroy(struct mt_corpus *corpus);

/* A stretch of about `want` bytes of whole lines. size is on the wire, that is
 * with stuffing dots; stuffed is how many of these there are. */
struct mt_stretch {
    enum mt_ring ring;
    uint32_t start;
    uint32_t size;
    uint32_t stuffed;
};

struct mt_stretch mt_corpus_pick(const struct mt_corpus *corpus, enum mt_ring ring, uint32_t want,
                                 struct mt_random *random);

/* size bytes of a ring from start on. */
void mt_corpus_copy(const struct mt_corpus *corpus, enum mt_ring ring, uint32_t start, uint8_t *ret_bytes,
                    size_t size);

#endif
