#include "correlated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void correlated_start(struct correlated *feeds)
{
    feeds->count = 0;
}

struct adding {
    struct correlated *feeds;
    struct mt_sigma_joiner *joiner; /* NULL: each match is a feed of its own */
    uint32_t sequence;
    uint64_t completed;
    uint32_t number;
};

static void on_feed(void *ctx, struct mt_span feed)
{
    struct adding *adding = ctx;
    struct correlated *feeds = adding->feeds;
    assert_true(feeds->count < CORRELATED_MAX);
    uint8_t *copy = malloc(feed.size);
    assert_non_null(copy);
    memcpy(copy, feed.ptr, feed.size);
    feeds->completed[feeds->count] = adding->completed;
    feeds->owner[feeds->count] = adding->number;
    feeds->feeds[feeds->count++] = mt_span(copy, feed.size);
}

static void on_match(void *ctx, const struct mt_sigma_match *match)
{
    struct adding *adding = ctx;
    uint8_t room[MT_SIGMA_FEED_MAX];
    struct mt_buf b = mt_buf(room, sizeof(room));
    const struct mt_sigma_feed_line line = {.value = mt_span_cstr("a line")};
    struct mt_sigma_feed_more more = {.time = match->session->event_end,
                                      .completed = adding->completed,
                                      .sequence = adding->sequence++,
                                      .lines = &line,
                                      .line_count = 1};
    if (match->transaction && match->transaction->end)
        more.time = match->transaction->end;
    if (!match->feeds)
        return;
    if (adding->joiner && mt_sigma_joiner_take(adding->joiner, match, &more, on_feed, adding))
        return;
    if (mt_sigma_feed_pack(match, &more, &b))
        on_feed(adding, mt_buf_span(&b));
}

void correlated_add_at(struct correlated *feeds, struct mt_sigma_eval *eval, struct mt_record_session *record,
                       uint64_t completed, uint32_t number)
{
    char id[33];
    struct adding adding = {.feeds = feeds, .completed = completed, .number = number};
    snprintf(id, sizeof(id), "%032u", number);
    record->event_id = mt_span_cstr(id);
    if (feeds->joins)
        assert_int_equal(mt_sigma_joiner_create(&adding.joiner), 0);
    mt_sigma_evaluate(eval, record, on_match, &adding);
    if (feeds->joins)
        mt_sigma_joiner_flush(adding.joiner, on_feed, &adding);
    mt_sigma_joiner_destroy(adding.joiner);
}

void correlated_add(struct correlated *feeds, struct mt_sigma_eval *eval, struct mt_record_session *record)
{
    correlated_add_at(feeds, eval, record, record->event_end, feeds->count);
}

void correlated_free(struct correlated *feeds)
{
    for (uint32_t i = 0; i < feeds->count; i++)
        free((void *)(uintptr_t)feeds->feeds[i].ptr);
    feeds->count = 0;
}
