#include "pipeline/worker_priv.h"

/* Life of a connection in this file:
 *
 *   SYN, SYN-ACK ─► embryo (no flow, no session: a flood costs nothing else)
 *   ACK or payload ─► flow + session ─► segments through the stream
 *   FIN both ways or RST ─► lingering: counted, and payload ignored, for
 *                           LINGER_SECONDS, so that stragglers belong to it
 *   linger over, idle, evicted, new SYN, end of capture ─► record written
 *
 * What a packet does depends only on packets of its own connection and on packet
 * time, never on when the wheel turned, so any number of workers writes the
 * same records. */

enum {
    FLOW_LINGERS = 1 << 0,          /* the connection is over */
    FLOW_CLIENT_IS_SECOND = 1 << 1, /* the client is the key's second end */
    FLOW_SYN_PENDING = 1 << 2,      /* a SYN came that may start another connection */
    FLOW_FIN_CLIENT = 1 << 3,       /* all that this side sent was seen */
    FLOW_FIN_SERVER = 1 << 4,
    FLOW_CANDIDATE = 1 << 5, /* on another port: greeted like SMTP, not yet proven */
    FLOW_END_SHIFT = 8,      /* enum mt_session_end of a lingering flow */
};

enum {
    EMBRYO_SYN = 1 << 0,
    EMBRYO_SYNACK = 1 << 1,
    EMBRYO_NEW_ISN = 1 << 2,
    EMBRYO_DATA = 1 << 3,
};

#define LINGER_SECONDS 2u

struct stream_ctx {
    struct mt_worker *worker;
    struct mt_flow *flow;
    struct mt_session *session;
};

static size_t on_data(void *ctx, enum mt_side side, struct mt_span bytes, const struct mt_mark *mark,
                      unsigned flags)
{
    struct stream_ctx *c = ctx;
    return mt_session_data(c->worker->sessions, c->session, side, bytes, mark,
                           (flags & MT_STREAM_FORCED) != 0, (flags & MT_STREAM_QUEUED) != 0);
}

static void on_gap(void *ctx, enum mt_side side, uint64_t size, const struct mt_mark *mark)
{
    struct stream_ctx *c = ctx;
    mt_session_gap(c->worker->sessions, c->session, side, size, mark);
}

static void on_anomaly(void *ctx, enum mt_side side, enum mt_anomaly anomaly, const struct mt_mark *mark)
{
    struct stream_ctx *c = ctx;
    (void)side;
    mt_session_anomaly(c->worker->sessions, c->session, anomaly, mark);
}

static void on_fin(void *ctx, enum mt_side side, const struct mt_mark *mark)
{
    struct stream_ctx *c = ctx;
    (void)mark;
    c->flow->flags |= side == MT_CLIENT ? FLOW_FIN_CLIENT : FLOW_FIN_SERVER;
}

static const struct mt_stream_sink stream_sink = {
    .data = on_data,
    .gap = on_gap,
    .anomaly = on_anomaly,
    .fin = on_fin,
};

MT_STATIC_ASSERT(sizeof(struct mt_stream) <= MT_FLOW_USER_SIZE, "reassembly state lies in the flow's line");

static struct mt_stream *flow_stream(struct mt_flow *flow)
{
    return (struct mt_stream *)(void *)flow->user;
}

static bool worker_has_port(const struct mt_worker *worker, uint16_t port)
{
    return worker->ports[port >> 3] >> (port & 7) & 1;
}

static void flow_finish_stream(struct mt_worker *worker, struct mt_flow *flow)
{
    struct stream_ctx ctx = {.worker = worker, .flow = flow, .session = flow->owner};
    mt_stream_finish(worker->streams, flow_stream(flow), &stream_sink, &ctx, &worker->now);
}

/* Every side that was seen has sent its FIN: when only the last ACK is missing,
 * or the mirror shows one direction, that was the end all the same. */
static bool has_said_all(struct mt_flow *flow)
{
    const struct mt_stream *stream = flow_stream(flow);
    bool client = (flow->flags & FLOW_FIN_CLIENT) != 0;
    bool server = (flow->flags & FLOW_FIN_SERVER) != 0;

    return (client || server) && (client || !mt_stream_is_open(stream, MT_CLIENT)) &&
           (server || !mt_stream_is_open(stream, MT_SERVER));
}

