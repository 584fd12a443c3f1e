/* What is kept of many values in 4 KiB: how many are distinct (HyperLogLog, a
 * standard error of 1.6 %), or how they are distributed (a histogram whose buckets
 * are a sixteenth of an octave wide: 3 % off at most).
 *
 * Ownership: the caller's bytes, zero to begin with. Thread: one. Limits: none.
 */
#ifndef MT_SIGMA_SKETCH_PRIV_H
#define MT_SIGMA_SKETCH_PRIV_H

#include "base/span.h"

#define MT_SKETCH_SIZE 4096u

/* hash: of the value, evenly distributed. */
void mt_distinct_add(uint8_t sketch[MT_SKETCH_SIZE], uint64_t hash);
uint64_t mt_distinct_count(const uint8_t sketch[MT_SKETCH_SIZE]);

void mt_spread_add(uint8_t sketch[MT_SKETCH_SIZE], uint64_t value);
/* The value that percentile of a hundred are not above; 0 of none. */
uint64_t mt_spread_percentile(const uint8_t sketch[MT_SKETCH_SIZE], uint32_t percentile);

/* The place, from 1, of that value among count sorted ones. */
uint64_t mt_percentile_rank(uint64_t count, uint32_t percentile);

#endif
