/* Messages for people: what they say, that strangers' words stay words in every
 * form, and that what a limit holds back is counted. */
#include "export/notice_priv.h"
#include "export/outputs.h"
#include "json_check.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

struct made {
    char text[65536];
    size_t count;
};

static void keep(void *ctx, const struct mt_format_text *text)
{
    struct made *made = ctx;
    assert_true(text->text.size < sizeof(made->text));
    memcpy(made->text, text->text.ptr, text->text.size);
    made->text[text->text.size] = '\0';
    made->count++;
}

static struct mt_format *created(const struct mt_format_ops *ops)
{
    const struct mt_format_options options = {.field_count = 0};
    struct mt_format *format;
    char reason[256];
    assert_int_equal(ops->create(&options, reason, sizeof(reason), &format), 0);
    return format;
}

static struct made *alert_as(const char *form, const struct mt_record_alert *alert)
{
    const struct mt_format_ops *ops = mt_notice_find(mt_span_cstr(form));
    struct mt_format *format = created(ops);
    struct made *made = calloc(1, sizeof(*made));
    assert_true(ops->alert(format, alert, keep, made));
    assert_int_equal(made->count, 1);
    assert_true(ops->session(format, &sample_session, keep, made));
    assert_int_equal(made->count, 1);
    ops->destroy(format);
    return made;
}

static void a_text_says_who_what_when_where_and_what_to_do(void **state)
{
    (void)state;
    struct made *made = alert_as("text", &sample_alert);
    assert_string_equal(
        made->text,
        "[MEDIUM] 192.0.2.25 accepted the foreign recipient <victim@foreign.example> from 198.51.100.23\n"
        "When:  2023-11-14 22:13:20 UTC\n"
        "Who:   client 198.51.100.23:49152, server [2001:db8::25]:25\n"
        "What:  A local server accepted a foreign recipient (rule smtp_open_relay_suspected, confidence "
        "high)\n"
        "Seen:  2023-11-14T22:13:20.250000000Z > RCPT TO:<victim@foreign.example>\n"
        "       2023-11-14T22:13:20.260000000Z < 250 2.1.5 Ok\n"
        "Where: session 0123456789abcdef0123456789abcdef (event.id), seen by probe-1.example.net\n"
        "Do:    Look at the server's relay settings (Postfix: smtpd_relay_restrictions), and whether the "
        "recipient's domain is yours: then add it to local_domains, or the client to allowed_relays.");
    free(made);
}

static void counted_events_are_told_with_their_time(void **state)
{
    struct mt_record_alert alert = sample_alert;
    (void)state;
    alert.count = 12;
    alert.window = 600;
    struct made *made = alert_as("text", &alert);
    assert_non_null(strstr(made->text, "UTC, 12 events in 10 minutes\n"));
    free(made);
    alert.window = 90;
    made = alert_as("text", &alert);
    assert_non_null(strstr(made->text, "12 events in 90 seconds\n"));
    free(made);
}

static void an_alert_without_a_session_is_told_all_the_same(void **state)
{
    static const struct mt_record_alert bare = {.rule_name = "nobody_knows_me", .timestamp = SECOND};
    (void)state;
    struct made *made = alert_as("text", &bare);
    assert_string_equal(made->text, "[ALERT] alert\nWhen:  1970-01-01 00:00:01 UTC\n"
                                    "What:  a rule matched (rule nobody_knows_me)\n"
                                    "Do:    Look at the session in your records, by its id, and at "
                                    "docs/detections.md for what the rule means.");
    free(made);
}

/* What could be a link, a mention, a picture, an end of the block or a new line. */
static const char hostile[] = "<!channel> ``` @all & [x](https://evil.example) \r\n[CRITICAL] \x1b[31m\xff";

static struct mt_record_alert hostile_alert(void)
{
    struct mt_record_alert alert = sample_alert;
    alert.message = mt_span_cstr(hostile);
    return alert;
}

static void strangers_words_make_no_lines(void **state)
{
    struct mt_record_alert alert = hostile_alert();
    (void)state;
    struct made *made = alert_as("text", &alert);
    assert_memory_equal(made->text, "[MEDIUM] <!channel> ``` @all", 28);
    assert_null(strstr(made->text, "\n[CRITICAL]"));
    assert_null(strchr(made->text, '\x1b'));
    assert_null(strchr(made->text, '\r'));
    free(made);
}

