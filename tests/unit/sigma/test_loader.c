/* What the loader refuses, and where it says so; what it takes, and how. */
#include "sigma/sigma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* libfyaml 0.7.12 forgets a buffer on some syntax errors (tests/fuzz/site.c). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

#define SOURCE "logsource: {product: mailtap, service: smtp, category: session}\n"
/* A rule of category auth, and the title of a correlation whose document goes on. */
#define FED                                                                                   \
    "title: r\nlogsource: {product: mailtap, service: smtp, category: auth}\ndetection: {s: " \
    "{smtp.auth.outcome: failure}, condition: s}\n---\ntitle: c\n"
#define RULE(title, detection) "title: " title "\n" SOURCE "detection:\n" detection
#define OF(category, detection)                                                        \
    "title: x\nlogsource: {product: mailtap, service: smtp, category: " category "}\n" \
    "detection:\n" detection

static struct mt_sigma *load(const char *text)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    struct mt_sigma *sigma;
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(text), &sigma), 0);
    return sigma;
}

static const struct {
    const char *text;
    const char *error; /* what the only error begins with */
} refused[] = {
    {"", "f.yml: no rule in it"},
    {"title: [", "f.yml:"},
    {"- a\n", "f.yml:1:1: document: expected a Sigma rule, found a list"},
    {"titel: x\n", "f.yml:1:1: title is missing; is \"titel\" meant to be it?"},
    {"title: x\n", "f.yml:1:1: detection is missing"},
    {"title: x\ndetecton: {}\n", "f.yml:1:1: detection is missing; is \"detecton\" meant to be it?"},
    {"title: x\ndetection: {condition: a}\n", "f.yml:1:1: logsource is missing"},
    {"title: x\ntitle: y\n", "f.yml:2:1: document: a key that is there twice, found \"title\""},
    {"title: x\nid: 12\n", "f.yml:2:5: id: expected a UUID, found \"12\""},
    {"title: x\nlevel: severe\n", "f.yml:2:8: level: expected informational, low"},
    {"title: x\nstatus: old\n", "f.yml:2:9: status: expected stable"},
    {"title: x\ndate: today\n", "f.yml:2:7: date: expected a date"},
    {"title: x\ntags: {a: b}\n", "f.yml:2:7: tags: expected a text"},
    {"title: x\nlogsource: {product: mailtap, service: smtp, category: sesion}\ndetection: {}\n",
     "f.yml:2:56: logsource: unknown category \"sesion\"; did you mean \"session\"?"},
    {"title: x\nlogsource: {product: mailtap, service: smtp}\ndetection: {}\n",
     "f.yml:2:12: logsource: category is missing"},
    {RULE("x", "  s: {source.ip: 192.0.2.1}\n"), "f.yml:4:3: condition is missing"},
    {RULE("x", "  s: {smtp.helo.nmae: a}\n  condition: s\n"),
     "f.yml:4:7: unknown field \"smtp.helo.nmae\"; did you mean \"smtp.helo.name\"?"},
    {OF("command", "  s: {smtp.transactions.outcome: delivered}\n  condition: s\n"),
     "f.yml:4:7: field \"smtp.transactions.outcome\" is not known before the session is over; a rule of "
     "category command can't ask for it"},
    {OF("reply", "  s: {smtp.reply.coed: 550}\n  condition: s\n"),
     "f.yml:4:7: unknown field \"smtp.reply.coed\"; did you mean \"smtp.reply.code\"?"},
    {OF("statistics", "  s: {source.ip: 192.0.2.1}\n  condition: s\n"),
     "f.yml:4:7: unknown field \"source.ip\""},
    {OF("session", "  s: {smtp.command.verb: mail}\n  condition: s\n"),
     "f.yml:4:7: unknown field \"smtp.command.verb\""},
    {RULE("x", "  s: {CommandLine: a}\n  condition: s\n"), "f.yml:4:7: unknown field \"CommandLine\""},
    {RULE("x", "  s: {smtp.codes.55: 1}\n  condition: s\n"), "f.yml:4:7: unknown field \"smtp.codes.55\""},
    {RULE("x", "  s: {smtp.helo.name|contians: a}\n  condition: s\n"),
     "f.yml:4:22: unknown modifier \"contians\"; did you mean \"contains\"?"},
    {RULE("x", "  s: {smtp.helo.name|: a}\n  condition: s\n"), "f.yml:4:7: a modifier is missing"},
    {RULE("x", "  s: {smtp.helo.name|i: a}\n  condition: s\n"), "f.yml:4:7: i, m and s are modifiers of re"},
    {RULE("x", "  s: {smtp.helo.name|re|contains: a}\n  condition: s\n"),
     "f.yml:4:7: re takes the modifiers"},
    {RULE("x", "  s: {smtp.helo.name|re|cidr: a}\n  condition: s\n"), "f.yml:4:7: these modifiers exclude"},
    {RULE("x", "  s: {smtp.helo.name|exists|contains: true}\n  condition: s\n"),
     "f.yml:4:7: exists takes no"},
    {RULE("x", "  s: {smtp.helo.name|exists: maybe}\n  condition: s\n"),
     "f.yml:4:30: exists is true or false"},
    {RULE("x", "  s: {smtp.helo.name|re: '('}\n  condition: s\n"),
     "f.yml:4:27: bad regular expression \"(\": missing"},
    {RULE("x", "  s: {smtp.helo.name|all: a}\n  condition: s\n"), "f.yml:4:7: all needs a list"},
    {RULE("x", "  s: {smtp.helo.name: [a, null]}\n  condition: s\n"),
     "f.yml:4:27: null can't be one of several"},
    {RULE("x", "  s: {smtp.helo.name: []}\n  condition: s\n"), "f.yml:4:23: an empty list"},
    {RULE("x", "  s: {smtp.helo.name: {a: b}}\n  condition: s\n"), "f.yml:4:23: expected a value or a list"},
    {RULE("x", "  s: {source.port: mail}\n  condition: s\n"), "f.yml:4:20: the field is a number"},
    {RULE("x", "  s: {source.port|gt: -1}\n  condition: s\n"), "f.yml:4:23: \"-1\"; expected a whole number"},
    {RULE("x", "  s: {smtp.helo.name|gt: 1}\n  condition: s\n"), "f.yml:4:7: the field is no number"},
    {RULE("x", "  s: {source.port|hour: 1}\n  condition: s\n"), "f.yml:4:7: the field is no time"},
    {RULE("x", "  s: {source.ip: mail}\n  condition: s\n"), "f.yml:4:18: \"mail\" is no network"},
    {RULE("x", "  s: {source.ip|cidr: 10.0.0.1/8}\n  condition: s\n"),
     "f.yml:4:23: \"10.0.0.1/8\" is no network"},
    {RULE("x", "  s: {source.port|cidr: 10.0.0.0/8}\n  condition: s\n"),
     "f.yml:4:7: the field is neither an address"},
    {RULE("x", "  s: {smtp.starttls.offered: 1}\n  condition: s\n"),
     "f.yml:4:30: the field is true or false"},
    {RULE("x", "  s: {smtp.transactions: a}\n  condition: s\n"), "f.yml:4:7: the field is a list of objects"},
    {RULE("x", "  s: {smtp.helo.name|base64: 'a*'}\n  condition: s\n"),
     "f.yml:4:31: base64 needs a text without"},
    {RULE("x", "  s: {smtp.helo.name|fieldref: source.pi}\n  condition: s\n"),
     "f.yml:4:32: unknown field \"source.pi\"; did you mean \"source.ip\"?"},
    {RULE("x", "  s: {smtp.helo.name|expand: '%home_network%'}\n  condition: s\n"),
     "f.yml:4:31: unknown placeholder \"home_network\"; did you mean \"home_networks\"?"},
    {RULE("x", "  s: {}\n  condition: s\n"), "f.yml:4:6: detection: a selection without any field"},
    {RULE("x", "  s: []\n  condition: s\n"), "f.yml:4:6: detection: an empty list"},
    {RULE("x", "  s:\n  condition: s\n"), "f.yml:"},
    {RULE("x", "  s: {source.port: 1, source.port: 2}\n  condition: s\n"),
     "f.yml:4:23: document: a key that is there twice"},
    {RULE("x", "  timeframe: 5m\n  condition: s\n"), "f.yml:4:3: timeframe is no longer part of Sigma"},
    {RULE("x", "  selection: [a]\n  condition: slection\n"),
     "f.yml:5:14: condition: there is no selection \"slection\"; did you mean \"selection\"?"},
    {RULE("x", "  s: [a]\n  condition: s and\n"), "f.yml:5:19: condition: expected a selection"},
    {RULE("x", "  s: [a]\n  condition: (s\n"), "f.yml:5:16: condition: expected \")\""},
    {RULE("x", "  s: [a]\n  condition: s s\n"), "f.yml:5:16: condition: expected \"and\", \"or\" or the end"},
    {RULE("x", "  s: [a]\n  condition: s | count() > 5\n"), "f.yml:5:16: condition: expected \"and\""},
    {RULE("x", "  s: [a]\n  condition: 1 of x*\n"), "f.yml:5:19: condition: no selection has such a name"},
    {RULE("x", "  s: [a]\n  condition: 1 or s\n"), "f.yml:5:16: condition: expected \"of\""},
    {RULE("x", "  s: [a]\n  condition: []\n"), "f.yml:5:14: condition: an empty list"},
    {RULE("x", "  s: [a]\n  condition: s and not s\n"), "f.yml:5:14: condition: contradicts itself"},
    {RULE("x", "  s: {source.port: 1}\n  t: {source.port: 1, source.ip: 10.0.0.1}\n  condition: t and not (s "
               "or t)\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x",
          "  s: [a]\n  condition: ((((((((((((((((((((((((((((((((((s))))))))))))))))))))))))))))))))))\n"),
     "f.yml:5:46: condition: nested more than 32"},
    {"a: &x [1]\nb: *x\n", "f.yml:1:7: found an anchor"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]", "f.yml:1:17: nested more than 16 levels deep"},
    {"title: x\ncorrelation: {type: evnt_count, rules: [a], timespan: 5m, condition: {gte: 1}}\n",
     "f.yml:2:21: correlation: unknown type \"evnt_count\"; did you mean \"event_count\"?"},
    {"title: x\ncorrelation: {type: event_count, rules: [a], timespan: 5x, condition: {gte: 1}}\n",
     "f.yml:2:56: correlation: timespan: expected a number of s, m, h or d"},
    {"title: x\ncorrelation: {type: event_count, rules: [a], timespan: 5m}\n",
     "f.yml:2:14: correlation: condition is missing"},
    {"title: x\ncorrelation: {type: value_count, rules: [a], timespan: 5m, condition: {gte: 1}}\n",
     "f.yml:2:14: correlation: condition: value_count needs a field"},
    {"title: x\ncorrelation: {type: event_count, rules: [a], timespan: 5m, condition: {gt: 5, lt: 6}}\n",
     "f.yml:2:71: correlation: condition: contradicts itself"},
    {"title: x\ncorrelation: {type: event_count, rules: [a], timespan: 5m, groupby: [b], condition: {gt: "
     "5}}\n",
     "f.yml:2:60: unknown key \"groupby\"; did you mean \"group-by\"?"},
    {"title: x\ncorrelation: {type: event_count, rules: [gone], timespan: 5m, condition: {gt: 5}}\n",
     "f.yml:2:42: there is no rule \"gone\""},
    {"title: x\ncorrelation: {type: temporal, rules: [x], timespan: 5m}\n",
     "f.yml:1:1: refers to itself: the correlation \"x\""},
    {"title: x\nname: a\ncorrelation: {type: temporal, rules: [b], timespan: 5m}\n---\ntitle: y\nname: b\n"
     "correlation: {type: temporal, rules: [a], timespan: 5m}\n",
     "f.yml:1:1: refers to itself: the correlation \"a\""},
    {"title: x\ncorrelation: {type: temporal, rules: [y], timespan: 5m}\n---\ntitle: y\ncorrelation: {type: "
     "temporal, rules: [z], timespan: 5m}\n---\ntitle: z\ncorrelation: {type: temporal, rules: [y], "
     "timespan: "
     "5m}\n",
     "f.yml:4:1: refers to itself: the correlation \"y\""},
    {FED "correlation: {type: event_count, rules: [r], group-by: [source.pi], timespan: 5m, condition: {gte: "
         "1}}\n",
     "f.yml:6:57: correlation: events of category auth have no field \"source.pi\"; did you mean "
     "\"source.ip\"?"},
    {FED "correlation: {type: event_count, rules: [r], group-by: [smtp.auth], timespan: 5m, condition: {gte: "
         "1}}\n",
     "f.yml:6:57: correlation: events of category auth have no field \"smtp.auth\""},
    {FED "correlation: {type: event_count, rules: [r], group-by: [who], timespan: 5m, condition: {gte: 1}, "
         "aliases: "
         "{who: {r: smtp.auth.usr}}}\n",
     "f.yml:6:114: correlation: events of category auth have no field \"smtp.auth.usr\"; did you mean "
     "\"smtp.auth.user\"?"},
    {FED "correlation: {type: event_count, rules: [r], group-by: [who], timespan: 5m, condition: {gte: 1}, "
         "aliases: "
         "{who: {q: smtp.auth.user}}}\n",
     "f.yml:6:57: correlation: aliases: who says nothing of the rule \"r\""},
    {FED
     "correlation: {type: value_sum, rules: [r], timespan: 5m, condition: {gte: 1, field: smtp.auth.user}}\n",
     "f.yml:6:85: correlation: condition: not a field of numbers: \"smtp.auth.user\""},
    {FED "correlation: {type: value_sum, rules: [r], timespan: 5m, condition: {gte: 1, field: [source.port, "
         "source.port]}}\n",
     "f.yml:6:14: correlation: condition: value_sum takes one field"},
    {FED
     "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 1, field: source.ip}}\n",
     "f.yml:6:14: correlation: condition: event_count counts events, not values: it takes no field"},
    {FED "correlation: {type: event_count, rules: [r, r], timespan: 5m, condition: {gte: 1}}\n",
     "f.yml:6:45: correlation: rules: \"r\" stands twice"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 4000d, condition: {gte: 1}}\n",
     "f.yml:6:56: correlation: timespan: more than ten years"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 5, eq: 4}}\n",
     "f.yml:6:71: correlation: condition: contradicts itself"},
    {FED "correlation: {type: temporal, rules: [r], timespan: 5m, condition: r and s}\n",
     "f.yml:6:74: condition: there is no rule \"s\""},
    {FED "correlation: {type: temporal_ordered, rules: [r], timespan: 5m, condition: r}\n",
     "f.yml:6:14: correlation: condition: temporal_ordered takes no expression"},
    {FED "correlation: {type: temporal_ordered, rules: [r], timespan: 5m, condition: {lt: 2}}\n",
     "f.yml:6:14: correlation: condition: temporal_ordered can be asked for gt and gte only"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5m, group-by: [a, b, c, d, e, f, g, h, i], "
         "condition: {gte: 1}}\n",
     "f.yml:6:70: correlation: group-by: more than 8 fields"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 1}}\n---\ntitle: f\n"
         "logsource: {product: mailtap, service: smtp, category: auth}\nfilter: {rules: [c], s: "
         "{source.port: 1}, "
         "condition: s}\n",
     "f.yml:10:18: a filter leaves out events of rules; name those that it refers to, not the correlation "
     "\"c\""},
};

