#include "pipeline/lane_priv.h"

#include "base/check.h"
#include "base/endian.h"
#include "pipeline/whole_priv.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void mt_ring_pause(uint32_t *spins)
{
    ++*spins;
    if (*spins < 64) {
        __builtin_ia32_pause();
    } else if (*spins < 80) {
        sched_yield();
    } else {
        struct timespec nap = {.tv_nsec = 50000};
        nanosleep(&nap, NULL);
    }
}

static void *ring_pop_wait(struct mt_ring *ring)
{
    uint32_t spins = 0;
    void *item;
    while ((item = mt_ring_pop(ring)) == NULL)
        mt_ring_pause(&spins);
    return item;
}

/* --- a packet made of fragments, in a frame's place -------------------------- */

/* A frame of unknown link is never dealt, so that value is free to say that data
 * is a struct mt_whole. */
#define LINK_WHOLE MT_LINK_UNKNOWN
/* The same for a struct mt_dns_answer. */
#define LINK_ANSWER 0xff

/* --- worker ---------------------------------------------------------------- */

static bool frame_decode(const struct mt_frame *frame, struct mt_packet *ret_packet)
{
    if (MT_UNLIKELY(frame->link == LINK_WHOLE))
        *ret_packet = ((const struct mt_whole *)(const void *)frame->data)->packet;
    else if (MT_UNLIKELY(mt_packet_decode(frame, ret_packet) != MT_PACKET_TCP))
        return false;
    ret_packet->mark.time += ret_packet->mark.time == 0;
    return true;
}

/* The dealer has looked at it. Only the bytes of a mapped file can be others now. */
static MT_COLD void frame_gone(struct mt_lane *lane, const struct mt_frame *frame)
{
    MT_BUG_ON(!(frame->flags & MT_FRAME_PERSISTENT));
    mt_stats_add(&lane->worker->stats, MT_COUNTER_FRAMES_GONE, 1);
}

static void lane_burst(struct mt_lane *lane, const struct mt_frame *frames, uint32_t count)
{
    struct mt_packet packets[MT_BURST_MAX];
    size_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        MT_PREFETCH_READ(frames[i].data);
    for (uint32_t i = 0; i < count; i++) {
        if (MT_UNLIKELY(frames[i].link == LINK_ANSWER)) {
            mt_worker_burst(lane->worker, packets, kept, frames[i].mark.time);
            mt_worker_answer(lane->worker, (const void *)frames[i].data);
            kept = 0;
            continue;
        }
        bool is_packet = frame_decode(&frames[i], &packets[kept]);
        if (MT_UNLIKELY(!is_packet))
            frame_gone(lane, &frames[i]);
        kept += is_packet;
    }
    mt_worker_burst(lane->worker, packets, kept, frames[count - 1].mark.time);
}

static void batch_give_back(const struct mt_lane *lane, struct mt_batch *batch)
{
    for (uint32_t i = 0; i < batch->owned_count; i++)
        free(batch->owned[i]);
    if (!lane->capture->ops->give_back)
        return;
    void *handles[MT_BATCH_FRAMES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->frames[i].handle)
            handles[count++] = batch->frames[i].handle;
    }
    if (count > 0)
        lane->capture->ops->give_back(lane->capture, handles, count);
}

static void lane_batch(struct mt_lane *lane, struct mt_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i += MT_BURST_MAX)
        lane_burst(lane, batch->frames + i, (uint32_t)mt_min_u64(MT_BURST_MAX, batch->count - i));
    lane->seen = batch->frames[batch->count - 1].mark.number;
    batch_give_back(lane, batch);
    mt_ring_push(&lane->free, batch);
    mt_results_say(&lane->results, lane->seen);
}

/* Nothing to do: time passes all the same. */
static void lane_idle(struct mt_lane *lane, uint64_t number, uint64_t time)
{
    if (number > lane->seen) {
        lane->seen = number;
        mt_worker_idle(lane->worker, &(struct mt_mark){.time = time, .number = number});
    }
    mt_results_say(&lane->results, lane->seen);
}

