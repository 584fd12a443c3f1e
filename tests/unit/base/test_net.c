#include "base/net.h"
#include "base/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <arpa/inet.h>

#include <cmocka.h>

static struct mt_ip ip_of(const char *text)
{
    struct mt_ip ip;

    if (!mt_ip_parse(mt_span_cstr(text), &ip))
        fail_msg("not an address: %s", text);
    return ip;
}

static void assert_text(const struct mt_ip *ip, const char *expected)
{
    uint8_t storage[64];
    struct mt_buf b = mt_buf(storage, sizeof(storage));

    mt_buf_put_ip(&b, ip);
    mt_buf_put_byte(&b, 0);
    assert_string_equal((const char *)storage, expected);
}

static void addresses_are_written_as_rfc_5952_says(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"192.0.2.255", "192.0.2.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"}, /* §4.2.3: the first of two */
        {"2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"},                     /* the longest */
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},                 /* §4.2.2: not one group */
        {"2001:DB8::ABCD", "2001:db8::abcd"},                             /* §4.3 */
        {"0:0:1:0:0:0:0:0", "0:0:1::"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"}, /* §5 */
        {"::ffff:c000:201", "::ffff:192.0.2.1"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"fe80::0202:b3ff:fe1e:8329", "fe80::202:b3ff:fe1e:8329"},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_ip ip = ip_of(cases[i][0]);
        assert_text(&ip, cases[i][1]);
    }
    struct mt_ip absent = {.family = 0};
    assert_text(&absent, "");
}

static void an_address_that_does_not_fit_writes_nothing(void **state)
{
    (void)state;
    uint8_t storage[6];
    struct mt_buf b = mt_buf(storage, sizeof(storage));
    struct mt_ip ip = ip_of("10.0.0.1");

    mt_buf_put_ip(&b, &ip);
    assert_int_equal(b.size, 0);
    assert_true(b.overflow);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.04",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4 ",
        "0x1.2.3.4",
        "1..2.3",
        ":",
        ":::",
        "1:::2",
        "1::2::3",
        "12345::",
        "1:2:3:4:5:6:7",
        "1:",
        ":1",
        "::g",
        "1:2:3:4:5:6:7:8:9",
        "fe80::1%eth0",
        "1:2:3:4:5:6:7::8:9",
        "::1.2.3",
        "::1.2.3.4:5",
        "[::1]",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:6:7:8::",
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_ip ip = {.family = 77};
        if (mt_ip_parse(mt_span_cstr(cases[i]), &ip))
            fail_msg("taken for an address: %s", cases[i]);
        assert_int_equal(ip.family, 77);
    }
}

/* Strings made of what addresses are made of, judged by the C library too. */
static void random_texts_agree_with_inet_pton(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789abF::::....";
    uint32_t random = 3;
    unsigned accepted = 0;

    for (int round = 0; round < 300000; round++) {
        char text[24];
        unsigned char expected[16];
        size_t size = 2 + (random >> 8) % 20;
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        text[size] = '\0';
        struct mt_ip ip;
        bool ours = mt_ip_parse(mt_span_cstr(text), &ip);
        int family = inet_pton(AF_INET, text, expected) == 1    ? 4
                     : inet_pton(AF_INET6, text, expected) == 1 ? 6
                                                                : 0;
        if (ours != (family != 0))
            fail_msg("%s: %d and %d", text, ours, family);
        if (ours) {
            accepted++;
            assert_int_equal(ip.family, family);
            assert_memory_equal(ip.bytes, expected, family == 4 ? 4 : 16);
        }
    }
    assert_true(accepted > 100);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    uint32_t random = 5;

    for (int round = 0; round < 20000; round++) {
        struct mt_ip ip = {.family = round % 2 ? 4 : 6};
        for (size_t i = 0; i < (ip.family == 4 ? 4u : 16u); i++) {
            random = random * 1664525 + 1013904223;
            ip.bytes[i] = random >> 30 ? 0 : (uint8_t)(random >> 16);
        }
        uint8_t storage[64];
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        mt_buf_put_ip(&b, &ip);
        struct mt_ip back;
        assert_true(mt_ip_parse(mt_buf_span(&b), &back));
        assert_true(mt_ip_eq(&ip, &back));
        if (ip.family == 6 && memcmp(ip.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) != 0 && ip.bytes[0] != 0) {
            char expected[INET6_ADDRSTRLEN];
            inet_ntop(AF_INET6, ip.bytes, expected, sizeof(expected));
            assert_text(&ip, expected);
        }
    }
}