static void strangers_words_are_no_markup_in_any_form(void **state)
{
    static const char *const forms[] = {"json", "slack", "mattermost", "teams"};
    struct mt_record_alert alert = hostile_alert();
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(forms); i++) {
        struct made *made = alert_as(forms[i], &alert);
        size_t off;
        if (!json_check(mt_span_cstr(made->text), NULL, NULL, &off))
            fail_msg("%s: no JSON at byte %zu: %s", forms[i], off, made->text);
        if (strcmp(forms[i], "slack") == 0) {
            assert_null(strstr(made->text, "<!channel>"));
            assert_non_null(strstr(made->text, "&lt;!channel&gt; ''' @all &amp; [x]"));
        }
        if (strcmp(forms[i], "slack") == 0 || strcmp(forms[i], "mattermost") == 0) {
            assert_memory_equal(made->text, "{\"text\":\"```\\n[MEDIUM]", 21);
            assert_string_equal(made->text + strlen(made->text) - 7, "\\n```\"}");
            assert_null(strstr(made->text + 12, "``` @all"));
        }
        if (strcmp(forms[i], "teams") == 0)
            assert_null(strstr(made->text, "TextBlock\",\"text"));
        free(made);
    }
}

static void json_carries_the_whole_alert(void **state)
{
    (void)state;
    struct made *made = alert_as("json", &sample_alert);
    struct mt_span name = json_find(mt_span_cstr(made->text), "alert.rule.name");
    assert_true(mt_span_eq(name, mt_span_cstr("\"smtp_open_relay_suspected\"")));
    free(made);
}

static void evidence_and_words_that_are_long_are_cut(void **state)
{
    static uint8_t filler[100000];
    struct mt_span lines[40];
    struct mt_record_alert alert = sample_alert;
    (void)state;
    memset(filler, 1, sizeof(filler)); /* escaped, each takes four bytes */
    for (size_t i = 0; i < MT_ARRAY_COUNT(lines); i++)
        lines[i] = mt_span(filler, sizeof(filler));
    alert.message = lines[0];
    alert.event_id = lines[0];
    alert.observer_name = lines[0];
    alert.evidence = (struct mt_texts){lines, MT_ARRAY_COUNT(lines)};
    struct made *made = alert_as("text", &alert);
    assert_true(strlen(made->text) < 4000);
    assert_non_null(strstr(made->text, "\nDo:    Look"));
    free(made);
    made = alert_as("slack", &alert);
    free(made);
}

/* --- advice -------------------------------------------------------------------- */

static void every_finding_and_built_in_rule_of_the_detections_page_has_its_advice(void **state)
{
    char line[4096];
    unsigned rules = 0;
    FILE *page = fopen(MT_SOURCE_ROOT "/docs/detections.md", "re");
    (void)state;
    assert_non_null(page);
    while (fgets(line, sizeof(line), page) != NULL) {
        char rule[128];
        char finding[100];
        if (sscanf(line, "## Finding `%99[a-z0-9_]`", finding) == 1) /* its shipped rule's */
            snprintf(rule, sizeof(rule), "smtp_%s", finding);
        else if (sscanf(line, "## `%127[a-z0-9_]`", rule) != 1)
            continue;
        rules++;
        if (mt_notice_advice(rule) == mt_notice_advice(NULL))
            fail_msg("lib/export/notice_advice.def has nothing for %s", rule);
    }
    fclose(page);
    assert_true(rules >= 9);
}

/* --- the limit ------------------------------------------------------------------- */

static bool admit(struct mt_notice_limit *limit, uint64_t seconds, const char *rule, const char *key)
{
    return mt_notice_limit_admit(limit, seconds * SECOND, mt_span_cstr(rule), mt_span_cstr(key), 2);
}

