/* What a correlator knows, as bytes: so that another one, in another process, goes
 * on as if it had taken every feed itself.
 *
 * The bytes are those of this program's structs; a stamp of their layout stands in
 * the first piece, and one of another layout is refused. They may come from a
 * network: what can't be is refused, too.
 *
 * Ownership: pieces are lent for the call. Thread: the correlator's. Limits:
 * MT_SIGMA_STATE_PIECE_MAX bytes a piece.
 */
#ifndef MT_SIGMA_STATE_H
#define MT_SIGMA_STATE_H

#include "sigma/correlate.h"

#define MT_SIGMA_STATE_PIECE_MAX ((size_t)64 << 10)

typedef void mt_sigma_state_out_fn(void *ctx, struct mt_span piece);

/* Pieces in an order that load wants them in. */
void mt_sigma_correlator_save(const struct mt_sigma_correlator *correlator, mt_sigma_state_out_fn *out,
                              void *ctx);

/* A piece, into a correlator that has taken no feed yet. False: it is damaged, of
 * another layout, or out of turn; the correlator is then to be thrown away. Groups of
 * correlations that are not here are left out (counts.stale). */
bool mt_sigma_correlator_load(struct mt_sigma_correlator *correlator, struct mt_span piece);

#endif
