/* Octets that mail content should not hold: line ends that are not CRLF, octets
 * above 127, and controls below tab. Found in the pass that looks for dots, and
 * counted only where one was found.
 *
 * Ownership: borrowed bytes. Thread: any. Limits: none. Never reads outside the
 * span.
 */
#ifndef MT_BASE_OCTETS_H
#define MT_BASE_OCTETS_H

#include "base/span.h"

struct mt_octets {
    uint64_t crlf;
    uint64_t bare_lf; /* LF without CR before it */
    uint64_t bare_cr; /* CR without LF behind it; counted with the octet behind it */
    uint64_t eight_bit;
    uint64_t control; /* 0 to 8: the others stand in texts (form feed, escapes of ISO-2022) */
    uint64_t longest; /* line, without its line end; the counting leaves it alone */
};

/* Adds what s holds to octets; before: the octet before s, 0 if there is none. */
void mt_octets_count(struct mt_span s, uint8_t before, struct mt_octets *octets);

/* mt_scan_eol_dot, or with wants_dash mt_scan_eol_mark, of s before which stands
 * neither CR nor LF. is_odd is set when counting s up to the offset would find
 * anything, which it rarely is otherwise too; else it is left as it was. */
size_t mt_octets_scan(struct mt_span s, bool wants_dash, bool *is_odd);

#endif