void mt_lane_take_rules(struct mt_lane *lane)
{
    const struct mt_rules *rules = mt_rules_check(&lane->rules);
    mt_beat(&lane->beat);
    if (MT_LIKELY(rules == NULL))
        return;
    mt_worker_reload(lane->worker, &rules->site, &rules->detect);
    mt_worker_use_rules(lane->worker, rules->sigma, (uint32_t)lane->index);
    mt_rules_taken(&lane->rules, rules);
}

void mt_lane_turn(struct mt_lane *lane, bool is_idle)
{
    atomic_store_explicit(&lane->memory, mt_arena_used(lane->worker->arena), memory_order_relaxed);
    mt_busy_turn(&lane->busy, is_idle);
}

void mt_lane_finish(struct mt_lane *lane, const struct mt_mark *now)
{
    lane->results.is_patient = lane->results.sheds != NULL;
    mt_worker_finish(lane->worker, now);
    mt_results_end(&lane->results);
}

void *mt_lane_main(void *arg)
{
    struct mt_lane *lane = arg;
    const struct mt_capture_ops *ops = lane->capture->ops;
    uint32_t spins = 0;
    char name[16]; /* top -H and scripts/bench show it */
    snprintf(name, sizeof(name), "worker %u", (unsigned)lane->index % 1000);
    pthread_setname_np(pthread_self(), name);
    if (ops->attach)
        ops->attach(lane->capture, MT_THREAD_WORKER, (unsigned)lane->index);
    mt_lane_turn(lane, true);
    for (;;) {
        mt_lane_take_rules(lane);
        /* before the look into the ring: what was dealt up to there is in it */
        bool is_ending = atomic_load_explicit(&lane->is_ending, memory_order_acquire);
        uint64_t number = atomic_load_explicit(&lane->dealt_number, memory_order_acquire);
        uint64_t time = atomic_load_explicit(&lane->dealt_time, memory_order_relaxed);
        uint64_t round = atomic_load_explicit(&lane->dealt_round, memory_order_acquire);
        struct mt_batch *batch = mt_ring_pop(&lane->todo);
        if (batch) {
            lane_batch(lane, batch);
            mt_lane_turn(lane, false);
            spins = 0;
            continue;
        }
        if (is_ending) {
            mt_lane_finish(lane, &(struct mt_mark){.time = time, .number = number});
            break;
        }
        mt_worker_enter_round(lane->worker, round);
        lane_idle(lane, number, time);
        mt_ring_pause(&spins);
        mt_lane_turn(lane, true);
    }
    if (ops->detach)
        ops->detach(lane->capture);
    return NULL;
}

/* --- dealer ---------------------------------------------------------------- */

/* The high half of the hash: the flow table's hash has another seed. Both
 * directions have one hash, whether the ends were looked at or decoded. */
static struct mt_lane *lane_of_hash(const struct mt_dealer *dealer, uint64_t hash)
{
    return dealer->lanes[((hash >> 32) * dealer->lane_count) >> 32];
}

static uint64_t hash_of_ends(const struct mt_dealer *dealer, uint64_t a, uint64_t b)
{
    return a < b ? mt_hash_pair(dealer->seed, a, b) : mt_hash_pair(dealer->seed, b, a);
}

static uint64_t hash_of_tuple(const struct mt_dealer *dealer, const struct mt_tuple *tuple)
{
    if (tuple->src.family == 6)
        return mt_hash_tuple_symmetric(dealer->seed, tuple);
    return hash_of_ends(dealer, (uint64_t)mt_load_be32(tuple->src.bytes) << 16 | tuple->src_port,
                        (uint64_t)mt_load_be32(tuple->dst.bytes) << 16 | tuple->dst_port);
}

/* What a look at a frame found. */
struct dealt {
    struct mt_lane *lane; /* NULL: nobody wants it */
    void *owned;          /* memory that stands for the frame, or for its bytes */
    bool is_whole;        /* owned is a struct mt_whole */
    bool is_answer;       /* owned is a struct mt_dns_answer, which all workers get */
};

