#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct world world;

static int with_domains(void **state)
{
    *state = &world;
    world_init(&world, true);
    world_open(&world);
    return 0;
}

static int without_site(void **state)
{
    *state = &world;
    world_init(&world, false);
    world_open(&world);
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    return 0;
}

static void tell_refused(struct world *w, double seconds, const char *client, enum mt_relay_form form)
{
    struct mt_observation o = world_rcpt(seconds, client, "victim@elsewhere.test", 554);

    o.form = (uint8_t)form;
    world_tell(w, &o);
}

static void tell_at_server(struct world *w, double seconds, const char *client, uint8_t server)
{
    struct mt_observation o = world_rcpt(seconds, client, "victim@elsewhere.test", 554);

    o.tuple.dst.bytes[3] = server;
    world_tell(w, &o);
}

static void three_refused_forms_are_a_probe(void **state)
{
    struct world *w = *state;

    tell_refused(w, 0, "203.0.113.5", MT_RELAY_NONE);
    tell_refused(w, 1, "203.0.113.5", MT_RELAY_NULL_SENDER);
    tell_refused(w, 2, "203.0.113.5", MT_RELAY_NULL_SENDER);
    assert_int_equal(w->alert_count, 0);
    tell_refused(w, 3, "203.0.113.5", MT_RELAY_SENDER_AT_SERVER_IP);
    assert_int_equal(w->alert_count, 1);

    const struct seen_alert *a = world_last(w, MT_FINDING_OPEN_RELAY_PROBE);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL);
    assert_int_equal(a->count, 4);
    assert_int_equal(a->window, 3600);
    assert_string_equal(a->group_by, "source.ip=203.0.113.5");
    assert_string_equal(a->confidence, "high");
    assert_string_equal(a->message,
                        "203.0.113.5 was refused 4 relay attempts in 3 different forms at 1 server "
                        "within 3600 seconds, the last for <victim@elsewhere.test> by "
                        "192.168.0.25 with 554");
    assert_int_equal(a->evidence_count, 8);
    assert_string_equal(a->evidence[0], "2026-11-22T13:37:59.999999000Z C: RCPT TO:<victim@elsewhere.test>");
    assert_string_equal(a->evidence[7], "2026-11-22T13:38:03.000000000Z S: 554 Relay access denied");
}

static void three_servers_are_a_probe_in_any_form(void **state)
{
    struct world *w = *state;

    tell_at_server(w, 0, "203.0.113.5", 1);
    tell_at_server(w, 1, "203.0.113.5", 2);
    tell_at_server(w, 2, "203.0.113.5", 2);
    assert_int_equal(w->alert_count, 0);
    tell_at_server(w, 3, "203.0.113.5", 3);
    assert_int_equal(world_count(w, MT_FINDING_OPEN_RELAY_PROBE), 1);
}

static void forms_of_different_clients_do_not_add_up(void **state)
{
    struct world *w = *state;

    tell_refused(w, 0, "203.0.113.5", MT_RELAY_NONE);
    tell_refused(w, 1, "203.0.113.6", MT_RELAY_NULL_SENDER);
    tell_refused(w, 2, "2001:db8::5", MT_RELAY_QUOTED);
    assert_int_equal(w->alert_count, 0);
}

static void forms_outside_the_window_do_not_count(void **state)
{
    struct world *w = *state;

    tell_refused(w, 0, "203.0.113.5", 1);
    tell_refused(w, 1800, "203.0.113.5", 2);
    tell_refused(w, 3600, "203.0.113.5", 3);
    assert_int_equal(w->alert_count, 0);
    tell_refused(w, 5399.9, "203.0.113.5", 4);
    assert_int_equal(w->alert_count, 1);
    assert_int_equal(w->alerts[0].count, 3);
}

static void a_probe_alerts_again_when_its_count_doubles_and_in_the_next_window(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 24; i++)
        tell_refused(w, i, "203.0.113.5", (enum mt_relay_form)(i % 5));
    /* at 3, 6, 12 and 24 attempts */
    assert_int_equal(w->alert_count, 4);
    assert_int_equal(w->alerts[1].count, 6);
    assert_int_equal(w->alerts[2].count, 12);
    assert_int_equal(w->alerts[3].count, 24);
    assert_int_equal(w->alert_count, 4);
    assert_int_equal(world_counter(w, MT_COUNTER_ALERTS_SUPPRESSED), 18);
    for (int i = 0; i < 4; i++)
        tell_refused(w, 4000 + i, "203.0.113.5", (enum mt_relay_form)i);
    assert_int_equal(w->alert_count, 5);
}

