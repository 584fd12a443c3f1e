/* Site and configuration files: what is read, and the exact sentence for
 * everything that is wrong with one. */
#include "config/config_priv.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_config(void **state)
{
    struct mt_config *config = malloc(sizeof(*config));
    assert_non_null(config);
    mt_config_init(config);
    *state = config;
    return 0;
}

static int drop_config(void **state)
{
    mt_config_destroy(*state);
    free(*state);
    return 0;
}

static void read_good(struct mt_config *config, enum mt_config_kind kind, const char *text)
{
    char error[512] = "";
    if (mt_config_read_text(config, kind, "site.yaml", mt_span_cstr(text), error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_string_equal(error, "");
}

struct bad {
    const char *text;
    const char *message;
};

/* Each text alone: its message, and a config that is as it was. */
static void assert_bad(struct mt_config *config, enum mt_config_kind kind, const struct bad *bad,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char error[512] = "";
        struct mt_config before;
        memcpy(&before, config, sizeof(before));
        int rc =
            mt_config_read_text(config, kind, "site.yaml", mt_span_cstr(bad[i].text), error, sizeof(error));
        assert_string_equal(error, bad[i].message);
        assert_int_equal(rc, -EINVAL);
        assert_memory_equal(config, &before, sizeof(before));
    }
}

static bool is_home(const struct mt_config *config, const char *text)
{
    struct mt_ip ip;
    assert_true(mt_ip_parse(mt_span_cstr(text), &ip));
    return mt_site_is_home(&config->site, &ip);
}

/* --- what is read ------------------------------------------------------------- */

static void every_list_of_a_site_file_is_read(void **state)
{
    struct mt_config *config = *state;
    struct mt_ip server;
    struct mt_ip relay;
    read_good(config, MT_CONFIG_SITE,
              "home_networks: [192.0.2.0/24, 2001:db8::/32]\n"
              "local_domains:\n"
              "  - Example.COM\n"
              "  - mail_1.example.net\n"
              "mail_servers: [192.0.2.25]\n"
              "allowed_relays:\n"
              "- 198.51.100.0/28 # the branch office\n"
              "- ::1\n"
              "protected_names: [Jane Doe, \"J\\u00f6rg\"]\n");
    assert_true(config->site.given);
    assert_int_equal(config->site.home_network_count, 2);
    assert_true(is_home(config, "192.0.2.255") && is_home(config, "2001:db8:ffff::1"));
    assert_false(is_home(config, "10.0.0.1") || is_home(config, "192.0.3.0"));
    assert_int_equal(config->site.local_domain_count, 2);
    assert_true(mt_span_eq(config->site.local_domains[0], mt_span_cstr("example.com")));
    assert_true(mt_span_eq(config->site.local_domains[1], mt_span_cstr("mail_1.example.net")));
    assert_int_equal(config->site.protected_name_count, 2);
    assert_true(mt_site_is_protected_name(&config->site, mt_span_cstr("\"JANE DOE\"")));
    assert_true(mt_site_is_protected_name(&config->site, mt_span_cstr("J\xc3\xb6rg")));
    assert_true(mt_ip_parse(mt_span_cstr("192.0.2.25"), &server));
    assert_true(mt_ip_parse(mt_span_cstr("198.51.100.15"), &relay));
    assert_true(mt_site_is_mail_server(&config->site, &server) &&
                !mt_site_is_mail_server(&config->site, &relay));
    assert_true(mt_site_may_relay(&config->site, &relay) && !mt_site_may_relay(&config->site, &server));
}

static void a_site_file_without_home_networks_leaves_private_space_home(void **state)
{
    struct mt_config *config = *state;
    read_good(config, MT_CONFIG_SITE, "local_domains: [example.com]\n");
    assert_true(config->site.given);
    assert_ptr_equal(config->site.home_networks, mt_site_default.home_networks);
    assert_true(is_home(config, "10.1.2.3"));
    assert_false(is_home(config, "192.0.2.1"));
}

static void an_empty_site_file_is_a_site_file_with_every_default(void **state)
{
    const char *const empty[] = {"", "\n", "# nothing yet\n", "---\n...\n", "~", "\xef\xbb\xbf"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(empty); i++) {
        struct mt_config *config = *state;
        struct mt_config defaults;
        mt_config_init(&defaults);
        config->site.given = false;
        read_good(config, MT_CONFIG_SITE, empty[i]);
        assert_true(config->site.given);
        assert_int_equal(config->site.local_domain_count, 0);
        assert_true(is_home(config, "192.168.0.1"));
        assert_memory_equal(&config->detect, &defaults.detect, sizeof(defaults.detect));
        mt_config_destroy(&defaults);
    }
}

static void lists_but_home_networks_may_be_empty(void **state)
{
    struct mt_config *config = *state;
    read_good(config, MT_CONFIG_SITE,
              "local_domains: []\nmail_servers: []\nallowed_relays: []\nthresholds: {}\n");
    assert_int_equal(config->site.local_domain_count, 0);
    assert_int_equal(config->site.mail_server_count, 0);
    assert_int_equal(config->site.allowed_relay_count, 0);
}

static void a_domain_of_another_script_is_kept_as_it_stands(void **state)
{
    struct mt_config *config = *state;
    read_good(config, MT_CONFIG_SITE,
              "local_domains: [B\xc3\xbc"
              "CHER.Example, \"\\u65e5\\u672c.example\"]\n");
    assert_true(mt_span_eq(config->site.local_domains[0], mt_span_cstr("b\xc3\xbc"
                                                                       "cher.example")));
    assert_true(mt_span_eq(config->site.local_domains[1], mt_span_cstr("\xe6\x97\xa5\xe6\x9c\xac.example")));
}

static void every_threshold_can_be_set_to_both_ends_of_its_range(void **state)
{
    struct mt_config *config = *state;
    static const struct {
        const char *rule;
        const char *key;
        size_t off;
        uint32_t ends[2];
    } thresholds[] = {
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) \
    {rule, key, offsetof(struct mt_detect_config, member), {low, high}},
#include "detect/thresholds.def"
#undef MT_THRESHOLD
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(thresholds); i++) {
        for (unsigned end = 0; end < 2; end++) {
            char text[256];
            uint32_t value;
            snprintf(text, sizeof(text), "thresholds:\n  %s:\n    %s: %u\n", thresholds[i].rule,
                     thresholds[i].key, thresholds[i].ends[end]);
            read_good(config, MT_CONFIG_SITE, text);
            memcpy(&value, (const uint8_t *)&config->detect + thresholds[i].off, sizeof(value));
            assert_int_equal(value, thresholds[i].ends[end]);
        }
    }
}

