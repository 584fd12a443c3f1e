/* Conversations of one connection: pieces of both sides, gaps, frames without
 * payload, the end. What must hold: one record for each session that carried
 * payload, everything back in the arena, and the same record when every segment
 * comes one byte at a time.
 *
 * Input: one byte for the settings, then operations: a byte that says which (and
 * for gaps how long), for segments a second byte with the size, then the bytes. */
#include "../unit/session/wire.h"
#include "base/check.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum operation {
    CLIENT_BYTES,
    SERVER_BYTES,
    CLIENT_GAP,
    SERVER_GAP,
    CLIENT_FRAME,
    SERVER_FRAME,
    CLIENT_LONG, /* up to 64 times the size */
    END,
    OPERATIONS,
};

enum {
    IS_MIDSTREAM = 1 << 0,
    HAS_SITE = 1 << 1,
    IS_TIGHT = 1 << 2, /* small limits */
    IS_IPV6 = 1 << 3,
    IS_SMTPS = 1 << 4,
};

static void open_session(struct wire *wire, uint8_t settings)
{
    bool is_ipv6 = settings & IS_IPV6;
    struct mt_session_open open = {
        .tuple = {.src = wire_ip(is_ipv6 ? "2001:db8::5" : "203.0.113.5"),
                  .dst = wire_ip(is_ipv6 ? "2001:db8:1::25" : "192.0.2.25"),
                  .src_port = 40000,
                  .dst_port = settings & IS_SMTPS ? 465 : 25},
        .is_midstream = settings & IS_MIDSTREAM,
        .vlan = UINT16_MAX,
    };
    wire_open(wire, &open);
}

static void send_bytes(struct wire *wire, enum mt_side side, struct mt_span bytes, bool is_cut)
{
    for (size_t at = 0; is_cut && at < bytes.size; at++)
        wire_segment(wire, side, mt_span(bytes.ptr + at, 1));
    if (!is_cut || bytes.size == 0)
        wire_segment(wire, side, bytes);
}

static struct mt_span take(struct mt_span *data, size_t size)
{
    struct mt_span taken = mt_span_head(*data, size);

    *data = mt_span_from(*data, size);
    return taken;
}

static void send_long(struct wire *wire, struct mt_span bytes, bool is_cut)
{
    uint8_t *many = malloc(bytes.size * 64 + 1);

    for (unsigned i = 0; i < 64; i++)
        memcpy(many + i * bytes.size, bytes.ptr, bytes.size);
    send_bytes(wire, MT_CLIENT, mt_span(many, bytes.size * 64), is_cut);
    free(many);
}

/* Did the session carry payload? */
static bool converse(struct wire *wire, struct mt_span data, uint8_t settings, bool is_cut)
{
    enum mt_session_end end = MT_SESSION_END_CAPTURE_END;
    bool has_payload = false;

    open_session(wire, settings);
    while (data.size > 0) {
        uint8_t code = take(&data, 1).ptr[0];
        enum operation operation = code % OPERATIONS;
        if (operation == END) {
            end = (enum mt_session_end)(code / OPERATIONS % (MT_SESSION_END_CAPTURE_END + 1));
            break;
        }
        if (operation == CLIENT_GAP || operation == SERVER_GAP) {
            wire_gap(wire, operation == CLIENT_GAP ? MT_CLIENT : MT_SERVER, code / OPERATIONS * 8u + 1);
            has_payload = true;
        } else if (operation == CLIENT_FRAME || operation == SERVER_FRAME) {
            wire_frame(wire, operation == CLIENT_FRAME ? MT_CLIENT : MT_SERVER);
        } else if (data.size > 1) {
            size_t size = take(&data, 1).ptr[0];
            struct mt_span bytes = take(&data, size);
            has_payload |= bytes.size > 0;
            if (operation == CLIENT_LONG)
                send_long(wire, mt_span_head(bytes, 16), is_cut);
            else
                send_bytes(wire, operation == CLIENT_BYTES ? MT_CLIENT : MT_SERVER, bytes, is_cut);
        }
    }
    wire_close(wire, end);
    return has_payload;
}

/* Engines are made once: sessions must leave nothing behind in them. */
static struct wire *wire_for(uint8_t settings)
{
    static const struct mt_session_limits tight = {.transactions_max = 2,
                                                   .recipients_max = 2,
                                                   .probes_max = 2,
                                                   .auths_max = 1,
                                                   .outstanding_max = 3,
                                                   .text_max = 16,
                                                   .bytes_max = 1024,
                                                   .header_max = 3};
    static const struct mt_session_limits wide = {.header_max = 100};
    static struct wire_site site;
    static struct wire wires[4];
    struct wire *wire = &wires[(settings & HAS_SITE ? 1 : 0) + (settings & IS_TIGHT ? 2 : 0)];

    if (!site.site.given) {
        wire_site_init(&site);
        wire_site_home(&site, "192.0.2.0/24");
        wire_site_home(&site, "2001:db8:1::/48");
        wire_site_domain(&site, "example.net");
    }
    if (wire->engine == NULL) {
        wire_init(wire, settings & HAS_SITE ? &site : NULL, settings & IS_TIGHT ? &tight : &wide);
        if (settings & HAS_SITE) {
            wire_want_events(wire);
            wire_history(wire, wire_ip("192.0.2.25"), 9, 8);
        }
    }
    wire_clear(wire);
    return wire;
}

static void put_outcome(struct text *text, const struct wire *wire)
{
    text_put(text, "%s", wire->observations.ptr != NULL ? wire->observations.ptr : "");
    text_put(text, "%s", wire->dump.ptr != NULL ? wire->dump.ptr : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mt_span rest = mt_span(data, size);
    struct text whole = {0}, cut = {0};

    if (size == 0)
        return 0;
    uint8_t settings = take(&rest, 1).ptr[0];
    struct wire *wire = wire_for(settings);
    bool has_payload = converse(wire, rest, settings, false);
    MT_BUG_ON(wire->records > 1 || (has_payload && wire->records != 1));
    put_outcome(&whole, wire);
    wire_clear(wire);
    converse(wire, rest, settings, true);
    put_outcome(&cut, wire);
    if (strcmp(whole.ptr, cut.ptr) != 0) {
        fprintf(stderr, "whole:\n%s-- but in single bytes:\n%s", whole.ptr, cut.ptr);
        abort();
    }
    text_free(&whole);
    text_free(&cut);
    return 0;
}