static void prefixes_are_parsed_and_their_host_bits_refused(void **state)
{
    (void)state;
    struct mt_prefix p;

    assert_true(mt_prefix_parse(mt_span_cstr("10.0.0.0/8"), &p));
    assert_int_equal(p.bits, 8);
    assert_true(mt_prefix_parse(mt_span_cstr("0.0.0.0/0"), &p));
    assert_int_equal(p.bits, 0);
    assert_true(mt_prefix_parse(mt_span_cstr("192.0.2.1"), &p));
    assert_int_equal(p.bits, 32);
    assert_true(mt_prefix_parse(mt_span_cstr("2001:db8::/32"), &p));
    assert_int_equal(p.bits, 32);
    assert_true(mt_prefix_parse(mt_span_cstr("2001:db8::1"), &p));
    assert_int_equal(p.bits, 128);
    assert_true(mt_prefix_parse(mt_span_cstr("2001:db8::1/128"), &p));

    static const char *const refused[] = {
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/8 ",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "2001:db8::/28",
        "::/129",
        "10.0.0/8",
        "/8",
        "",
        "10.0.0.0/8/8",
        "128.0.0.0/0",
        "::1/0",
        "10.0.0.0/a",
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(refused); i++) {
        if (mt_prefix_parse(mt_span_cstr(refused[i]), &p))
            fail_msg("taken for a prefix: %s", refused[i]);
    }
}

static void a_prefix_of_every_length_holds_its_own_and_not_the_neighbour(void **state)
{
    (void)state;

    for (unsigned family = 4; family <= 6; family += 2) {
        unsigned width = family == 4 ? 32 : 128;
        for (unsigned bits = 0; bits <= width; bits++) {
            struct mt_prefix prefix = {.ip = {.family = (uint8_t)family}, .bits = (uint8_t)bits};
            struct mt_ip ip = {.family = (uint8_t)family};
            for (unsigned bit = bits; bit < width; bit++)
                ip.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
            assert_true(mt_prefix_has(&prefix, &ip));
            if (bits > 0) {
                ip.bytes[(bits - 1) / 8] |= (uint8_t)(0x80 >> (bits - 1) % 8);
                assert_false(mt_prefix_has(&prefix, &ip));
            }
        }
    }
    struct mt_prefix all = {.ip = {.family = 4}, .bits = 0};
    struct mt_ip six = ip_of("::1");
    struct mt_ip absent = {.family = 0};
    assert_false(mt_prefix_has(&all, &six));
    assert_false(mt_prefix_has(&all, &absent));
}

static void private_space_is_home_without_a_site_file(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_private;
    } cases[] = {
        {"10.255.255.255", true}, {"11.0.0.0", false},    {"172.16.0.1", true},   {"172.31.255.255", true},
        {"172.32.0.1", false},    {"192.168.7.7", true},  {"192.169.0.1", false}, {"127.0.0.1", true},
        {"169.254.1.1", true},    {"100.64.0.1", true},   {"100.127.0.1", true},  {"100.128.0.1", false},
        {"8.8.8.8", false},       {"203.0.113.5", false}, {"::1", true},          {"::2", false},
        {"fe80::1", true},        {"febf::1", true},      {"fec0::1", false},     {"fd12::1", true},
        {"2001:db8::1", false},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_ip ip = ip_of(cases[i].text);
        if (mt_ip_is_private(&ip) != cases[i].is_private)
            fail_msg("%s", cases[i].text);
        assert_int_equal(mt_site_is_home(&mt_site_default, &ip), cases[i].is_private);
    }
    struct mt_ip mapped = ip_of("::ffff:10.1.2.3");
    assert_true(mt_ip_is_private(&mapped));
    mapped = ip_of("::ffff:9.1.2.3");
    assert_false(mt_ip_is_private(&mapped));
    assert_false(mt_site_default.given);
}