static void on_answer(void *ctx, const struct mt_dns_answer *answer)
{
    struct mt_dealer *dealer = ctx;
    struct mt_deal_answers *answers = &dealer->answers;
    struct mt_deal_answer *node =
        malloc(offsetof(struct mt_deal_answer, answer) + mt_dns_answer_size(answer));
    if (!node) {
        mt_stats_add(dealer->front->stats, MT_COUNTER_DNS_SHED, dealer->lane_count);
        return;
    }
    memcpy(&node->answer, answer, mt_dns_answer_size(answer));
    node->next = NULL;
    node->frame = answers->frame;
    if (answers->last)
        answers->last->next = node;
    else
        answers->first = node;
    answers->last = node;
}

static MT_NOINLINE void look_closer(struct mt_dealer *dealer, const struct mt_frame *frame,
                                    struct dealt *ret_dealt)
{
    struct mt_packet packet;
    dealer->front->names = (struct mt_dns_sink){.answer = on_answer, .ctx = dealer};
    if (!mt_front_look(dealer->front, frame, &packet))
        return;
    if (dealer->front->is_reassembled) {
        ret_dealt->is_whole = true;
        ret_dealt->owned = mt_whole_make(&packet);
        if (!ret_dealt->owned) {
            mt_stats_add(dealer->front->stats, MT_COUNTER_LIVE_RING_FULL, 1);
            return;
        }
    }
    ret_dealt->lane = lane_of_hash(dealer, hash_of_tuple(dealer, &packet.tuple));
}

/* Bytes that neither stay nor can be kept are copied. */
static MT_NOINLINE void copy_bytes(struct mt_dealer *dealer, const struct mt_frame *frame,
                                   struct dealt *dealt)
{
    dealt->owned = malloc(frame->size);
    if (!dealt->owned) {
        mt_stats_add(dealer->front->stats, MT_COUNTER_LIVE_RING_FULL, 1);
        dealt->lane = NULL;
        return;
    }
    memcpy(dealt->owned, frame->data, frame->size);
}

static inline void look(struct mt_dealer *dealer, const struct mt_frame *frame, struct dealt *ret_dealt)
{
    uint64_t src;
    uint64_t dst;
    *ret_dealt = (struct dealt){.lane = NULL};
    bool is_seen = mt_packet_peek(frame, &src, &dst);
    if (MT_LIKELY(is_seen) &&
        (mt_front_has_port(dealer->front, (uint16_t)src) || mt_front_has_port(dealer->front, (uint16_t)dst)))
        ret_dealt->lane = lane_of_hash(dealer, hash_of_ends(dealer, src, dst));
    else if (!is_seen || dealer->front->dns)
        look_closer(dealer, frame, ret_dealt);
    else
        mt_stats_add(dealer->front->stats, MT_COUNTER_FRAMES_NOT_MAIL, 1);
    if (MT_LIKELY(dealer->capture->persistent || frame->handle) || ret_dealt->owned || !ret_dealt->lane)
        return;
    copy_bytes(dealer, frame, ret_dealt);
}

static void lane_send(struct mt_lane *lane)
{
    uint64_t frames = atomic_load_explicit(&lane->frames, memory_order_relaxed) + lane->filling->count;
    atomic_store_explicit(&lane->frames, frames, memory_order_relaxed);
    mt_ring_push(&lane->todo, lane->filling);
    lane->filling = NULL;
}

/* The batch to put a frame into; NULL: the worker is behind. */
static struct mt_batch *lane_filling(struct mt_dealer *dealer, struct mt_lane *lane)
{
    if (MT_LIKELY(lane->filling != NULL))
        return lane->filling;
    lane->filling = dealer->may_wait ? ring_pop_wait(&lane->free) : mt_ring_pop(&lane->free);
    if (lane->filling) {
        lane->filling->count = 0;
        lane->filling->owned_count = 0;
    }
    return lane->filling;
}