static void probe_thresholds_can_be_changed(void **state)
{
    struct world *w = *state;

    world_close(w);
    world_init(w, true);
    w->config.relay_probe_forms = 2;
    w->config.relay_probe_window = 10;
    w->config.relay_probe_servers = 2;
    world_open(w);
    tell_refused(w, 0, "203.0.113.5", 1);
    tell_refused(w, 10, "203.0.113.5", 2);
    assert_int_equal(w->alert_count, 0);
    tell_refused(w, 15, "203.0.113.5", 1);
    assert_int_equal(w->alert_count, 1);
    tell_at_server(w, 100, "203.0.113.6", 7);
    tell_at_server(w, 109.9, "203.0.113.6", 8);
    assert_int_equal(w->alert_count, 2);
}

struct refusal {
    unsigned code;
    const char *enhanced;
    bool has_relay_text;
    bool counts;
};

static void what_counts_as_a_refused_relay_attempt(void **state)
{
    struct world *w = *state;
    static const struct refusal cases[] = {
        {554, "", true, true},        {550, "5.7.1", false, true},   {550, "5.7.0", false, true},
        {553, "", true, true},        {571, "", true, true},         {454, "4.7.1", true, true},
        {550, "5.1.1", false, false}, {550, "5.7.10", false, false}, {530, "5.7.0", true, false},
        {503, "5.5.1", true, false},  {450, "4.7.1", true, false},   {554, "", false, false},
        {454, "4.7.1", false, false}, {250, "", true, false},        {0, "", true, false},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        char client[32];
        snprintf(client, sizeof(client), "203.0.113.%zu", i + 1);
        for (uint8_t form = 1; form <= 3; form++) {
            struct mt_observation o = world_rcpt((double)i, client, "victim@elsewhere.test", cases[i].code);
            o.form = form;
            o.has_relay_text = cases[i].has_relay_text;
            memcpy(o.enhanced, cases[i].enhanced, strlen(cases[i].enhanced));
            world_tell(w, &o);
        }
        uint32_t expected = 0;
        for (size_t j = 0; j <= i; j++)
            expected += cases[j].counts;
        if (world_count(w, MT_FINDING_OPEN_RELAY_PROBE) != expected)
            fail_msg("case %zu: %u %s", i, cases[i].code, cases[i].enhanced);
    }
}

static void a_refusal_for_a_local_domain_is_no_relay_attempt(void **state)
{
    struct world *w = *state;

    for (uint8_t form = 0; form < 5; form++) {
        struct mt_observation o = world_rcpt(form, "203.0.113.5", "nobody@mx.example.com", 554);
        o.form = form;
        world_tell(w, &o);
        o = world_rcpt(form, "203.0.113.5", "postmaster", 554);
        o.form = form;
        world_tell(w, &o);
    }
    assert_int_equal(w->alert_count, 0);
}

static void an_accepted_foreign_recipient_is_suspected_once_a_pair_and_hour(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_unsent(0, "203.0.113.5", "victim@elsewhere.test", 250);

    world_tell(w, &o);
    const struct seen_alert *a = world_last(w, MT_FINDING_OPEN_RELAY_SUSPECTED);
    assert_int_equal(w->alert_count, 1);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL); /* as the rule says */
    assert_string_equal(a->confidence, "medium");
    assert_string_equal(a->group_by, "source.ip=203.0.113.5 destination.ip=192.168.0.25");
    assert_string_equal(
        a->message, "192.168.0.25 answered 250 to the recipient <victim@elsewhere.test>, which is not one "
                    "of local_domains, for the unauthenticated outside client 203.0.113.5, but no "
                    "message was accepted");
    assert_int_equal(a->evidence_count, 2);

    o = world_unsent(3599, "203.0.113.5", "other@elsewhere.test", 251);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 1);
    assert_int_equal(world_counter(w, MT_COUNTER_ALERTS_SUPPRESSED), 1);
    o = world_unsent(3599, "203.0.113.6", "other@elsewhere.test", 251);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 2);
    o = world_unsent(3600, "203.0.113.5", "other@elsewhere.test", 250);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 3);
    assert_int_equal(w->alerts[2].count, 2); /* with the one held back */
}

