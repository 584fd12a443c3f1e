/* Addresses, endpoints, prefixes and the side of a connection.
 *
 * Ownership: plain values. Thread: any. Limits: IPv4 and IPv6 only.
 */
#ifndef MT_BASE_NET_H
#define MT_BASE_NET_H

#include "base/buf.h"

/* Who speaks. The client is who opened the connection (or, midstream, who
 * speaks SMTP commands). Also used as an array index. */
enum mt_side {
    MT_CLIENT = 0,
    MT_SERVER = 1,
    MT_SIDE_COUNT = 2,
};

static inline enum mt_side mt_side_other(enum mt_side side)
{
    return side == MT_CLIENT ? MT_SERVER : MT_CLIENT;
}

/* family 0 is "absent"; an IPv4 address fills bytes[0..3], the rest is zero. */
struct mt_ip {
    uint8_t bytes[16];
    uint8_t family; /* 4, 6 or 0 */
};

struct mt_tuple {
    struct mt_ip src;
    struct mt_ip dst;
    uint16_t src_port;
    uint16_t dst_port;
};

struct mt_prefix {
    struct mt_ip ip;
    uint8_t bits;
};

bool mt_ip_eq(const struct mt_ip *a, const struct mt_ip *b);
bool mt_prefix_has(const struct mt_prefix *prefix, const struct mt_ip *ip);

/* Loopback, RFC 1918, link-local, CGN, unique-local: nothing that a public
 * host could truthfully claim. */
bool mt_ip_is_private(const struct mt_ip *ip);

/* Text of an address (RFC 5952 for IPv6). Nothing for family 0. The first one
 * is for a place with room for MT_IP_TEXT_MAX bytes, and returns the end. */
#define MT_IP_TEXT_MAX 48u
uint8_t *mt_ip_text(uint8_t *to, const struct mt_ip *ip);
void mt_buf_put_ip(struct mt_buf *b, const struct mt_ip *ip);

/* Parses exactly the whole span as an address. */
bool mt_ip_parse(struct mt_span text, struct mt_ip *ret_ip);

/* "10.0.0.0/8", "2001:db8::/32", or a bare address (a prefix of full length).
 * False when the text is none of these, the length is out of range or host
 * bits are set. */
bool mt_prefix_parse(struct mt_span text, struct mt_prefix *ret_prefix);

#endif