/* Its rule is right, and stays. */
static bool is_fed(const char *text)
{
    return strncmp(text, FED, sizeof(FED) - 1) == 0;
}

static void what_is_wrong_is_said_with_its_place_and_what_was_meant(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < MT_ARRAY_COUNT(refused); i++) {
        struct mt_sigma *sigma = load(refused[i].text);
        const char *error = mt_sigma_error_count(sigma) > 0 ? mt_sigma_error(sigma, 0) : "nothing";
        if (mt_sigma_error_count(sigma) != 1 ||
            strncmp(error, refused[i].error, strlen(refused[i].error)) != 0 ||
            (mt_sigma_active_count(sigma) != 0 && !is_fed(refused[i].text))) {
            print_error("%s\nexpected: %s\nfound %zu: %s\n", refused[i].text, refused[i].error,
                        mt_sigma_error_count(sigma), error);
            wrong++;
        }
        mt_sigma_destroy(sigma);
    }
    assert_int_equal(wrong, 0);
}

static void one_bad_document_leaves_the_others(void **state)
{
    (void)state;
    struct mt_sigma *sigma = load(RULE("a", "  s: [x]\n  condition: s\n") "---\ntitle: b\n---\n" RULE(
        "c", "  s: [y]\n  condition: s\n"));
    assert_int_equal(mt_sigma_error_count(sigma), 1);
    assert_int_equal(mt_sigma_rule_count(sigma), 2);
    assert_int_equal(mt_sigma_active_count(sigma), 2);
    mt_sigma_destroy(sigma);
}

