/* LINKTYPE_ numbers of files: what packet decoding knows, and what libpcap
 * calls them.
 *
 * Ownership: constants. Thread: any. Limits: numbers below 2^16.
 */
#ifndef MT_CAPTURE_LINKTYPE_PRIV_H
#define MT_CAPTURE_LINKTYPE_PRIV_H

#include "packet/frame.h"

enum mt_link mt_linktype_link(uint16_t link_type);

/* The DLT_ number that libpcap uses for this LINKTYPE_ on this system, and
 * back. The two differ for the few types that systems had numbered each in
 * their own way. */
int mt_linktype_dlt(uint16_t link_type);
uint16_t mt_linktype_of_dlt(int dlt);

/* libpcap's name, or "unnamed". */
const char *mt_linktype_name(uint16_t link_type);

#endif
