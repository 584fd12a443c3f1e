/* The contract of every parser in the packet path.
 *
 * State is the caller's and starts zeroed; a parser is resumable at any byte,
 * allocates nothing, reads no clock and does no I/O. Events go to a table of
 * functions given by the caller; spans in events live until the function
 * returns.
 *
 * Ownership: the caller's. Thread: one at a time. Limits: named by each parser.
 */
#ifndef MT_BASE_PARSE_H
#define MT_BASE_PARSE_H

#include "base/compiler.h"

enum mt_parse_status {
    MT_PARSE_DONE, /* everything was consumed */
    MT_PARSE_MORE, /* the tail is the start of a line: give it again with more bytes behind it */
    MT_PARSE_WAIT, /* what comes next depends on the other side: give it again when that has moved */
};

struct mt_parse_result {
    enum mt_parse_status status;
    size_t consumed; /* bytes that need not be given again */
};

#endif
