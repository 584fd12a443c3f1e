#include "packet/fragment.h"

#include "base/check.h"
#include "base/hash.h"
#include "packet/fragment_priv.h"
#include "packet/packet_priv.h"

enum outcome {
    TAKEN,
    DUPLICATE, /* the same bytes again */
    CONFLICT,  /* overlaps, or says another size of the whole */
    LIMIT,
};

static struct mt_fragment_key key_of(const struct mt_packet *packet)
{
    return (struct mt_fragment_key){
        .src = packet->tuple.src,
        .dst = packet->tuple.dst,
        .vlan = packet->vlan,
        .id = packet->fragment_id,
        .protocol = packet->tuple.src.family == 4 ? packet->ip_protocol : 0,
    };
}

static bool key_eq(const struct mt_fragment_key *a, const struct mt_fragment_key *b)
{
    return a->id == b->id && a->vlan == b->vlan && a->protocol == b->protocol && mt_ip_eq(&a->src, &b->src) &&
           mt_ip_eq(&a->dst, &b->dst);
}

static uint32_t bucket_of(const struct mt_fragment_table *table, const struct mt_fragment_key *key)
{
    uint64_t word[4];
    memcpy(word, key->src.bytes, 16);
    memcpy(word + 2, key->dst.bytes, 16);
    uint64_t rest =
        (uint64_t)key->id << 32 | (uint32_t)key->vlan << 16 | (uint32_t)key->protocol << 8 | key->src.family;
    uint64_t hash = mt_hash_pair(table->seed, word[0], word[1]);
    hash = mt_hash_pair(hash, word[2], word[3]);
    return (uint32_t)mt_hash_pair(table->seed, hash, rest) & table->bucket_mask;
}

static struct mt_fragment_datagram *find(struct mt_fragment_table *table, const struct mt_fragment_key *key,
                                         uint32_t bucket)
{
    uint32_t i = table->bucket[bucket];
    while (i != MT_FRAGMENT_NONE && !key_eq(&table->datagram[i].key, key))
        i = table->datagram[i].chain;
    return i == MT_FRAGMENT_NONE ? NULL : &table->datagram[i];
}

static void put_chunks(struct mt_fragment_table *table, struct mt_fragment_chunk *chunk)
{
    while (chunk != NULL) {
        struct mt_fragment_chunk *next = chunk->next;
        mt_pool_put(table->chunks, chunk);
        chunk = next;
    }
}

static void put_pieces(struct mt_fragment_table *table, struct mt_fragment_datagram *datagram)
{
    for (int i = 0; i < datagram->piece_count; i++)
        put_chunks(table, datagram->piece[i].chunks);
    datagram->piece_count = 0;
}

static void count_dropped(struct mt_fragment_table *table, uint64_t fragments)
{
    mt_stats_add(table->stats, MT_COUNTER_FRAGMENTS_DROPPED, fragments);
}

/* Out of the bucket, out of the list by time, onto the free list. */
static void forget(struct mt_fragment_table *table, struct mt_fragment_datagram *datagram)
{
    uint32_t index = (uint32_t)(datagram - table->datagram);
    uint32_t *link = &table->bucket[datagram->bucket];
    while (*link != index)
        link = &table->datagram[*link].chain;
    *link = datagram->chain;

    if (datagram->older == MT_FRAGMENT_NONE)
        table->oldest = datagram->newer;
    else
        table->datagram[datagram->older].newer = datagram->newer;
    if (datagram->newer == MT_FRAGMENT_NONE)
        table->newest = datagram->older;
    else
        table->datagram[datagram->newer].older = datagram->older;

    put_pieces(table, datagram);
    datagram->chain = table->free;
    table->free = index;
}

static void count_foreign(struct mt_fragment_table *table, uint64_t fragments)
{
    mt_stats_add(table->stats, MT_COUNTER_FRAGMENTS_FOREIGN, fragments);
}

/* UDP without its first fragment: nothing says that it was a tunnel's. */
static void drop(struct mt_fragment_table *table, struct mt_fragment_datagram *datagram)
{
    bool has_first = datagram->piece_count > 0 && datagram->piece[0].off == 0;
    if (datagram->is_udp && !has_first)
        count_foreign(table, datagram->piece_count);
    else
        count_dropped(table, datagram->piece_count);
    forget(table, datagram);
}

static void drop_old(struct mt_fragment_table *table, uint64_t now)
{
    while (table->oldest != MT_FRAGMENT_NONE) {
        struct mt_fragment_datagram *oldest = &table->datagram[table->oldest];
        if (now - oldest->time <= MT_FRAGMENT_TIMEOUT)
            return;
        drop(table, oldest);
    }
}

