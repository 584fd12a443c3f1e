/* DNS messages (RFC 1035 §4): the question, and what the answer says to it.
 *
 * Read are answers of class IN to one question for A, AAAA, PTR, MX or TXT; of
 * TXT only SPF's (RFC 7208 §3). Aliases (CNAME) are followed within the message:
 * what stands at their end is said of the name that was asked for. A name that
 * holds other bytes than host names and labels of services do (blanks, control
 * and 8-bit bytes, dots within labels) is not read.
 *
 * Ownership: structs hold all their bytes. Thread: any; no state. Limits: names of
 * 255 octets (253 as text), 127 labels, pointers that lead backwards only; 64
 * records of a message are looked at, MT_DNS_ITEMS_MAX values are kept; what is
 * more sets is_cut.
 */
#ifndef MT_DNS_MESSAGE_H
#define MT_DNS_MESSAGE_H

#include "base/span.h"

enum mt_dns_type {
    MT_DNS_NAME = 0, /* of no type: whether the name exists at all */
    MT_DNS_A = 1,
    MT_DNS_PTR = 12,
    MT_DNS_MX = 15,
    MT_DNS_TXT = 16,
    MT_DNS_AAAA = 28,
};

#define MT_DNS_PORT 53u
#define MT_DNS_HEADER_SIZE 12u
#define MT_DNS_NAME_MAX 253u
#define MT_DNS_ITEMS_MAX 32u
#define MT_DNS_ITEMS_SIZE 4096u
#define MT_DNS_TEXT_MAX 1024u

/* Lower case, without the root's dot; the root itself is "". */
struct mt_dns_name {
    uint8_t size;
    uint8_t text[MT_DNS_NAME_MAX];
};

struct mt_dns_question {
    uint16_t id;
    uint16_t type; /* any, also those that are not read */
    bool is_answer;
    struct mt_dns_name name;
};

/* What one answer says of one name and one type. Values are sorted, so that the
 * same set in another order is the same. */
struct mt_dns_answer {
    uint64_t time;       /* when it was seen */
    uint32_t ttl;        /* seconds; the least of all records that led to it */
    uint16_t type;       /* enum mt_dns_type */
    uint16_t item_count; /* 0: there is none of this type */
    uint16_t size;       /* of items */
    bool is_missing;     /* the name does not exist (NXDOMAIN) */
    bool is_cut;         /* there are more values */
    struct mt_dns_name name;
    /* Each behind two bytes with its size: an address of 4 or 16 bytes, a name, a
     * name behind two bytes with its preference, a text. */
    uint8_t items[MT_DNS_ITEMS_SIZE];
};

/* Bytes of an answer that are in use. */
size_t mt_dns_answer_size(const struct mt_dns_answer *answer);

/* The only question of a message. False: damaged, no plain query (opcode 0), more
 * than one question, another class, or a name that is not read. */
bool mt_dns_read_question(struct mt_span message, struct mt_dns_question *ret_question);

enum mt_dns_verdict {
    MT_DNS_ANSWERED,
    MT_DNS_USELESS, /* a type that nobody asks us for, or the server failed */
    MT_DNS_CUT,     /* the server had more to say than fits (TC); it comes again by TCP */
    MT_DNS_DAMAGED,
};

/* Reads an answer to a question that mt_dns_read_question has read from the same
 * message. ret_answer is set when the verdict is ANSWERED, but for its time. */
enum mt_dns_verdict mt_dns_read_answer(struct mt_span message, const struct mt_dns_question *question,
                                       struct mt_dns_answer *ret_answer);

/* Walks over values. */
struct mt_dns_items {
    struct mt_span rest;
};
bool mt_dns_next(struct mt_dns_items *items, struct mt_span *ret_item);

#endif
