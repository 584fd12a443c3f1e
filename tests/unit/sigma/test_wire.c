/* Events of correlations written and read again, and what is refused. */
#include "correlated.h"
#include "event.h"
#include "sigma/feed_priv.h"
#include "sigma/state.h"
#include "sigma/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RULE(name)                                                      \
    "title: " name "\nname: " name "\n"                                 \
    "logsource: {product: mailtap, service: smtp, category: session}\n" \
    "detection: {selection: {destination.port: 25}, condition: selection}\n---\n"
#define COUNT(name, rule, keys, least)                                                            \
    "title: " name "\nname: " name "\nlevel: low\ncorrelation: {type: event_count, rules: [" rule \
    "], group-by: [" keys "], timespan: 60s, condition: {gte: " least "}}\n---\n"

static const char alone[] = RULE("a") COUNT("c", "a", "source.ip, smtp.helo.findings", "2");
static const char chain[] = RULE("a") COUNT("inner", "a", "source.ip, destination.ip", "2")
    COUNT("outer", "inner", "destination.ip", "1");
static const char apart[] =
    RULE("a") COUNT("inner", "a", "source.ip", "2") COUNT("outer", "inner", "destination.ip", "1");

static struct correlated feeds;
static struct mt_sigma *sigma;

static void use(const char *text)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(text), &sigma), 0);
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    correlated_start(&feeds);
}

static void done(void)
{
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

static void add(const char *line, unsigned second)
{
    struct mt_record_session *record = event_of(line);
    record->event_end = CORRELATED_BASE + second * UINT64_C(1000000000);
    correlated_add(&feeds, mt_sigma_evaluator(sigma, 0), record);
}

#define EVENTS_MAX 512u

struct events {
    uint8_t bytes[EVENTS_MAX][MT_SIGMA_EVENT_MAX];
    size_t sizes[EVENTS_MAX];
    char keys[EVENTS_MAX][MT_SIGMA_EVENT_KEY_SIZE + 1];
    uint32_t count;
};

static struct events events;
static struct mt_sigma_sender sender;

static void on_event(void *ctx, struct mt_span key, struct mt_span event)
{
    struct events *to = ctx;
    assert_true(to->count < EVENTS_MAX && event.size <= sizeof(to->bytes[0]));
    assert_int_equal(key.size, MT_SIGMA_EVENT_KEY_SIZE);
    memcpy(to->keys[to->count], key.ptr, key.size);
    memcpy(to->bytes[to->count], event.ptr, event.size);
    to->sizes[to->count++] = event.size;
}

static void write_all(void)
{
    sender = (struct mt_sigma_sender){.sensor = mt_span_cstr("tap-1"), .run = 7};
    events.count = 0;
    for (uint32_t i = 0; i < feeds.count; i++) {
        uint32_t before = events.count;
        struct mt_sigma_written written =
            mt_sigma_event_write(sigma, &sender, feeds.feeds[i], on_event, &events);
        assert_int_equal(written.lost, 0);
        assert_int_equal(written.events, events.count - before);
    }
}

static char said[65536];
static size_t said_size;

static void on_alarm(void *ctx, const struct mt_sigma_alarm *alarm)
{
    (void)ctx;
    said_size += (size_t)snprintf(said + said_size, sizeof(said) - said_size, "%s %llu %llu %s|%.*s|%.*s\n",
                                  alarm->rule->name, (unsigned long long)alarm->time,
                                  (unsigned long long)alarm->count, mt_level_name(alarm->level),
                                  (int)alarm->event_id.size, (const char *)alarm->event_id.ptr,
                                  (int)alarm->message.size, (const char *)alarm->message.ptr);
    for (uint32_t i = 0; i < alarm->line_count; i++)
        said_size += (size_t)snprintf(said + said_size, sizeof(said) - said_size, "  %.*s\n",
                                      (int)alarm->lines[i].size, (const char *)alarm->lines[i].ptr);
}

static struct mt_sigma_correlator *start(void)
{
    struct mt_sigma_correlator *c;
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, on_alarm, NULL, &c), 0);
    mt_sigma_correlator_drop_repeats(c);
    return c;
}

