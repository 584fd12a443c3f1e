#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct world world;

static int open_default(void **state)
{
    *state = &world;
    world_init(&world, true);
    world_open(&world);
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    return 0;
}

static void tell_vrfy(struct world *w, double seconds, const char *client, const char *argument,
                      unsigned code)
{
    struct mt_observation o = world_probe(seconds, client, argument, code);

    world_tell(w, &o);
}

static void the_first_vrfy_of_a_client_at_a_server_is_noted_once(void **state)
{
    struct world *w = *state;

    tell_vrfy(w, 0, "203.0.113.5", "alice", 252);
    const struct seen_alert *a = world_last(w, MT_FINDING_VRFY_EXPN_USE);
    assert_int_equal(w->alert_count, 1);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL);
    assert_string_equal(a->message,
                        "203.0.113.5 asked 192.168.0.25 by VRFY for \"alice\" and got the answer 252");
    assert_string_equal(a->group_by, "source.ip=203.0.113.5 destination.ip=192.168.0.25");
    assert_string_equal(a->evidence[0], "2026-11-22T13:37:59.999999000Z C: VRFY alice");
    tell_vrfy(w, 3599, "203.0.113.5", "alice", 252);
    assert_int_equal(w->alert_count, 1);
    tell_vrfy(w, 3600, "203.0.113.5", "alice", 0);
    assert_int_equal(w->alert_count, 2);
    assert_non_null(strstr(w->alerts[1].message, "no answer"));
    assert_int_equal(w->alerts[1].count, 2);
}

static void a_home_client_may_verify(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "user%d", i);
        struct mt_observation o = world_probe(i, "192.168.4.4", name, 250);
        o.is_client_home = true;
        world_tell(w, &o);
    }
    assert_int_equal(w->alert_count, 0);
}

static void five_commands_for_three_names_are_a_probe(void **state)
{
    struct world *w = *state;

    tell_vrfy(w, 0, "203.0.113.5", "alice", 550);
    tell_vrfy(w, 1, "203.0.113.5", "bob", 550);
    tell_vrfy(w, 2, "203.0.113.5", "carol", 252);
    tell_vrfy(w, 3, "203.0.113.5", "carol", 502);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 0);
    tell_vrfy(w, 4, "203.0.113.5", "carol", 550);
    const struct seen_alert *a = world_last(w, MT_FINDING_VRFY_PROBE);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL); /* as the rule says */
    assert_int_equal(a->count, 5);
    assert_int_equal(a->window, 600);
    assert_string_equal(a->group_by, "source.ip=203.0.113.5");
    assert_string_equal(a->message,
                        "203.0.113.5 sent 5 VRFY or EXPN commands for 3 different names within 600 "
                        "seconds, the last to 192.168.0.25, and none was confirmed");
    assert_int_equal(a->evidence_count, 10);
}

static void names_that_differ_in_case_or_brackets_are_one(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"alice", "ALICE", "<alice>", " Alice", "bob", "Bob"};

    for (int i = 0; i < 12; i++)
        tell_vrfy(w, i, "203.0.113.5", names[i % 6], 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 0);
    tell_vrfy(w, 12, "203.0.113.5", "carol", 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 1);
}

static void four_commands_or_two_names_or_slow_ones_are_no_probe(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 4; i++)
        tell_vrfy(w, i, "203.0.113.5", (const char *[]){"a", "b", "c", "d"}[i], 550);
    for (int i = 0; i < 20; i++)
        tell_vrfy(w, i, "203.0.113.6", i % 2 ? "a" : "b", 550);
    for (int i = 0; i < 10; i++)
        tell_vrfy(w, 1000 + 150.0 * i, "203.0.113.7", (const char *[]){"a", "b", "c", "d"}[i % 4], 550);
    for (int i = 0; i < 4; i++) { /* neither of two clients, though both together */
        tell_vrfy(w, 4000, "203.0.113.8", (const char *[]){"a", "b", "c", "d"}[i], 550);
        tell_vrfy(w, 4000, "203.0.113.9", (const char *[]){"e", "f", "g", "h"}[i], 550);
    }
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 0);
}

static void a_confirmed_name_makes_the_probe_high(void **state)
{
    struct world *w = *state;

    tell_vrfy(w, 0, "203.0.113.5", "alice", 250);
    for (int i = 1; i < 5; i++)
        tell_vrfy(w, i, "203.0.113.5", (const char *[]){"", "b", "c", "d", "e"}[i], 550);
    const struct seen_alert *a = world_last(w, MT_FINDING_VRFY_PROBE);
    assert_int_equal(a->level, MT_LEVEL_HIGH);
    assert_string_equal(a->confidence, "high");
    assert_non_null(strstr(a->message, "at least one exists"));
}

