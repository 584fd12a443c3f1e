#include "detect/detect_priv.h"

/* One alert an hour while nothing gets worse. */
#define REPEAT (3600 * MT_SEC)

/* The oldest that is kept is the youngest that is at least a window old, or the
 * start, before which nothing was. */
static const struct mt_detect_health *trail_add(struct mt_health_trail *trail, uint64_t window,
                                                const struct mt_detect_health *health)
{
    if (trail->count == 0)
        trail->at[trail->count++] = (struct mt_detect_health){.time = health->time};
    uint32_t old = 0;
    while (old + 1 < trail->count && trail->at[old + 1].time + window <= health->time)
        old++;
    trail->count -= old;
    memmove(trail->at, trail->at + old, trail->count * sizeof(trail->at[0]));
    /* a step of an eighth of the window keeps the trail within its room */
    if (trail->count < MT_HEALTH_TRAIL && health->time - trail->at[trail->count - 1].time >= window / 8)
        trail->at[trail->count++] = *health;
    return &trail->at[0];
}

/* A share is 0 % or 100 % only if it is none or all. */
static void put_share(struct mt_buf *b, uint64_t part, uint64_t whole)
{
    uint64_t permille = whole > 0 ? (uint64_t)((__uint128_t)part * 1000 / whole) : 0;

    if (part > 0 && permille == 0) {
        mt_buf_put_cstr(b, "less than 0.1 %");
        return;
    }
    mt_buf_put_u64(b, permille / 10);
    mt_buf_put_byte(b, '.');
    mt_buf_put_u64(b, permille % 10);
    mt_buf_put_cstr(b, " %");
}

/* --- capture_loss ------------------------------------------------------------ */

enum cause {
    CAUSE_MISSED,
    CAUSE_NO_BUFFER,
    CAUSE_ERRORS,
    CAUSE_RING_FULL,
    CAUSE_TABLE_FULL,
    CAUSE_COUNT,
};

static const struct {
    const char *text;
    const char *advice; /* when it is the greatest */
} causes[CAUSE_COUNT] = {
    [CAUSE_MISSED] = {"the port's queue was full",
                      "give it more workers, each a core of its own, or a larger queue"},
    [CAUSE_NO_BUFFER] = {"the port had no buffer",
                         "give it more packet memory, and huge pages if there are none"},
    [CAUSE_ERRORS] = {"they were damaged or too large for the port",
                      "look at the cable, the transceiver and the frame size"},
    [CAUSE_RING_FULL] = {"a worker was behind", "give it more workers, each a core of its own"},
    [CAUSE_TABLE_FULL] = {"a table or the memory for sessions was full",
                          "allow more flows and more memory, if these are not a flood"},
};

/* Differences; a counter that was set back, as by a port that returned, counts from
 * there. */
static uint64_t since(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now;
}

static void causes_since(const struct mt_detect_health *now, const struct mt_detect_health *base,
                         uint64_t ret_lost[CAUSE_COUNT])
{
    ret_lost[CAUSE_MISSED] = since(now->lost_missed, base->lost_missed);
    ret_lost[CAUSE_NO_BUFFER] = since(now->lost_no_buffer, base->lost_no_buffer);
    ret_lost[CAUSE_ERRORS] = since(now->lost_errors, base->lost_errors);
    ret_lost[CAUSE_RING_FULL] = since(now->lost_ring_full, base->lost_ring_full);
    ret_lost[CAUSE_TABLE_FULL] = since(now->lost_table_full, base->lost_table_full);
}

static enum mt_level loss_level(const struct mt_detect *detect, uint64_t lost, uint64_t offered)
{
    uint64_t threshold = detect->config.loss_share;

    if (lost * 1000 >= 100 * threshold * offered)
        return MT_LEVEL_CRITICAL;
    return lost * 1000 >= 10 * threshold * offered ? MT_LEVEL_HIGH : MT_LEVEL_MEDIUM;
}