static void of_two_rules_with_one_name_or_id_the_first_stays(void **state)
{
    (void)state;
    struct mt_sigma *sigma = load("name: same\n" RULE(
        "a", "  s: [x]\n  condition: s\n") "---\nname: same\n" RULE("b", "  s: [y]\n  condition: s\n"));
    assert_int_equal(mt_sigma_error_count(sigma), 1);
    assert_string_equal(mt_sigma_error(sigma, 0), "f.yml:8:1: the name \"same\" is that of f.yml:1 as well");
    assert_int_equal(mt_sigma_active_count(sigma), 1);
    assert_null(mt_sigma_rule(sigma, 0)->inactive);
    mt_sigma_destroy(sigma);
}

static void what_a_rule_says_of_itself_is_kept(void **state)
{
    (void)state;
    struct mt_sigma *sigma = load(
        "id: 5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01\nlevel: high\ntags: [attack.t1595.002, attack.discovery, "
        "attack.t1110]\nfalsepositives: [Monitoring]\n" RULE("Open relay - Probe!",
                                                             "  s: [x]\n  condition: s\n"));
    const struct mt_sigma_rule *rule = mt_sigma_find(sigma, "open_relay_probe");
    assert_non_null(rule);
    assert_ptr_equal(rule, mt_sigma_find(sigma, "5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01"));
    assert_int_equal(rule->level, MT_LEVEL_HIGH);
    assert_int_equal(rule->techniques.count, 2);
    assert_string_equal(rule->techniques.items[0], "T1595.002");
    assert_string_equal(rule->techniques.items[1], "T1110");
    assert_string_equal(rule->false_positives.items[0], "Monitoring");
    mt_sigma_destroy(sigma);
}