static struct mt_fragment_datagram *start(struct mt_fragment_table *table, const struct mt_fragment_key *key,
                                          uint32_t bucket, uint64_t now)
{
    if (table->free == MT_FRAGMENT_NONE)
        drop(table, &table->datagram[table->oldest]);
    uint32_t index = table->free;
    struct mt_fragment_datagram *datagram = &table->datagram[index];
    table->free = datagram->chain;
    datagram->key = *key;
    datagram->time = now;
    datagram->bucket = bucket;
    datagram->chain = table->bucket[bucket];
    table->bucket[bucket] = index;
    datagram->older = table->newest;
    datagram->newer = MT_FRAGMENT_NONE;
    if (table->newest == MT_FRAGMENT_NONE)
        table->oldest = index;
    else
        table->datagram[table->newest].newer = index;
    table->newest = index;
    datagram->total = 0;
    datagram->received = 0;
    datagram->wire_size = 0;
    datagram->piece_count = 0;
    datagram->protocol = 0;
    datagram->given_up = false;
    datagram->is_udp = false;
    datagram->is_foreign = false;
    return datagram;
}

/* A chunk, if need be from the oldest datagram other than the one that asks. */
static struct mt_fragment_chunk *get_chunk(struct mt_fragment_table *table,
                                           const struct mt_fragment_datagram *asking)
{
    for (;;) {
        struct mt_fragment_chunk *chunk = mt_pool_get(table->chunks);
        if (chunk != NULL)
            return chunk;
        uint32_t victim = table->oldest;
        if (&table->datagram[victim] == asking)
            victim = asking->newer;
        if (victim == MT_FRAGMENT_NONE)
            return NULL;
        drop(table, &table->datagram[victim]);
    }
}

static bool copy_bytes(struct mt_fragment_table *table, const struct mt_fragment_datagram *datagram,
                       struct mt_span bytes, struct mt_fragment_piece *piece)
{
    struct mt_fragment_chunk **link = &piece->chunks;
    piece->chunks = NULL;
    while (bytes.size > 0) {
        struct mt_fragment_chunk *chunk = get_chunk(table, datagram);
        if (chunk == NULL) {
            put_chunks(table, piece->chunks);
            return false;
        }
        struct mt_span part = mt_span_head(bytes, MT_FRAGMENT_CHUNK_BYTES);
        memcpy(chunk->bytes, part.ptr, part.size);
        chunk->next = NULL;
        *link = chunk;
        link = &chunk->next;
        bytes = mt_span_from(bytes, part.size);
    }
    return true;
}

/* Equal as far as both were captured. */
static bool same_bytes(const struct mt_fragment_piece *piece, struct mt_span bytes)
{
    bytes = mt_span_head(bytes, piece->captured);
    for (struct mt_fragment_chunk *chunk = piece->chunks; chunk != NULL && bytes.size > 0;
         chunk = chunk->next) {
        struct mt_span part = mt_span_head(bytes, MT_FRAGMENT_CHUNK_BYTES);
        if (memcmp(chunk->bytes, part.ptr, part.size) != 0)
            return false;
        bytes = mt_span_from(bytes, part.size);
    }
    return true;
}

static enum outcome insert(struct mt_fragment_table *table, struct mt_fragment_datagram *datagram,
                           const struct mt_packet *packet)
{
    struct mt_fragment_piece *piece = datagram->piece;
    int count = datagram->piece_count;
    uint32_t off = packet->fragment_off;
    uint32_t end = off + packet->payload_size;
    int at = 0;
    while (at < count && piece[at].off < off)
        at++;
    if (at < count && piece[at].off == off && piece[at].size == packet->payload_size) {
        bool same_end = packet->fragment_more == (datagram->total != end);
        return same_end && same_bytes(&piece[at], packet->ip_payload) ? DUPLICATE : CONFLICT;
    }
    if (at > 0 && piece[at - 1].off + piece[at - 1].size > off)
        return CONFLICT;
    if (at < count && piece[at].off < end)
        return CONFLICT;
    if (datagram->total != 0 && (end > datagram->total || !packet->fragment_more))
        return CONFLICT;
    if (!packet->fragment_more && at < count)
        return CONFLICT;
    if (count == MT_FRAGMENT_PIECES_MAX)
        return LIMIT;

    struct mt_fragment_piece fresh = {.off = off, .size = packet->payload_size};
    fresh.captured = (uint32_t)packet->ip_payload.size;
    if (!copy_bytes(table, datagram, packet->ip_payload, &fresh))
        return LIMIT;
    memmove(piece + at + 1, piece + at, (size_t)(count - at) * sizeof(*piece));
    piece[at] = fresh;
    datagram->piece_count++;
    datagram->received += fresh.size;
    if (!packet->fragment_more)
        datagram->total = end;
    if (off == 0)
        datagram->protocol = packet->ip_protocol;
    return TAKEN;
}

