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
    {"", "f.yml:1:1: no rule in it"},
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
    {RULE("x", "  s: {smtp.helo.name|re: 'a.{1,30000}b.{1,30000}'}\n  condition: s\n"),
     "f.yml:4:27: bad regular expression \"a.{1,30000}b.{1,30000}\": too large: with what repeats"},
    {RULE("x", "  s: {smtp.helo.name|re: '((a?b){1,50}c?){60}'}\n  condition: s\n"),
     "f.yml:4:27: bad regular expression \"((a?b){1,50}c?){60}\": too large: with what repeats"},
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
    {RULE("x", "  s: [a]\n  condition: s | count() > 5\n"),
     "f.yml:5:16: condition: aggregations behind | are no longer part of Sigma"},
    {RULE("x", "  s: [a]\n  condition: 2 of s*\n"),
     "f.yml:5:14: condition: only 1, any and all can stand before"},
    {RULE("x", "  _s: [a]\n  condition: 1 of them\n"), "f.yml:5:19: condition: no selection has such a name"},
    {RULE("x", "  s: [a, null]\n  condition: s\n"), "f.yml:4:10: needs a field"},
    {RULE("x", "  s: [a, [b]]\n  condition: s\n"),
     "f.yml:4:10: detection: expected a map of fields or a keyword"},
    {RULE("x", "  s: {smtp.helo.name|i|re: a}\n  condition: s\n"),
     "f.yml:4:7: i, m and s are modifiers of re, and"},
    {RULE("x", "  s: {smtp.helo.name|base64|expand: '%local_domains%'}\n  condition: s\n"),
     "f.yml:4:29: expand goes before base64 and utf16"},
    {RULE("x", "  s: {smtp.helo.name|contains|base64: a}\n  condition: s\n"),
     "f.yml:4:39: base64 needs a text without wildcards; contains, startswith and endswith go behind it"},
    {RULE("x", "  s: {source.port|gt|fieldref: destination.port}\n  condition: s\n"),
     "f.yml:4:7: fieldref says whether two fields are the same"},
    {RULE("x", "  s: {'@timestamp|hour': 25}\n  condition: s\n"), "f.yml:4:26: no time has it"},
    {OF("statistics", "  s: [a]\n  condition: s\n"), "f.yml:4:7: keywords are looked for in texts"},
    {RULE("x", "  s: {source.port|lt: 5}\n  t: {source.port|gt: 10}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x", "  s: {source.port: [25, 587]}\n  t: {source.port: [465, 2525]}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x",
          "  s: {smtp.helo.name: a}\n  t: {smtp.helo.name|startswith: [b, c]}\n  condition: all of them\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x", "  s: {smtp.helo.name: null}\n  t: {smtp.helo.name|contains: [b, c]}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x", "  s: {smtp.anomalies|exists: false}\n  t: {smtp.anomalies: b}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x",
          "  s: {smtp.starttls.offered: true}\n  t: {smtp.starttls.offered: false}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x", "  s: {source.ip: 10.0.0.0/8}\n  t: {source.ip|cidr: 192.0.2.0/24}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {RULE("x", "  s: {'@timestamp|hour|gte': 22}\n  t: {'@timestamp|hour|lt': 6}\n  condition: s and t\n"),
     "f.yml:6:14: condition: contradicts itself"},
    {"title: x\ndate: 2026-13-01\n", "f.yml:2:7: date: expected a date"},
    {"title: x\nmodified: 2026-01-32\n", "f.yml:2:11: modified: expected a date"},
    {"title: x\nrelated: 5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01\n",
     "f.yml:2:10: related: expected a list of {id, type}"},
    {"title: x\nrelated: [{type: merged}]\n", "f.yml:2:11: related: expected {id, type}"},
    {"title: x\nrelated: [{id: 12, type: merged}]\n", "f.yml:2:16: related: id: expected a UUID"},
    {"title: x\nrelated: [{id: 5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01, type: friend}]\n",
     "f.yml:2:60: related: type: expected derived"},
    {"title: x\naction: global\n", "f.yml:2:9: action: collections of rules are no longer part of Sigma"},
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
     "f.yml:2:39: the correlation refers to itself: x > x"},
    {"title: x\nname: a\ncorrelation: {type: temporal, rules: [b], timespan: 5m}\n---\ntitle: y\nname: b\n"
     "correlation: {type: temporal, rules: [a], timespan: 5m}\n",
     "f.yml:3:39: the correlation refers to itself: a > b > a"},
    {"title: x\ncorrelation: {type: temporal, rules: [y], timespan: 5m}\n---\ntitle: y\ncorrelation: {type: "
     "temporal, rules: [z], timespan: 5m}\n---\ntitle: z\ncorrelation: {type: temporal, rules: [y], "
     "timespan: "
     "5m}\n",
     "f.yml:5:39: the correlation refers to itself: y > z > y"},
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
    {FED "correlation: {type: value_percentile, rules: [r], timespan: 5m, condition: {gte: 1, field: "
         "smtp.auth.user}}\n",
     "f.yml:6:92: correlation: condition: not a field of numbers: \"smtp.auth.user\""},
    {FED "correlation: {type: value_sum, rules: [r], timespan: 5m, condition: {gte: 1, field: [source.port, "
         "source.port]}}\n",
     "f.yml:6:14: correlation: condition: value_sum takes one field"},
    {FED
     "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 1, field: source.ip}}\n",
     "f.yml:6:14: correlation: condition: event_count counts events, not values: it takes no field"},
    {FED "correlation: {type: event_count, rules: [rr], timespan: 5m, condition: {gte: 1}}\n",
     "f.yml:6:42: there is no rule \"rr\"; did you mean \"r\"?"},
    {FED "correlation: {type: event_count, type: temporal, rules: [r], timespan: 5m, condition: {gte: 1}}\n",
     "f.yml:6:34: document: a key that is there twice"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 1, gte: 2}}\n",
     "f.yml:6:80: document: a key that is there twice"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5M, condition: {gte: 1}}\n",
     "f.yml:6:56: correlation: timespan: expected a number of s, m, h or d, such as 10m, found \"5M\""},
    {FED "correlation: {type: event_count, rules: [r], timespan: 1h30m, condition: {gte: 1}}\n",
     "f.yml:6:56: correlation: timespan: expected"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 0s, condition: {gte: 1}}\n",
     "f.yml:6:56: correlation: timespan: expected"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 300, condition: {gte: 1}}\n",
     "f.yml:6:56: correlation: timespan: expected"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 2.5}}\n",
     "f.yml:6:77: correlation: condition: expected a whole number, found \"2.5\""},
    {FED "correlation: {type: value_avg, rules: [r], timespan: 5m, condition: {gt: 2.0005, field: "
         "source.port}}\n",
     "f.yml:6:74: correlation: condition: expected a number with at most three decimals"},
    {FED "correlation: {type: value_avg, rules: [r], timespan: 5m, condition: {gt: 18446744073709551.9, "
         "field: source.port}}\n",
     "f.yml:6:74: correlation: condition: expected a number with at most three decimals"},
    {FED "correlation: {type: value_avg, rules: [r], timespan: 5m, condition: {gt: 2.5, lt: 2.5, field: "
         "source.port}}\n",
     "f.yml:6:69: correlation: condition: contradicts itself"},
    {FED "correlation: {type: event_count, rules: [r], timespan: 5m, condition: {eq: 0}}\n",
     "f.yml:6:71: correlation: condition: never holds, a group in which nothing happened is not known"},
    {FED "correlation: {type: temporal, rules: [r], timespan: 5m, condition: {gte: 2}}\n",
     "f.yml:6:68: correlation: condition: never holds, there are not so many rules"},
    {FED "generate: maybe\ncorrelation: {type: event_count, rules: [r], timespan: 5m, condition: {gte: 1}}\n",
     "f.yml:6:11: correlation: generate: expected true or false"},
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