static void a_threshold_that_is_not_named_keeps_its_value(void **state)
{
    struct mt_config *config = *state;
    struct mt_config defaults;
    mt_config_init(&defaults);
    read_good(config, MT_CONFIG_SITE, "thresholds: {smtp_vrfy_probe: {count: 17}}\n");
    assert_int_equal(config->detect.vrfy_probe_count, 17);
    assert_int_equal(config->detect.vrfy_probe_distinct, defaults.detect.vrfy_probe_distinct);
    defaults.detect.vrfy_probe_count = 17;
    assert_memory_equal(&config->detect, &defaults.detect, sizeof(defaults.detect));
    mt_config_destroy(&defaults);
}

static void a_configuration_file_holds_the_site_and_the_programs_options(void **state)
{
    struct mt_config *config = *state;
    read_good(config, MT_CONFIG_PROGRAM,
              "site:\n"
              "  home_networks: [203.0.113.0/24]\n"
              "  thresholds:\n"
              "    smtp_helo_forged: {score: 7}\n"
              "workers: 4\n"
              "ports: [25, 2525]\n"
              "filter: net 192.0.2.0/24 and not port 465\n"
              "sessions: sessions.json\n"
              "alerts: '-'\n"
              "stats: \"stats.json\"\n");
    assert_true(config->site.given);
    assert_true(is_home(config, "203.0.113.9"));
    assert_int_equal(config->detect.helo_score, 7);
    assert_int_equal(config->workers, 4);
    assert_int_equal(config->port_count, 2);
    assert_int_equal(config->ports[0], 25);
    assert_int_equal(config->ports[1], 2525);
    assert_string_equal(config->filter, "net 192.0.2.0/24 and not port 465");
    assert_string_equal(config->sessions_path, "sessions.json");
    assert_string_equal(config->alerts_path, "-");
    assert_string_equal(config->stats_path, "stats.json");
}

static void a_configuration_file_without_a_site_leaves_it_as_it_was(void **state)
{
    struct mt_config *config = *state;
    read_good(config, MT_CONFIG_PROGRAM, "workers: 2\n");
    assert_false(config->site.given);
    assert_ptr_equal(config->site.home_networks, mt_site_default.home_networks);
    read_good(config, MT_CONFIG_PROGRAM, "# nothing\n");
    assert_int_equal(config->workers, 2);
}

