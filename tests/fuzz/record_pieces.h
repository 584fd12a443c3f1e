/* Bytes as the fields of a session record or an alert, for the targets that encode
 * them.
 *
 * Ownership: record_pieces_fini. Thread: one. Limits: 64 KiB of input, four items a
 * list.
 */
#ifndef MT_TESTS_FUZZ_RECORD_PIECES_H
#define MT_TESTS_FUZZ_RECORD_PIECES_H

#include "record/record.h"

/* What is left of the input, and memory for lists and names made of it. */
struct record_pieces {
    struct mt_span rest;
    uint8_t *arena;
    size_t used;
};

void record_pieces_init(struct record_pieces *source, const uint8_t *data, size_t size);
void record_pieces_fini(struct record_pieces *source);

uint8_t record_pieces_byte(struct record_pieces *source);
void record_pieces_fill(struct record_pieces *source, const struct mt_field_group *group, void *record);

#endif