static void a_confirmation_after_the_alert_raises_it_again(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 5; i++)
        tell_vrfy(w, i, "203.0.113.5", (const char *[]){"a", "b", "c", "d", "e"}[i], 550);
    tell_vrfy(w, 5, "203.0.113.5", "f", 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 1);
    tell_vrfy(w, 6, "203.0.113.5", "g", 251);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 2);
    assert_int_equal(world_last(w, MT_FINDING_VRFY_PROBE)->level, MT_LEVEL_HIGH);
    tell_vrfy(w, 7, "203.0.113.5", "h", 251);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 2);
}

static void a_long_probe_alerts_at_every_doubling(void **state)
{
    struct world *w = *state;
    char name[32];

    for (int i = 0; i < 640; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        tell_vrfy(w, i * 0.1, "203.0.113.5", name, 550);
    }
    /* 5, 10, 20 ... 640 */
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 8);
    assert_int_equal(world_last(w, MT_FINDING_VRFY_PROBE)->count, 640);
    assert_int_equal(world_last(w, MT_FINDING_VRFY_PROBE)->evidence_count, 14);
}

static void probe_thresholds_can_be_changed(void **state)
{
    struct world *w = *state;

    world_close(w);
    world_init(w, true);
    w->config.vrfy_probe_count = 100;
    w->config.vrfy_probe_distinct = 60;
    w->config.vrfy_probe_window = 60;
    w->config.vrfy_use_repeat = 1;
    world_open(w);
    char name[32];
    for (int i = 0; i < 99; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        tell_vrfy(w, i * 0.1, "203.0.113.5", name, 550);
    }
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 0);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_EXPN_USE), 10);
    tell_vrfy(w, 9.9, "203.0.113.5", "last", 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_PROBE), 1);
}

static void sensitive_names_are_noted_each(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *argument;
        bool is_sensitive;
    } cases[] = {
        {"root", true},
        {"ROOT", true},
        {"<Root@example.com>", true},
        {"decode", true},
        {"uudecode", true},
        {"*@example.com", true},
        {"postmaster", false},
        {"rooty", false},
        {"root.toot", false},
        {"user@root.test", false},
        {"", false},
        {"de", false},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        uint32_t before = world_count(w, MT_FINDING_VRFY_SENSITIVE);
        tell_vrfy(w, (double)i * 4000, "203.0.113.5", cases[i].argument, 550);
        if (world_count(w, MT_FINDING_VRFY_SENSITIVE) - before != cases[i].is_sensitive)
            fail_msg("%s", cases[i].argument);
    }
}

static void one_sensitive_name_alerts_once_an_hour_and_another_at_once(void **state)
{
    struct world *w = *state;

    tell_vrfy(w, 0, "203.0.113.5", "root", 550);
    tell_vrfy(w, 1, "203.0.113.5", "Root", 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_SENSITIVE), 1);
    tell_vrfy(w, 2, "203.0.113.5", "decode", 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_SENSITIVE), 2);
    assert_string_equal(world_last(w, MT_FINDING_VRFY_SENSITIVE)->group_by,
                        "source.ip=203.0.113.5 destination.ip=192.168.0.25 smtp.probes.vrfy.argument=decode");
    tell_vrfy(w, 3601, "203.0.113.5", "root", 550);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_SENSITIVE), 3);
}

static void a_list_that_expn_expands_is_sensitive(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_probe(0, "203.0.113.5", "staff", 250);

    o.reply_lines = 7;
    world_tell(w, &o); /* VRFY with a long answer is no list */
    assert_int_equal(world_count(w, MT_FINDING_VRFY_SENSITIVE), 0);
    o.is_expn = 1;
    o.reply_lines = 1;
    world_tell(w, &o);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_SENSITIVE), 0);
    o.reply_lines = 7;
    o.code = 550;
    world_tell(w, &o);
    assert_int_equal(world_count(w, MT_FINDING_VRFY_SENSITIVE), 0);
    o.code = 250;
    world_tell(w, &o);
    const struct seen_alert *a = world_last(w, MT_FINDING_VRFY_SENSITIVE);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL); /* as the rule says */
    assert_string_equal(a->message, "203.0.113.5 asked 192.168.0.25 by EXPN for \"staff\" and got the answer "
                                    "250 with a list of 7 lines");
}

