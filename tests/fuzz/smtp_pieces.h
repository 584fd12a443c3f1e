/* What smtp_client.c and smtp_server.c share: the events of one side must be
 * the same whether its bytes come whole or in pieces. */
#ifndef MT_TESTS_FUZZ_SMTP_PIECES_H
#define MT_TESTS_FUZZ_SMTP_PIECES_H

#include "base/net.h"

/* The first SMTP_PLAN_SIZE bytes choose the pieces, a gap and what follows each
 * HOLD; the rest is what the side says. Aborts when the events differ. */
#define SMTP_PLAN_SIZE 12

void smtp_pieces_agree(enum mt_side side, const uint8_t *data, size_t size);

#endif
