/* What is known of the names of a session's ends (names.c).
 *
 * Ownership: the client's name lies in the table of answers. Thread: the engine's.
 * Limits: none.
 */
#ifndef MT_SESSION_KNOWN_PRIV_H
#define MT_SESSION_KNOWN_PRIV_H

#include "base/span.h"

enum mt_name_verdict {
    MT_NAME_UNKNOWN, /* the answers that it takes were not seen */
    MT_NAME_CONFIRMED,
    MT_NAME_DENIED,
    MT_NAME_NONE, /* there is no such name, or none for this address */
};

struct mt_known_names {
    struct mt_span client;        /* the name of its address; absent when not known */
    enum mt_name_verdict reverse; /* does that name have the address? */
    enum mt_name_verdict helo;    /* does the name in the greeting? */
    uint32_t findings;            /* MT_HELO_ */
};

#endif
