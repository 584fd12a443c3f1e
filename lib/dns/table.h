/* What DNS answers have said: by name and type, with the time in which it held.
 *
 * Answers are written one behind the other into a ring; a new one takes the place
 * of the oldest (dns.forgotten when those still held). What was said before is not
 * changed, only held longer when it is said again in time. So a look-up with the
 * times of a session finds the same whenever it is made.
 *
 * Ownership: the table copies; items that a look-up returns live until the next
 * answer is put. Thread: one. Limits: size bytes, about 100 an answer; 64 answers
 * are looked at for one question.
 */
#ifndef MT_DNS_TABLE_H
#define MT_DNS_TABLE_H

#include "base/net.h"
#include "dns/message.h"
#include "stats/stats.h"

/* An answer holds at least so long: RFC 1035 §3.2.1 lets one with TTL 0 be used
 * for the mail it was asked for. And at most, RFC 8767 §4. */
#define MT_DNS_TTL_MIN 10u
#define MT_DNS_TTL_MAX (7u * 86400u)

struct mt_dns_table;

/* size 0: 8 MiB. */
int mt_dns_table_create(size_t size, struct mt_stats *stats, struct mt_dns_table **ret_table);
void mt_dns_table_destroy(struct mt_dns_table *table);

/* Answers come in the order of their time. */
void mt_dns_table_put(struct mt_dns_table *table, const struct mt_dns_answer *answer);

/* A time span: an answer counts when it was seen before until and still held at
 * from. */
struct mt_dns_span {
    uint64_t from;
    uint64_t until;
};

enum mt_dns_found {
    MT_DNS_UNKNOWN, /* nobody has asked, or it is not known any more */
    MT_DNS_NONE,    /* the answer was that there is none */
    MT_DNS_FOUND,
};

struct mt_dns_values {
    struct mt_dns_items items;
    uint16_t count;
    bool is_cut;     /* there are more */
    bool is_missing; /* NONE: the name itself does not exist */
};

/* The latest answer about a name (any case, with or without the root's dot). */
enum mt_dns_found mt_dns_find(const struct mt_dns_table *table, struct mt_span name, enum mt_dns_type type,
                              struct mt_dns_span span, struct mt_dns_values *ret_values);

/* Does a name have this address? UNKNOWN also when values were cut. */
enum mt_dns_found mt_dns_find_address(const struct mt_dns_table *table, struct mt_span name,
                                      const struct mt_ip *ip, struct mt_dns_span span);

/* 1.2.0.192.in-addr.arpa, or the nibbles under ip6.arpa (RFC 1035 §3.5, RFC 3596
 * §2.5). Empty for family 0. */
void mt_dns_reverse_name(const struct mt_ip *ip, struct mt_dns_name *ret_name);

#endif
