/* Who does what in this module.
 *
 *   feed.c         bytes of a side to its parser: lines cut by segment borders,
 *                  holding back, looking at bytes that could be several things
 *   gap.c          missing bytes
 *   commands.c     a command, what it may do (state_table.c), what it starts
 *   replies.c      a reply line, the command that it answers (expect.c)
 *   transaction.c  the envelope; content.c the message; header_list.c all fields of
 *                  its header; parts.c its parts, body.c what they hold; auth.c;
 *                  starttls.c; helo.c
 *   look_alike.c   what may pass for the end of content, and what stands behind it
 *   tls.c          what a TLS handshake shows, while it lasts
 *   relay.c        forms of relay attempts; observe.c facts for the collector
 *   latency.c      how long replies take; events.c who asks for what is said
 *   store.c        entries in arena blocks; tally.c small counts
 *   build*.c       entries to the record (build_priv.h); build_received.c the hops
 *
 * Ownership: a run is its caller's, for one call. Thread: the engine's. Limits:
 * struct mt_session_limits.
 */
#ifndef MT_SESSION_PARTS_PRIV_H
#define MT_SESSION_PARTS_PRIV_H

#include "session/octets_priv.h"
#include "session/starttls_priv.h"

/* --- store.c ---------------------------------------------------------------- */

/* A new entry of size bytes (its struct) with text behind it; the struct is
 * zeroed but for its head. NULL when the session's or the arena's limit is
 * reached; is_essential passes over the session's. */
void *mt_store_put(struct mt_run *run, enum mt_tag tag, size_t size, struct mt_span text, bool is_essential);

/* Puts bytes behind the last entry if that is `entry` and there is room. */
bool mt_store_extend(struct mt_session *session, struct mt_entry *entry, struct mt_span bytes);

/* The last entry that was put, or NULL. */
struct mt_entry *mt_store_last(const struct mt_session *session);

struct mt_cursor {
    const struct mt_block *block;
    const struct mt_block *last;
    size_t off;
};

/* From the first entry on, or from a given one. */
struct mt_cursor mt_store_begin(const struct mt_session *session);
struct mt_cursor mt_store_begin_at(const struct mt_session *session, const void *entry);
struct mt_entry *mt_store_next(struct mt_cursor *cursor);

/* NULL when the arena is exhausted. */
struct mt_extra *mt_extra(struct mt_run *run);
/* Gives it back when nothing is in it. */
void mt_extra_drop(struct mt_run *run);

/* Everything back to the arena. */
void mt_store_free(struct mt_session_engine *engine, struct mt_session *session);

/* text, at most max bytes of it; marks the cut. */
struct mt_span mt_keep(struct mt_run *run, struct mt_span text, size_t max, enum mt_cut cut);
void mt_cut(struct mt_run *run, enum mt_cut cut);
const char *mt_cut_path(enum mt_cut cut);

/* --- tally.c ---------------------------------------------------------------- */

void mt_tally_count(struct mt_run *run, unsigned key);
/* Everything that was counted, by key; room for MT_KEY_COUNT. */
size_t mt_tally_list(const struct mt_session *session, struct mt_count *ret_counts);

/* --- latency.c -------------------------------------------------------------- */

/* What mt_expect.chunk is to say of a command that is sent now. */
uint64_t mt_latency_stamp(const struct mt_run *run, unsigned what, uint64_t chunk);
/* The whole reply to it is there. */
void mt_latency_take(struct mt_run *run, const struct mt_expect *expect, uint16_t code);
void mt_latency_silence(struct mt_session *session, uint64_t time);

/* --- expect.c --------------------------------------------------------------- */

/* Room is made by giving up the oldest when outstanding_max is reached. */
void mt_expect_push(struct mt_run *run, unsigned what, void *entry, unsigned flags, uint64_t chunk);
void mt_expect_pop(struct mt_run *run);
/* The index-th oldest. */
const struct mt_expect *mt_expect_at(const struct mt_session *session, unsigned index);
/* The oldest count stay unanswered. */
void mt_expect_drop(struct mt_run *run, unsigned count);
/* The newest is a chunk that will not be sent to its end. */
void mt_expect_cut_chunk(struct mt_session *session, uint64_t left);
/* From here on what is outstanding can't be judged. */
void mt_expect_taint(struct mt_session *session);
/* Can this be answered with this code (RFC 5321 §4.3.2 and the extensions)? */
bool mt_expect_can_have(unsigned what, uint16_t code);
/* A command comes: what does that say about replies that are missing? */
void mt_expect_new_command(struct mt_run *run);
/* The first line of a reply: makes the command that it answers the head. False:
 * there is none. */
bool mt_expect_bind(struct mt_run *run, uint16_t code);

/* --- session.c -------------------------------------------------------------- */