static void put_causes(struct mt_buf *b, const uint64_t lost[CAUSE_COUNT], uint64_t all)
{
    enum cause greatest = CAUSE_MISSED;
    const char *separator = ": ";

    for (enum cause c = CAUSE_MISSED; c < CAUSE_COUNT; c++) {
        if (lost[c] > lost[greatest])
            greatest = c;
        if (lost[c] == 0)
            continue;
        mt_buf_put_cstr(b, separator);
        put_share(b, lost[c], all);
        mt_buf_put_cstr(b, " because ");
        mt_buf_put_cstr(b, causes[c].text);
        separator = ", ";
    }
    mt_buf_put_cstr(b, "; ");
    mt_buf_put_cstr(b, causes[greatest].advice);
}

static struct mt_draft draft_of(enum mt_level level, uint64_t count, uint64_t window, uint8_t *message,
                                size_t size)
{
    return (struct mt_draft){
        .level = level,
        .confidence = "high",
        .count = count,
        .window = window,
        .message = mt_buf(message, size),
    };
}

static void judge_loss(struct mt_detect *detect, const struct mt_detect_health *health)
{
    uint64_t window = detect->config.loss_window;
    const struct mt_detect_health *base = trail_add(&detect->loss, window * MT_SEC, health);
    uint64_t lost[CAUSE_COUNT];
    uint8_t message[512];

    causes_since(health, base, lost);
    uint64_t before = lost[CAUSE_MISSED] + lost[CAUSE_NO_BUFFER] + lost[CAUSE_ERRORS];
    uint64_t all = before + lost[CAUSE_RING_FULL] + lost[CAUSE_TABLE_FULL];
    uint64_t offered = mt_max_u64(since(health->frames, base->frames) + before, all);
    if (all < detect->config.loss_frames || all * 1000 < detect->config.loss_share * offered)
        return;
    enum mt_level level = loss_level(detect, all, offered);
    if (!mt_detect_step(detect, &detect->loss_step, REPEAT, all, level))
        return;
    struct mt_draft draft = draft_of(level, all, window, message, sizeof(message));
    put_share(&draft.message, all, offered);
    mt_buf_put_cstr(&draft.message, " of the frames of the last ");
    mt_buf_put_u64(&draft.message, window);
    mt_buf_put_cstr(&draft.message, " s were lost (");
    mt_buf_put_u64(&draft.message, all);
    mt_buf_put_cstr(&draft.message, " of ");
    mt_buf_put_u64(&draft.message, offered);
    mt_buf_put_cstr(&draft.message, ")");
    put_causes(&draft.message, lost, all);
    mt_detect_alert(detect, MT_RULE_CAPTURE_LOSS, health->time, &draft);
}

/* --- capture_one_sided ------------------------------------------------------- */

static void judge_one_sided(struct mt_detect *detect, const struct mt_detect_health *health)
{
    uint64_t window = detect->config.one_sided_window;
    const struct mt_detect_health *base = trail_add(&detect->one_sided, window * MT_SEC, health);
    uint64_t sessions = since(health->sessions, base->sessions);
    uint64_t one_way = since(health->sessions_one_way, base->sessions_one_way);
    uint8_t message[512];

    if (sessions < detect->config.one_sided_sessions ||
        one_way * 100 < detect->config.one_sided_share * sessions)
        return;
    if (!mt_detect_step(detect, &detect->one_sided_step, REPEAT, one_way, MT_LEVEL_MEDIUM))
        return;
    struct mt_draft draft = draft_of(MT_LEVEL_MEDIUM, one_way, window, message, sizeof(message));
    mt_buf_put_cstr(&draft.message, "only one direction was seen of ");
    put_share(&draft.message, one_way, sessions);
    mt_buf_put_cstr(&draft.message, " of the sessions that ended in the last ");
    mt_buf_put_u64(&draft.message, window);
    mt_buf_put_cstr(&draft.message, " s (");
    mt_buf_put_u64(&draft.message, one_way);
    mt_buf_put_cstr(&draft.message, " of ");
    mt_buf_put_u64(&draft.message, sessions);
    mt_buf_put_cstr(&draft.message, "): look whether the mirror sends both received and sent frames, and "
                                    "whether every port of the tap is given");
    mt_detect_alert(detect, MT_RULE_CAPTURE_ONE_SIDED, health->time, &draft);
}

void mt_detect_health(struct mt_detect *detect, const struct mt_detect_health *health)
{
    detect->now = mt_max_u64(detect->now, health->time + 1);
    judge_loss(detect, health);
    judge_one_sided(detect, health);
}