static void a_site_knows_its_servers_and_relays(void **state)
{
    (void)state;
    struct mt_prefix server;
    struct mt_prefix relays[2];
    assert_true(mt_prefix_parse(mt_span_cstr("192.0.2.25"), &server));
    assert_true(mt_prefix_parse(mt_span_cstr("198.51.100.0/24"), &relays[0]));
    assert_true(mt_prefix_parse(mt_span_cstr("2001:db8:5::/48"), &relays[1]));
    struct mt_site site = {
        .given = true,
        .mail_servers = &server,
        .mail_server_count = 1,
        .allowed_relays = relays,
        .allowed_relay_count = 2,
    };
    struct mt_ip ip = ip_of("192.0.2.25");

    assert_true(mt_site_is_mail_server(&site, &ip));
    assert_false(mt_site_may_relay(&site, &ip));
    assert_false(mt_site_is_home(&site, &ip));
    ip = ip_of("2001:db8:5::99");
    assert_true(mt_site_may_relay(&site, &ip));
    assert_false(mt_site_is_mail_server(&site, &ip));
}

static void a_local_domain_covers_what_is_below_it(void **state)
{
    (void)state;
    struct mt_span domains[] = {mt_span_cstr("example.com"), mt_span_cstr("b\xc3\xbc"
                                                                          "cher.example")};
    struct mt_site site = {.local_domains = domains, .local_domain_count = 2};

    assert_true(mt_site_is_local_domain(&site, mt_span_cstr("example.com")));
    assert_true(mt_site_is_local_domain(&site, mt_span_cstr("EXAMPLE.Com")));
    assert_true(mt_site_is_local_domain(&site, mt_span_cstr("mx1.example.com")));
    assert_true(mt_site_is_local_domain(&site, mt_span_cstr("example.com.")));
    assert_true(mt_site_is_local_domain(&site, mt_span_cstr("b\xc3\xbc"
                                                            "cher.example")));
    assert_false(mt_site_is_local_domain(&site, mt_span_cstr("badexample.com")));
    assert_false(mt_site_is_local_domain(&site, mt_span_cstr("example.com.evil.test")));
    assert_false(mt_site_is_local_domain(&site, mt_span_cstr("com")));
    assert_false(mt_site_is_local_domain(&site, mt_span_none()));
    assert_false(mt_site_is_local_domain(&mt_site_default, mt_span_cstr("example.com")));
}

static void a_name_is_known_however_it_is_quoted_and_spaced(void **state)
{
    (void)state;
    struct mt_span names[] = {mt_span_cstr("Jane  Doe"), mt_span_cstr("J\xc3\xb6rg")};
    struct mt_site site = {.protected_names = names, .protected_name_count = 2};
    static const char *const same[] = {"jane doe", "\"JANE DOE\" ", "\t Jane\t Doe", "\"Jane \\\"Doe\\\"\"",
                                       "j\xc3\xb6rg"};
    static const char *const others[] = {"",           " ",       "\"\"",      "jane", "jane doe x",
                                         "x jane doe", "janedoe", "jane d oe", "jorg", "jane do"};

    for (size_t i = 0; i < MT_ARRAY_COUNT(same); i++)
        assert_true(mt_site_is_protected_name(&site, mt_span_cstr(same[i])));
    for (size_t i = 0; i < MT_ARRAY_COUNT(others); i++)
        assert_false(mt_site_is_protected_name(&site, mt_span_cstr(others[i])));
    assert_false(mt_site_is_protected_name(&site, mt_span_none()));
    assert_false(mt_site_is_protected_name(&mt_site_default, mt_span_cstr("jane doe")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_written_as_rfc_5952_says),
        cmocka_unit_test(an_address_that_does_not_fit_writes_nothing),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(random_texts_agree_with_inet_pton),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(prefixes_are_parsed_and_their_host_bits_refused),
        cmocka_unit_test(a_prefix_of_every_length_holds_its_own_and_not_the_neighbour),
        cmocka_unit_test(private_space_is_home_without_a_site_file),
        cmocka_unit_test(a_site_knows_its_servers_and_relays),
        cmocka_unit_test(a_local_domain_covers_what_is_below_it),
        cmocka_unit_test(a_name_is_known_however_it_is_quoted_and_spaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
