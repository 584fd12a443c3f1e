#include "trace.h"

#include "base/endian.h"
#include "base/hash.h"
#include "packet/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES_MAX (UINT64_C(16) << 30)
#define FRAMES_MAX (UINT64_C(1) << 28)
#define SPREAD_SEED 0

/* Who opened a connection. Without ports: between two addresses, for the
 * fragments that carry none. */
struct opener {
    uint64_t hash; /* symmetric; 0: free */
    struct mt_ip client;
    uint16_t port;
    bool is_known; /* a SYN or its answer was seen; else it is judged by the ports */
};

struct openers {
    struct opener *slots;
    uint64_t mask, used;
};

/* Address space only; pages come when they are written. */
static void *reserve(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

int mt_trace_create(struct mt_trace **ret_trace)
{
    struct mt_trace *trace = calloc(1, sizeof(*trace));
    if (!trace)
        return -ENOMEM;
    trace->bytes = reserve(BYTES_MAX);
    trace->frames = reserve(FRAMES_MAX * sizeof(*trace->frames));
    if (!trace->bytes || !trace->frames) {
        mt_trace_destroy(trace);
        return -ENOMEM;
    }
    *ret_trace = trace;
    return 0;
}

void mt_trace_destroy(struct mt_trace *trace)
{
    if (!trace)
        return;
    if (trace->bytes)
        munmap(trace->bytes, BYTES_MAX);
    if (trace->frames)
        munmap(trace->frames, FRAMES_MAX * sizeof(*trace->frames));
    free(trace);
}

int mt_trace_add(struct mt_trace *trace, const uint8_t *frame, uint32_t size, uint32_t wire_size,
                 uint64_t time)
{
    if (size > MT_TRACE_FRAME_MAX) {
        trace->skipped_large++;
        return 0;
    }
    if (trace->count == FRAMES_MAX || BYTES_MAX - trace->size < MT_TRACE_FRAME_MAX)
        return -ENOSPC;
    trace->cut += size < wire_size;
    memcpy(trace->bytes + trace->size, frame, size);
    trace->frames[trace->count++] =
        (struct mt_trace_frame){.off = trace->size, .time = time, .size = (uint16_t)size};
    trace->size += (size + 7) & ~7u;
    return 0;
}

static struct opener *find(struct openers *openers, const struct mt_tuple *tuple, uint64_t *ret_hash)
{
    uint64_t hash = mt_hash_tuple_symmetric(SPREAD_SEED, tuple) | 1;
    uint64_t at = hash >> 8 & openers->mask;
    while (openers->slots[at].hash && openers->slots[at].hash != hash)
        at = (at + 1) & openers->mask;
    *ret_hash = hash;
    return &openers->slots[at];
}

static int grow(struct openers *openers)
{
    uint64_t count = openers->slots ? (openers->mask + 1) * 2 : 1024;
    struct opener *slots = calloc(count, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (uint64_t i = 0; openers->slots && i <= openers->mask; i++) {
        uint64_t at = openers->slots[i].hash >> 8 & (count - 1);
        if (!openers->slots[i].hash)
            continue;
        while (slots[at].hash)
            at = (at + 1) & (count - 1);
        slots[at] = openers->slots[i];
    }
    free(openers->slots);
    openers->slots = slots;
    openers->mask = count - 1;
    return 0;
}

static bool is_mail_port(uint16_t port)
{
    return port == 25 || port == 465 || port == 587 || port == 2525 || port == 24;
}

/* By the handshake where there is one, else by the ports. */
static bool is_from_client(const struct mt_packet *packet)
{
    if (packet->tcp_flags & MT_TCP_SYN)
        return !(packet->tcp_flags & MT_TCP_ACK);
    if (is_mail_port(packet->tuple.src_port) != is_mail_port(packet->tuple.dst_port))
        return is_mail_port(packet->tuple.dst_port);
    return packet->tuple.src_port > packet->tuple.dst_port;
}

static void note(struct openers *openers, const struct mt_tuple *tuple, const struct mt_packet *packet)
{
    uint64_t hash;
    struct opener *opener = find(openers, tuple, &hash);
    bool is_syn = packet->tcp_flags & MT_TCP_SYN;
    bool is_client = is_from_client(packet);
    if (opener->hash && (opener->is_known || !is_syn))
        return;
    openers->used += opener->hash == 0;
    *opener = (struct opener){
        .hash = hash,
        .client = is_client ? tuple->src : tuple->dst,
        .port = is_client ? tuple->src_port : tuple->dst_port,
        .is_known = is_syn,
    };
}

static struct mt_tuple without_ports(const struct mt_tuple *tuple)
{
    return (struct mt_tuple){.src = tuple->src, .dst = tuple->dst};
}

static enum mt_packet_verdict decode(const struct mt_trace *trace, const struct mt_trace_frame *frame,
                                     struct mt_packet *ret_packet)
{
    struct mt_frame raw = {
        .data = trace->bytes + frame->off,
        .size = frame->size,
        .wire_size = frame->size,
        .link = MT_LINK_ETHERNET,
    };
    return mt_packet_decode(&raw, ret_packet);
}

static int note_all(struct mt_trace *trace, struct openers *openers)
{
    struct mt_packet packet;
    for (uint64_t i = 0; i < trace->count; i++) {
        enum mt_packet_verdict verdict = decode(trace, &trace->frames[i], &packet);
        trace->has_fragments |= verdict == MT_PACKET_FRAGMENT;
        if (verdict != MT_PACKET_TCP)
            continue;
        if (!openers->slots || openers->used + 2 > openers->mask / 2) {
            int rc = grow(openers);
            if (rc != 0)
                return rc;
        }
        struct mt_tuple pair = without_ports(&packet.tuple);
        note(openers, &packet.tuple, &packet);
        note(openers, &pair, &packet);
        if (!trace->server.family && packet.tuple.src.family == 4)
            trace->server = is_from_client(&packet) ? packet.tuple.dst : packet.tuple.src;
    }
    return openers->slots ? 0 : grow(openers);
}

/* Where the IP header begins; 0: this is no IP. */
static uint32_t ip_off(const uint8_t *frame, uint32_t size)
{
    uint32_t off = 12;
    while (off + 6 <= size) {
        uint16_t type = mt_load_be16(frame + off);
        if (type == 0x0800 || type == 0x86dd)
            return off + 2;
        if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
            return 0;
        off += 4;
    }
    return 0;
}

/* The whole of an IPv4 address; the second word of an IPv6 one. */
static uint16_t address_word(const struct mt_trace *trace, const struct mt_trace_frame *frame, bool is_src)
{
    const uint8_t *bytes = trace->bytes + frame->off;
    uint32_t off = ip_off(bytes, frame->size);
    if (off == 0)
        return 0;
    bool is_v6 = bytes[off] >> 4 == 6;
    off += is_v6 ? (is_src ? 12u : 28u) : (is_src ? 12u : 16u);
    return off + 4 <= frame->size ? (uint16_t)off : 0;
}

static void place(struct mt_trace *trace, struct mt_trace_frame *frame, struct openers *openers,
                  uint32_t *low, uint32_t *high)
{
    struct mt_packet packet;
    uint64_t hash;
    enum mt_packet_verdict verdict = decode(trace, frame, &packet);
    if (verdict == MT_PACKET_REJECT)
        return;
    struct mt_tuple pair = without_ports(&packet.tuple);
    struct opener *opener = find(openers, verdict == MT_PACKET_TCP ? &packet.tuple : &pair, &hash);
    frame->spread =
        (uint32_t)(mt_hash_tuple_symmetric(SPREAD_SEED, trace->has_fragments ? &pair : &packet.tuple) >> 32);
    if (!opener->hash)
        return;
    bool is_src = mt_ip_eq(&opener->client, &packet.tuple.src) &&
                  (verdict != MT_PACKET_TCP || opener->port == packet.tuple.src_port);
    frame->side = is_src ? MT_CLIENT : MT_SERVER;
    frame->client_word = address_word(trace, frame, is_src);
    if (frame->client_word && opener->client.family == 4) {
        uint32_t address = mt_load_be32(trace->bytes + frame->off + frame->client_word);
        *low = address < *low ? address : *low;
        *high = address > *high ? address : *high;
    }
}

int mt_trace_finish(struct mt_trace *trace)
{
    struct openers openers = {.slots = NULL};
    uint32_t low = UINT32_MAX, high = 0;
    int rc = note_all(trace, &openers);
    for (uint64_t i = 0; rc == 0 && i < trace->count; i++)
        place(trace, &trace->frames[i], &openers, &low, &high);
    free(openers.slots);
    /* No client of one loop has an address of another, until 2^32 are used up. */
    trace->client_stride = high >= low ? high - low + 1 : 1;
    return rc;
}
