#include "smtp_pieces.h"

#include "../unit/smtp/replay.h"

#define PIECES 4
#define HOLDS 4

struct plan {
    uint8_t pieces[PIECES]; /* sizes less one, in turn */
    uint8_t holds[HOLDS];   /* modes */
    uint8_t gap_at[2];
    uint8_t gap_size; /* 0: none */
    uint8_t place;
};

MT_STATIC_ASSERT(sizeof(struct plan) == SMTP_PLAN_SIZE, "seeds begin with a plan");

static void feed(struct replay *r, enum mt_side side, struct mt_span bytes, const struct plan *plan,
                 bool is_whole)
{
    for (size_t i = 0; bytes.size > 0; i++) {
        size_t size = is_whole ? bytes.size : plan->pieces[i % PIECES] + 1u;
        replay_bytes(r, side, mt_span_head(bytes, size));
        bytes = mt_span_from(bytes, size);
    }
}

static void run(struct replay *r, enum mt_side side, struct mt_span bytes, const struct plan *plan,
                bool is_whole)
{
    static const uint8_t modes[] = {MT_SMTP_COMMAND, MT_SMTP_CONTENT, MT_SMTP_AUTH, MT_SMTP_OPAQUE};
    uint8_t holds[HOLDS];
    size_t gap_at = plan->gap_at[0] | (size_t)plan->gap_at[1] << 8;

    for (size_t i = 0; i < HOLDS; i++)
        holds[i] = modes[plan->holds[i] % sizeof(modes)];
    replay_start(r, plan->place % 2 == 0 ? REPLAY_HEAP : REPLAY_START);
    r->holds = mt_span(holds, sizeof(holds));
    feed(r, side, mt_span_head(bytes, gap_at), plan, is_whole);
    if (plan->gap_size > 0 && gap_at <= bytes.size)
        replay_gap(r, side, plan->gap_size);
    feed(r, side, mt_span_from(bytes, gap_at), plan, is_whole);
    replay_end(r);
    r->holds = mt_span_none();
}

void smtp_pieces_agree(enum mt_side side, const uint8_t *data, size_t size)
{
    struct replay whole, pieces;
    struct plan plan;

    if (size < sizeof(plan))
        return;
    memcpy(&plan, data, sizeof(plan));
    struct mt_span bytes = mt_span(data + sizeof(plan), size - sizeof(plan));
    run(&whole, side, bytes, &plan, true);
    run(&pieces, side, bytes, &plan, false);
    if (!mt_span_eq(mt_span(whole.log.ptr, whole.log.size), mt_span(pieces.log.ptr, pieces.log.size)))
        replay_broken("whole:\n%s\nin pieces:\n%s", whole.log.ptr, pieces.log.ptr);
    replay_free(&whole);
    replay_free(&pieces);
}