static void an_accepted_recipient_is_no_suspicion_before_the_session_is_over(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_rcpt(0, "203.0.113.5", "victim@elsewhere.test", 250);

    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
}

static void recipients_that_are_ours_raise_no_suspicion(void **state)
{
    struct world *w = *state;
    static const char *const recipients[] = {
        "user@example.com",    "user@SUB.Example.com", "postmaster",
        "user@[192.168.0.25]", "user@[10.9.9.9]",      "user@[IPv6:fe80::1]",
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(recipients); i++) {
        struct mt_observation o = world_unsent(0, "203.0.113.5", recipients[i], 250);
        world_tell(w, &o);
        o = world_message(1, "203.0.113.5", recipients[i]);
        world_tell(w, &o);
    }
    assert_int_equal(w->alert_count, 0);
    struct mt_observation o = world_unsent(0, "203.0.113.5", "user@[198.51.100.1]", 250);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 1);
}

static void other_answers_to_a_foreign_recipient_raise_no_suspicion(void **state)
{
    struct world *w = *state;
    static const unsigned codes[] = {0, 252, 354, 421, 450, 530, 550};

    for (size_t i = 0; i < MT_ARRAY_COUNT(codes); i++) {
        struct mt_observation o = world_unsent(0, "203.0.113.5", "victim@elsewhere.test", codes[i]);
        world_tell(w, &o);
    }
    assert_int_equal(w->alert_count, 0);
}

/* The session names the target, and says whether it is ours. */
static void a_hidden_target_that_is_accepted_is_a_faint_suspicion(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *recipient;
        uint8_t form;
        const char *confidence;
    } cases[] = {
        {"user%elsewhere.test@example.com", MT_RELAY_PERCENT_AT_NAME, "low"},
        {"user%elsewhere.test@[192.168.0.25]", MT_RELAY_PERCENT_AT_IP, "low"},
        {"\"user@elsewhere.test\"", MT_RELAY_QUOTED, "low"},
        {"\"user%elsewhere.test\"", MT_RELAY_QUOTED_PERCENT, "low"},
        {"user@elsewhere.test@[192.168.0.25]", MT_RELAY_DOUBLE_AT_IP, "low"},
        {"\"user@elsewhere.test\"@[192.168.0.25]", MT_RELAY_QUOTED_AT_IP, "low"},
        {"elsewhere.test!user", MT_RELAY_BANG, "low"},
        {"elsewhere.test!user@example.com", MT_RELAY_BANG_AT_NAME, "low"},
        {"@example.com:user@elsewhere.test", MT_RELAY_ROUTE_NAME, "medium"},
        {"user@elsewhere.test", MT_RELAY_NULL_SENDER, "medium"},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_observation o = world_unsent((double)i * 4000, "203.0.113.5", cases[i].recipient, 250);
        o.form = cases[i].form;
        memcpy(o.domain, "example.com", 11);
        o.domain_size = 11;
        o.is_local_domain = true;
        world_tell(w, &o);
        assert_int_equal(w->alert_count, i);
        memcpy(o.domain, "elsewhere.test", 14);
        o.domain_size = 14;
        o.is_local_domain = false;
        world_tell(w, &o);
        assert_int_equal(w->alert_count, i + 1);
        assert_string_equal(w->alerts[i].confidence, cases[i].confidence);
        assert_non_null(strstr(w->alerts[i].message, cases[i].recipient));
    }
}

static void who_may_relay_or_is_at_home_is_left_alone(void **state)
{
    struct world *w = *state;
    struct mt_prefix relay;
    assert_true(mt_prefix_parse(mt_span_cstr("203.0.113.0/28"), &relay));
    w->site.allowed_relays = &relay;
    w->site.allowed_relay_count = 1;

    struct mt_observation o = world_unsent(0, "203.0.113.5", "victim@elsewhere.test", 250);
    world_tell(w, &o);
    o = world_message(1, "203.0.113.5", "victim@elsewhere.test");
    world_tell(w, &o);
    o = world_unsent(2, "192.168.3.3", "victim@elsewhere.test", 250);
    o.is_client_home = true;
    world_tell(w, &o);
    o = world_unsent(3, "203.0.113.99", "victim@elsewhere.test", 250);
    o.is_server_home = false;
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
    o = world_unsent(4, "203.0.113.99", "victim@elsewhere.test", 250);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 1);
}