static void candidate_let_go(struct mt_worker *worker, struct mt_flow *flow)
{
    mt_stats_add(&worker->stats, MT_COUNTER_OTHER_LET_GO, 1);
    mt_session_drop(worker->sessions, flow->owner);
    mt_flow_remove(worker->flows, flow);
}

static bool candidate_is_mail(struct mt_worker *worker, struct mt_flow *flow)
{
    if (mt_session_guess(flow->owner) != MT_SESSION_MAIL)
        return false;
    flow->flags &= (uint16_t)~FLOW_CANDIDATE;
    mt_stats_add(&worker->stats, MT_COUNTER_OTHER_MAIL, 1);
    mt_session_anomaly(worker->sessions, flow->owner, MT_ANOMALY_OTHER_PORT, &worker->now);
    return true;
}

static void flow_end(struct mt_worker *worker, struct mt_flow *flow, enum mt_session_end end)
{
    worker->closing = flow->flags & FLOW_LINGERS      ? MT_CLOSING_LINGERED
                      : end == MT_SESSION_END_TIMEOUT ? MT_CLOSING_IDLE
                                                      : MT_CLOSING_NOW;
    if (flow->flags & FLOW_LINGERS) {
        end = (enum mt_session_end)(flow->flags >> FLOW_END_SHIFT);
    } else {
        flow_finish_stream(worker, flow);
        if (has_said_all(flow))
            end = MT_SESSION_END_FIN;
    }
    if (end == MT_SESSION_END_TIMEOUT)
        mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_TIMEOUT, 1);
    if (MT_UNLIKELY(flow->flags & FLOW_CANDIDATE) && !candidate_is_mail(worker, flow)) {
        candidate_let_go(worker, flow);
        worker->closing = MT_CLOSING_NOW;
        return;
    }
    mt_session_close(worker->sessions, flow->owner, end);
    worker->closing = MT_CLOSING_NOW;
    mt_flow_remove(worker->flows, flow);
}

static void flow_linger(struct mt_worker *worker, struct mt_flow *flow, enum mt_session_end end)
{
    flow_finish_stream(worker, flow);
    flow->flags |= (uint16_t)(FLOW_LINGERS | (unsigned)end << FLOW_END_SHIFT);
    mt_flow_touch(worker->flows, flow, worker->now.time, LINGER_SECONDS);
}

/* --- opening --------------------------------------------------------------- */

struct opening {
    const struct mt_packet *packet;
    const struct mt_flow_key *key;
    uint64_t hash;
    struct mt_embryo *embryo; /* NULL: midstream */
    bool src_is_client;
    bool swapped;
};

/* Midstream, who is the client? The side that talks to a mail port; when both
 * ports are, or for a port that both use, whoever does not send reply lines. */
static bool midstream_src_is_client(const struct mt_worker *worker, const struct mt_packet *packet)
{
    bool to_mail = worker_has_port(worker, packet->tuple.dst_port);
    bool from_mail = worker_has_port(worker, packet->tuple.src_port);
    if (to_mail != from_mail)
        return to_mail;
    struct mt_span p = packet->payload;
    return !(p.size >= 4 && mt_ascii_is_digit(p.ptr[0]) && mt_ascii_is_digit(p.ptr[1]) &&
             mt_ascii_is_digit(p.ptr[2]) && (p.ptr[3] == ' ' || p.ptr[3] == '-'));
}

static struct mt_tuple tuple_reversed(const struct mt_tuple *tuple)
{
    return (struct mt_tuple){
        .src = tuple->dst, .dst = tuple->src, .src_port = tuple->dst_port, .dst_port = tuple->src_port};
}

static struct mt_session *session_open(struct mt_worker *worker, const struct opening *o)
{
    const struct mt_packet *packet = o->packet;
    struct mt_session_open open = {
        .tuple = o->src_is_client ? packet->tuple : tuple_reversed(&packet->tuple),
        .first = packet->mark,
        .is_midstream = o->embryo == NULL,
        .vlan = packet->vlan,
        .mac_src = o->src_is_client ? packet->mac_src : packet->mac_dst,
        .mac_dst = o->src_is_client ? packet->mac_dst : packet->mac_src,
    };
    if (o->embryo) {
        open.first = (struct mt_mark){.time = o->embryo->time, .number = o->embryo->number};
        open.vlan = o->embryo->vlan;
    }
    struct mt_outer outer;
    if (MT_UNLIKELY(packet->outer_count > 0)) {
        mt_packet_outer(packet, &outer);
        open.outer = &outer;
    }
    struct mt_session *session = mt_session_open(worker->sessions, &open);
    if (session && o->embryo) {
        for (int side = 0; side < MT_SIDE_COUNT; side++) {
            if (o->embryo->packets[side])
                mt_session_count(session, (enum mt_side)side, o->embryo->packets[side],
                                 o->embryo->bytes[side], &open.first);
        }
    }
    return session;
}

