#include "sigma/feed_priv.h"

#include <errno.h>
#include <stdlib.h>

#define JOINED_MAX 4u /* rules */

struct joined {
    const struct mt_sigma_rule *rule; /* NULL: free */
    const struct mt_record_transaction *transaction;
    uint32_t size;
    _Alignas(8) uint8_t bytes[MT_SIGMA_FEED_MAX];
};

struct mt_sigma_joiner {
    uint32_t next; /* to make room */
    uint32_t used;
    struct joined joined[JOINED_MAX];
    uint8_t room[MT_SIGMA_FEED_MAX];
};

int mt_sigma_joiner_create(struct mt_sigma_joiner **ret_joiner)
{
    *ret_joiner = calloc(1, sizeof(**ret_joiner));
    return *ret_joiner ? 0 : -ENOMEM;
}

void mt_sigma_joiner_destroy(struct mt_sigma_joiner *joiner)
{
    free(joiner);
}

static void hand_out(struct mt_sigma_joiner *joiner, struct joined *one, mt_sigma_feed_out_fn *out, void *ctx)
{
    if (!one->rule)
        return;
    out(ctx, mt_span(one->bytes, one->size));
    one->rule = NULL;
    joiner->used--;
}

static struct joined *find(struct mt_sigma_joiner *joiner, const struct mt_sigma_rule *rule)
{
    for (uint32_t i = 0; i < JOINED_MAX; i++) {
        if (joiner->joined[i].rule == rule)
            return &joiner->joined[i];
    }
    return NULL;
}

static bool join(struct mt_sigma_joiner *joiner, struct joined *one, const struct mt_sigma_match *match,
                 const struct mt_sigma_feed_more *more)
{
    struct mt_buf room = mt_buf(joiner->room, sizeof(joiner->room));
    if (one->transaction != match->transaction ||
        !mt_sigma_feed_join(match, more, mt_span(one->bytes, one->size), &room))
        return false;
    memcpy(one->bytes, room.ptr, room.size);
    one->size = (uint32_t)room.size;
    return true;
}

bool mt_sigma_joiner_take(struct mt_sigma_joiner *joiner, const struct mt_sigma_match *match,
                          const struct mt_sigma_feed_more *more, mt_sigma_feed_out_fn *out, void *ctx)
{
    if (!mt_sigma_loaded_of(match->rule)->joins)
        return false;
    struct joined *one = find(joiner, match->rule);
    if (one && join(joiner, one, match, more))
        return true;
    if (!one)
        one = find(joiner, NULL);
    if (!one)
        one = &joiner->joined[joiner->next++ % JOINED_MAX];
    hand_out(joiner, one, out, ctx);
    struct mt_buf feed = mt_buf(one->bytes, sizeof(one->bytes));
    if (!mt_sigma_feed_pack(match, more, &feed))
        return false;
    one->rule = match->rule;
    one->transaction = match->transaction;
    one->size = (uint32_t)feed.size;
    joiner->used++;
    return true;
}

void mt_sigma_joiner_flush(struct mt_sigma_joiner *joiner, mt_sigma_feed_out_fn *out, void *ctx)
{
    for (uint32_t i = 0; i < JOINED_MAX && joiner->used > 0; i++)
        hand_out(joiner, &joiner->joined[i], out, ctx);
}
