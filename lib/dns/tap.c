#include "dns/tap.h"

#include "base/endian.h"
#include "base/hash.h"
#include "base/seq.h"
#include "dns/tap_priv.h"

static void count(struct mt_dns_tap *tap, enum mt_counter counter)
{
    mt_stats_add(tap->stats, counter, 1);
}

/* --- questions ------------------------------------------------------------------ */

static uint64_t hash_of_end(uint64_t seed, const struct mt_ip *ip, uint16_t port)
{
    uint64_t words[2];

    memcpy(words, ip->bytes, sizeof(words));
    return mt_hash_pair(seed + port, words[0], words[1]);
}

/* Never 0. */
static uint64_t hash_of_question(const struct mt_dns_tap *tap, const struct mt_tuple *tuple,
                                 const struct mt_dns_question *question)
{
    bool is_back = question->is_answer;
    uint64_t client = hash_of_end(tap->seed, is_back ? &tuple->dst : &tuple->src,
                                  is_back ? tuple->dst_port : tuple->src_port);
    uint64_t server = hash_of_end(tap->seed, is_back ? &tuple->src : &tuple->dst, 0);
    uint64_t seed = mt_hash_pair(tap->seed + question->id + ((uint64_t)question->type << 16), client, server);

    return mt_hash_bytes(seed, mt_span(question->name.text, question->name.size)) | 1;
}

static struct mt_dns_asked *set_of(struct mt_dns_tap *tap, uint64_t hash)
{
    return &tap->asked[(hash >> 32) % (MT_DNS_QUESTIONS / MT_DNS_SET) * MT_DNS_SET];
}

static void remember(struct mt_dns_tap *tap, uint64_t hash, uint64_t time)
{
    struct mt_dns_asked *set = set_of(tap, hash);
    struct mt_dns_asked *place = &set[0];

    for (unsigned i = 0; i < MT_DNS_SET; i++) {
        if (set[i].hash == hash || set[i].hash == 0) {
            place = &set[i];
            break;
        }
        if (set[i].time < place->time)
            place = &set[i];
    }
    if (place->hash != 0 && place->hash != hash && time - place->time < MT_DNS_PATIENCE)
        count(tap, MT_COUNTER_DNS_QUESTIONS_FORGOTTEN);
    *place = (struct mt_dns_asked){.hash = hash, .time = time};
}

/* Once: a second answer to one question may be a forger's. */
static bool is_asked(struct mt_dns_tap *tap, uint64_t hash, uint64_t time)
{
    struct mt_dns_asked *set = set_of(tap, hash);

    for (unsigned i = 0; i < MT_DNS_SET; i++) {
        if (set[i].hash != hash)
            continue;
        set[i].hash = 0;
        return time - set[i].time < MT_DNS_PATIENCE;
    }
    return false;
}

/* --- messages ------------------------------------------------------------------- */

static void take_answer(struct mt_dns_tap *tap, struct mt_span message,
                        const struct mt_dns_question *question, uint64_t time, const struct mt_dns_sink *sink)
{
    switch (mt_dns_read_answer(message, question, &tap->answer)) {
    case MT_DNS_ANSWERED:
        tap->answer.time = time;
        count(tap, MT_COUNTER_DNS_ANSWERS);
        sink->answer(sink->ctx, &tap->answer);
        break;
    case MT_DNS_USELESS:
        count(tap, MT_COUNTER_DNS_USELESS);
        break;
    case MT_DNS_CUT:
        count(tap, MT_COUNTER_DNS_CUT);
        break;
    case MT_DNS_DAMAGED:
        count(tap, MT_COUNTER_DNS_DAMAGED);
        break;
    }
}

static void take_message(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_span message,
                         uint64_t time, const struct mt_dns_sink *sink)
{
    struct mt_dns_question question;

    if (!mt_dns_read_question(message, &question)) {
        count(tap, MT_COUNTER_DNS_DAMAGED);
        return;
    }
    uint16_t server_port = question.is_answer ? tuple->src_port : tuple->dst_port;
    if (server_port != MT_DNS_PORT) {
        count(tap, MT_COUNTER_DNS_DAMAGED);
        return;
    }
    uint64_t hash = hash_of_question(tap, tuple, &question);
    if (!question.is_answer) {
        count(tap, MT_COUNTER_DNS_QUESTIONS);
        remember(tap, hash, time);
    } else if (is_asked(tap, hash, time)) {
        take_answer(tap, message, &question, time, sink);
    } else {
        count(tap, MT_COUNTER_DNS_UNASKED);
    }
}

void mt_dns_tap_datagram(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_span payload,
                         uint32_t wire_size, uint64_t time, const struct mt_dns_sink *sink)
{
    /* a question is whole when it can be read; of an answer a part is not enough */
    bool is_answer = payload.size > 2 && payload.ptr[2] & 0x80;

    if (is_answer && payload.size < wire_size)
        count(tap, MT_COUNTER_DNS_DAMAGED);
    else
        take_message(tap, tuple, payload, time, sink);
}

