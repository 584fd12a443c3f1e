/* The test marker, labels and URLs, found however the octets are cut. */
#include "message/find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* In two pieces, so that no scanner takes this for the file. */
#define MARKER             \
    "$EICAR-STANDARD-ANTI" \
    "VIRUS-TEST-FILE!$H+H*"

static bool has_marker(struct mt_span bytes, size_t piece)
{
    uint8_t state = 0;
    bool found = false;

    while (bytes.size > 0 && !found) {
        found = mt_find_marker(&state, mt_span_head(bytes, piece));
        bytes = mt_span_from(bytes, piece);
    }
    return found;
}

static void the_marker_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const texts[] = {MARKER, "X5O!" MARKER "\r\n", "$" MARKER, "$EI$E" MARKER,
                                        "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" MARKER};

    for (size_t i = 0; i < MT_ARRAY_COUNT(texts); i++) {
        for (size_t piece = 1; piece <= strlen(texts[i]); piece++)
            assert_true(has_marker(mt_span_cstr(texts[i]), piece));
    }
}

static void what_only_begins_like_the_marker_is_none(void **state)
{
    (void)state;
    char text[] = MARKER;

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        text[i] ^= 1;
        for (size_t piece = 1; piece < sizeof(text); piece++)
            assert_false(has_marker(mt_span_cstr(text), piece));
        text[i] ^= 1;
    }
    assert_false(has_marker(mt_span(text, sizeof(text) - 2), 7));
}

/* --- labels ------------------------------------------------------------------- */

enum { NOTHING = 0, HOST_REPORT = 1, CREDENTIALS = 2 };

static unsigned labels_in(struct mt_span text, size_t piece)
{
    struct mt_label_finder finder = {0};

    for (; text.size > 0; text = mt_span_from(text, piece)) {
        struct mt_span head = mt_span_head(text, piece);
        uint8_t *copy = malloc(head.size);
        assert_non_null(copy);
        memcpy(copy, head.ptr, head.size);
        mt_label_find(&finder, mt_span(copy, head.size));
        free(copy);
    }
    return (mt_label_is_host_report(&finder) ? HOST_REPORT : 0u) |
           (mt_label_is_credentials(&finder) ? CREDENTIALS : 0u);
}

static void expect_labels(const char *text, unsigned expected)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++)
        assert_int_equal(labels_in(mt_span_cstr(text), piece), expected);
}

static void what_stealers_say_of_a_machine_is_known_however_it_is_cut(void **state)
{
    (void)state;
    expect_labels(
        "Time: 03/02/2026 08:00:00<br>User Name: alice<br>Computer Name: PC-7<br>OSFullName: "
        "Microsoft Windows 10 Pro<br>CPU: Core i5<br>RAM: 8096.17 MB<br>IP Address: 192.0.2.7<br><hr>",
        HOST_REPORT);
    expect_labels(
        "PC Name:PC-7\r\nDate and Time: 3/2/2026 / 8:00\r\nClient IP: 192.0.2.7\r\nCountry Name: X\r\n",
        HOST_REPORT);
    expect_labels("COMPUTER NAME\t:a\r\nprocessor   : b\r\noperating system:c\r\nram:", HOST_REPORT);
    expect_labels("computer name:user name:cpu:ram:", HOST_REPORT);
}

static void what_stealers_say_of_a_password_is_known_however_it_is_cut(void **state)
{
    (void)state;
    expect_labels("<hr>URL: https://shop.example/<br>\r\nUsername: alice<br>\r\nPassword: x:y<br>\r\n"
                  "Application: Chrome<br>\r\n<hr>",
                  CREDENTIALS);
    expect_labels("Found From: Outlook\r\nHost: mail.example:587\r\nUSR: alice\r\nPSWD: x\r\n", CREDENTIALS);
    expect_labels("URL               : https://shop.example/\r\nWeb Browser       : Chrome\r\n"
                  "User Name         : alice\r\nPassword          : x\r\n",
                  CREDENTIALS);
}

static void a_few_labels_or_parts_of_words_are_no_report(void **state)
{
    (void)state;
    expect_labels("", NOTHING);
    expect_labels("::::: : : :", NOTHING);
    expect_labels("User Name: a\nCPU: b\nRAM: c\nIP Address: d\nTime: e\n", NOTHING); /* of which computer? */
    expect_labels("Computer Name: a\nUser Name: b\nTime: c\nComputer Name: d\nTime: e\n", NOTHING);
    expect_labels("URL: a\nUsername: b\nPassword: c\n", NOTHING);
    expect_labels("Application: a\nURL: b\nPassword: c\n", NOTHING);
    expect_labels("xcomputer name: program: 9cpu: \xc3\xa9time: user name: os: ", NOTHING);
    expect_labels("computer name is a, user name b, cpu c, ram d, time e", NOTHING);
    expect_labels("computer name.: user name, : c pu: ra\nm: ti me: o-s_: ", NOTHING);
    expect_labels("computer name:user name:cpu:ram", NOTHING); /* the last has no colon */
}