static void an_accepted_message_for_a_foreign_recipient_is_high(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_message(0, "203.0.113.5", "victim@elsewhere.test");

    world_tell(w, &o);
    const struct seen_alert *a = world_last(w, MT_FINDING_OPEN_RELAY_ACCEPTED);
    assert_int_equal(w->alert_count, 1);
    assert_int_equal(a->level, MT_LEVEL_INFORMATIONAL);
    assert_string_equal(a->confidence, "high");
    assert_string_equal(
        a->message, "192.168.0.25 accepted a message from the unauthenticated outside client 203.0.113.5 "
                    "for <victim@elsewhere.test>, which is not one of local_domains; its queue id is 4XyZ1");
    o = world_message(1, "203.0.113.5", "friend@example.com");
    world_tell(w, &o);
    o = world_message(2, "203.0.113.5", "victim@elsewhere.test");
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 1);
    assert_int_equal(world_counter(w, MT_COUNTER_ALERTS_SUPPRESSED), 1);
}

static void suspicion_and_acceptance_are_held_back_apart(void **state)
{
    struct world *w = *state;
    struct mt_observation o = world_unsent(0, "203.0.113.5", "victim@elsewhere.test", 250);

    world_tell(w, &o);
    o = world_message(1, "203.0.113.5", "victim@elsewhere.test");
    world_tell(w, &o);
    assert_int_equal(world_count(w, MT_FINDING_OPEN_RELAY_SUSPECTED), 1);
    assert_int_equal(world_count(w, MT_FINDING_OPEN_RELAY_ACCEPTED), 1);
}

static void tell_accepted_from_networks(struct world *w, double start, unsigned first, unsigned count,
                                        const char *recipient)
{
    for (unsigned i = first; i < first + count; i++) {
        char client[32];
        snprintf(client, sizeof(client), "198.51.%u.7", i);
        struct mt_observation o = world_rcpt(start + i, client, recipient, 250);
        world_tell(w, &o);
    }
}

static void without_a_list_only_refusals_that_speak_of_relaying_count(void **state)
{
    struct world *w = *state;

    for (uint8_t form = 0; form < 4; form++) {
        struct mt_observation o = world_unsent(form, "203.0.113.5", "victim@elsewhere.test", 250);
        o.form = form;
        world_tell(w, &o);
        o = world_message(form, "203.0.113.5", "victim@elsewhere.test");
        world_tell(w, &o);
        /* a block list's refusal */
        o = world_rcpt(form, "203.0.113.5", "victim@elsewhere.test", 554);
        o.form = form;
        o.has_relay_text = false;
        memcpy(o.enhanced, "5.7.1", 5);
        world_tell(w, &o);
    }
    assert_int_equal(w->alert_count, 0);
    for (uint8_t form = 0; form < 3; form++)
        tell_refused(w, 10 + form, "203.0.113.5", (enum mt_relay_form)form);
    assert_int_equal(world_count(w, MT_FINDING_OPEN_RELAY_PROBE), 1);
    assert_int_equal(w->alert_count, 1);
}

static void twenty_networks_make_a_domain_local_and_others_foreign(void **state)
{
    struct world *w = *state;
    struct mt_span domains[4];
    struct mt_observation o;

    tell_accepted_from_networks(w, 0, 0, 19, "user@ours.test");
    for (unsigned i = 0; i < 30; i++) { /* more clients of one network do not help */
        char client[32];
        snprintf(client, sizeof(client), "198.51.5.%u", i);
        o = world_rcpt(20 + i, client, "user@ours.test", 250);
        world_tell(w, &o);
    }
    o = world_unsent(60, "203.0.113.5", "victim@elsewhere.test", 250);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
    assert_int_equal(mt_detect_inferred_domains(w->detect, domains, 4), 0);

    tell_accepted_from_networks(w, 100, 19, 1, "user@ours.test");
    assert_int_equal(mt_detect_inferred_domains(w->detect, domains, 4), 1);
    assert_true(mt_span_ieq_cstr(domains[0], "ours.test"));
    o = world_unsent(200, "203.0.113.77", "user@ours.test", 250);
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);

    o = world_unsent(201, "203.0.113.77", "victim@elsewhere.test", 250);
    world_tell(w, &o);
    o = world_message(202, "203.0.113.77", "victim@elsewhere.test");
    world_tell(w, &o);
    assert_string_equal(world_last(w, MT_FINDING_OPEN_RELAY_SUSPECTED)->confidence, "low");
    assert_string_equal(world_last(w, MT_FINDING_OPEN_RELAY_ACCEPTED)->confidence, "medium");
    assert_non_null(strstr(world_last(w, MT_FINDING_OPEN_RELAY_ACCEPTED)->message, "seen to serve"));
}

