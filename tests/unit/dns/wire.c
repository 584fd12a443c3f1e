#include "wire.h"

#include <assert.h>

static void put(struct wire *w, const void *bytes, size_t size)
{
    assert(size <= sizeof(w->bytes) - w->size);
    if (size > 0)
        memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put16(struct wire *w, unsigned value)
{
    put(w, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

size_t wire_name(uint8_t *to, const char *name)
{
    size_t size = 0;

    while (*name != '\0') {
        size_t label = strcspn(name, ".");
        to[size++] = (uint8_t)label;
        memcpy(to + size, name, label);
        size += label;
        name += label + (name[label] == '.');
    }
    to[size++] = 0;
    return size;
}

void wire_begin(struct wire *w, uint16_t id, uint16_t flags, const char *name, uint16_t type)
{
    uint8_t text[300];

    w->size = 0;
    put16(w, id);
    put16(w, flags);
    put16(w, 1);
    put16(w, 0);
    put16(w, 0);
    put16(w, 0);
    put(w, text, wire_name(text, name));
    put16(w, type);
    put16(w, 1);
}

void wire_record(struct wire *w, const char *name, uint16_t type, uint32_t ttl, const void *data, size_t size)
{
    uint8_t text[300];

    if (name)
        put(w, text, wire_name(text, name));
    else
        put16(w, 0xc00c);
    put16(w, type);
    put16(w, 1);
    put16(w, ttl >> 16);
    put16(w, ttl & 0xffff);
    put16(w, (unsigned)size);
    put(w, data, size);
    w->bytes[7]++;
}

void wire_name_record(struct wire *w, const char *name, uint16_t type, uint32_t ttl, const char *target)
{
    uint8_t text[300];
    wire_record(w, name, type, ttl, text, wire_name(text, target));
}

void wire_mx(struct wire *w, uint32_t ttl, uint16_t preference, const char *host)
{
    uint8_t text[300] = {(uint8_t)(preference >> 8), (uint8_t)preference};
    wire_record(w, NULL, MT_DNS_MX, ttl, text, 2 + wire_name(text + 2, host));
}

struct mt_span wire_span(const struct wire *w)
{
    return mt_span(w->bytes, w->size);
}