void mt_anomaly(struct mt_run *run, enum mt_anomaly anomaly);
bool mt_has_anomaly(const struct mt_session *session, enum mt_anomaly anomaly);
void mt_transcript(struct mt_run *run, enum mt_transcript_kind kind, struct mt_span text, uint64_t count);
/* Were both directions seen, without anything missing that could matter here,
 * and in a known order? */
bool mt_can_judge(const struct mt_run *run);
void mt_session_address(const struct mt_session *session, enum mt_side side, struct mt_ip *ret_ip);
/* The client or the server was never seen. */
bool mt_is_one_way(const struct mt_session *session);

/* --- feed.c ----------------------------------------------------------------- */

size_t mt_feed_client(struct mt_run *run, struct mt_span bytes);
size_t mt_feed_server(struct mt_run *run, struct mt_span bytes);
/* The connection has ended. */
void mt_feed_finish(struct mt_run *run);
void mt_carry_free(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side);
/* Takes nothing more from the client until the reply to verb. */
void mt_hold(struct mt_session *session, enum mt_smtp_verb verb);
/* What comes next from the client are commands, or an AUTH response. */
void mt_resume(struct mt_run *run, enum mt_smtp_client_mode mode);
/* The server was never seen, or what it said lately was not. */
bool mt_is_server_silent(const struct mt_session *session);

extern const struct mt_smtp_client_events mt_client_events;
extern const struct mt_smtp_server_events mt_server_events;

/* --- gap.c ------------------------------------------------------------------ */

/* Commands, replies of run's side are missing here. */
void mt_gap_commands(struct mt_run *run);
/* Memory was refused: the line that was being put together is lost. */
void mt_gap_line(struct mt_run *run);

/* --- state_table.c ---------------------------------------------------------- */

void mt_state_judge(struct mt_run *run, enum mt_smtp_verb verb);

/* --- commands.c ------------------------------------------------------------- */

void mt_command_take(void *run, const struct mt_smtp_command *command);
/* Where a session without a transaction stands. */
uint8_t mt_state_idle(const struct mt_session *session);
/* The reset that RSET or a new HELO asked for. */
void mt_reset_apply(struct mt_run *run);

/* --- replies.c -------------------------------------------------------------- */

void mt_reply_take(void *run, const struct mt_smtp_reply_line *line);
/* The reply that is under way will not be seen to its end. */
void mt_reply_break_off(struct mt_run *run);

/* --- transaction.c ---------------------------------------------------------- */

bool mt_tx_is_open(const struct mt_session *session);
void mt_tx_mail(struct mt_run *run, const struct mt_smtp_command *command);
void mt_tx_mail_reply(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply);
void mt_tx_rcpt(struct mt_run *run, const struct mt_smtp_command *command);
void mt_tx_rcpt_reply(struct mt_run *run, const struct mt_expect *expect, uint32_t reply,
                      struct mt_span line);
/* A transaction whose MAIL was not seen. */
void mt_tx_anonymous(struct mt_run *run);
/* NULL for NULL, and when the arena is exhausted. */
struct mt_entry_done *mt_tx_done(struct mt_run *run, struct mt_entry_mail *tx);
void mt_tx_end(struct mt_run *run, struct mt_entry_mail *tx, enum mt_tx_end how);
/* The open transaction is over for the client. */
void mt_tx_leave(struct mt_session *session);
void mt_tx_final(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply);
void mt_tx_gap(struct mt_run *run);
uint64_t mt_tx_accepted(const struct mt_session *session, const struct mt_entry_mail *tx);
/* How many replies its content will get: LMTP gives one for each accepted
 * recipient (RFC 2033 §4.2). At least 1. */
uint64_t mt_tx_replies(const struct mt_session *session, const struct mt_entry_mail *tx);
struct mt_span mt_place_address(const struct mt_place *place, struct mt_span text);
struct mt_span mt_place_domain(const struct mt_place *place, struct mt_span text);

/* --- content.c -------------------------------------------------------------- */

void mt_content_begin(struct mt_run *run, struct mt_entry_mail *tx);
void mt_content_chunk(struct mt_run *run);
void mt_content_chunk_done(struct mt_run *run);
void mt_content_take(void *run, struct mt_span bytes);
void mt_content_octets(void *run, const struct mt_octets *octets);
void mt_content_end(void *run, bool is_chunk);
/* Of the content so far. */
void mt_content_keep_octets(struct mt_run *run);
/* Bytes of content are missing, or the connection ended: no field is complete. */
void mt_content_drop_header(struct mt_run *run);
/* The content has ended although its end was not seen. */
void mt_content_force_end(struct mt_run *run);

/* --- parts.c ---------------------------------------------------------------- */

/* A message begins: what comes from now on may be written to a file. */
void mt_parts_open(struct mt_run *run);
/* Its octets, header and all, while MT_S_MIME is set. */
void mt_parts_save(struct mt_run *run, struct mt_span bytes);
/* A field of a message's header, if it is about its content. */
void mt_parts_field(struct mt_run *run, struct mt_span name, struct mt_span value);
/* The header has ended. */
void mt_parts_begin(struct mt_run *run);
/* Octets behind it, while MT_S_MIME is set. is_split: as mt_smtp_client_want_marks
 * promises. */