/* What is in memory of its own no longer needs the frame. */
static MT_NOINLINE void batch_own(struct mt_batch *batch, struct mt_frame *frame, const struct dealt *dealt)
{
    batch->owned[batch->owned_count++] = dealt->owned;
    frame->data = dealt->owned;
    frame->handle = NULL;
    if (dealt->is_whole)
        frame->link = LINK_WHOLE;
    if (dealt->is_answer)
        frame->link = LINK_ANSWER;
}

static bool put(struct mt_dealer *dealer, const struct mt_frame *frame, const struct dealt *dealt)
{
    struct mt_lane *lane = dealt->lane;
    struct mt_batch *batch = lane_filling(dealer, lane);
    if (MT_UNLIKELY(!batch)) {
        mt_stats_add(dealer->front->stats, dealt->is_answer ? MT_COUNTER_DNS_SHED : MT_COUNTER_LIVE_RING_FULL,
                     1);
        free(dealt->owned);
        return false;
    }
    struct mt_frame *place = &batch->frames[batch->count++];
    *place = *frame;
    if (MT_UNLIKELY(dealt->owned != NULL))
        batch_own(batch, place, dealt);
    if (batch->count == MT_BATCH_FRAMES)
        lane_send(lane);
    return true;
}

static void put_answer(struct mt_dealer *dealer, const struct mt_frame *frame,
                       const struct mt_dns_answer *answer)
{
    for (uint32_t i = 0; i < dealer->lane_count; i++) {
        size_t size = mt_dns_answer_size(answer);
        struct dealt dealt = {.lane = dealer->lanes[i], .owned = malloc(size), .is_answer = true};
        if (dealt.owned) {
            memcpy(dealt.owned, answer, size);
            (void)put(dealer, frame, &dealt);
        } else {
            mt_stats_add(dealer->front->stats, MT_COUNTER_DNS_SHED, 1);
        }
    }
}

/* What the frame at this place of the burst said of names, to all. */
static MT_NOINLINE void deal_answers(struct mt_dealer *dealer, const struct mt_frame *frames, size_t at)
{
    struct mt_deal_answers *answers = &dealer->answers;
    while (answers->first && answers->first->frame == at) {
        struct mt_deal_answer *node = answers->first;
        put_answer(dealer, &frames[at], &node->answer);
        answers->first = node->next;
        if (!answers->first)
            answers->last = NULL;
        free(node);
    }
}

static void say_round(struct mt_dealer *dealer, uint64_t round)
{
    for (uint32_t i = 0; i < dealer->lane_count; i++)
        atomic_store_explicit(&dealer->lanes[i]->dealt_round, round, memory_order_release);
}

/* A frame of a new round of offers comes next: not before all workers are done with
 * those two rounds ago and earlier, so that each knows what the others noted then. They
 * must be told how far the run has come, or their results would wait for each other. */
static MT_NOINLINE void deal_round(struct mt_dealer *dealer, const struct mt_mark *before, uint64_t time)
{
    uint64_t round = mt_offers_round_of(time);
    dealer->round_end = mt_offers_round_end(round);
    if (!dealer->may_wait || round == 0 || round <= dealer->round)
        return;
    dealer->round = round;
    mt_deal_send(dealer, true);
    if (before->number > 0)
        mt_deal_say(dealer, before);
    say_round(dealer, round - 1);
    uint32_t spins = 0;
    for (uint32_t i = 0; i < dealer->lane_count; i++) {
        while (!mt_offers_has_entered(dealer->lanes[i]->worker->offers, round - 1))
            mt_ring_pause(&spins);
    }
    say_round(dealer, round);
}

/* Frames must be kept before the first batch is sent: its worker may give them
 * back at once. */