static void take(struct mt_sigma_correlator *c, uint32_t i)
{
    uint8_t room[MT_SIGMA_EVENT_MAX];
    struct mt_buf feed = mt_buf(room, sizeof(room));
    struct mt_sigma_message message;
    assert_null(mt_sigma_message_read(mt_span(events.bytes[i], events.sizes[i]), &message));
    assert_int_equal(message.kind, MT_SIGMA_MESSAGE_EVENT);
    assert_int_equal(message.number, i + 1);
    assert_int_equal(mt_sigma_event_read(sigma, &message, &feed), MT_SIGMA_EVENT_OK);
    mt_sigma_correlator_feed(c, mt_buf_span(&feed));
}

static void say_of_feeds(void)
{
    struct mt_sigma_correlator *c = start();
    said_size = 0;
    said[0] = '\0';
    for (uint32_t i = 0; i < feeds.count; i++)
        mt_sigma_correlator_feed(c, feeds.feeds[i]);
    mt_sigma_correlator_finish(c);
    mt_sigma_correlator_destroy(c);
}

/* Each key has a correlator of its own, as if each were a partition. */
static void say_of_events(void)
{
    bool is_done[EVENTS_MAX] = {false};
    said_size = 0;
    said[0] = '\0';
    for (uint32_t i = 0; i < events.count; i++) {
        if (is_done[i])
            continue;
        struct mt_sigma_correlator *c = start();
        for (uint32_t k = i; k < events.count; k++) {
            if (strcmp(events.keys[k], events.keys[i]) != 0)
                continue;
            is_done[k] = true;
            take(c, k);
            take(c, k); /* twice: left out */
        }
        mt_sigma_correlator_finish(c);
        mt_sigma_correlator_destroy(c);
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sorted(char *copy, size_t size)
{
    static char text[sizeof(said)];
    char *lines[512];
    size_t count = 0;
    char *rest = text;
    snprintf(text, sizeof(text), "%s", said);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && count < MT_ARRAY_COUNT(lines);)
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), compare_lines);
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(copy + at, size - at, "%s\n", lines[i]);
}

static void compare_both(void)
{
    static char whole[sizeof(said)];
    static char parts[sizeof(said)];
    write_all();
    say_of_feeds();
    assert_true(said_size > 0);
    sorted(whole, sizeof(whole));
    say_of_events();
    sorted(parts, sizeof(parts));
    assert_string_equal(parts, whole);
}

static void add_traffic(void)
{
    char line[256];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(line, sizeof(line),
                 "destination.port=25 | source.ip=192.0.2.%u | destination.ip=10.0.0.%u | "
                 "smtp.helo.findings=h0%u | smtp.helo.findings=h0%u",
                 i % 3, i % 2, i % 4 + 1, i % 3 + 4);
        add(line, i * 3);
    }
}

static void test_parts_say_the_same(void **state)
{
    static const char *const texts[] = {alone, chain, apart};
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(texts); i++) {
        use(texts[i]);
        add_traffic();
        compare_both();
        done();
    }
}

/* 32 correlations in a row, each by eight fields whose names are as long as they may be. */
static void test_long_names_of_keys_cost_no_event(void **state)
{
    static char text[131072];
    char keys[2048];
    char line[4096] = "destination.port=25";
    struct mt_buf b = mt_buf((uint8_t *)keys, sizeof(keys) - 1);
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        char name[160];
        snprintf(name, sizeof(name), "smtp.commands.%0120u", i);
        mt_buf_put_cstr(&b, i > 0 ? ", " : "");
        mt_buf_put_cstr(&b, name);
        snprintf(line + strlen(line), sizeof(line) - strlen(line), " | %s=1", name);
    }
    keys[b.size] = '\0';
    b = mt_buf((uint8_t *)text, sizeof(text) - 1);
    mt_buf_put_cstr(&b, RULE("a"));
    for (unsigned i = 0; i < 32; i++) {
        char one[4096];
        snprintf(one, sizeof(one), COUNT("c%u", "%s", "%s", "1"), i, i, i > 0 ? "c0" : "a", keys);
        mt_buf_put_cstr(&b, one);
    }
    assert_false(b.overflow);
    text[b.size] = '\0';
    use(text);
    add(line, 0);
    assert_int_equal(feeds.count, 1);
    compare_both();
    assert_int_equal(events.count, 1);
    assert_non_null(strstr(said, "c31 "));
    /* other rules: nothing is for them, and that is told, too */
    struct mt_sigma *first = sigma;
    const struct mt_sigma_config config = {.evaluators = 1};
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(alone), &sigma), 0);
    struct mt_sigma_written written = mt_sigma_event_write(sigma, &sender, feeds.feeds[0], on_event, &events);
    assert_int_equal(written.events, 0);
    assert_int_equal(written.stale, 32);
    mt_sigma_destroy(first);
    done();
}

