#include "disturb.h"

/* Where disturbances may happen: behind the handshake, before the end. */
#define FIRST 3u
#define LAST 4u

static bool is_plain_payload(const struct mt_plan_frame *frame)
{
    return frame->size && !frame->bits && !frame->pieces &&
           !(frame->flags & (MT_PLAN_SYN | MT_PLAN_FIN | MT_PLAN_RST));
}

static const struct mt_plan_range *range_of(const struct mt_plan *plan, const struct mt_plan_frame *frame)
{
    for (uint32_t i = 0; i < plan->range_count; i++) {
        const struct mt_plan_range *range = &plan->ranges[i];

        if (range->side == frame->side && frame->seq - 1 >= range->start &&
            frame->seq - 1 + frame->size <= range->end)
            return range;
    }
    return NULL;
}

static uint64_t time_between(const struct mt_plan *plan, uint32_t index)
{
    return (plan->frames[index - 1].time + plan->frames[index].time) / 2;
}

/* Frame `from` moves behind frame `to`; the times of the places stay. */
static void move_back(struct mt_plan *plan, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        mt_plan_swap(plan, i, i + 1);
}

static void copy_to(struct mt_plan *plan, uint32_t index, uint32_t place, uint8_t bits)
{
    struct mt_plan_frame copy = plan->frames[index];

    copy.time = time_between(plan, place);
    copy.bits |= bits;
    mt_plan_insert(plan, place, &copy);
}

static void lose_content(struct mt_talk *talk, uint32_t index, const struct mt_plan_range *range)
{
    if (!range->is_counted)
        talk->truth->transactions[range->transaction].are_bytes_open = true;
    mt_plan_remove(talk->plan, index);
}

void mt_disturb_lose(struct mt_talk *talk, uint32_t permille)
{
    struct mt_plan *plan = talk->plan;

    for (uint32_t i = FIRST; i + LAST < plan->frame_count; i++) {
        const struct mt_plan_frame *frame = &plan->frames[i];
        uint32_t later = i + mt_random_range(talk->random, 1, 6);
        const struct mt_plan_range *range;

        if (!mt_random_permille(talk->random, permille))
            continue;
        if (later + LAST >= plan->frame_count)
            later = i + 1;
        range = range_of(plan, frame);
        if (!frame->size && frame->flags == MT_PLAN_ACK)
            mt_plan_remove(plan, i);
        else if (!is_plain_payload(frame))
            continue;
        else if (range && mt_random_permille(talk->random, 500))
            lose_content(talk, i, range);
        else if (range)
            move_back(plan, i, later);
        else
            copy_to(plan, i, later, 0);
        i = later;
    }
}

void mt_disturb_reorder(struct mt_talk *talk, uint32_t permille)
{
    struct mt_plan *plan = talk->plan;

    for (uint32_t i = FIRST; i + 1 + LAST < plan->frame_count; i++) {
        const struct mt_plan_frame *a = &plan->frames[i];
        const struct mt_plan_frame *b = &plan->frames[i + 1];

        if (!is_plain_payload(a) || !is_plain_payload(b))
            continue;
        /* Pairs of one side are a third of all, pairs of a command and its
         * reply are rarely taken apart by a tap. */
        if (!mt_random_permille(talk->random, a->side == b->side ? permille * 4 : permille / 4 + 1))
            continue;
        mt_plan_swap(plan, i, i + 1);
        i++;
    }
}

void mt_disturb_duplicate(struct mt_talk *talk, uint32_t permille)
{
    struct mt_plan *plan = talk->plan;

    for (uint32_t i = FIRST; i + LAST < plan->frame_count; i++) {
        if (!is_plain_payload(&plan->frames[i]) || !mt_random_permille(talk->random, permille))
            continue;
        copy_to(plan, i, i + 1, 0);
        i++;
    }
}

void mt_disturb_overlap(struct mt_talk *talk, uint32_t permille)
{
    struct mt_plan *plan = talk->plan;

    for (uint32_t i = FIRST; i + LAST < plan->frame_count; i++) {
        struct mt_plan_frame *frame = &plan->frames[i];
        uint32_t back = mt_random_range(talk->random, 1, 100);

        if (!is_plain_payload(frame) || !mt_random_permille(talk->random, permille))
            continue;
        if (back > frame->seq - 1)
            back = frame->seq - 1;
        frame->seq -= back;
        frame->size = (uint16_t)(frame->size + back);
    }
}

bool mt_disturb_conflict(struct mt_talk *talk)
{
    struct mt_plan *plan = talk->plan;

    for (uint32_t i = FIRST; i + 2 + LAST < plan->frame_count; i++) {
        const struct mt_plan_frame *a = &plan->frames[i];
        const struct mt_plan_frame *b = &plan->frames[i + 1];

        if (!is_plain_payload(a) || !is_plain_payload(b) || a->side != b->side || a->seq + a->size != b->seq)
            continue;
        mt_plan_swap(plan, i, i + 1);
        copy_to(plan, i, i + 1, MT_PLAN_ALTERED);
        mt_truth_anomaly(talk->truth, "overlap_conflict");
        return true;
    }
    return false;
}

