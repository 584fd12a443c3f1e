/* What answers of DNS say of a session's ends (--dns).
 *
 * Ownership: names lie in the table of answers, until the next is put. Thread: the
 * engine's. Limits: those of dns/table.h; MX look-ups are made for
 * MT_NAMES_DOMAINS_MAX domains of a session.
 */
#ifndef MT_SESSION_NAMES_PRIV_H
#define MT_SESSION_NAMES_PRIV_H

#include "session/build_priv.h"

#define MT_NAMES_DOMAINS_MAX 64u

/* Answers that were seen so long behind a session's last packet still count; it
 * ends later than that (worker.c, LINGER_SECONDS), so that they have been seen. */
#define MT_NAMES_LINGER MT_SEC

/* Once, at the session's end: fills run->engine->known. */
void mt_names_judge(struct mt_run *run);

/* The name of an MX of the domain that has the server's address. FLAG_ABSENT: not
 * known. */
enum mt_flag mt_names_mx(const struct mt_run *run, struct mt_span domain, struct mt_span *ret_host);

/* The SPF record of a domain, or absent. */
struct mt_span mt_names_spf(const struct mt_run *run, struct mt_span domain);

#endif