static struct mt_flow *flow_add(struct mt_worker *worker, const struct opening *o)
{
    uint64_t now = worker->now.time;
    struct mt_flow *flow = mt_flow_add(worker->flows, o->key, o->hash, now, worker->config->idle_timeout);
    if (MT_LIKELY(flow != NULL))
        return flow;
    struct mt_flow *victim = mt_flow_victim(worker->flows, o->hash, now);
    if (!victim)
        return NULL;
    mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_EVICTED, 1);
    flow_end(worker, victim, MT_SESSION_END_EVICTED);
    return mt_flow_add(worker->flows, o->key, o->hash, now, worker->config->idle_timeout);
}

static void flow_from_embryo(struct mt_worker *worker, struct mt_flow *flow, struct mt_embryo *embryo)
{
    /* what a SYN-ACK says of a client that was never seen opens no side: on a
     * one-way mirror nothing will come to be waited for; on a tap of two ports its
     * SYN may only be late */
    if (embryo->packets[MT_CLIENT] > 0)
        mt_stream_set_isn(flow_stream(flow), MT_CLIENT, embryo->isn[MT_CLIENT]);
    else
        mt_stream_expect_isn(flow_stream(flow), MT_CLIENT, embryo->isn[MT_CLIENT]);
    if (embryo->flags & EMBRYO_SYNACK)
        mt_stream_set_isn(flow_stream(flow), MT_SERVER, embryo->isn[MT_SERVER]);
    if (embryo->flags & EMBRYO_NEW_ISN)
        mt_session_anomaly(worker->sessions, flow->owner, MT_ANOMALY_SYN_RETRANSMIT_NEW_ISN, &worker->now);
    if (embryo->flags & EMBRYO_DATA)
        mt_session_anomaly(worker->sessions, flow->owner, MT_ANOMALY_DATA_ON_SYN, &worker->now);
    mt_embryo_remove(worker->flows, embryo);
}

static MT_NOINLINE struct mt_flow *flow_open(struct mt_worker *worker, const struct opening *o)
{
    struct mt_flow *flow = flow_add(worker, o);
    if (!flow) {
        mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_REFUSED, 1);
        return NULL;
    }
    flow->owner = session_open(worker, o);
    if (!flow->owner) {
        mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_REFUSED, 1);
        mt_flow_remove(worker->flows, flow);
        return NULL;
    }
    if (o->src_is_client == o->swapped)
        flow->flags |= FLOW_CLIENT_IS_SECOND;
    if (o->embryo) {
        flow_from_embryo(worker, flow, o->embryo);
    } else {
        mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_MIDSTREAM, 1);
    }
    mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_NEW, 1);
    return flow;
}

/* --- packets without a flow ------------------------------------------------ */

static void embryo_count(struct mt_embryo *embryo, enum mt_side side, const struct mt_packet *packet)
{
    embryo->packets[side]++;
    embryo->bytes[side] += packet->wire_size;
}

/* All that is new: written and not read again, since its line may not be there yet. */
static void embryo_start(struct mt_worker *worker, struct mt_embryo *embryo, enum mt_side side,
                         const struct mt_packet *packet, bool client_is_second)
{
    bool has_data = packet->payload_size > 0;
    embryo->number = packet->mark.number;
    embryo->isn[MT_CLIENT] = side == MT_CLIENT ? packet->seq : packet->ack - 1;
    embryo->isn[MT_SERVER] = side == MT_CLIENT ? 0 : packet->seq;
    embryo->bytes[side] = packet->wire_size;
    embryo->packets[side] = 1;
    embryo->vlan = packet->vlan;
    embryo->swapped = client_is_second;
    embryo->flags =
        (uint8_t)((side == MT_CLIENT ? EMBRYO_SYN : EMBRYO_SYNACK) | (has_data ? EMBRYO_DATA : 0));
    if (side == MT_SERVER)
        mt_embryo_answered(worker->flows, embryo);
    mt_stats_add(&worker->stats, MT_COUNTER_EMBRYOS, 1);
}