static void a_rule_that_cannot_be_evaluated_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } inactive[] = {
        {"title: x\nlogsource: {product: windows}\ndetection: {s: {EventID: 1}, condition: s}\n",
         "its log source is not mailtap's"},
        {"status: deprecated\n" RULE("x", "  s: [a]\n  condition: s\n"), "its status is deprecated"},
        {RULE("x", "  s: {smtp.helo.name|expand: '%local_domains%'}\n  condition: s\n"),
         "needs local_domains in the site file"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(inactive); i++) {
        struct mt_sigma *sigma = load(inactive[i].text);
        if (mt_sigma_error_count(sigma) > 0)
            fail_msg("%s", mt_sigma_error(sigma, 0));
        const char *why = mt_sigma_rule(sigma, 0)->inactive;
        assert_non_null(why);
        if (strncmp(why, inactive[i].why, strlen(inactive[i].why)) != 0)
            fail_msg("%s", why);
        mt_sigma_destroy(sigma);
    }
}

static void note(void *ctx, const struct mt_sigma_match *match)
{
    (void)match;
    ++*(unsigned *)ctx;
}

static unsigned matches_of(const char *filter_condition, const char *helo, uint64_t *ret_filtered)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "name: r\n" RULE(
                 "x", "  s: {smtp.helo.name|contains: a}\n  condition: s\n") "---\ntitle: f\n" SOURCE
                                                                             "filter: {rules: [r], own: "
                                                                             "{smtp.helo.name|endswith: b}, "
                                                                             "condition: %s}\n",
             filter_condition);
    struct mt_sigma *sigma = load(text);
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    const struct mt_record_session record = {.helo_name = mt_span_cstr(helo)};
    unsigned count = 0;
    mt_sigma_evaluate(mt_sigma_evaluator(sigma, 0), &record, note, &count);
    *ret_filtered = mt_sigma_counts(mt_sigma_evaluator(sigma, 0))->filtered;
    mt_sigma_destroy(sigma);
    return count;
}