static void each_rule_and_client_has_its_share_of_a_period(void **state)
{
    struct mt_notice_limit *limit;
    struct mt_notice_sum sum;
    (void)state;
    assert_int_equal(mt_notice_limit_create(60 * SECOND, 2, 100, &limit), 0);
    assert_true(admit(limit, 1, "a", "x"));
    assert_true(admit(limit, 2, "a", "x"));
    assert_false(admit(limit, 3, "a", "x"));
    assert_true(admit(limit, 3, "a", "y"));
    assert_true(admit(limit, 3, "b", "x"));
    /* a higher level is something new */
    assert_true(mt_notice_limit_admit(limit, 4 * SECOND, mt_span_cstr("a"), mt_span_cstr("x"), 3));
    assert_false(mt_notice_limit_sum(limit, 60 * SECOND, false, &sum));
    assert_true(mt_notice_limit_sum(limit, 61 * SECOND, false, &sum));
    assert_int_equal(sum.total, 1);
    assert_string_equal(sum.rules[0].name, "a");
    assert_int_equal(sum.rules[0].count, 1);
    assert_false(mt_notice_limit_sum(limit, 62 * SECOND, true, &sum));
    assert_true(admit(limit, 63, "a", "x"));
    mt_notice_limit_destroy(limit);
}

static void nothing_that_is_held_back_is_forgotten(void **state)
{
    struct mt_notice_limit *limit;
    struct mt_notice_sum sum;
    uint64_t sent = 0;
    uint64_t told = 0;
    (void)state;
    assert_int_equal(mt_notice_limit_create(10 * SECOND, 1, 5, &limit), 0);
    for (unsigned i = 0; i < 100000; i++) {
        char rule[16];
        char key[16];
        snprintf(rule, sizeof(rule), "rule-%u", i % 37);
        snprintf(key, sizeof(key), "%u", i);
        sent += admit(limit, 1 + i / 1000, rule, key);
        /* a sender that is stuck asks late */
        if (i % 7919 == 0 && mt_notice_limit_sum(limit, (1 + i / 1000) * SECOND, false, &sum))
            told += sum.total;
    }
    if (mt_notice_limit_sum(limit, 1000 * SECOND, true, &sum)) {
        uint64_t listed = sum.others;
        for (uint32_t i = 0; i < sum.rule_count; i++)
            listed += sum.rules[i].count;
        assert_int_equal(listed, sum.total);
        assert_int_equal(sum.rule_count, MT_NOTICE_RULES_MAX);
        told += sum.total;
    }
    assert_int_equal(sent + told, 100000);
    assert_in_range(sent, 50, 60); /* five in each of ten periods, and what a sum began anew */
    mt_notice_limit_destroy(limit);
}

static void a_flood_that_never_pauses_has_its_sum_each_period(void **state)
{
    struct mt_notice_limit *limit;
    struct mt_notice_sum sum;
    unsigned sums = 0;
    (void)state;
    assert_int_equal(mt_notice_limit_create(60 * SECOND, 1, 100, &limit), 0);
    for (unsigned second = 1; second <= 600; second++) {
        /* the alert is always first, the sender asks after it */
        (void)admit(limit, second, "a", "x");
        if (mt_notice_limit_sum(limit, second * SECOND, false, &sum)) {
            sums++;
            assert_in_range(sum.total, 59, 60);
            assert_in_range(sum.period, 60 * SECOND, 61 * SECOND);
        }
    }
    assert_int_equal(sums, 9);
    mt_notice_limit_destroy(limit);
}

static void more_clients_than_are_told_apart_are_held_to_the_limit_of_all(void **state)
{
    struct mt_notice_limit *limit;
    unsigned sent = 0;
    (void)state;
    assert_int_equal(mt_notice_limit_create(3600 * SECOND, 1, MT_NOTICE_KEYS_MAX + 100, &limit), 0);
    for (unsigned i = 0; i < 3 * MT_NOTICE_KEYS_MAX; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%u", i);
        sent += admit(limit, 1, "a", key);
    }
    assert_int_equal(sent, MT_NOTICE_KEYS_MAX + 100);
    mt_notice_limit_destroy(limit);
}

static void a_sum_tells_rules_and_counts_in_every_form(void **state)
{
    const struct mt_notice_sum sum = {
        .rules = {{"smtp_vrfy_probe", 25, 3}, {"smtp_helo_forged", 12, 2}},
        .rule_count = 2,
        .others = 3,
        .total = 40,
        .level = 3,
        .period = 600 * SECOND,
    };
    (void)state;
    for (size_t i = 0; mt_notice_at(i) != NULL; i++) {
        const struct mt_format_ops *ops = mt_notice_at(i);
        struct mt_format *format = created(ops);
        struct made *made = calloc(1, sizeof(*made));
        size_t off;
        assert_true(mt_notice_put_sum(format, ops, &sum, keep, made));
        assert_non_null(strstr(made->text,
                               "[HIGH] 40 more alerts in the last 10 minutes were not sent one by "
                               "one"));
        assert_non_null(strstr(made->text, "25 smtp_vrfy_probe, at most high"));
        assert_non_null(strstr(made->text, "3 of other rules"));
        assert_int_equal(json_check(mt_span_cstr(made->text), NULL, NULL, &off), ops->is_json);
        ops->destroy(format);
        free(made);
    }
}