/* A SYN or SYN-ACK. Of several SYNs with different ISNs the one that the server
 * answers counts. */
static void on_handshake(struct mt_worker *worker, const struct opening *o)
{
    const struct mt_packet *packet = o->packet;
    bool is_new = false;
    struct mt_embryo *embryo = mt_embryo_add(worker->flows, o->key, o->hash, worker->now.time, &is_new);
    enum mt_side side = packet->tcp_flags & MT_TCP_ACK ? MT_SERVER : MT_CLIENT;
    bool client_is_second = (side == MT_CLIENT) == o->swapped;
    if (is_new) {
        embryo_start(worker, embryo, side, packet, client_is_second);
        return;
    }
    if ((embryo->swapped != 0) != client_is_second) {
        /* simultaneous open, or a reflected SYN: neither is mail */
        mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_STRAY, 1);
        return;
    }
    if (side == MT_CLIENT && embryo->flags & EMBRYO_SYN && embryo->isn[MT_CLIENT] != packet->seq)
        embryo->flags |= EMBRYO_NEW_ISN;
    if (packet->payload_size > 0)
        embryo->flags |= EMBRYO_DATA;
    embryo->isn[side] = packet->seq;
    if (side == MT_SERVER) {
        embryo->isn[MT_CLIENT] = packet->ack - 1;
        mt_embryo_answered(worker->flows, embryo);
    }
    embryo->flags |= side == MT_CLIENT ? EMBRYO_SYN : EMBRYO_SYNACK;
    embryo_count(embryo, side, packet);
}

/* "220 " or "220-", or the start of it where a segment ends before. */
static bool is_greeting(struct mt_span payload)
{
    size_t size = payload.size < 3 ? payload.size : 3;

    if (size == 0 || memcmp(payload.ptr, "220", size) != 0)
        return false;
    return payload.size < 4 || payload.ptr[3] == ' ' || payload.ptr[3] == '-';
}

/* --any-port, neither port is a mail port: nothing is kept of a connection but its
 * embryo, until its server greets. That has to be its first word where its
 * handshake was seen; the session that is opened then is a candidate until the
 * client has spoken. */
static struct mt_flow *on_other_port(struct mt_worker *worker, struct opening *o)
{
    const struct mt_packet *packet = o->packet;
    bool is_from_client = o->embryo && (o->embryo->swapped != 0) == o->swapped;
    bool is_first = o->embryo && !is_from_client && (o->embryo->flags & EMBRYO_SYNACK) &&
                    packet->seq == o->embryo->isn[MT_SERVER] + 1;
    bool is_candidate =
        !is_from_client && is_greeting(packet->payload) && (is_first || packet->payload.size >= 4);

    if (packet->payload_size > 0 && is_candidate && (is_first || !o->embryo)) {
        o->src_is_client = false;
        struct mt_flow *flow = flow_open(worker, o);
        if (flow)
            flow->flags |= FLOW_CANDIDATE;
        return flow;
    }
    mt_stats_add(&worker->stats, MT_COUNTER_OTHER_SEGMENTS, 1);
    if (packet->payload_size > 0 && is_first) {
        mt_embryo_remove(worker->flows, o->embryo);
        mt_stats_add(&worker->stats, MT_COUNTER_OTHER_LET_GO, 1);
    } else if (o->embryo && packet->payload_size == 0) {
        embryo_count(o->embryo, is_from_client ? MT_CLIENT : MT_SERVER, packet);
    }
    return NULL;
}

/* Anything else without a flow: the packet that makes one, or a stray. */
static MT_NOINLINE struct mt_flow *on_unknown(struct mt_worker *worker, struct opening *o)
{
    const struct mt_packet *packet = o->packet;
    uint8_t tcp_flags = packet->tcp_flags;
    if (tcp_flags & MT_TCP_SYN) {
        on_handshake(worker, o);
        return NULL;
    }
    o->embryo = mt_embryo_find(worker->flows, o->key, o->hash, worker->now.time);
    if (o->embryo && tcp_flags & MT_TCP_RST) {
        /* refused connection: no session ever was */
        mt_embryo_remove(worker->flows, o->embryo);
        mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_STRAY, 1);
        return NULL;
    }
    if (MT_UNLIKELY(worker->config->any_port) && !worker_has_port(worker, packet->tuple.src_port) &&
        !worker_has_port(worker, packet->tuple.dst_port))
        return on_other_port(worker, o);
    bool from_client = o->embryo ? (o->embryo->swapped != 0) == o->swapped : false;
    bool completes = o->embryo && from_client &&
                     (o->embryo->flags & (EMBRYO_SYN | EMBRYO_SYNACK)) == (EMBRYO_SYN | EMBRYO_SYNACK);
    if (packet->payload_size == 0 && !completes) {
        if (o->embryo)
            embryo_count(o->embryo, from_client ? MT_CLIENT : MT_SERVER, packet);
        else
            mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_STRAY, 1);
        return NULL;
    }
    o->src_is_client = o->embryo ? from_client : midstream_src_is_client(worker, packet);
    return flow_open(worker, o);
}