static void a_filter_leaves_out_what_it_describes_with_or_without_not(void **state)
{
    (void)state;
    static const char *const conditions[] = {"own", "not own"};
    uint64_t filtered;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(matches_of(conditions[i], "ac", &filtered), 1);
        assert_int_equal(filtered, 0);
        assert_int_equal(matches_of(conditions[i], "ab", &filtered), 0);
        assert_int_equal(filtered, 1);
    }
}

static void a_file_of_more_than_10_mib_is_refused(void **state)
{
    (void)state;
    const struct mt_sigma_config config = {.evaluators = 1};
    struct mt_sigma *sigma;
    size_t size = ((size_t)10 << 20) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, ' ', size);
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span(text, size), &sigma), 0);
    assert_string_equal(mt_sigma_error(sigma, 0), "f.yml: larger than 10 MiB, which no rules are");
    mt_sigma_destroy(sigma);
    free(text);
}

static void the_examples_of_correlations_are_taken(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load("title: failures then success\ncorrelation:\n  type: temporal_ordered\n  rules: [many, "
             "success]\n  group-by: "
             "[user]\n  timespan: 10m\n  aliases: {user: {many: smtp.auth.user, success: "
             "smtp.auth.user}}\n---\ntitle: many\n"
             "correlation: {type: event_count, rules: [failure], group-by: [smtp.auth.user], timespan: 10m, "
             "condition: "
             "{gte: 10}}\n---\ntitle: failure\nlogsource: {product: mailtap, service: smtp, category: "
             "auth}\ndetection: {s: "
             "{smtp.auth.outcome: failure}, condition: s}\n---\ntitle: success\nlogsource: {product: "
             "mailtap, service: "
             "smtp, category: auth}\ndetection: {s: {smtp.auth.outcome: success}, condition: s}\n");
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    assert_int_equal(mt_sigma_rule_count(sigma), 4);
    for (size_t i = 0; i < 4; i++)
        assert_null(mt_sigma_rule(sigma, i)->inactive);
    assert_true(mt_sigma_find(sigma, "failure")->is_silent);
    assert_true(mt_sigma_find(sigma, "many")->is_silent);
    assert_false(mt_sigma_find(sigma, "failures then success")->is_silent);
    mt_sigma_destroy(sigma);
}