/* The bytes up to the first one that was not captured. */
static struct mt_span join(struct mt_fragment_table *table, const struct mt_fragment_datagram *datagram)
{
    size_t size = 0;
    for (int i = 0; i < datagram->piece_count; i++) {
        const struct mt_fragment_piece *piece = &datagram->piece[i];
        size_t left = piece->captured;
        for (struct mt_fragment_chunk *chunk = piece->chunks; chunk != NULL; chunk = chunk->next) {
            size_t part = left < MT_FRAGMENT_CHUNK_BYTES ? left : MT_FRAGMENT_CHUNK_BYTES;
            MT_CHECK_HOT(size + part <= sizeof(table->whole));
            memcpy(table->whole + size, chunk->bytes, part);
            size += part;
            left -= part;
        }
        if (piece->captured < piece->size)
            break;
    }
    return mt_span(table->whole, size);
}

/* Nothing of it is kept but how much has come, so that it leaves when all has. */
static void take_foreign(struct mt_fragment_table *table, struct mt_fragment_datagram *datagram,
                         const struct mt_packet *packet)
{
    count_foreign(table, (uint64_t)datagram->piece_count + 1);
    put_pieces(table, datagram);
    datagram->is_foreign = true;
    datagram->received += packet->payload_size;
    if (!packet->fragment_more)
        datagram->total = packet->fragment_off + packet->payload_size;
    if (datagram->total != 0 && datagram->received >= datagram->total)
        forget(table, datagram);
}

static enum mt_packet_verdict finish(struct mt_fragment_table *table, struct mt_fragment_datagram *datagram,
                                     struct mt_packet *packet)
{
    if (packet->outer == NULL) { /* what is around this fragment is around the datagram */
        mt_packet_outer(packet, &table->outer);
        packet->outer = &table->outer;
    }
    uint8_t protocol = datagram->protocol;
    struct mt_walk walk = {
        .packet = packet,
        .outer = &table->outer,
        .layer = {.bytes = join(table, datagram), .wire_size = datagram->total},
    };
    packet->wire_size = datagram->wire_size;
    packet->frame_flags &= (uint8_t)~MT_FRAME_PERSISTENT;
    packet->handle = NULL;
    packet->is_dns = false;
    forget(table, datagram);
    mt_stats_add(table->stats, MT_COUNTER_FRAGMENTS_WHOLE, 1);
    uint8_t ip_count = packet->ip_count;
    enum mt_packet_verdict verdict = mt_walk_ip_payload(&walk, protocol) ? mt_walk(&walk) : walk.verdict;
    if (verdict == MT_PACKET_FRAGMENT && packet->ip_count == ip_count) /* without an IP header of its own */
        return mt_packet_reject(packet, MT_REJECT_FRAGMENT_HEADER);
    return verdict;
}

/* The datagram that this fragment completes; NULL: ret_verdict says what it did. */
static struct mt_fragment_datagram *take(struct mt_fragment_table *table, struct mt_packet *packet,
                                         enum mt_packet_verdict *ret_verdict)
{
    struct mt_fragment_key key = key_of(packet);
    uint32_t bucket = bucket_of(table, &key);
    struct mt_fragment_datagram *datagram = find(table, &key, bucket);
    if (datagram == NULL)
        datagram = start(table, &key, bucket, packet->mark.time);
    if (datagram->given_up) {
        count_dropped(table, 1);
        *ret_verdict = mt_packet_reject(packet, MT_REJECT_FRAGMENT_DROPPED);
        return NULL;
    }
    *ret_verdict = MT_PACKET_FRAGMENT;
    if (packet->ip_protocol == MT_PROTOCOL_UDP)
        datagram->is_udp = true;
    bool is_foreign = packet->fragment_is_foreign && !(table->has_dns && mt_udp_is_dns(packet->ip_payload));
    if (datagram->is_foreign || is_foreign) {
        take_foreign(table, datagram, packet);
        return NULL;
    }
    datagram->wire_size = (uint32_t)mt_min_u64((uint64_t)datagram->wire_size + packet->wire_size, INT32_MAX);
    enum outcome outcome = insert(table, datagram, packet);
    if (outcome == CONFLICT || outcome == LIMIT) {
        count_dropped(table, (uint64_t)datagram->piece_count + 1);
        put_pieces(table, datagram);
        datagram->given_up = true;
        *ret_verdict = mt_packet_reject(packet, MT_REJECT_FRAGMENT_DROPPED);
        return NULL;
    }
    return datagram->received == datagram->total ? datagram : NULL;
}

/* A datagram that was put together may hold a fragment of one that it carries:
 * MT_IP_DEPTH_MAX bounds how often. */
enum mt_packet_verdict mt_fragment_input(struct mt_fragment_table *table, struct mt_packet *packet)
{
    drop_old(table, packet->mark.time);
    for (;;) {
        enum mt_packet_verdict verdict;
        struct mt_fragment_datagram *datagram = take(table, packet, &verdict);
        if (datagram == NULL)
            return verdict;
        verdict = finish(table, datagram, packet);
        if (verdict != MT_PACKET_FRAGMENT)
            return verdict;
        mt_stats_add(table->stats, MT_COUNTER_FRAGMENTS, 1);
    }
}

void mt_fragment_flush(struct mt_fragment_table *table)
{
    while (table->oldest != MT_FRAGMENT_NONE)
        drop(table, &table->datagram[table->oldest]);
}