/* --- packets with a flow --------------------------------------------------- */

static enum mt_side flow_side(const struct mt_flow *flow, bool swapped)
{
    return ((flow->flags & FLOW_CLIENT_IS_SECOND) != 0) == swapped ? MT_CLIENT : MT_SERVER;
}

enum syn_verdict {
    SYN_SEGMENT, /* belongs to the connection that is there */
    SYN_TAKEN,   /* remembered as an embryo; the connection goes on */
    SYN_REUSE,   /* the connection that was there is over, this is another one */
};

/* Five-tuple reuse (DESIGN rule 8) without giving a forged SYN the power to end
 * a session: on a connection that is not over, a SYN is only remembered; a
 * SYN-ACK that answers it, or (one-way captures) client data that continues it,
 * proves that there is a new connection. */
static enum syn_verdict judge_syn(struct mt_worker *worker, struct mt_flow *flow, const struct opening *o)
{
    const struct mt_packet *packet = o->packet;
    struct mt_stream *stream = flow_stream(flow);
    bool is_syn = (packet->tcp_flags & (MT_TCP_SYN | MT_TCP_ACK)) == MT_TCP_SYN;
    if (is_syn && flow->flags & FLOW_LINGERS)
        return SYN_REUSE;
    if (is_syn) {
        if (flow_side(flow, o->swapped) == MT_CLIENT && mt_stream_is_syn(stream, MT_CLIENT, packet->seq)) {
            mt_stream_set_isn(stream, MT_CLIENT, packet->seq);
            return SYN_SEGMENT;
        }
        on_handshake(worker, o);
        flow->flags |= FLOW_SYN_PENDING;
        return SYN_TAKEN;
    }
    if (!(flow->flags & FLOW_SYN_PENDING))
        return SYN_SEGMENT;
    const struct mt_embryo *embryo = mt_embryo_find(worker->flows, o->key, o->hash, worker->now.time);
    if (!embryo) {
        flow->flags &= (uint16_t)~FLOW_SYN_PENDING;
        return SYN_SEGMENT;
    }
    bool from_client = (embryo->swapped != 0) == o->swapped;
    uint32_t first_byte = embryo->isn[MT_CLIENT] + 1;
    if (packet->tcp_flags & MT_TCP_SYN)
        return !from_client && packet->ack == first_byte ? SYN_REUSE : SYN_SEGMENT;
    bool continues = from_client && packet->payload_size > 0 && packet->seq == first_byte;
    return continues && stream->dir[flow_side(flow, o->swapped)].next_seq != first_byte ? SYN_REUSE
                                                                                        : SYN_SEGMENT;
}

static void flow_segment(struct mt_worker *worker, struct mt_flow *flow, enum mt_side side,
                         const struct mt_packet *packet)
{
    mt_session_count(flow->owner, side, 1, packet->wire_size, &packet->mark);
    if (MT_UNLIKELY(flow->flags & FLOW_LINGERS))
        return;
    mt_flow_touch(worker->flows, flow, packet->mark.time, worker->config->idle_timeout);
    struct stream_ctx ctx = {.worker = worker, .flow = flow, .session = flow->owner};
    enum mt_stream_verdict verdict =
        mt_stream_input(worker->streams, flow_stream(flow), side, packet, &stream_sink, &ctx);
    if (MT_UNLIKELY(flow->flags & FLOW_CANDIDATE) && !candidate_is_mail(worker, flow) &&
        mt_session_guess(flow->owner) == MT_SESSION_OTHER) {
        candidate_let_go(worker, flow);
        return;
    }
    if (MT_LIKELY(verdict == MT_STREAM_OK))
        return;
    flow_linger(worker, flow, verdict == MT_STREAM_RESET ? MT_SESSION_END_RST : MT_SESSION_END_FIN);
}

