/* A share waits for sensors that are there, and for no others, whatever their clocks say. */
#include "pipeline/share.h"

#include "../sigma/correlated.h"
#include "../sigma/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define NOW (UINT64_C(1800000000) * SECOND) /* by a clock that is right */
#define HOUR (3600 * SECOND)

static const char rules[] =
    "title: a\nname: a\nlogsource: {product: mailtap, service: smtp, category: session}\n"
    "detection: {selection: {destination.port: 25}, condition: selection}\n"
    "---\ntitle: two\nname: two\n"
    "correlation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 60s, condition: {gte: "
    "2}}\n";

static struct mt_sigma *sigma;
static struct mt_share *share;
static struct correlated feeds;
static unsigned alerts;

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_level level)
{
    (void)ctx;
    (void)alert;
    (void)level;
    alerts++;
}

static void on_complaint(void *ctx, const char *sentence)
{
    (void)ctx;
    fail_msg("%s", sentence);
}

static int set_up(void **state)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    (void)state;
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(rules), &sigma), 0);
    const struct mt_share_config shared = {
        .sigma = sigma, .sensors = 2, .patience = 60 * SECOND, .alert = on_alert, .complain = on_complaint};
    assert_int_equal(mt_share_create(&shared, &share), 0);
    correlated_start(&feeds);
    alerts = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    correlated_free(&feeds);
    mt_share_destroy(share);
    mt_sigma_destroy(sigma);
    return 0;
}

static uint64_t stamp_in_hand;

static void on_event(void *ctx, struct mt_span key, struct mt_span event)
{
    (void)ctx;
    (void)key;
    mt_share_take(share, event, stamp_in_hand);
}

/* A session that ended at this second of packet time. */
static void event(struct mt_sigma_sender *sender, unsigned second, uint64_t stamp)
{
    struct mt_record_session *record = event_of("destination.port=25 | source.ip=192.0.2.1");
    record->event_end = CORRELATED_BASE + second * SECOND;
    correlated_add(&feeds, mt_sigma_evaluator(sigma, 0), record);
    stamp_in_hand = stamp;
    assert_int_equal(mt_sigma_event_write(sigma, sender, feeds.feeds[feeds.count - 1], on_event, NULL).events,
                     1);
}

static void end(struct mt_sigma_sender *sender)
{
    uint8_t room[512];
    struct mt_buf b = mt_buf(room, sizeof(room));
    mt_sigma_mark_write(sender, MT_SIGMA_MARK_END, &b);
    mt_share_take(share, mt_buf_span(&b), NOW);
}

static void mark(struct mt_sigma_sender *sender, unsigned second, uint64_t stamp)
{
    uint8_t room[512];
    struct mt_buf b = mt_buf(room, sizeof(room));
    mt_sigma_mark_write(sender, CORRELATED_BASE + second * SECOND, &b);
    mt_share_take(share, mt_buf_span(&b), stamp);
}

static void test_clock_behind(void **state)
{
    struct mt_sigma_sender right = {.run = 1};
    struct mt_sigma_sender behind = {.run = 2};
    struct mt_share_counts counts;
    (void)state;
    event(&right, 0, NOW);
    mark(&behind, 0, NOW - HOUR);
    mark(&right, 300, NOW);
    event(&behind, 1, NOW - HOUR + SECOND);
    assert_int_equal(alerts, 0);
    mark(&behind, 300, NOW - HOUR + 2 * SECOND);
    mt_share_counts(share, &counts);
    assert_int_equal(counts.gone, 0);
    assert_int_equal(counts.correlated.late, 0);
    assert_int_equal(alerts, 1);
}

static void test_clock_ahead(void **state)
{
    struct mt_sigma_sender right = {.run = 1};
    struct mt_sigma_sender ahead = {.run = 2};
    struct mt_share_counts counts;
    (void)state;
    event(&right, 0, NOW);
    event(&right, 1, NOW);
    mark(&right, 2, NOW);
    mark(&ahead, 2, UINT64_MAX); /* once, and never again */
    for (unsigned second = 3; second < 60; second++)
        mark(&right, second, NOW + second * SECOND);
    mt_share_counts(share, &counts);
    assert_int_equal(alerts, 0); /* it might be there */
    for (unsigned second = 60; second < 100; second++)
        mark(&right, second, NOW + second * SECOND);
    mt_share_counts(share, &counts);
    assert_int_equal(counts.correlated.late, 0);
    assert_int_equal(alerts, 1);
}

/* A mark that one partition did not take is sent to all again. */
static void test_end_repeated(void **state)
{
    struct mt_sigma_sender one = {.run = 1};
    struct mt_sigma_sender two = {.run = 2};
    (void)state;
    event(&one, 0, NOW);
    event(&one, 1, NOW);
    end(&one);
    end(&two);
    assert_true(mt_share_is_over(share));
    assert_int_equal(alerts, 1);
    two.number--;
    end(&two);
    assert_true(mt_share_is_over(share));
    struct mt_sigma_sender three = {.run = 3}; /* and it is not one of those that come now */
    event(&three, 0, NOW);
    event(&three, 1, NOW);
    end(&three);
    assert_false(mt_share_is_over(share));
    assert_int_equal(alerts, 1);
    struct mt_sigma_sender four = {.run = 4};
    end(&four);
    assert_true(mt_share_is_over(share));
    assert_int_equal(alerts, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clock_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clock_ahead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_repeated, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