/* A command, a finding and a record of one session may have the same time and number. */
static void test_kinds_of_feeds_stay_apart(void **state)
{
    static const uint32_t kinds[] = {0, MT_SIGMA_SEQUENCE_FINDING, MT_SIGMA_SEQUENCE_RECORD};
    (void)state;
    use(RULE("a") COUNT("c", "a", "source.ip", "3"));
    for (size_t i = 0; i < MT_ARRAY_COUNT(kinds); i++) {
        struct mt_sigma_feed_head head;
        struct mt_record_session *record = event_of("destination.port=25 | source.ip=192.0.2.1");
        record->event_end = CORRELATED_BASE;
        correlated_add_at(&feeds, mt_sigma_evaluator(sigma, 0), record, CORRELATED_BASE, 1);
        memcpy(&head, feeds.feeds[i].ptr, sizeof(head));
        head.sequence = kinds[i] + 5;
        memcpy((uint8_t *)(uintptr_t)feeds.feeds[i].ptr, &head, sizeof(head));
    }
    compare_both();
    assert_non_null(strstr(said, " 3 low|"));
    done();
}

static uint32_t count_keys(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < events.count; i++) {
        uint32_t k = 0;
        while (strcmp(events.keys[k], events.keys[i]) != 0)
            k++;
        count += k == i;
    }
    return count;
}

static void test_keys(void **state)
{
    (void)state;
    use(chain); /* parted by what both count by */
    add_traffic();
    write_all();
    assert_int_equal(events.count, feeds.count);
    assert_int_equal(count_keys(), 2);
    done();
    use(apart); /* nothing in common: in one place */
    add_traffic();
    write_all();
    assert_int_equal(count_keys(), 1);
    done();
    use(alone); /* each group for itself */
    add_traffic();
    write_all();
    assert_int_equal(events.count, 2 * feeds.count - 4); /* four name one finding twice */
    assert_int_equal(count_keys(), 4 + 5 + 5);
    done();
}

static void test_refusals(void **state)
{
    uint8_t room[MT_SIGMA_EVENT_MAX];
    struct mt_buf feed = mt_buf(room, sizeof(room));
    struct mt_sigma_message message;
    (void)state;
    use(alone);
    add_traffic();
    write_all();
    for (size_t size = 0; size < events.sizes[0]; size++) { /* every cut is seen */
        if (mt_sigma_message_read(mt_span(events.bytes[0], size), &message) == NULL)
            assert_int_equal(mt_sigma_event_read(sigma, &message, &feed), MT_SIGMA_EVENT_DAMAGED);
    }
    struct mt_sigma *first = sigma;
    const struct mt_sigma_config config = {.evaluators = 1};
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(chain), &sigma), 0);
    assert_null(mt_sigma_message_read(mt_span(events.bytes[0], events.sizes[0]), &message));
    assert_true(mt_span_eq(message.name, mt_span_cstr("c")));
    assert_true(mt_span_eq(message.sensor, mt_span_cstr("tap-1")));
    assert_int_equal(mt_sigma_event_read(sigma, &message, &feed), MT_SIGMA_EVENT_OTHER_RULES);
    mt_sigma_destroy(sigma);
    sigma = first;
    events.bytes[0][4]++;
    assert_string_equal(mt_sigma_message_read(mt_span(events.bytes[0], events.sizes[0]), &message),
                        "it is of another version of events");
    done();
}

static void test_marks(void **state)
{
    uint8_t room[512];
    struct mt_buf b = mt_buf(room, sizeof(room));
    struct mt_sigma_message message;
    (void)state;
    sender = (struct mt_sigma_sender){.sensor = mt_span_cstr("tap-1"), .run = 7};
    mt_sigma_mark_write(&sender, MT_SIGMA_MARK_END, &b);
    assert_null(mt_sigma_message_read(mt_buf_span(&b), &message));
    assert_int_equal(message.kind, MT_SIGMA_MESSAGE_MARK);
    assert_true(message.time == MT_SIGMA_MARK_END);
    assert_int_equal(message.run, 7);
    b.ptr[b.size - 1] = 0x90; /* neither the end nor a time */
    assert_non_null(mt_sigma_message_read(mt_buf_span(&b), &message));
}

static void on_piece(void *ctx, struct mt_span piece)
{
    assert_true(mt_sigma_correlator_load(ctx, piece));
}