static void an_id_is_the_same_in_upper_and_lower_case(void **state)
{
    (void)state;
    struct mt_sigma *sigma = load("id: 5B0C6C9E-7F0E-4A53-9D54-0D6F6F5A7A01\n" RULE(
        "a", "  s: [x]\n  condition: s\n") "---\ntitle: "
                                           "c\ngenerate: true\ncorrelation: {type: event_count, rules: "
                                           "[5b0c6c9e-7F0E-4a53-9d54-0d6f6f5a7a01], "
                                           "timespan: 5m, condition: {gte: 2}}\n");
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    const struct mt_sigma_rule *rule = mt_sigma_find(sigma, "5b0c6c9e-7f0e-4a53-9d54-0D6F6F5A7A01");
    assert_non_null(rule);
    assert_string_equal(rule->id, "5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01");
    assert_false(rule->is_silent); /* generate stands in the document */
    mt_sigma_destroy(sigma);
    sigma = load("id: 5B0C6C9E-7F0E-4A53-9D54-0D6F6F5A7A01\n" RULE(
        "a",
        "  s: [x]\n  condition: s\n") "---\nid: 5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01\n" RULE("b",
                                                                                             "  s: [y]\n  "
                                                                                             "condition: "
                                                                                             "s\n"));
    assert_int_equal(mt_sigma_error_count(sigma), 1);
    assert_string_equal(mt_sigma_error(sigma, 0),
                        "f.yml:8:5: the id \"5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a01\" is "
                        "that of f.yml:1 as well");
    mt_sigma_destroy(sigma);
}

