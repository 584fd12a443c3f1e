/* What is known of a session, one bit each.
 *
 * Ownership: the session's. Thread: the engine's. Limits: 64.
 */
#ifndef MT_SESSION_FLAGS_PRIV_H
#define MT_SESSION_FLAGS_PRIV_H

#include <stdint.h>

/* mt_session.flags */
#define MT_S_MIDSTREAM (UINT64_C(1) << 0)
#define MT_S_PAYLOAD_CLIENT (UINT64_C(1) << 1)
#define MT_S_PAYLOAD_SERVER (UINT64_C(1) << 2)
#define MT_S_OUTSIDE (UINT64_C(1) << 3) /* the client is not home */
#define MT_S_INBOUND (UINT64_C(1) << 4) /* OUTSIDE, and the server is home, and the client may not relay */
#define MT_S_LMTP (UINT64_C(1) << 5)
#define MT_S_HELO_SENT (UINT64_C(1) << 6)
#define MT_S_HELO_OK (UINT64_C(1) << 7)
#define MT_S_EHLO_OK (UINT64_C(1) << 8) /* since the start, STARTTLS or AUTH */
#define MT_S_EHLO_ANSWERED (UINT64_C(1) << 9)
#define MT_S_PIPELINING (UINT64_C(1) << 10) /* offered */
#define MT_S_STARTTLS_OFFERED (UINT64_C(1) << 11)
#define MT_S_STARTTLS (UINT64_C(1) << 12) /* requested */
#define MT_S_TLS_WAIT (UINT64_C(1) << 13) /* 220 was given: what comes is TLS, or not */
#define MT_S_TLS_CLIENT (UINT64_C(1) << 14)
#define MT_S_TLS_SERVER (UINT64_C(1) << 15)
#define MT_S_INJECTED (UINT64_C(1) << 16)
#define MT_S_AUTHED (UINT64_C(1) << 17)
#define MT_S_AUTH_OPEN (UINT64_C(1) << 18)
#define MT_S_QUIT_OK (UINT64_C(1) << 19)
#define MT_S_RESET_PENDING (UINT64_C(1) << 20) /* RSET or a new HELO is not answered yet */
#define MT_S_PIPELINES (UINT64_C(1) << 21)     /* the client has sent commands ahead of replies */
#define MT_S_LOST_CLIENT (UINT64_C(1) << 22)   /* replies may belong to commands that were not seen */
#define MT_S_LOST_SERVER (UINT64_C(1) << 23)   /* commands may have been answered unseen */
#define MT_S_LOOK_CLIENT (UINT64_C(1) << 24)   /* the next bytes could be several things */
#define MT_S_LOOK_SERVER (UINT64_C(1) << 25)
#define MT_S_GAP_CLIENT (UINT64_C(1) << 26) /* they come behind a gap */
#define MT_S_GAP_SERVER (UINT64_C(1) << 27)
#define MT_S_CARRY_CLIENT (UINT64_C(1) << 28) /* extra->carry holds the start of a line */
#define MT_S_CARRY_SERVER (UINT64_C(1) << 29)
#define MT_S_HEADER (UINT64_C(1) << 30) /* extra->header is in use */
#define MT_S_CONTENT_GAP (UINT64_C(1) << 31)
#define MT_S_GUESS (UINT64_C(1) << 32)      /* content mode was begun on evidence, without DATA */
#define MT_S_CHUNK_LAST (UINT64_C(1) << 33) /* the current chunk is */
#define MT_S_TX_UNKEPT (UINT64_C(1) << 34)  /* a transaction is open that a limit left out */
#define MT_S_REPLY_UNBOUND (UINT64_C(1) << 35)
#define MT_S_REPLY_RELAY (UINT64_C(1) << 36)   /* a line of the current reply speaks of relaying */
#define MT_S_EARLY (UINT64_C(1) << 37)         /* the client spoke first */
#define MT_S_HELO_DONE (UINT64_C(1) << 38)     /* its observation was decided */
#define MT_S_BANNER (UINT64_C(1) << 39)        /* the server greeted as SMTP servers do */
#define MT_S_MAC_SHIFT 40                      /* and the next bit: which MAC addresses are known */
#define MT_S_REPLY_EHLO (UINT64_C(1) << 42)    /* the current reply lists extensions, its EHLO was not seen */
#define MT_S_FIRST (UINT64_C(1) << 43)         /* extra->first belongs to the current reply */
#define MT_S_EARLY_REFUSAL (UINT64_C(1) << 44) /* the server has answered while content was under way */
#define MT_S_CLIENT_WAITS (UINT64_C(1) << 45)  /* bytes of it were refused */
#define MT_S_AUTH_SEEN (UINT64_C(1) << 46)
#define MT_S_MAY_BE_CONTENT (UINT64_C(1) << 47) /* what comes behind the gap */

#define MT_S_MIME (UINT64_C(1) << 48)      /* extra->tree is in use */
#define MT_S_TLS_WATCH (UINT64_C(1) << 49) /* a handshake is under way: extra->tls */
#define MT_S_TLS_ESTABLISHED (UINT64_C(1) << 50)
#define MT_S_TLS_FAILED (UINT64_C(1) << 51) /* both sides were seen, and it did not come to its end */
#define MT_S_TLS_FIRST (UINT64_C(1) << 52)  /* TLS from the first byte on */

#define MT_S_LOOK_ALIKE (UINT64_C(1) << 53)   /* what follows goes to extra->look_alike */
#define MT_S_OPENED (UINT64_C(1) << 54)       /* content was begun */
#define MT_S_OTHER (UINT64_C(1) << 55)        /* first words are kept, or too short to tell: other.c */
#define MT_S_OTHER_SEEN (UINT64_C(1) << 56)   /* a side did not begin like mail */
#define MT_S_SHORT_CLIENT (UINT64_C(1) << 59) /* its first word is not whole yet; MT_S_OTHER is set */
#define MT_S_SHORT_SERVER (UINT64_C(1) << 60)
#define MT_S_SERVER_HOME (UINT64_C(1) << 57)
#define MT_S_HELO_FOUND (UINT64_C(1) << 58) /* a greeting has findings */

#define MT_S_MAY_RELAY (UINT64_C(1) << 61)    /* a recipient that is not known to be ours was accepted */
#define MT_S_OFFER_JUDGED (UINT64_C(1) << 62) /* its first answer to EHLO was noted, or looked up */
#define MT_S_REFUSED (UINT64_C(1) << 63)      /* a refusal of a client at home is kept */

#define MT_S_RESYNC (MT_S_LOST_CLIENT | MT_S_LOST_SERVER)

#endif
