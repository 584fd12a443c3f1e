/* A message or a part whose octets somebody writes to a file.
 *
 * Ownership: borrowed texts, which live for the call. Thread: any. Limits: none.
 */
#ifndef MT_RECORD_FILE_H
#define MT_RECORD_FILE_H

#include "base/span.h"

struct mt_record_file {
    struct mt_span event_id; /* of its session: digits and letters */
    struct mt_span path;     /* of the part: "2.1"; absent: the whole message */
    struct mt_span type;     /* as declared */
    struct mt_span name;     /* as the sender calls it */
    uint64_t time;           /* ns since the epoch, when it began */
    uint32_t transaction;    /* its number in the session, from 1 */
};

#endif