void mt_worker_enter_round(struct mt_worker *worker, uint64_t round)
{
    mt_offers_enter(worker->offers, round);
    worker->round_end = mt_max_u64(worker->round_end, mt_offers_round_end(round));
}

/* hint: what the key led to when the burst began and so many flows had been added;
 * packets before this one may have ended that flow, or begun one where none was. */
static void worker_packet(struct mt_worker *worker, const struct mt_packet *packet,
                          const struct mt_flow_key *key, uint64_t hash, bool swapped, struct mt_flow *hint,
                          uint32_t added)
{
    worker->now = packet->mark;
    if (MT_UNLIKELY(packet->mark.time >= worker->round_end))
        mt_worker_enter_round(worker, mt_offers_round_of(packet->mark.time));
    struct mt_flow *flow = hint;
    bool is_stale = hint ? hint->key.word[0] != key->word[0] || hint->key.word[1] != key->word[1]
                         : mt_flow_added(worker->flows) != added;
    if (MT_UNLIKELY(is_stale))
        flow = mt_flow_find(worker->flows, key, hash);
    if (flow && MT_UNLIKELY(mt_flow_is_expired(worker->flows, flow, packet->mark.time))) {
        flow_end(worker, flow, MT_SESSION_END_TIMEOUT);
        flow = NULL;
    }
    struct opening o = {.packet = packet, .key = key, .hash = hash, .swapped = swapped};
    if (flow && MT_UNLIKELY((packet->tcp_flags & MT_TCP_SYN) | (flow->flags & FLOW_SYN_PENDING))) {
        enum syn_verdict verdict = judge_syn(worker, flow, &o);
        if (verdict == SYN_TAKEN)
            return;
        if (verdict == SYN_REUSE) {
            mt_stats_add(&worker->stats, MT_COUNTER_FLOWS_REUSED, 1);
            flow_end(worker, flow, MT_SESSION_END_TIMEOUT);
            flow = NULL;
        }
    }
    if (MT_UNLIKELY(!flow)) {
        flow = on_unknown(worker, &o);
        if (!flow)
            return;
    }
    flow_segment(worker, flow, flow_side(flow, swapped), packet);
}

/* Sessions that end have not been touched for a while: each is asked for in four
 * steps, this many sessions ahead of the one being written. */
#define AHEAD_SESSION 6u
#define AHEAD_KEPT 4u
#define AHEAD_BLOCKS 2u
#define AHEAD_CHAIN 1u
#define AHEAD_FETCH 2u /* packets: where what they tell is counted */

static void flows_end(struct mt_worker *worker, struct mt_flow *const *flows, size_t count)
{
    for (size_t i = 0; i < count + AHEAD_SESSION; i++) {
        if (i < count)
            mt_session_prefetch(flows[i]->owner);
        if (i >= AHEAD_SESSION - AHEAD_KEPT && i < count + AHEAD_SESSION - AHEAD_KEPT)
            mt_session_prefetch_kept(flows[i - (AHEAD_SESSION - AHEAD_KEPT)]->owner);
        if (i >= AHEAD_SESSION - AHEAD_BLOCKS && i < count + AHEAD_SESSION - AHEAD_BLOCKS)
            mt_session_prefetch_blocks(flows[i - (AHEAD_SESSION - AHEAD_BLOCKS)]->owner);
        if (i >= AHEAD_SESSION - AHEAD_CHAIN && i < count + AHEAD_SESSION - AHEAD_CHAIN)
            mt_session_prefetch_chain(flows[i - (AHEAD_SESSION - AHEAD_CHAIN)]->owner);
        if (i >= AHEAD_SESSION)
            flow_end(worker, flows[i - AHEAD_SESSION], MT_SESSION_END_TIMEOUT);
    }
}

static void worker_expire(struct mt_worker *worker, uint64_t now)
{
    struct mt_flow *expired[MT_FLOW_EXPIRE_MAX];
    size_t count;
    do {
        count = mt_flow_expire(worker->flows, now, expired);
        flows_end(worker, expired, count);
    } while (count == MT_FLOW_EXPIRE_MAX);
}

/* What a packet will need beyond its session; a flow that an earlier packet of the burst
 * has ended has none any more. Returns what is to be fetched next, or 0. */