/* --config first, --site over it: what the second file does not name stays. */
static void a_later_file_changes_only_what_it_names(void **state)
{
    struct mt_config *config = *state;
    read_good(config, MT_CONFIG_PROGRAM,
              "site: {home_networks: [192.0.2.0/24], local_domains: [old.example]}\nfilter: tcp\n");
    read_good(config, MT_CONFIG_SITE, "local_domains: [new.example, newer.example]\n");
    assert_true(is_home(config, "192.0.2.1"));
    assert_int_equal(config->site.local_domain_count, 2);
    assert_true(mt_span_eq(config->site.local_domains[1], mt_span_cstr("newer.example")));
    read_good(config, MT_CONFIG_PROGRAM, "filter: udp\n");
    assert_string_equal(config->filter, "udp");
    assert_int_equal(config->site.local_domain_count, 2);
}

/* --- what is wrong ------------------------------------------------------------ */

static void a_key_that_is_not_known_is_told_with_the_nearest_one(void **state)
{
    static const struct bad bad[] = {
        {"# site\n\nhome_network: []\n",
         "site.yaml:3:1: unknown key \"home_network\"; did you mean \"home_networks\"?"},
        {"Local-Domains: []\n",
         "site.yaml:1:1: unknown key \"Local-Domains\"; did you mean \"local_domains\"?"},
        {"colour: red\n", "site.yaml:1:1: unknown key \"colour\"; known keys are \"home_networks\", "
                          "\"local_domains\", \"mail_servers\", \"allowed_relays\", \"thresholds\", "
                          "\"redact_key\", \"protected_names\""},
        {"thresholds:\n  smtp_vrfy_prob:\n    count: 3\n",
         "site.yaml:2:3: unknown key \"smtp_vrfy_prob\"; did you mean \"smtp_vrfy_probe\"?"},
        {"thresholds:\n  smtp_vrfy_probe:\n    counts: 3\n",
         "site.yaml:3:5: unknown key \"counts\"; did you mean \"count\"?"},
        {"thresholds:\n  smtp_vrfy_probe: {score: 3}\n",
         "site.yaml:2:21: unknown key \"score\"; known keys are \"count\", \"distinct\", \"window\""},
        {"\"a\\u001b[31mb\\n\": 1\n",
         "site.yaml:1:2: unknown key \"a\\x1b[31mb\\x0a\"; known keys are \"home_networks\", "
         "\"local_domains\", \"mail_servers\", \"allowed_relays\", \"thresholds\", \"redact_key\", "
         "\"protected_names\""},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

static void a_key_given_twice_is_told_with_the_line_of_the_first(void **state)
{
    static const struct bad bad[] = {
        {"local_domains: [a.example]\nmail_servers: []\nlocal_domains: [b.example]\n",
         "site.yaml:3:1: \"local_domains\" is given twice, first in line 1"},
        {"thresholds:\n  smtp_helo_forged: {score: 3, score: 4}\n",
         "site.yaml:2:32: \"score\" is given twice, first in line 2"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

static void a_value_of_the_wrong_type_is_told_with_what_was_expected(void **state)
{
    static const struct bad bad[] = {
        {"- a\n", "site.yaml:1:1: site file: found a list, expected a mapping"},
        {"just a text\n", "site.yaml:1:1: site file: found \"just a text\", expected a mapping"},
        {"home_networks: 10.0.0.0/8\n",
         "site.yaml:1:16: home_networks: found \"10.0.0.0/8\", expected a list of networks"},
        {"home_networks: {10.0.0.0/8: yes}\n",
         "site.yaml:1:16: home_networks: found a mapping, expected a list of networks"},
        {"home_networks:\nlocal_domains: []\n",
         "site.yaml:1:1: home_networks: found nothing, expected a list of networks"},
        {"mail_servers: [[192.0.2.1]]\n",
         "site.yaml:1:16: mail_servers: found a list, expected an address or a "
         "network like 192.0.2.0/24 or 2001:db8::/32"},
        {"local_domains: example.com\n",
         "site.yaml:1:16: local_domains: found \"example.com\", expected a list of domains"},
        {"local_domains: [~]\n", "site.yaml:1:17: local_domains: found nothing, expected a domain"},
        {"local_domains: [{a: b}]\n", "site.yaml:1:17: local_domains: found a mapping, expected a domain"},
        {"thresholds: 5\n", "site.yaml:1:13: thresholds: found \"5\", expected a mapping"},
        {"thresholds:\n  smtp_helo_forged: 5\n",
         "site.yaml:2:21: thresholds.smtp_helo_forged: found \"5\", expected a mapping"},
        {"thresholds: {smtp_helo_forged: {score: [5]}}\n",
         "site.yaml:1:40: thresholds.smtp_helo_forged.score: found a list, expected a whole number from 1 to "
         "100"},
        {"? [a]\n: b\n", "site.yaml:1:3: found a list as a key, expected a text"},
        {"~: b\n", "site.yaml:1:1: found nothing as a key, expected a text"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

static void a_threshold_out_of_its_range_is_told_with_the_range(void **state)
{
    static const struct bad bad[] = {
#define SCORE(column, found)                                                     \
    {"thresholds: {smtp_helo_forged: {score: " found "}}\n",                     \
     "site.yaml:1:" column ": thresholds.smtp_helo_forged.score: found \"" found \
     "\", expected a whole number from 1 to 100"}
        SCORE("40", "0"),
        SCORE("40", "101"),
        SCORE("40", "-1"),
        SCORE("40", "1.5"),
        SCORE("40", "0x10"),
        SCORE("40", "007"),
        SCORE("40", "5e1"),
        SCORE("40", "many"),
        SCORE("40", "4294967297"),
        SCORE("40", "99999999999999999999999999"),
#undef SCORE
        {"thresholds: {smtp_helo_forged: {score: }}\n",
         "site.yaml:1:33: thresholds.smtp_helo_forged.score: found nothing, expected a whole number from 1 "
         "to 100"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

static void a_network_that_is_none_is_told_with_what_is_wrong(void **state)
{
#define EXPECTED ", expected an address or a network like 192.0.2.0/24 or 2001:db8::/32"
    static const struct bad bad[] = {
        {"home_networks:\n  - 10.0.0.0/8\n  - 192.0.2.77/24\n",
         "site.yaml:3:5: home_networks: \"192.0.2.77/24\" has bits set behind its prefix; did you mean "
         "\"192.0.2.0/24\"?"},
        {"mail_servers: ['2001:db8::25/64']\n",
         "site.yaml:1:17: mail_servers: \"2001:db8::25/64\" has bits set behind its prefix; did you mean "
         "\"2001:db8::/64\"?"},
        {"allowed_relays: [10.0.0.1/0]\n",
         "site.yaml:1:18: allowed_relays: \"10.0.0.1/0\" has bits set behind its prefix; did you mean "
         "\"0.0.0.0/0\"?"},
        {"home_networks: [10.0.0.0/33]\n", "site.yaml:1:17: home_networks: found \"10.0.0.0/33\"" EXPECTED},
        {"home_networks: [\"2001:db8::/129\"]\n",
         "site.yaml:1:18: home_networks: found \"2001:db8::/129\"" EXPECTED},
        {"home_networks: [10.0.0/8]\n", "site.yaml:1:17: home_networks: found \"10.0.0/8\"" EXPECTED},
        {"home_networks: [10.0.0.256]\n", "site.yaml:1:17: home_networks: found \"10.0.0.256\"" EXPECTED},
        {"home_networks: [10.0.0.0/]\n", "site.yaml:1:17: home_networks: found \"10.0.0.0/\"" EXPECTED},
        {"home_networks: [10.0.0.1/x]\n", "site.yaml:1:17: home_networks: found \"10.0.0.1/x\"" EXPECTED},
        {"home_networks: [our network]\n", "site.yaml:1:17: home_networks: found \"our network\"" EXPECTED},
        {"home_networks: ['']\n", "site.yaml:1:18: home_networks: found \"\"" EXPECTED},
        {"home_networks: []\n",
         "site.yaml:1:16: home_networks: the list is empty; leave the key out for private address space"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
#undef EXPECTED
}

static void a_name_that_is_none_is_told_with_what_is_wrong(void **state)
{
    static const struct bad bad[] = {
        {"protected_names: Jane Doe\n",
         "site.yaml:1:18: protected_names: found \"Jane Doe\", expected a list of names"},
        {"protected_names:\n  - Jane Doe\n  - jane@example.com\n",
         "site.yaml:3:5: protected_names: \"jane@example.com\" holds a character that no name has; addresses "
         "have no place here"},
        {"protected_names: [\" . \"]\n", "site.yaml:1:20: protected_names: \" . \" has no letter"},
        {"protected_names: [[Jane]]\n",
         "site.yaml:1:19: protected_names: found a list, expected a person's name"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

#define LABEL_60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void a_domain_that_is_none_is_told_with_what_is_wrong(void **state)
{
    static const struct bad bad[] = {
        {"local_domains: [.example.com]\n",
         "site.yaml:1:17: local_domains: \".example.com\" begins with a dot; a "
         "domain covers those below it"},
        {"local_domains: ['*.example.com']\n",
         "site.yaml:1:18: local_domains: \"*.example.com\" begins with a "
         "star; a domain covers those below it"},
        {"local_domains: ['@example.com']\n",
         "site.yaml:1:18: local_domains: \"@example.com\" holds an \"@\"; give the domain alone"},
        {"local_domains: [ann@example.com]\n",
         "site.yaml:1:17: local_domains: \"ann@example.com\" holds an \"@\"; give the domain alone"},
        {"local_domains: [example.com.]\n",
         "site.yaml:1:17: local_domains: \"example.com.\" ends with a dot"},
        {"local_domains: [a..example]\n", "site.yaml:1:17: local_domains: \"a..example\" has an empty label"},
        {"local_domains: ['']\n", "site.yaml:1:18: local_domains: \"\" is empty"},
        {"local_domains: ['a b']\n",
         "site.yaml:1:18: local_domains: \"a b\" holds a character that no domain has"},
        {"local_domains: [\"a\\0b\"]\n",
         "site.yaml:1:18: local_domains: \"a\\x00b\" holds a character that no domain has"},
        {"local_domains: [" LABEL_60 "aaaa.example]\n",
         "site.yaml:1:17: local_domains: \"" LABEL_60 "aaaa.example\" has a label longer than 63 bytes"},
        {"local_domains: [" LABEL_60 "." LABEL_60 "." LABEL_60 "." LABEL_60 ".aaaaaaaaaa]\n",
         "site.yaml:1:17: local_domains: \"" LABEL_60
         ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is longer than "
         "253 bytes"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

/* The words are libfyaml's and may change with it; the place may not. */
static void what_is_not_yaml_is_told_with_its_place(void **state)
{
    static const struct bad bad[] = {
        {"home_networks: [10.0.0.0/8\n", "site.yaml:2:1: "}, {"a: b: c\n", "site.yaml:1:5: "},
        {"local_domains:\n\t- a\n", "site.yaml:2:1: "},      {"local_domains: ['a\n", "site.yaml:1:18: "},
        {"mail_servers: []\n}\n", "site.yaml:2:1: "},        {"%YAML 9.9\n---\n{}\n", "site.yaml:1:1: "},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(bad); i++) {
        char error[512] = "";
        assert_int_equal(mt_config_read_text(*state, MT_CONFIG_SITE, "site.yaml", mt_span_cstr(bad[i].text),
                                             error, sizeof(error)),
                         -EINVAL);
        assert_memory_equal(error, bad[i].message, strlen(bad[i].message));
        assert_true(strlen(error) > strlen(bad[i].message) + 5);
        assert_null(strchr(error, '\n'));
    }
}

static void yaml_that_means_nothing_here_is_refused(void **state)
{
    static const struct bad bad[] = {
        {"mail_servers: []\n---\nmail_servers: []\n",
         "site.yaml:2:1: a second document begins here; expected only one"},
        {"mail_servers: &us [192.0.2.1]\nallowed_relays: *us\n",
         "site.yaml:1:19: found an anchor; anchors and aliases have no meaning here"},
        {"mail_servers: *us\n", "site.yaml:1:16: found an alias; anchors and aliases have no meaning here"},
        {"mail_servers: !!set [192.0.2.1]\n", "site.yaml:1:21: found a tag; tags have no meaning here"},
        {"a: [[[[[[[[[[]]]]]]]]]]\n", "site.yaml:1:11: nested more than 8 levels deep"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));
}

static void bytes_that_are_no_text_are_told_with_their_place(void **state)
{
    static const struct bad bad[] = {
        {"local_domains:\n  - b\xfc"
         "cher.example\n",
         "site.yaml:2:6: byte 0xfc is not UTF-8; expected a text in UTF-8"},
        {"# \xc3\xbc\xc3\xbc \xff\n", "site.yaml:1:6: byte 0xff is not UTF-8; expected a text in UTF-8"},
        {"\xff\xfe"
         "h",
         "site.yaml:1:1: byte 0xff is not UTF-8; expected a text in UTF-8"},
        {"a: \x01\n", "site.yaml:1:4: control character 0x01; expected a text"},
        {"a: \x7f\n", "site.yaml:1:4: control character 0x7f; expected a text"},
    };
    assert_bad(*state, MT_CONFIG_SITE, bad, MT_ARRAY_COUNT(bad));

    char error[512] = "";
    assert_int_equal(
        mt_config_read_text(*state, MT_CONFIG_SITE, "site.yaml", mt_span("a: \0\n", 5), error, sizeof(error)),
        -EINVAL);
    assert_string_equal(error, "site.yaml:1:4: control character 0x00; expected a text");
}

static void a_program_option_that_is_wrong_is_told_with_what_was_expected(void **state)
{
    static const struct bad bad[] = {
        {"worker: 2\n", "site.yaml:1:1: unknown key \"worker\"; did you mean \"workers\"?"},
        {"home_networks: []\n",
         "site.yaml:1:1: unknown key \"home_networks\"; known keys are \"site\", \"workers\", \"ports\", "
         "\"filter\", \"sessions\", \"alerts\", \"stats\", \"observer\", \"outputs\", \"notify\", "
         "\"redact\", "
         "\"redact_key_file\", \"live\""},
        {"- workers\n", "site.yaml:1:1: configuration file: found a list, expected a mapping"},
        {"site: site.yaml\n", "site.yaml:1:7: site: found \"site.yaml\", expected a mapping"},
        {"site:\n  colour: red\n", "site.yaml:2:3: unknown key \"colour\"; known keys are \"home_networks\", "
                                   "\"local_domains\", \"mail_servers\", \"allowed_relays\", \"thresholds\", "
                                   "\"redact_key\", \"protected_names\""},
        {"workers: 0\n", "site.yaml:1:10: workers: found \"0\", expected a whole number from 1 to 64"},
        {"workers: 65\n", "site.yaml:1:10: workers: found \"65\", expected a whole number from 1 to 64"},
        {"ports: 25\n", "site.yaml:1:8: ports: found \"25\", expected a list of numbers"},
        {"ports: [25, 65536]\n",
         "site.yaml:1:13: ports: found \"65536\", expected a whole number from 1 to 65535"},
        {"ports: []\n", "site.yaml:1:8: ports: found a list, expected at least one number"},
        {"filter: [tcp]\n", "site.yaml:1:9: filter: found a list, expected a text"},
        {"filter: ''\n", "site.yaml:1:10: filter: found \"\", expected a text"},
        {"stats:\n", "site.yaml:1:1: stats: found nothing, expected a text"},
        {"alerts: \"a\\0b\"\n",
         "site.yaml:1:10: alerts: found \"a\\x00b\", expected a text without control characters"},
    };
    assert_bad(*state, MT_CONFIG_PROGRAM, bad, MT_ARRAY_COUNT(bad));
}

static void a_list_longer_than_its_limit_is_told_where_it_exceeds_it(void **state)
{
    char *text = malloc(1024 * 1024);
    assert_non_null(text);
    char error[512] = "";

    size_t size = (size_t)sprintf(text, "local_domains:\n");
    for (unsigned i = 0; i < 65537; i++)
        size += (size_t)sprintf(text + size, "- d%u\n", i);
    assert_int_equal(
        mt_config_read_text(*state, MT_CONFIG_SITE, "site.yaml", mt_span(text, size), error, sizeof(error)),
        -EINVAL);
    assert_string_equal(error, "site.yaml:65538:3: local_domains: more than 65536 entries");
    size -= strlen("- d65536\n");
    assert_int_equal(
        mt_config_read_text(*state, MT_CONFIG_SITE, "site.yaml", mt_span(text, size), error, sizeof(error)),
        0);
    assert_int_equal(((struct mt_config *)*state)->site.local_domain_count, 65536);

    size = (size_t)sprintf(text, "ports: [");
    for (unsigned i = 1; i <= 65; i++)
        size += (size_t)sprintf(text + size, "%u,", i);
    size += (size_t)sprintf(text + size, "]");
    assert_int_equal(mt_config_read_text(*state, MT_CONFIG_PROGRAM, "site.yaml", mt_span(text, size), error,
                                         sizeof(error)),
                     -EINVAL);
    assert_string_equal(error, "site.yaml:1:192: ports: more than 64 entries");
    free(text);
}

static void a_text_with_too_many_values_is_refused(void **state)
{
    const unsigned count = 300001;
    char *text = malloc(2 * count + 16);
    char error[512] = "";
    assert_non_null(text);
    char *to = stpcpy(text, "a: [");
    for (unsigned i = 0; i < count; i++)
        to = stpcpy(to, "1,");
    stpcpy(to, "]\n");
    assert_int_equal(
        mt_config_read_text(*state, MT_CONFIG_SITE, "site.yaml", mt_span_cstr(text), error, sizeof(error)),
        -EINVAL);
    assert_string_equal(error, "site.yaml:1:599999: more than 300000 values");
    free(text);
}

/* The sentence is cut, never the memory behind it written. */
static void a_short_buffer_holds_the_start_of_the_sentence(void **state)
{
    static const char whole[] =
        "site.yaml:1:1: unknown key \"home_network\"; did you mean \"home_networks\"?";
    for (size_t size = 1; size <= sizeof(whole); size++) {
        char *error = malloc(size);
        assert_non_null(error);
        assert_int_equal(mt_config_read_text(*state, MT_CONFIG_SITE, "site.yaml",
                                             mt_span_cstr("home_network: []\n"), error, size),
                         -EINVAL);
        assert_int_equal(strlen(error), size - 1);
        assert_memory_equal(error, whole, size - 1);
        free(error);
    }
}

/* --- files -------------------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%.40s/config-XXXXXX", tmp ? tmp : P_tmpdir);
    assert_non_null(mkdtemp(folder));
    return make_config(state);
}

static int drop_folder(void **state)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/site.yaml", folder);
    unlink(path);
    rmdir(folder);
    return drop_config(state);
}

static void write_file(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
}

static void a_file_is_read_and_its_path_stands_in_the_sentence(void **state)
{
    char path[128];
    char error[512] = "";
    char expected[512];

    snprintf(path, sizeof(path), "%s/site.yaml", folder);
    write_file(path, "local_domains: [example.com]\n", 29);
    assert_int_equal(mt_config_read_site(*state, path, error, sizeof(error)), 0);
    assert_int_equal(((struct mt_config *)*state)->site.local_domain_count, 1);
    write_file(path, "workers: 3\n", 11);
    assert_int_equal(mt_config_read(*state, path, error, sizeof(error)), 0);
    assert_int_equal(((struct mt_config *)*state)->workers, 3);
    assert_int_equal(mt_config_read_site(*state, path, error, sizeof(error)), -EINVAL);
    snprintf(expected, sizeof(expected),
             "%s:1:1: unknown key \"workers\"; known keys are \"home_networks\", \"local_domains\", "
             "\"mail_servers\", \"allowed_relays\", \"thresholds\", \"redact_key\", \"protected_names\"",
             path);
    assert_string_equal(error, expected);
}

static void a_redaction_key_is_32_hexadecimal_digits_in_the_site_file_or_in_a_file(void **state)
{
    static const char site[] = "redact_key: \"000102030405060708090A0b0c0d0e0f\"\n";
    static const char digits[] = "000102030405060708090A0b0c0d0e0f\n";
    static const char program[] = "redact: drop\nredact_key_file: /k\n";
    struct mt_config *config = *state;
    struct mt_siphash_key key = {{0}};
    char path[128];
    char error[512] = "";

    snprintf(path, sizeof(path), "%s/site.yaml", folder);
    write_file(path, site, sizeof(site) - 1);
    assert_int_equal(mt_config_read_site(config, path, error, sizeof(error)), 0);
    assert_true(config->has_redact_key);
    write_file(path, digits, sizeof(digits) - 1);
    assert_int_equal(mt_config_read_key(path, error, sizeof(error), &key), 0);
    for (uint8_t i = 0; i < 16; i++) {
        assert_int_equal(key.bytes[i], i);
        assert_int_equal(config->redact_key.bytes[i], i);
    }
    write_file(path, digits, 31);
    assert_int_equal(mt_config_read_key(path, error, sizeof(error), &key), -EINVAL);
    write_file(path, program, sizeof(program) - 1);
    assert_int_equal(mt_config_read(config, path, error, sizeof(error)), 0);
    assert_int_equal(config->redact, MT_REDACT_DROP);
    assert_string_equal(config->redact_key_path, "/k");
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
    char path[128];
    char error[512] = "";
    char expected[512];

    snprintf(path, sizeof(path), "%s/site.yaml", folder);
    assert_int_equal(mt_config_read_site(*state, path, error, sizeof(error)), -ENOENT);
    snprintf(expected, sizeof(expected), "%s: can't be read: No such file or directory", path);
    assert_string_equal(error, expected);
    assert_int_equal(mt_config_read(*state, folder, error, sizeof(error)), -EISDIR);
    snprintf(expected, sizeof(expected), "%s: can't be read: Is a directory", folder);
    assert_string_equal(error, expected);
}

static void a_file_of_more_than_a_mebibyte_is_refused(void **state)
{
    const size_t limit = 1024 * 1024;
    char path[128];
    char error[512] = "";
    char expected[512];
    char *text = malloc(limit + 1);

    assert_non_null(text);
    memset(text, '\n', limit + 1);
    snprintf(path, sizeof(path), "%s/site.yaml", folder);
    write_file(path, text, limit + 1);
    assert_int_equal(mt_config_read_site(*state, path, error, sizeof(error)), -EFBIG);
    snprintf(expected, sizeof(expected), "%s: larger than 1 MiB, which no configuration is", path);
    assert_string_equal(error, expected);
    write_file(path, text, limit);
    assert_int_equal(mt_config_read_site(*state, path, error, sizeof(error)), 0);
    free(text);
}

/* --site <(generate-site) */
static void a_pipe_is_read_to_its_end(void **state)
{
    int ends[2];
    char path[64];
    char error[512] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "local_domains: [pipe.example]\n", 30), 30);
    close(ends[1]);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    if (mt_config_read_site(*state, path, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(((struct mt_config *)*state)->site.local_domain_count, 1);
    close(ends[0]);
}

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, make_config, drop_config)
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(every_list_of_a_site_file_is_read),
        CONFIG_TEST(a_site_file_without_home_networks_leaves_private_space_home),
        CONFIG_TEST(an_empty_site_file_is_a_site_file_with_every_default),
        CONFIG_TEST(lists_but_home_networks_may_be_empty),
        CONFIG_TEST(a_domain_of_another_script_is_kept_as_it_stands),
        CONFIG_TEST(every_threshold_can_be_set_to_both_ends_of_its_range),
        CONFIG_TEST(a_threshold_that_is_not_named_keeps_its_value),
        CONFIG_TEST(a_configuration_file_holds_the_site_and_the_programs_options),
        CONFIG_TEST(a_configuration_file_without_a_site_leaves_it_as_it_was),
        CONFIG_TEST(a_later_file_changes_only_what_it_names),
        CONFIG_TEST(a_key_that_is_not_known_is_told_with_the_nearest_one),
        CONFIG_TEST(a_key_given_twice_is_told_with_the_line_of_the_first),
        CONFIG_TEST(a_value_of_the_wrong_type_is_told_with_what_was_expected),
        CONFIG_TEST(a_threshold_out_of_its_range_is_told_with_the_range),
        CONFIG_TEST(a_network_that_is_none_is_told_with_what_is_wrong),
        CONFIG_TEST(a_domain_that_is_none_is_told_with_what_is_wrong),
        CONFIG_TEST(a_name_that_is_none_is_told_with_what_is_wrong),
        CONFIG_TEST(what_is_not_yaml_is_told_with_its_place),
        CONFIG_TEST(yaml_that_means_nothing_here_is_refused),
        CONFIG_TEST(bytes_that_are_no_text_are_told_with_their_place),
        CONFIG_TEST(a_program_option_that_is_wrong_is_told_with_what_was_expected),
        CONFIG_TEST(a_list_longer_than_its_limit_is_told_where_it_exceeds_it),
        CONFIG_TEST(a_text_with_too_many_values_is_refused),
        CONFIG_TEST(a_short_buffer_holds_the_start_of_the_sentence),
        FILE_TEST(a_file_is_read_and_its_path_stands_in_the_sentence),
        FILE_TEST(a_redaction_key_is_32_hexadecimal_digits_in_the_site_file_or_in_a_file),
        FILE_TEST(a_file_that_cannot_be_read_is_named_with_the_reason),
        FILE_TEST(a_file_of_more_than_a_mebibyte_is_refused),
        FILE_TEST(a_pipe_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
