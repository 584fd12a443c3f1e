/* STARTTLS: what was asked, answered and offered (starttls.c).
 *
 * Ownership: the session's. Thread: the engine's. Limits: none.
 */
#ifndef MT_SESSION_STARTTLS_PRIV_H
#define MT_SESSION_STARTTLS_PRIV_H

#include "session/session_priv.h"

void mt_starttls_command(struct mt_run *run, const struct mt_smtp_command *command);
void mt_starttls_reply(struct mt_run *run, uint32_t reply);
/* The last line of the answer to EHLO. */
void mt_starttls_offer(struct mt_run *run, const struct mt_expect *expect, uint16_t code);
/* Before the first MAIL or AUTH of a session in clear. */
void mt_starttls_clear(struct mt_run *run);
void mt_starttls_early(struct mt_run *run, struct mt_span bytes);
/* A TLS record of run's side; is_handshake: of that type. */
void mt_tls_begin(struct mt_run *run, bool is_handshake);
/* Plain text of run's side where TLS was due. */
void mt_tls_absent(struct mt_run *run);

#endif