static void what_one_server_serves_says_nothing_about_another(void **state)
{
    struct world *w = *state;

    tell_accepted_from_networks(w, 0, 0, 20, "user@ours.test");
    struct mt_observation o = world_unsent(100, "203.0.113.5", "victim@elsewhere.test", 250);
    o.tuple.dst.bytes[3] = 26;
    world_tell(w, &o);
    assert_int_equal(w->alert_count, 0);
}

static void networks_outside_the_window_do_not_make_a_domain_local(void **state)
{
    struct world *w = *state;

    tell_accepted_from_networks(w, 0, 0, 10, "user@ours.test");
    tell_accepted_from_networks(w, 604800 + 20, 10, 10, "user@ours.test");
    assert_int_equal(mt_detect_inferred_domains(w->detect, NULL, 0), 0);
    tell_accepted_from_networks(w, 604800 + 40, 20, 10, "user@ours.test");
    assert_int_equal(mt_detect_inferred_domains(w->detect, NULL, 0), 1);
}

static void inferred_domains_come_sorted_and_once(void **state)
{
    struct world *w = *state;
    struct mt_span domains[2] = {{0}};

    world_close(w);
    world_init(w, false);
    w->config.relay_infer_networks = 1;
    world_open(w);
    static const char *const recipients[] = {"u@b.test", "u@c.test", "u@a.test", "u@a.testing"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(recipients); i++) {
        for (uint8_t server = 1; server <= 2; server++) {
            struct mt_observation o = world_rcpt(1, "203.0.113.5", recipients[i], 250);
            o.tuple.dst.bytes[3] = server;
            world_tell(w, &o);
        }
    }
    assert_int_equal(mt_detect_inferred_domains(w->detect, domains, 2), 4);
    assert_true(mt_span_ieq_cstr(domains[0], "a.test"));
    assert_true(mt_span_ieq_cstr(domains[1], "a.testing"));
}

int main(void)
{
#define WITH_DOMAINS(test) cmocka_unit_test_setup_teardown(test, with_domains, close_world)
#define WITHOUT_SITE(test) cmocka_unit_test_setup_teardown(test, without_site, close_world)
    const struct CMUnitTest tests[] = {
        WITH_DOMAINS(three_refused_forms_are_a_probe),
        WITH_DOMAINS(three_servers_are_a_probe_in_any_form),
        WITH_DOMAINS(forms_of_different_clients_do_not_add_up),
        WITH_DOMAINS(forms_outside_the_window_do_not_count),
        WITH_DOMAINS(a_probe_alerts_again_when_its_count_doubles_and_in_the_next_window),
        WITH_DOMAINS(probe_thresholds_can_be_changed),
        WITH_DOMAINS(what_counts_as_a_refused_relay_attempt),
        WITH_DOMAINS(a_refusal_for_a_local_domain_is_no_relay_attempt),
        WITH_DOMAINS(an_accepted_foreign_recipient_is_suspected_once_a_pair_and_hour),
        WITH_DOMAINS(an_accepted_recipient_is_no_suspicion_before_the_session_is_over),
        WITH_DOMAINS(recipients_that_are_ours_raise_no_suspicion),
        WITH_DOMAINS(other_answers_to_a_foreign_recipient_raise_no_suspicion),
        WITH_DOMAINS(a_hidden_target_that_is_accepted_is_a_faint_suspicion),
        WITH_DOMAINS(who_may_relay_or_is_at_home_is_left_alone),
        WITH_DOMAINS(an_accepted_message_for_a_foreign_recipient_is_high),
        WITH_DOMAINS(suspicion_and_acceptance_are_held_back_apart),
        WITHOUT_SITE(without_a_list_only_refusals_that_speak_of_relaying_count),
        WITHOUT_SITE(twenty_networks_make_a_domain_local_and_others_foreign),
        WITHOUT_SITE(what_one_server_serves_says_nothing_about_another),
        WITHOUT_SITE(networks_outside_the_window_do_not_make_a_domain_local),
        WITHOUT_SITE(inferred_domains_come_sorted_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