void mt_parts_take(struct mt_run *run, struct mt_span bytes, bool is_split);
void mt_parts_end(struct mt_run *run);
/* Octets are missing, or the content was broken off. */
void mt_parts_drop(struct mt_run *run);
void mt_parts_free(struct mt_session_engine *engine, struct mt_session *session);

/* --- auth.c ----------------------------------------------------------------- */

/* The SASL mechanism that argument names, absent when its first word is none. */
struct mt_span mt_auth_mechanism(struct mt_span argument);
void mt_auth_command(struct mt_run *run, const struct mt_smtp_command *command);
void mt_auth_response(void *run, struct mt_span line, uint32_t octets);
void mt_auth_reply(struct mt_run *run, struct mt_entry_auth *auth, const struct mt_smtp_reply_line *line,
                   uint32_t reply);
/* Could this line of no known verb be a response that strayed? */
bool mt_auth_may_be_secret(const struct mt_session *session, const struct mt_smtp_command *command);
/* A stack buffer that held a secret. */
void mt_wipe(void *bytes, size_t size);

/* --- tls.c ------------------------------------------------------------------ */

/* A handshake begins: whatever its sides say is looked at until it is over. */
void mt_tls_watch_begin(struct mt_run *run);
/* Bytes of run's side. */
void mt_tls_watch_take(struct mt_run *run, struct mt_span bytes);
void mt_tls_watch_gap(struct mt_run *run);
/* An SSL 2 hello: all that there is to see. */
void mt_tls_watch_ssl2(struct mt_run *run, uint16_t version);
void mt_tls_free(struct mt_session_engine *engine, struct mt_session *session);
/* The handshake, or the connection, is over; false: or only what is seen of it. */
void mt_tls_watch_end(struct mt_run *run, bool is_over);

/* --- helo.c ----------------------------------------------------------------- */

enum {
#define MT_HELO_TEST(name, number, text, points, meaning) MT_HELO_##name = 1u << ((number)-1),
#include "record/helo_tests.def"
#undef MT_HELO_TEST
};

void mt_helo_command(struct mt_run *run, const struct mt_smtp_command *command);
void mt_helo_at_mail(struct mt_run *run, const struct mt_smtp_command *command);
void mt_helo_at_close(struct mt_run *run);
/* What is no mail (other.c). feed: of the first bytes of a side (is_first), and of all
 * while MT_S_OTHER is set. name: of the protocol, or NULL. */
size_t mt_other_feed(struct mt_run *run, struct mt_span bytes, bool is_first);
const char *mt_other_name(struct mt_run *run);
void mt_other_free(struct mt_session_engine *engine, const struct mt_session *session);

uint32_t mt_helo_findings(const struct mt_session *session);
unsigned mt_helo_score(uint32_t findings);
/* Is this the first word of the server's 220, its own name? */
bool mt_banner_names(const struct mt_session *session, struct mt_span name);

/* --- relay.c ---------------------------------------------------------------- */

enum mt_relay_form mt_relay_form(const struct mt_run *run, struct mt_entry_mail *tx,
                                 const struct mt_entry_rcpt *rcpt, struct mt_span *ret_target);
/* Percent hack, bang path or source route? */
bool mt_relay_is_route(const struct mt_smtp_path *path);
bool mt_relay_speaks_of(struct mt_span text);
/* Is this domain the server's address in brackets? */
bool mt_relay_is_own_ip(const struct mt_session *session, struct mt_span domain);

/* --- observe.c -------------------------------------------------------------- */

void mt_observe_rcpt(struct mt_run *run, struct mt_entry_mail *tx, const struct mt_entry_rcpt *rcpt,
                     uint32_t reply, struct mt_span line);
void mt_observe_message(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply, struct mt_span line);
/* At the session's end: recipients that were accepted and got no message. */
void mt_observe_close(struct mt_run *run);
void mt_observe_probe(struct mt_run *run, const struct mt_entry_probe *probe, uint32_t reply, uint32_t lines,
                      struct mt_span line);
void mt_observe_helo(struct mt_run *run, uint32_t findings, struct mt_span mail_line);
/* Keeps the first line of a reply that has more. */
void mt_observe_first(struct mt_run *run, struct mt_span line);

/* --- outer.c ---------------------------------------------------------------- */

/* Keeps what the session's packets are wrapped in. */
void mt_outer_keep(struct mt_run *run, const struct mt_outer *outer);

/* --- build.c ---------------------------------------------------------------- */

/* Builds the record in the engine's scratch and hands it out. */
void mt_build_record(struct mt_run *run, enum mt_session_end end);

#endif