static void a_title_may_have_256_characters_whatever_their_bytes(void **state)
{
    (void)state;
    char text[1024];
    for (unsigned i = 256; i <= 257; i++) {
        struct mt_buf b = mt_buf(text, sizeof(text));
        mt_buf_put_cstr(&b, "name: x\ntitle: ");
        for (unsigned k = 0; k < i; k++)
            mt_buf_put_cstr(&b, "\xc3\xa4");
        mt_buf_put_cstr(&b, "\n" SOURCE "detection: {s: [a], condition: s}\n");
        mt_buf_put_byte(&b, 0);
        struct mt_sigma *sigma = load(text);
        assert_int_equal(mt_sigma_error_count(sigma), i == 257);
        if (i == 257)
            assert_string_equal(mt_sigma_error(sigma, 0), "f.yml:2:8: title: longer than 256 characters");
        mt_sigma_destroy(sigma);
    }
}

static void what_the_specification_lets_a_rule_say_of_itself_is_taken(void **state)
{
    (void)state;
    struct mt_sigma *sigma = load(
        "related:\n  - id: 08fbc97d-0a2f-491c-ae21-8ffcfd3174e9\n    type: derived\n  - {id: "
        "929a690e-bef0-4204-a928-ef5e620d6fcc, type: obsolete}\ntaxonomy: sigma\nlicense: MIT\nauthor: a, "
        "b\nreferences: [https://example.org]\ndate: 2026-02-29\nmodified: 2026/03/01\nfields: "
        "[source.ip]\nscope: [server]\nstatus: stable\nvendor: {any: thing}\n" RULE(
            "x", "  s: [a]\n  condition: s\n"));
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    assert_int_equal(mt_sigma_active_count(sigma), 1);
    mt_sigma_destroy(sigma);
}

static void windows_line_ends_and_a_byte_order_mark_are_taken(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load("\xef\xbb\xbftitle: x\r\nlogsource: {product: mailtap, service: smtp, category: "
             "session}\r\ndetection:\r\n  s:\r\n    smtp.helo.name: a\r\n  condition: s\r\n");
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s", mt_sigma_error(sigma, 0));
    assert_int_equal(mt_sigma_active_count(sigma), 1);
    mt_sigma_destroy(sigma);
}

