/* What is spoken where mail was expected: asks nDPI about the first words of a
 * connection.
 *
 * nDPI is shown packets of TCP that are made up around the pieces, between ports
 * that belong to no protocol: on port 25 it would take nothing for FTP and half of
 * HTTP for mail. It looks for the protocols of dpi/protocols.def alone, and what it
 * only guesses (by ports, or because it runs out of packets) is not asked for.
 *
 * Ownership: the asker owns nDPI's tables, about 5 MB, and the state of one flow,
 * which is in use during the call only; what nDPI allocates for it is freed before
 * the call returns. Thread: one asker a thread. Limits: MT_OTHER_PIECES pieces of
 * MT_OTHER_PIECE_MAX bytes are looked at.
 */
#ifndef MT_DPI_OTHER_H
#define MT_DPI_OTHER_H

#include "base/net.h"

#define MT_OTHER_PIECES 8u
#define MT_OTHER_PIECE_MAX 240u

struct mt_other_piece {
    enum mt_side side;
    struct mt_span bytes;
};

struct mt_other_asker;

/* Takes some milliseconds and a hundred thousand allocations: before polling
 * begins, or where nobody waits. -ENOMEM; -ENOTSUP when the library at hand is not
 * of the version that this was built with. */
int mt_other_create(struct mt_other_asker **ret_asker);
void mt_other_destroy(struct mt_other_asker *asker);

/* The name of the protocol ("ssh"), a constant; NULL when nDPI does not know it. */
const char *mt_other_ask(struct mt_other_asker *asker, const struct mt_other_piece *pieces, size_t count);

#endif
