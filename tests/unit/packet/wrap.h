/* Encapsulations for the tests: each puts its header before what is there, and
 * says what it has to about it. Between 10.0.0.1 and 10.0.0.2, or 2001:db8:f::1
 * and 2001:db8:f::2, so that outer addresses are not inner ones.
 *
 * Ownership: the caller's buffers. Thread: one. Limits: 64 KiB a frame.
 */
#ifndef MT_TESTS_PACKET_WRAP_H
#define MT_TESTS_PACKET_WRAP_H

#include "frames.h"

void prepend(struct bytes *bytes, const void *header, size_t size);
void prepend16(struct bytes *bytes, unsigned value);
void prepend32(struct bytes *bytes, uint32_t value);

void wrap_ethernet(struct bytes *bytes, unsigned ethertype);
void wrap_tag(struct bytes *bytes, unsigned id, unsigned ethertype); /* what the tag is followed by */
void wrap_label(struct bytes *bytes, uint32_t label, bool is_bottom);
void wrap_pppoe(struct bytes *bytes, unsigned session, unsigned protocol);
void wrap_ipv4(struct bytes *bytes, unsigned protocol);
void wrap_ipv6(struct bytes *bytes, unsigned protocol);
void wrap_udp(struct bytes *bytes, unsigned port);
void wrap_gre(struct bytes *bytes, unsigned type);
void wrap_vxlan(struct bytes *bytes, uint32_t vni);
void wrap_geneve(struct bytes *bytes, unsigned type, uint32_t vni, unsigned option_words);
void wrap_gtp(struct bytes *bytes, uint32_t teid);
void wrap_erspan2(struct bytes *bytes, unsigned session);

/* "vlan 5, gre 7 10.0.0.1>10.0.0.2": what mt_packet_outer says. Lives until the next. */
const char *path_of(const struct mt_packet *packet);

#endif