/* --- TCP ------------------------------------------------------------------------- */

/* The stream of these ends; NULL: there is none. */
static struct mt_dns_stream *stream_find(struct mt_dns_tap *tap, uint64_t hash)
{
    for (unsigned i = 0; i < MT_DNS_STREAMS; i++) {
        if (tap->streams[i].hash == hash)
            return &tap->streams[i];
    }
    return NULL;
}

/* RFC 1035 §4.2.2: two bytes with a length, then the message. One that is plain
 * and has one question begins here. */
static bool is_start(struct mt_span payload)
{
    enum { OPCODE = 0x78 };

    return payload.size >= 2 + MT_DNS_HEADER_SIZE && mt_load_be16(payload.ptr) > MT_DNS_HEADER_SIZE &&
           (payload.ptr[4] & OPCODE) == 0 && mt_load_be16(payload.ptr + 6) == 1;
}

/* In place of the one that was silent for the longest time. */
static struct mt_dns_stream *stream_start(struct mt_dns_tap *tap, uint64_t hash, uint32_t seq)
{
    struct mt_dns_stream *place = &tap->streams[0];

    for (unsigned i = 0; i < MT_DNS_STREAMS && place->hash != 0; i++) {
        if (tap->streams[i].hash == 0 || tap->streams[i].time < place->time)
            place = &tap->streams[i];
    }
    if (place->hash != 0 && place->size > 0)
        count(tap, MT_COUNTER_DNS_TCP_LOST);
    place->hash = hash;
    place->next = seq;
    place->size = 0;
    return place;
}

static void take_messages(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_dns_stream *stream,
                          uint64_t time, const struct mt_dns_sink *sink)
{
    struct mt_span rest = mt_span(stream->bytes, stream->size);

    while (rest.size >= 2 && rest.size - 2 >= mt_load_be16(rest.ptr)) {
        struct mt_span message = mt_span_head(mt_span_from(rest, 2), mt_load_be16(rest.ptr));
        take_message(tap, tuple, message, time, sink);
        rest = mt_span_from(rest, 2 + message.size);
    }
    if (rest.size < stream->size && rest.size > 0)
        memmove(stream->bytes, rest.ptr, rest.size);
    stream->size = (uint32_t)rest.size;
}

/* Bytes in order; false when the connection can't be read any further. */
static bool stream_add(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_dns_stream *stream,
                       struct mt_span bytes, uint64_t time, const struct mt_dns_sink *sink)
{
    stream->next += (uint32_t)bytes.size;
    while (bytes.size > 0) {
        size_t room = sizeof(stream->bytes) - stream->size;
        struct mt_span head = mt_span_head(bytes, room);
        if (room == 0)
            return false; /* a longer message than is read */
        memcpy(stream->bytes + stream->size, head.ptr, head.size);
        stream->size += (uint32_t)head.size;
        bytes = mt_span_from(bytes, head.size);
        take_messages(tap, tuple, stream, time, sink);
    }
    return true;
}

void mt_dns_tap_segment(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_span payload,
                        uint32_t wire_size, uint32_t seq, bool is_last, uint64_t time,
                        const struct mt_dns_sink *sink)
{
    uint64_t hash = mt_hash_pair(tap->seed, hash_of_end(tap->seed, &tuple->src, tuple->src_port),
                                 hash_of_end(tap->seed, &tuple->dst, tuple->dst_port)) |
                    1;
    struct mt_dns_stream *stream = stream_find(tap, hash);

    if (stream != NULL && payload.size > 0 && mt_seq_lt(seq, stream->next)) {
        uint32_t known = stream->next - seq; /* sent again */
        payload = mt_span_from(payload, known);
        wire_size = wire_size > known ? wire_size - known : 0;
        seq = stream->next;
    }
    bool is_gap = stream != NULL && payload.size > 0 && seq != stream->next;
    if (is_gap) {
        count(tap, MT_COUNTER_DNS_TCP_LOST);
        stream->hash = 0;
        stream = NULL;
    }
    if (stream == NULL && payload.size > 0 && is_start(payload))
        stream = stream_start(tap, hash, seq);
    else if (stream == NULL && payload.size > 0 && !is_gap)
        count(tap, MT_COUNTER_DNS_TCP_LOST);
    if (stream == NULL)
        return;
    stream->time = time;
    bool is_read = stream_add(tap, tuple, stream, payload, time, sink) && payload.size >= wire_size;
    if (!is_read || (is_last && stream->size > 0))
        count(tap, MT_COUNTER_DNS_TCP_LOST);
    if (!is_read || is_last)
        stream->hash = 0;
}