/* After each feed what is known goes to another correlator, which goes on. */
static void test_state(void **state)
{
    static char expected[sizeof(said)];
    static const char *const texts[] = {alone, chain, apart};
    (void)state;
    for (size_t t = 0; t < MT_ARRAY_COUNT(texts); t++) {
        use(texts[t]);
        add_traffic();
        say_of_feeds();
        snprintf(expected, sizeof(expected), "%s", said);
        said_size = 0;
        said[0] = '\0';
        struct mt_sigma_correlator *c = start();
        for (uint32_t i = 0; i < feeds.count; i++) {
            struct mt_sigma_correlator *next = start();
            mt_sigma_correlator_feed(c, feeds.feeds[i]);
            if (i % 3 == 0)
                mt_sigma_correlator_advance(c, feeds.completed[i]);
            mt_sigma_correlator_save(c, on_piece, next);
            mt_sigma_correlator_destroy(c);
            c = next;
        }
        mt_sigma_correlator_finish(c);
        mt_sigma_correlator_destroy(c);
        assert_string_equal(said, expected);
        done();
    }
}

struct damage {
    uint64_t from; /* numbers between these are times */
    uint64_t to;
    uint32_t times;
};

/* Into a correlator of its own, but for one time: whichever it is, it can't be. */
static void on_piece_with_times(void *ctx, struct mt_span piece)
{
    static uint8_t first[MT_SIGMA_STATE_PIECE_MAX];
    static size_t first_size;
    const uint64_t never = 2 * MT_SIGMA_TIME_MAX + 1;
    struct damage *damage = ctx;
    uint8_t bytes[MT_SIGMA_STATE_PIECE_MAX];
    bool is_head = piece.ptr[0] == 'h';
    if (is_head) {
        memcpy(first, piece.ptr, piece.size);
        first_size = piece.size;
    }
    for (size_t at = 1; at + sizeof(never) <= piece.size; at++) {
        uint64_t number;
        memcpy(&number, piece.ptr + at, sizeof(number));
        if (number < damage->from || number > damage->to)
            continue;
        struct mt_sigma_correlator *c = start();
        assert_true(is_head || mt_sigma_correlator_load(c, mt_span(first, first_size)));
        memcpy(bytes, piece.ptr, piece.size);
        memcpy(bytes + at, &never, sizeof(never));
        if (mt_sigma_correlator_load(c, mt_span(bytes, piece.size)))
            fail_msg("a piece %c takes the number at %zu", piece.ptr[0], at);
        mt_sigma_correlator_destroy(c);
        damage->times++;
    }
}

static void test_state_of_impossible_times_is_refused(void **state)
{
    struct damage damage = {.from = CORRELATED_BASE, .to = CORRELATED_BASE + UINT64_C(1000000000000)};
    (void)state;
    use(chain);
    add_traffic();
    struct mt_sigma_correlator *c = start();
    for (uint32_t i = 0; i < feeds.count; i++)
        mt_sigma_correlator_feed(c, feeds.feeds[i]);
    mt_sigma_correlator_advance(c, feeds.completed[feeds.count / 2]);
    mt_sigma_correlator_save(c, on_piece_with_times, &damage);
    assert_true(damage.times > 50);
    mt_sigma_correlator_destroy(c);
    done();
}

/* What may be said may be known: a group of the latest time is taken up again. */
static void test_latest_time(void **state)
{
    (void)state;
    use(chain);
    struct mt_record_session *record =
        event_of("destination.port=25 | source.ip=192.0.2.1 | destination.ip=10.0.0.1");
    record->event_end = MT_SIGMA_TIME_MAX;
    correlated_add(&feeds, mt_sigma_evaluator(sigma, 0), record);
    write_all();
    struct mt_sigma_correlator *c = start();
    struct mt_sigma_correlator *next = start();
    take(c, 0);
    mt_sigma_correlator_advance(c, MT_SIGMA_TIME_MAX + MT_SIGMA_REORDER + MT_SIGMA_SLACK + 1);
    assert_int_equal(mt_sigma_correlator_counts(c)->groups, 1);
    mt_sigma_correlator_save(c, on_piece, next);
    assert_int_equal(mt_sigma_correlator_counts(next)->groups, 1);
    mt_sigma_correlator_destroy(c);
    mt_sigma_correlator_destroy(next);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_say_the_same),
        cmocka_unit_test(test_long_names_of_keys_cost_no_event),
        cmocka_unit_test(test_kinds_of_feeds_stay_apart),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_state_of_impossible_times_is_refused),
        cmocka_unit_test(test_latest_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
