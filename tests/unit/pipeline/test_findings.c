/* Findings on the collector's thread: which rules are in force, and what is counted. */
#include "lines.h"
#include "pipeline/collector_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START UINT64_C(1790000000000000000)

static struct mt_sigma *rules_of(const char *text)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    struct mt_sigma *sigma;
    assert_int_equal(mt_sigma_load_text(&config, "r.yml", mt_span_cstr(text), &sigma), 0);
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    return sigma;
}

#define SOURCE "logsource: {product: mailtap, service: smtp, category: finding}\n"

static struct mt_sigma *forgeries(const char *title, const char *level)
{
    char text[512];
    snprintf(text, sizeof(text),
             "title: %s\nlevel: %s\n" SOURCE "detection: {s: {mailtap.finding: helo_forged}, condition: s}\n",
             title, level);
    return rules_of(text);
}

struct scene {
    struct lines *lines;
    struct mt_collector *collector;
    uint64_t time;
};

static void scene_init(struct scene *scene, const struct mt_sigma *sigma)
{
    struct mt_pipeline_config config = {.observer_name = mt_span_cstr("test"),
                                        .observer_version = "0",
                                        .site = &mt_site_default,
                                        .sigma = sigma};
    mt_detect_config_init(&config.detect);
    scene->lines = lines_new();
    scene->time = START;
    assert_int_equal(mt_collector_create(&config, &lines_sink, scene->lines, &scene->collector), 0);
}

static void scene_fini(struct scene *scene)
{
    mt_collector_destroy(scene->collector);
    lines_free(scene->lines);
}

/* A session whose greeting is forged; bit 0 says that it pretends to be the server. */
static void greet(struct scene *scene, uint32_t findings)
{
    static struct mt_observation o;
    scene->time += MT_SEC;
    o = (struct mt_observation){.mark = {.time = scene->time},
                                .kind = MT_OBSERVE_HELO,
                                .score = 8,
                                .findings = findings,
                                .is_server_home = true,
                                .tuple = {.src = {.bytes = {203, 0, 113, 9}, .family = 4},
                                          .dst = {.bytes = {10, 25, 0, 25}, .family = 4},
                                          .src_port = 40000,
                                          .dst_port = 25},
                                .first = scene->time - MT_MSEC,
                                .subject_size = 4,
                                .evidence_count = 1};
    memcpy(o.subject, "host", 4);
    o.evidence[0] = (struct mt_evidence){.time = scene->time, .size = 9};
    memcpy(o.evidence[0].text, "HELO host", 9);
    mt_collector_observe(scene->collector, &o, scene->time);
}

static uint64_t counted(const struct scene *scene, enum mt_counter counter)
{
    return mt_stats_get(&scene->collector->stats, counter);
}

/* "NAME LEVEL ..." of the latest alert. */
static void assert_last(const struct scene *scene, const char *start)
{
    assert_true(scene->lines->count > 0);
    const char *line = scene->lines->text[scene->lines->count - 1];
    if (strncmp(line, start, strlen(start)) != 0)
        fail_msg("%s, not %s", line, start);
}

static void without_rules_nothing_is_raised(void **state)
{
    struct scene scene;
    (void)state;
    scene_init(&scene, NULL);
    greet(&scene, 1);
    assert_int_equal(scene.lines->alerts, 0);
    assert_int_equal(counted(&scene, MT_COUNTER_ALERTS), 0);
    assert_int_equal(counted(&scene, MT_COUNTER_RULES_EVENTS), 0);
    scene_fini(&scene);
}

static void the_level_is_the_rule_s_or_what_is_graver(void **state)
{
    static const struct {
        const char *level;
        uint32_t findings;
        enum mt_level alert;
    } cases[] = {
        {"informational", 0x40, MT_LEVEL_INFORMATIONAL},
        {"informational", 0x41, MT_LEVEL_HIGH},
        {"medium", 0x40, MT_LEVEL_MEDIUM},
        {"medium", 0x41, MT_LEVEL_HIGH},
        {"critical", 0x41, MT_LEVEL_CRITICAL},
    };
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_sigma *sigma = forgeries("forged", cases[i].level);
        struct scene scene;
        char start[32];
        scene_init(&scene, sigma);
        greet(&scene, cases[i].findings);
        snprintf(start, sizeof(start), "forged %d ", (int)cases[i].alert);
        assert_last(&scene, start);
        scene_fini(&scene);
        mt_sigma_destroy(sigma);
    }
}

static void each_rule_that_matches_is_an_alert_and_one_that_does_not_is_none(void **state)
{
    struct mt_sigma *sigma =
        rules_of("title: a\n" SOURCE "detection: {s: {mailtap.finding: helo_forged}, condition: s}\n---\n"
                 "title: b\n" SOURCE "detection: {s: {smtp.helo.findings: own_name}, condition: s}\n---\n"
                 "title: c\n" SOURCE "detection: {s: {mailtap.finding: vrfy_probe}, condition: s}\n---\n"
                 "title: f\n" SOURCE "filter: {rules: [b], s: {smtp.helo.score|gt: 7}, condition: s}\n");
    struct scene scene;
    (void)state;
    scene_init(&scene, sigma);
    greet(&scene, 1);
    assert_int_equal(scene.lines->alerts, 1);
    assert_last(&scene, "a ");
    assert_int_equal(counted(&scene, MT_COUNTER_ALERTS), 1);
    assert_int_equal(counted(&scene, MT_COUNTER_RULES_EVENTS), 1);
    assert_int_equal(counted(&scene, MT_COUNTER_RULES_FILTERED), 1);
    scene_fini(&scene);
    mt_sigma_destroy(sigma);
}

static void other_rules_are_in_force_from_the_next_finding_on(void **state)
{
    struct mt_sigma *before = forgeries("before", "low");
    struct mt_sigma *after = forgeries("after", "low");
    struct scene scene;
    (void)state;
    scene_init(&scene, before);
    greet(&scene, 0x40);
    assert_last(&scene, "before ");
    mt_collector_use_rules(scene.collector, after);
    mt_sigma_destroy(before);
    greet(&scene, 0x40);
    assert_last(&scene, "after ");
    mt_collector_use_rules(scene.collector, NULL);
    mt_sigma_destroy(after);
    greet(&scene, 0x40);
    assert_int_equal(scene.lines->alerts, 2);
    assert_int_equal(counted(&scene, MT_COUNTER_ALERTS), 2);
    scene_fini(&scene);
}

static void findings_feed_correlations(void **state)
{
    struct mt_sigma *sigma = lines_rules(1);
    struct scene scene;
    (void)state;
    scene_init(&scene, sigma);
    for (int i = 0; i < 3; i++)
        greet(&scene, 0x40);
    assert_int_equal(scene.lines->alerts, 3);
    mt_collector_advance(scene.collector, scene.time + 13 * MT_SEC);
    assert_int_equal(scene.lines->alerts, 3);
    mt_collector_advance(scene.collector, scene.time + 15 * MT_SEC);
    assert_int_equal(scene.lines->alerts, 4);
    assert_last(&scene, "often ");
    assert_int_equal(counted(&scene, MT_COUNTER_CORRELATED), 3);
    mt_collector_end(scene.collector);
    scene_fini(&scene);
    mt_sigma_destroy(sigma);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_nothing_is_raised),
        cmocka_unit_test(the_level_is_the_rule_s_or_what_is_graver),
        cmocka_unit_test(each_rule_that_matches_is_an_alert_and_one_that_does_not_is_none),
        cmocka_unit_test(other_rules_are_in_force_from_the_next_finding_on),
        cmocka_unit_test(findings_feed_correlations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