static void a_correlation_of_what_is_inactive_is_inactive_and_its_rules_are_silent(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(FED "correlation: {type: temporal, rules: [r, q], timespan: 5m}\n---\ntitle: q\nlogsource: "
                 "{product: mailtap, service: smtp, category: auth}\ndetection: {s: {source.ip|cidr|expand: "
                 "'%mail_servers%'}, condition: s}\n---\ntitle: d\ncorrelation: {type: temporal, rules: [c], "
                 "timespan: 5m}\n");
    assert_int_equal(mt_sigma_error_count(sigma), 0);
    assert_string_equal(mt_sigma_find(sigma, "c")->inactive,
                        "it needs q, which is inactive: needs mail_servers in the site file");
    assert_true(strncmp(mt_sigma_find(sigma, "d")->inactive, "it needs c, which is inactive", 29) == 0);
    assert_string_equal(mt_sigma_find(sigma, "r")->inactive, "it only feeds correlations that are inactive");
    assert_false(mt_sigma_has_correlations(sigma));
    mt_sigma_destroy(sigma);
}

static void a_correlation_is_explained_in_words(void **state)
{
    (void)state;
    struct mt_sigma *sigma = load(
        FED "correlation: {type: value_count, rules: [r], group-by: [who], timespan: 5m, condition: {gt: 3, "
            "field: source.ip}, aliases: {who: {r: smtp.auth.user}}}\n");
    char text[4096];
    struct mt_buf b = mt_buf(text, sizeof(text) - 1);
    mt_sigma_explain(sigma, mt_sigma_find(sigma, "c"), &b);
    text[b.size] = '\0';
    const char *words[] = {
        "Alerts when within 300 seconds, for one group: more than 3 different values\n",
        "Of the rules   r\n",
        "Grouped by     who\n",
        "Values of      source.ip\n",
        "Alias          who is of r the field smtp.auth.user\n",
        "It alerts again when what it counts has doubled",
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        if (!strstr(text, words[i]))
            fail_msg("\"%s\" is missing in\n%s", words[i], text);
    }
    b.size = 0;
    mt_sigma_explain(sigma, mt_sigma_find(sigma, "r"), &b);
    text[b.size] = '\0';
    assert_non_null(strstr(text, "Only feeds     c\n"));
    assert_non_null(strstr(text, "and counts for correlations when\n"));
    mt_sigma_destroy(sigma);
}

