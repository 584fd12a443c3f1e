/* Kinds of traffic. A profile writes one conversation.
 *
 * Ownership: the caller's talk. Thread: one. Limits: those of talk and truth.
 */
#ifndef MT_TRAFFIC_PROFILES_H
#define MT_TRAFFIC_PROFILES_H

#include "talk.h"

struct mt_profile {
    const char *name;
    const char *meaning;
    void (*converse)(struct mt_talk *talk);
    bool has_flood;      /* a SYN of a stranger for each frame */
    uint32_t submission; /* per mille of sessions on port 587 */
    uint32_t six;        /* per mille of sessions over IPv6 */
};

extern const struct mt_profile mt_profile_ordinary;
extern const struct mt_profile mt_profile_modern;
extern const struct mt_profile mt_profile_idle;
extern const struct mt_profile mt_profile_spam;
extern const struct mt_profile mt_profile_probing;
extern const struct mt_profile mt_profile_hostile;

/* NULL when there is none of that name. */
const struct mt_profile *mt_profile_find(const char *name);

/* One to three messages, as clear text all the way (profile_ordinary.c). */
void mt_profile_send_mail(struct mt_talk *talk, uint32_t messages);

/* TLS from outside, after 220 to STARTTLS (tls.c): a handshake, `to_server`
 * octets of records up and `to_client` down, close_notify, FIN. */
void mt_tls_talk(struct mt_talk *talk, uint32_t to_server, uint32_t to_client);

#endif