static void control_bytes_never_reach_message_or_evidence(void **state)
{
    struct world *w = *state;

    tell_vrfy(w, 0, "203.0.113.5", "a\x1b[2J\r\nb\xff", 550);
    assert_non_null(strstr(w->alerts[0].message, "\"a\\x1b[2J\\x0d\\x0ab\\xff\""));
    assert_non_null(strstr(w->alerts[0].evidence[0], "VRFY a\\x1b[2J\\x0d\\x0ab\\xff"));
}

static void a_cut_line_says_so(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_probe(0, "203.0.113.5", "alice", 252);

    o.evidence[0].is_cut = 1;
    memset(o.evidence[0].text, 0x01, sizeof(o.evidence[0].text));
    o.evidence[0].size = sizeof(o.evidence[0].text);
    world_tell(w, &o);
    size_t size = strlen(w->alerts[0].evidence[0]);
    assert_int_equal(size, 34 + 4 * MT_EVIDENCE_TEXT_MAX + 6);
    assert_string_equal(w->alerts[0].evidence[0] + size - 10, "\\x01 [cut]");
}

static void a_greeting_at_the_score_is_forged(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_helo(0, "203.0.113.5", "10.0.0.1", 4, 1u << 3);

    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
    o = world_helo(1, "203.0.113.5", "10.0.0.1", 7, 1u << 3 | 1u << 4);
    world_tell(w, &o);
    const struct seen_alert *a = world_last(w, MT_FINDING_HELO_FORGED);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL); /* as the rule says */
    assert_string_equal(a->group_by, "source.ip=203.0.113.5 event.id=423fee42074ff3b9cbecb7d8dcce85d5");
    assert_string_equal(a->message,
                        "203.0.113.5 greeted 192.168.0.25 as \"10.0.0.1\", which scores 7 points where 5 "
                        "make a forgery: bare_ip (an address without brackets (RFC 5321 §4.1.3)), "
                        "literal_mismatch (an address literal that is not the client's address)");
    assert_string_equal(a->confidence, "medium");
}

static void a_greeting_in_our_own_name_is_high(void **state)
{
    struct world *w = *state;

    for (unsigned bit = 0; bit < 3; bit++) {
        struct mt_observation o = world_helo(bit, "203.0.113.5", "mx.example.com", 6, 1u << bit);
        world_tell(w, &o);
        assert_int_equal(world_last(w, MT_FINDING_HELO_FORGED)->level, MT_LEVEL_HIGH);
        assert_string_equal(world_last(w, MT_FINDING_HELO_FORGED)->confidence, "high");
    }
    assert_int_equal(w->alert_count, 3);
}

static void every_session_with_a_forged_greeting_alerts(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 5; i++) {
        struct mt_observation o = world_helo(i, "203.0.113.5", "localhost", 5, 1u << 8 | 1u << 6);
        world_tell(w, &o);
    }
    assert_int_equal(w->alert_count, 5);
}

static void home_clients_and_submission_may_greet_as_they_like(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_helo(0, "203.0.113.5", "localhost", 9, 1);

    o.is_client_home = true;
    world_tell(w, &o);
    o.is_client_home = false;
    o.tuple.dst_port = 587;
    world_tell(w, &o);
    o.tuple.dst_port = 465;
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
    o.tuple.dst_port = 2525;
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 1);
}

static void the_score_can_be_changed(void **state)
{
    struct world *w = *state;

    world_close(w);
    world_init(w, true);
    w->config.helo_score = 8;
    world_open(w);
    struct mt_observation o = world_helo(0, "203.0.113.5", "localhost", 7, 1);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
    o.score = 8;
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 1);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, open_default, close_world)
    const struct CMUnitTest tests[] = {
        TEST(the_first_vrfy_of_a_client_at_a_server_is_noted_once),
        TEST(a_home_client_may_verify),
        TEST(five_commands_for_three_names_are_a_probe),
        TEST(names_that_differ_in_case_or_brackets_are_one),
        TEST(four_commands_or_two_names_or_slow_ones_are_no_probe),
        TEST(a_confirmed_name_makes_the_probe_high),
        TEST(a_confirmation_after_the_alert_raises_it_again),
        TEST(a_long_probe_alerts_at_every_doubling),
        TEST(probe_thresholds_can_be_changed),
        TEST(sensitive_names_are_noted_each),
        TEST(one_sensitive_name_alerts_once_an_hour_and_another_at_once),
        TEST(a_list_that_expn_expands_is_sensitive),
        TEST(control_bytes_never_reach_message_or_evidence),
        TEST(a_cut_line_says_so),
        TEST(a_greeting_at_the_score_is_forged),
        TEST(a_greeting_in_our_own_name_is_high),
        TEST(every_session_with_a_forged_greeting_alerts),
        TEST(home_clients_and_submission_may_greet_as_they_like),
        TEST(the_score_can_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