static void every_rule_can_be_explained_within_a_small_buffer(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(RULE("x", "  s: {smtp.helo.name|contains: 'a*b', source.port|gte: 25}\n  t: {source.ip|"
                       "cidr: 10.0.0.0/8}\n  condition: s and not t\n"));
    char text[4096];
    struct mt_buf b = mt_buf(text, sizeof(text) - 1);
    mt_sigma_explain(sigma, mt_sigma_rule(sigma, 0), &b);
    text[b.size] = '\0';
    assert_non_null(strstr(text, "smtp.helo.name is like \"*a*b*\"\n"));
    assert_non_null(strstr(text, "source.port >= 25\n"));
    assert_non_null(strstr(text, "source.ip is in 10.0.0.0/8\n"));
    for (size_t size = 0; size < b.size; size++) {
        struct mt_buf small = mt_buf(text, size);
        mt_sigma_explain(sigma, mt_sigma_rule(sigma, 0), &small);
        assert_true(small.overflow && small.size <= size);
    }
    mt_sigma_destroy(sigma);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said_with_its_place_and_what_was_meant),
        cmocka_unit_test(one_bad_document_leaves_the_others),
        cmocka_unit_test(of_two_rules_with_one_name_or_id_the_first_stays),
        cmocka_unit_test(what_a_rule_says_of_itself_is_kept),
        cmocka_unit_test(a_rule_that_cannot_be_evaluated_says_why),
        cmocka_unit_test(a_filter_leaves_out_what_it_describes_with_or_without_not),
        cmocka_unit_test(a_file_of_more_than_10_mib_is_refused),
        cmocka_unit_test(the_examples_of_correlations_are_taken),
        cmocka_unit_test(a_correlation_of_what_is_inactive_is_inactive_and_its_rules_are_silent),
        cmocka_unit_test(a_correlation_is_explained_in_words),
        cmocka_unit_test(every_rule_can_be_explained_within_a_small_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