void mt_disturb_fragment(struct mt_talk *talk, uint32_t permille)
{
    struct mt_plan *plan = talk->plan;

    for (uint32_t i = FIRST; i + LAST < plan->frame_count; i++) {
        struct mt_plan_frame *frame = &plan->frames[i];
        uint8_t pieces = (uint8_t)mt_random_range(talk->random, 2, 3);
        bool is_reversed = mt_random_permille(talk->random, 300);

        if (frame->size < 100 || !is_plain_payload(frame) || !mt_random_permille(talk->random, permille))
            continue;
        talk->truth->is_in_fragments = true;
        frame->pieces = pieces;
        for (uint8_t j = 1; j < pieces; j++)
            copy_to(plan, i, i + j, 0);
        for (uint8_t j = 0; j < pieces; j++)
            plan->frames[i + j].piece = (uint8_t)(is_reversed ? pieces - 1 - j : j);
        i += pieces - 1u;
    }
}

static void open_conversation(struct mt_truth *truth)
{
    static const char *const paths[] = {
        "network.protocol", "smtp.banner",    "smtp.helo",         "smtp.extensions",
        "smtp.starttls",    "smtp.auth",      "smtp.commands",     "smtp.replies",
        "smtp.codes",       "smtp.probes",    "smtp.transactions", "smtp.transactions_total",
        "smtp.anomalies",   "smtp.truncated",
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        mt_truth_open(truth, paths[i]);
}

void mt_disturb_lose_command(struct mt_talk *talk)
{
    struct mt_plan *plan = talk->plan;
    uint32_t start = mt_random_range(talk->random, FIRST + 1, plan->frame_count / 2);

    for (uint32_t i = start; i + LAST + 2 < plan->frame_count; i++) {
        if (!is_plain_payload(&plan->frames[i]) || range_of(plan, &plan->frames[i]))
            continue;
        mt_plan_remove(plan, i);
        open_conversation(talk->truth);
        talk->truth->ends = MT_END_QUIT | MT_END_FIN;
        return;
    }
}

void mt_disturb_hide(struct mt_talk *talk, enum mt_plan_side side)
{
    struct mt_plan *plan = talk->plan;
    struct mt_truth *truth = talk->truth;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < plan->frame_count; i++)
        if (plan->frames[i].side != side)
            plan->frames[kept++] = plan->frames[i];
    plan->frame_count = kept;
    truth->is_side_unseen[side] = true;
    truth->ends = MT_END_QUIT | MT_END_FIN | MT_END_TIMEOUT | MT_END_CAPTURE_END;
    mt_truth_open(truth, "smtp.anomalies");
    mt_truth_open(truth, "smtp.missing_bytes");
    if (side == MT_PLAN_CLIENT) {
        truth->helo_verb = NULL;
        memset(truth->said, 0, sizeof(truth->said));
        truth->transaction_count = 0;
        truth->auth_count = 0;
        truth->extension_count = 0;
        truth->is_pickup_open = true;
        mt_truth_open(truth, "smtp.pickup");
        mt_truth_open(truth, "smtp.extensions");
        mt_truth_open(truth, "smtp.starttls");
        mt_truth_open(truth, "smtp.transactions");
        mt_truth_open(truth, "smtp.transactions_total");
        return;
    }
    truth->banner_code = 0;
    truth->extension_count = 0;
    truth->is_starttls_offered = false;
    memset(truth->codes, 0, sizeof(truth->codes));
    for (uint32_t i = 0; i < truth->transaction_count; i++) {
        struct mt_truth_transaction *transaction = &truth->transactions[i];

        transaction->from_answer = (struct mt_truth_answer){.code = 0};
        transaction->reply = (struct mt_truth_answer){.code = 0};
        transaction->outcomes = 0;
        transaction->is_end_open = true;
        /* Of accepted chunks: nobody saw one accepted. */
        transaction->are_bytes_open |= transaction->mode && transaction->mode[0] == 'b';
        for (uint32_t j = 0; j < transaction->recipient_count; j++)
            truth->recipients[transaction->recipient_first + j].answer = (struct mt_truth_answer){.code = 0};
    }
}

void mt_disturb_join_late(struct mt_talk *talk)
{
    struct mt_plan *plan = talk->plan;
    uint32_t start = mt_random_range(talk->random, FIRST, plan->frame_count / 2);

    while (!plan->frames[start].size)
        start++;
    plan->frame_count -= start;
    memmove(plan->frames, plan->frames + start, plan->frame_count * sizeof(*plan->frames));
    talk->truth->is_midstream = true;
    talk->truth->ends = MT_END_QUIT | MT_END_FIN;
    open_conversation(talk->truth);
}