static uint64_t packet_prefetch(struct mt_worker *worker, const struct mt_packet *packet,
                                const struct mt_flow_key *key, bool swapped, const struct mt_flow *hint)
{
    if (hint->key.word[0] != key->word[0] || hint->key.word[1] != key->word[1])
        return 0;
    mt_session_prefetch_kept(hint->owner);
    bool is_reply = packet->payload_size > 0 && flow_side(hint, swapped) == MT_SERVER;
    if (!is_reply || !worker->output->expect_probe || !mt_session_awaits_probe(hint->owner))
        return 0;
    return worker->output->expect_probe(worker->output_ctx, &packet->tuple.dst);
}

void mt_worker_burst(struct mt_worker *worker, const struct mt_packet *packets, size_t count, uint64_t now)
{
    struct mt_flow_key keys[MT_BURST_MAX];
    uint64_t hashes[MT_BURST_MAX];
    bool swapped[MT_BURST_MAX];
    struct mt_flow *hints[MT_BURST_MAX];
    for (size_t i = 0; i < count; i++) {
        hashes[i] = mt_flow_key_of(worker->flows, &packets[i].tuple, &keys[i], &swapped[i]);
        mt_flow_prefetch_bucket(worker->flows, hashes[i]);
    }
    uint32_t added = mt_flow_added(worker->flows);
    for (size_t i = 0; i < count; i++)
        hints[i] = mt_flow_guess(worker->flows, hashes[i]);
    for (size_t i = 0; i < count; i++) {
        hints[i] = mt_flow_settle(worker->flows, &keys[i], hashes[i], hints[i]);
        if (MT_LIKELY(hints[i] != NULL))
            mt_session_prefetch(hints[i]->owner);
        else
            mt_embryo_prefetch(worker->flows, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!hints[i] && packets[i].tcp_flags & MT_TCP_SYN)
            mt_embryo_prefetch_slot(worker->flows, hashes[i], packets[i].mark.time);
    }
    uint64_t expected[MT_BURST_MAX];
    for (size_t i = 0; i < count + AHEAD_KEPT; i++) {
        size_t soon = i - (AHEAD_KEPT - AHEAD_FETCH);
        size_t at = i - AHEAD_KEPT;
        if (i < count)
            expected[i] = hints[i] ? packet_prefetch(worker, &packets[i], &keys[i], swapped[i], hints[i]) : 0;
        if (soon < count && expected[soon] != 0)
            worker->output->fetch_probe(worker->output_ctx, expected[soon]);
        if (at < count)
            worker_packet(worker, &packets[at], &keys[at], hashes[at], swapped[at], hints[at], added);
    }
    if (count > 0)
        worker->now.number = packets[count - 1].mark.number;
    worker_expire(worker, now);
}

void mt_worker_answer(struct mt_worker *worker, const struct mt_dns_answer *answer)
{
    if (worker->names)
        mt_dns_table_put(worker->names, answer);
}

bool mt_worker_knows(const struct mt_worker *worker, const struct mt_tuple *tuple)
{
    struct mt_flow_key key;
    bool swapped;
    uint64_t hash = mt_flow_key_of(worker->flows, tuple, &key, &swapped);
    return mt_flow_find(worker->flows, &key, hash) != NULL;
}

static void worker_reaches(struct mt_worker *worker, const struct mt_mark *now)
{
    worker->now.time = mt_max_u64(worker->now.time, now->time);
    worker->now.number = mt_max_u64(worker->now.number, now->number);
}

void mt_worker_idle(struct mt_worker *worker, const struct mt_mark *now)
{
    worker_reaches(worker, now);
    if (MT_UNLIKELY(now->time >= worker->round_end))
        mt_worker_enter_round(worker, mt_offers_round_of(now->time));
    worker_expire(worker, now->time);
}

void mt_worker_reload(struct mt_worker *worker, const struct mt_site *site,
                      const struct mt_detect_config *detect)
{
    mt_session_engine_reload(worker->sessions, site, detect->helo_score);
}

void mt_worker_finish(struct mt_worker *worker, const struct mt_mark *now)
{
    worker_reaches(worker, now);
    size_t cursor = 0;
    struct mt_flow *flow;
    while ((flow = mt_flow_next(worker->flows, &cursor)) != NULL) {
        bool is_expired = mt_flow_is_expired(worker->flows, flow, now->time);
        flow_end(worker, flow, is_expired ? MT_SESSION_END_TIMEOUT : MT_SESSION_END_CAPTURE_END);
    }
}
