/* DNS messages for tests, put together by hand.
 *
 * Ownership: the caller's struct. Thread: any. Limits: 2048 bytes.
 */
#ifndef MT_TESTS_DNS_WIRE_H
#define MT_TESTS_DNS_WIRE_H

#include "dns/message.h"

struct wire {
    size_t size;
    uint8_t bytes[2048];
};

/* Header and question. flags: 0x0100 asks, 0x8180 answers, 0x8183 there is no such name. */
void wire_begin(struct wire *w, uint16_t id, uint16_t flags, const char *name, uint16_t type);

/* A record of the answer section (or, when counted so, of another). name NULL: a
 * pointer to the question's. */
void wire_record(struct wire *w, const char *name, uint16_t type, uint32_t ttl, const void *data,
                 size_t size);
void wire_name_record(struct wire *w, const char *name, uint16_t type, uint32_t ttl, const char *target);
void wire_mx(struct wire *w, uint32_t ttl, uint16_t preference, const char *host);

/* A name without pointers; returns its size. */
size_t wire_name(uint8_t *to, const char *name);

struct mt_span wire_span(const struct wire *w);

#endif