static void a_chain_of_more_than_32_correlations_is_refused_with_its_way(void **state)
{
    (void)state;
    static char text[8192];
    struct mt_buf b = mt_buf(text, sizeof(text));
    for (unsigned i = 0; i < 36; i++) {
        char one[160];
        snprintf(one, sizeof(one),
                 "title: c%u\ncorrelation: {type: event_count, rules: [c%u], timespan: 5m, condition: {gte: "
                 "1}}\n---\n",
                 i, i + 1);
        mt_buf_put_cstr(&b, one);
    }
    mt_buf_put_cstr(&b, RULE("c36", "  s: [a]\n  condition: s\n"));
    mt_buf_put_byte(&b, 0);
    struct mt_sigma *sigma = load(text);
    assert_true(mt_sigma_error_count(sigma) >= 1);
    assert_true(
        strncmp(
            mt_sigma_error(sigma, 0),
            "f.yml:2:42: the correlation leads to more than 32 others, one behind the other: c0 > c1 > c2",
            86) == 0);
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
    sigma =
        load(RULE("One", "  s: [x]\n  condition: s\n") "---\n" RULE("one!", "  s: [y]\n  condition: s\n"));
    assert_string_equal(mt_sigma_error(sigma, 0),
                        "f.yml:7:1: the name \"one\", made of the title, is that of "
                        "f.yml:1 as well; give it a `name` of its own");
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
    static const char *const conditions[] = {
        "own",       "not own",      "not (own)", "own and own", "not own and not own", "not own or not own",
        "1 of them", "not 1 of them"};
    uint64_t filtered;
    for (size_t i = 0; i < MT_ARRAY_COUNT(conditions); i++) {
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
    assert_string_equal(mt_sigma_error(sigma, 0), "f.yml:1:1: larger than 10 MiB, which no rules are");
    mt_sigma_destroy(sigma);
    free(text);
}

/* To look for a contradiction among them all would take minutes. */
static void two_selections_of_65536_maps_each_are_taken_at_once(void **state)
{
    (void)state;
    const struct mt_sigma_config config = {.evaluators = 1};
    struct mt_sigma *sigma;
    size_t size = (size_t)8 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    struct mt_buf b = mt_buf((uint8_t *)text, size);
    mt_buf_put_cstr(&b, "title: x\nlogsource: {product: mailtap, category: session}\ndetection:\n");
    for (uint32_t i = 0; i < 2 * 65536; i++) {
        mt_buf_put_cstr(&b, i == 0 ? "  a:\n" : i == 65536 ? "  b:\n" : "");
        mt_buf_put_cstr(&b, "  - source.port: ");
        mt_buf_put_u64(&b, i);
        mt_buf_put_byte(&b, '\n');
    }
    mt_buf_put_cstr(&b, "  condition: a and b\n");
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_buf_span(&b), &sigma), 0);
    assert_int_equal(mt_sigma_active_count(sigma), 1);
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
        cmocka_unit_test(an_id_is_the_same_in_upper_and_lower_case),
        cmocka_unit_test(a_title_may_have_256_characters_whatever_their_bytes),
        cmocka_unit_test(what_the_specification_lets_a_rule_say_of_itself_is_taken),
        cmocka_unit_test(windows_line_ends_and_a_byte_order_mark_are_taken),
        cmocka_unit_test(a_chain_of_more_than_32_correlations_is_refused_with_its_way),
        cmocka_unit_test(of_two_rules_with_one_name_or_id_the_first_stays),
        cmocka_unit_test(what_a_rule_says_of_itself_is_kept),
        cmocka_unit_test(a_rule_that_cannot_be_evaluated_says_why),
        cmocka_unit_test(a_filter_leaves_out_what_it_describes_with_or_without_not),
        cmocka_unit_test(a_file_of_more_than_10_mib_is_refused),
        cmocka_unit_test(two_selections_of_65536_maps_each_are_taken_at_once),
        cmocka_unit_test(the_examples_of_correlations_are_taken),
        cmocka_unit_test(a_correlation_of_what_is_inactive_is_inactive_and_its_rules_are_silent),
        cmocka_unit_test(a_correlation_is_explained_in_words),
        cmocka_unit_test(every_rule_can_be_explained_within_a_small_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