void mt_deal_burst(struct mt_dealer *dealer, const struct mt_frame *frames, size_t count)
{
    struct mt_capture *capture = dealer->capture;
    struct dealt dealt[MT_BURST_MAX];
    void *unwanted[MT_BURST_MAX];
    size_t unwanted_count = 0;
    uint64_t segments = 0;
    for (size_t i = 0; i < count; i++) {
        dealer->answers.frame = i;
        look(dealer, &frames[i], &dealt[i]);
    }
    bool is_kept = capture->ops->keep != NULL;
    if (is_kept)
        capture->ops->keep(capture);
    for (size_t i = 0; i < count; i++) {
        if (MT_UNLIKELY(frames[i].mark.time >= dealer->round_end))
            deal_round(dealer, i > 0 ? &frames[i - 1].mark : &dealer->last, frames[i].mark.time);
        if (MT_UNLIKELY(dealer->answers.first != NULL))
            deal_answers(dealer, frames, i);
        bool is_put = dealt[i].lane && put(dealer, &frames[i], &dealt[i]);
        segments += is_put;
        /* a datagram's last fragment is not wanted, although it is */
        if (is_kept && frames[i].handle && (!is_put || dealt[i].owned))
            unwanted[unwanted_count++] = frames[i].handle;
    }
    if (count > 0)
        dealer->last = frames[count - 1].mark;
    mt_stats_add(dealer->front->stats, MT_COUNTER_SEGMENTS, segments);
    if (unwanted_count > 0)
        capture->ops->give_back(capture, unwanted, unwanted_count);
    if (!is_kept)
        capture->ops->release(capture);
}

void mt_deal_send(struct mt_dealer *dealer, bool to_all)
{
    for (uint32_t i = 0; i < dealer->lane_count; i++) {
        struct mt_lane *lane = dealer->lanes[i];
        if (lane->filling && lane->filling->count > 0 && (to_all || mt_ring_is_empty(&lane->todo)))
            lane_send(lane);
    }
}

void mt_deal_say(struct mt_dealer *dealer, const struct mt_mark *now)
{
    for (uint32_t i = 0; i < dealer->lane_count; i++) {
        struct mt_lane *lane = dealer->lanes[i];
        if (lane->filling && lane->filling->count > 0)
            continue;
        atomic_store_explicit(&lane->dealt_time, now->time, memory_order_relaxed);
        atomic_store_explicit(&lane->dealt_number, now->number, memory_order_release);
    }
}

void mt_deal_end(struct mt_dealer *dealer, const struct mt_mark *now)
{
    mt_deal_send(dealer, true);
    mt_deal_say(dealer, now);
    for (uint32_t i = 0; i < dealer->lane_count; i++)
        atomic_store_explicit(&dealer->lanes[i]->is_ending, true, memory_order_release);
}

/* --- setting up ------------------------------------------------------------ */

void mt_lane_destroy(struct mt_lane *lane)
{
    if (!lane)
        return;
    mt_worker_destroy(lane->worker);
    mt_results_fini(&lane->results);
    free(lane->batches);
    free(lane);
}

static int batches_create(struct mt_lane *lane)
{
    lane->batches = calloc(MT_BATCHES, sizeof(*lane->batches));
    if (!lane->batches)
        return -ENOMEM;
    for (uint32_t i = 0; i < MT_BATCHES; i++)
        mt_ring_push(&lane->free, &lane->batches[i]);
    return 0;
}

int mt_lane_create(const struct mt_lane_config *config, struct mt_lane **ret_lane)
{
    struct mt_lane *lane = aligned_alloc(MT_CACHE_LINE, sizeof(*lane));
    if (!lane)
        return -ENOMEM;
    memset(lane, 0, sizeof(*lane));
    lane->capture = config->capture;
    lane->index = (int)config->index;
    int rc = config->has_batches ? batches_create(lane) : 0;
    if (rc == 0)
        rc =
            mt_worker_create(config->pipeline, config->pipeline->workers, config->capture->hold, config->sink,
                             config->sink_ctx, &mt_results_output, &lane->results, &lane->worker);
    if (rc != 0) {
        mt_lane_destroy(lane);
        return rc;
    }
    mt_worker_use_rules(lane->worker, config->pipeline->sigma, config->index);
    mt_results_init(&lane->results, &lane->worker->stats, &lane->worker->now);
    *ret_lane = lane;
    return 0;
}