/* --- what --notify says ------------------------------------------------------------ */

static void a_chats_url_is_not_shown(void **state)
{
    struct mt_output_config config;
    char reason[512];
    (void)state;
    assert_int_equal(mt_notice_config_parse("slack:https://hooks.slack.com/services/T0/B0/SECRET?level=high",
                                            reason, sizeof(reason), &config),
                     0);
    assert_memory_equal(config.name, "slack:https://hooks.slack.com#", 30);
    assert_null(strstr(config.name, "SECRET"));
    assert_true(config.is_notice);
    assert_int_equal(config.only, MT_OUTPUT_ALERTS);
    assert_int_equal(config.level, 3);
    assert_int_equal(config.batch_max, 1);
    mt_output_config_fini(&config);

    assert_int_equal(mt_notice_config_parse("slack:https://hooks.slack.com/services/T0/B0/SECRET?level=hgih",
                                            reason, sizeof(reason), &config),
                     -EINVAL);
    assert_memory_equal(reason, "notify slack:https://hooks.slack.com: ", 38);
    assert_null(strstr(reason, "SECRET"));
}

static void a_request_that_makes_no_sense_is_told(void **state)
{
    static const char *const cases[][2] = {
        {"slak:https://h/x", "notify slak:https://h: there is no form slak; did you mean slack?"},
        {"carrierpigeon:-",
         "notify carrierpigeon:-: there is no form carrierpigeon; there are text, json, slack, "
         "mattermost and teams"},
        {"text", "notify text: it names no target; write text:https://... or text:exec:PATH"},
        {"text:exec:mail", "notify text:exec:mail: mail is not the whole path of a program, from / on"},
        {"text:exec:/nowhere", "notify text:exec:/nowhere: /nowhere can't be run: No such file or directory"},
        {"text:kafka://b/t", "notify text:kafka://b: messages for people go to https://, exec:, file: or -"},
        {"text:-?only=sessions", "notify text:-: messages for people are made of alerts only"},
        {"text:-?perod=1m", "notify text:-: there is no key perod for this target; did you mean period?"},
        {"text:https://h?url=x", "notify text:https://h: a url on the command line is seen by every user of "
                                 "this machine; write url_file=PATH or url_env=NAME"},
    };
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_output_config config;
        char reason[512] = "";
        assert_int_equal(mt_notice_config_parse(cases[i][0], reason, sizeof(reason), &config), -EINVAL);
        assert_string_equal(reason, cases[i][1]);
    }
    struct mt_output_config config;
    char reason[512];
    assert_int_equal(mt_output_config_parse("ecs:exec:/bin/true", reason, sizeof(reason), &config), -EINVAL);
    assert_string_equal(reason, "output ecs:exec:/bin/true: exec: is for --notify");
    assert_int_equal(mt_output_config_parse("ecs:-?period=1m", reason, sizeof(reason), &config), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_says_who_what_when_where_and_what_to_do),
        cmocka_unit_test(counted_events_are_told_with_their_time),
        cmocka_unit_test(an_alert_without_a_session_is_told_all_the_same),
        cmocka_unit_test(strangers_words_make_no_lines),
        cmocka_unit_test(strangers_words_are_no_markup_in_any_form),
        cmocka_unit_test(json_carries_the_whole_alert),
        cmocka_unit_test(evidence_and_words_that_are_long_are_cut),
        cmocka_unit_test(every_finding_and_built_in_rule_of_the_detections_page_has_its_advice),
        cmocka_unit_test(each_rule_and_client_has_its_share_of_a_period),
        cmocka_unit_test(nothing_that_is_held_back_is_forgotten),
        cmocka_unit_test(a_flood_that_never_pauses_has_its_sum_each_period),
        cmocka_unit_test(more_clients_than_are_told_apart_are_held_to_the_limit_of_all),
        cmocka_unit_test(a_sum_tells_rules_and_counts_in_every_form),
        cmocka_unit_test(a_chats_url_is_not_shown),
        cmocka_unit_test(a_request_that_makes_no_sense_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