static void labels_are_found_behind_and_in_front_of_huge_lines(void **state)
{
    (void)state;
    static const char report[] = " computer name: cpu: ram: time:";
    static uint8_t text[70000 + sizeof(report) - 1];

    for (size_t at = 0; at <= 70000; at += 35000) {
        for (size_t piece = 1; piece <= sizeof(text); piece = piece * 7 + 1) {
            memset(text, at == 0 ? ':' : 'x', sizeof(text));
            memcpy(text + at, report, sizeof(report) - 1);
            assert_int_equal(labels_in(mt_span(text, sizeof(text)), piece), HOST_REPORT);
        }
    }
    /* blanks beyond what is looked at */
    memset(text, ' ', sizeof(text));
    memcpy(text, "computer name: cpu: ram: time", 29);
    text[29 + MT_LABEL_WINDOW] = ':';
    assert_int_equal(labels_in(mt_span(text, 1000), 1000), NOTHING);
    assert_int_equal(labels_in(mt_span(text, 1000), 1), NOTHING);
}

/* --- URLs ------------------------------------------------------------------- */

struct list {
    char text[8192];
    size_t size;
};

static void on_url(void *ctx, struct mt_span url, bool is_cut)
{
    struct list *list = ctx;

    assert_true(url.size > 0 && url.size <= MT_URL_MAX);
    list->size += (size_t)snprintf(list->text + list->size, sizeof(list->text) - list->size, "%.*s%s\n",
                                   (int)url.size, (const char *)url.ptr, is_cut ? " cut" : "");
    assert_true(list->size < sizeof(list->text));
}

static void expect(bool is_html, const char *text, const char *urls)
{
    size_t size = strlen(text);

    for (size_t piece = 1; piece <= size; piece++) {
        struct mt_url_finder finder;
        struct list list = {.size = 0};
        struct mt_span rest = mt_span(text, size);
        mt_url_start(&finder, is_html);
        for (; rest.size > 0; rest = mt_span_from(rest, piece)) {
            struct mt_span head = mt_span_head(rest, piece);
            uint8_t *copy = malloc(head.size);
            assert_non_null(copy);
            memcpy(copy, head.ptr, head.size);
            mt_url_find(&finder, mt_span(copy, head.size), on_url, &list);
            free(copy);
        }
        mt_url_finish(&finder, on_url, &list);
        assert_string_equal(list.text, urls);
    }
}

static void urls_are_found_in_text(void **state)
{
    (void)state;
    expect(false, "see http://a.example/x and HTTPS://B.example:8/?q=1#f now",
           "http://a.example/x\nHTTPS://B.example:8/?q=1#f\n");
    expect(false, "ftp://f.example", "ftp://f.example\n");
    expect(false, "<http://a.example/>\thttp://b.example/\r\nhttp://c.example",
           "http://a.example/\nhttp://b.example/\nhttp://c.example\n");
    expect(false, "http://u:p@h.example/%41\xc3\xa9", "http://u:p@h.example/%41\xc3\xa9\n");
    expect(false, "http://r.example/?to=http://s.example/", "http://r.example/?to=http://s.example/\n");
}

static void what_is_no_url_is_not_taken(void **state)
{
    (void)state;
    expect(false, "xhttp://a.example http:a https:/b http:// :// mailto:a@b.example gopher://c.example", "");
    expect(false, "http:http://a.example http:/https://b.example", "http://a.example\nhttps://b.example\n");
}

static void punctuation_of_a_sentence_is_left_out(void **state)
{
    (void)state;
    expect(false, "(http://a.example/x). http://b.example/y(1), http://c.example!? [http://d.example]",
           "http://a.example/x\nhttp://b.example/y(1)\nhttp://c.example\nhttp://d.example\n");
    expect(false, "http://...", "");
}

static void an_apostrophe_ends_a_url_in_html_only(void **state)
{
    (void)state;
    expect(true, "<a href='http://a.example/x'>", "http://a.example/x\n");
    expect(false, "http://a.example/it's", "http://a.example/it's\n");
}

static void a_url_without_an_end_is_cut(void **state)
{
    (void)state;
    static char text[2 * MT_URL_MAX], urls[MT_URL_MAX + 8];

    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "http://", 7);
    memcpy(urls, text, MT_URL_MAX);
    memcpy(urls + MT_URL_MAX, " cut\n", 6);
    expect(false, text, urls);
    text[MT_URL_MAX] = 0;
    memcpy(urls + MT_URL_MAX, "\n", 2);
    expect(false, text, urls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_marker_is_found_wherever_it_stands),
        cmocka_unit_test(what_only_begins_like_the_marker_is_none),
        cmocka_unit_test(what_stealers_say_of_a_machine_is_known_however_it_is_cut),
        cmocka_unit_test(what_stealers_say_of_a_password_is_known_however_it_is_cut),
        cmocka_unit_test(a_few_labels_or_parts_of_words_are_no_report),
        cmocka_unit_test(labels_are_found_behind_and_in_front_of_huge_lines),
        cmocka_unit_test(urls_are_found_in_text),
        cmocka_unit_test(what_is_no_url_is_not_taken),
        cmocka_unit_test(punctuation_of_a_sentence_is_left_out),
        cmocka_unit_test(an_apostrophe_ends_a_url_in_html_only),
        cmocka_unit_test(a_url_without_an_end_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
