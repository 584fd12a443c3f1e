/* What --redact makes of texts, records and alerts. Digits are those of a key of
 * sixteen zeros, so a change of what is hashed is seen. */
#include "redact/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mt_redact *redactor(enum mt_redact_mode mode)
{
    struct mt_redact_config config = {.mode = mode};
    struct mt_redact *redact;

    assert_int_equal(mt_redact_create(&config, &redact), 0);
    assert_non_null(redact);
    return redact;
}

static const char *text_of(struct mt_span span)
{
    static char texts[4][2048];
    static unsigned next;
    char *text = texts[next++ % 4];

    if (span.ptr == NULL)
        return "(absent)";
    assert_true(span.size < sizeof(texts[0]));
    memcpy(text, span.ptr, span.size);
    text[span.size] = '\0';
    return text;
}

static const char *made(struct mt_redact *redact, enum mt_privacy privacy, const char *text)
{
    return text_of(mt_redact_text(redact, privacy, mt_span_cstr(text)));
}

static void without_a_mode_there_is_no_redactor(void **state)
{
    struct mt_redact_config config = {.mode = MT_REDACT_NONE};
    struct mt_redact *redact = (struct mt_redact *)&config;
    (void)state;

    assert_int_equal(mt_redact_create(&config, &redact), 0);
    assert_null(redact);
}

static void the_four_words_are_modes_and_no_other(void **state)
{
    enum mt_redact_mode mode = MT_REDACT_NONE;
    (void)state;

    assert_true(mt_redact_mode_parse(mt_span_cstr("local-part"), &mode));
    assert_int_equal(mode, MT_REDACT_LOCAL_PART);
    assert_true(mt_redact_mode_parse(mt_span_cstr("hash"), &mode));
    assert_int_equal(mode, MT_REDACT_HASH);
    assert_true(mt_redact_mode_parse(mt_span_cstr("drop"), &mode));
    assert_int_equal(mode, MT_REDACT_DROP);
    assert_true(mt_redact_mode_parse(mt_span_cstr("none"), &mode));
    assert_int_equal(mode, MT_REDACT_NONE);
    assert_false(mt_redact_mode_parse(mt_span_cstr("Hash"), &mode));
    assert_false(mt_redact_mode_parse(mt_span_cstr(""), &mode));
}

static void every_text_of_every_record_has_a_decision_and_each_decision_a_text(void **state)
{
    static const struct mt_field_group *const groups[] = {
#define GROUP(name) &mt_group_##name
        GROUP(session),     GROUP(outer),   GROUP(auth),  GROUP(probe),   GROUP(parameter), GROUP(recipient),
        GROUP(transaction), GROUP(groupby), GROUP(alert), GROUP(command), GROUP(reply),     GROUP(finding),
#undef GROUP
    };
    const struct mt_field_group *found[64];
    size_t count = 0;
    size_t texts = 0;
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(groups); i++)
        found[count++] = groups[i];
    for (size_t g = 0; g < count; g++) { /* with the groups that others lead to */
        for (uint32_t i = 0; i < found[g]->count; i++) {
            const struct mt_field *field = &found[g]->fields[i];
            const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);
            bool is_known = items == NULL;
            for (size_t k = 0; k < count; k++)
                is_known |= found[k] == items;
            if (!is_known && count < MT_ARRAY_COUNT(found))
                found[count++] = items;
            if (field->type != MT_FIELD_TYPE_TEXT && field->type != MT_FIELD_TYPE_TEXTS)
                continue;
            texts++;
            if (mt_redact_privacy(found[g], field) == MT_PRIVACY_UNDECIDED)
                fail_msg("lib/redact/privacy.def: (\"%s\", \"%s\") has no decision", found[g]->name,
                         field->path);
        }
    }
    static const struct {
        const char *group;
        const char *path;
    } decided[] = {
#define MT_PRIVACY_FIELD(group, path, privacy) {group, path},
#include "redact/privacy.def"
    };
    assert_int_equal(texts, MT_ARRAY_COUNT(decided));
}

static void in_local_part_mode_the_domain_stays(void **state)
{
    struct mt_redact *redact = redactor(MT_REDACT_LOCAL_PART);
    (void)state;

    assert_string_equal(made(redact, MT_PRIVACY_ADDRESS, "user@Example.com"),
                        made(redact, MT_PRIVACY_FREE, "user@Example.com"));
    assert_non_null(strstr(made(redact, MT_PRIVACY_ADDRESS, "user@Example.com"), "@Example.com"));
    assert_int_equal(strncmp(made(redact, MT_PRIVACY_ADDRESS, "user@example.com"), "u-", 2), 0);
    assert_int_equal(strlen(made(redact, MT_PRIVACY_ADDRESS, "user@example.com")), 18 + 12);
    assert_string_equal(made(redact, MT_PRIVACY_DOMAIN, "example.com"), "example.com");
    mt_redact_destroy(redact);
}

static void in_hash_mode_equal_addresses_have_equal_names_in_any_case_and_any_form(void **state)
{
    struct mt_redact *redact = redactor(MT_REDACT_HASH);
    char first[256];
    char domain[256];
    (void)state;

    snprintf(first, sizeof(first), "%s", made(redact, MT_PRIVACY_ADDRESS, "user@example.com"));
    snprintf(domain, sizeof(domain), "%s", made(redact, MT_PRIVACY_DOMAIN, "example.com"));
    assert_int_equal(strlen(first), 18 + 1 + 18 + 8);
    assert_string_equal(strchr(first, '@') + 1, domain);
    assert_string_equal(made(redact, MT_PRIVACY_ADDRESS, "User@EXAMPLE.com"), first);
    assert_string_equal(made(redact, MT_PRIVACY_ADDRESS, "@hop.example,@b.example:user@example.com"), first);
    assert_string_equal(made(redact, MT_PRIVACY_MAILBOX, "A User <user@example.com>"), first);
    assert_string_not_equal(made(redact, MT_PRIVACY_ADDRESS, "user@example.org"), first);
    assert_string_not_equal(made(redact, MT_PRIVACY_ADDRESS, "user2@example.com"), first);
    mt_redact_destroy(redact);
}

static void in_drop_mode_addresses_leave_fields_and_leave_a_word_in_texts(void **state)
{
    struct mt_redact *redact = redactor(MT_REDACT_DROP);
    (void)state;

    assert_string_equal(made(redact, MT_PRIVACY_ADDRESS, "user@example.com"), "(absent)");
    assert_string_equal(made(redact, MT_PRIVACY_DOMAIN, "example.com"), "(absent)");
    assert_string_equal(made(redact, MT_PRIVACY_MAILBOX, "U <user@example.com>"), "(absent)");
    assert_string_equal(made(redact, MT_PRIVACY_FREE, "250 <user@example.com> ok"), "250 <[address]> ok");
    assert_string_equal(made(redact, MT_PRIVACY_ADDRESS, ""), ""); /* the null sender */
    mt_redact_destroy(redact);
}

static void addresses_are_found_wherever_they_stand_in_a_text(void **state)
{
    static const char *const pairs[][2] = {
        {"user@example.com", "[address]"},
        {"mail to a.b+c@example.com.", "mail to [address]."},
        {"a@x.example,b@y.example;c@z.example", "[address],[address];[address]"},
        {"TO:user@example.com", "TO:[address]"},
        {"\"john smith\"@example.com said", "[address] said"},
        {"<\"a>b\"@example.com>", "<[address]>"},
        {"<\"john@home\"@example.com>", "<[address]>"},
        {"<@hop.example:user@example.com>", "<[address]>"},
        {"user@[192.0.2.1] x", "[address] x"},
        {"user@[IPv6:2001:db8::1]", "[address]"},
        {"user%other.example@example.com", "[address]"},
        {"other.example!user@example.com", "[address]"},
        {"user@one.example@two.example", "[address]"},
        {"r\xc3\xa9my@ex\xc3\xa4mple.example!", "[address]!"},
        {"mailto:user%40example.com", "mailto:[address]"},
        {"http://a.example/?to=user%2540example.com&x", "http:[address]&x"},
        {"x:user%25252540example.com", "x:[address]"},
        {"sale 20%2540", "sale 20%2540"},
        {"alice @example.com wrote", "[address] wrote"},
        {"to alice\t@ example.com.", "to [address]."},
        {"alice@ example.com", "[address]"},
        {"alice(c)@example.com", "[address]"},
        {"alice (at home) @ (the) example.com (c)", "[address] (c)"},
        {"alice @[192.0.2.1]", "[address]"},
        {"alice)@example.com", "alice)@example.com"},
        {"rfc822;user+40example.com", "rfc822;[address]"},
        {"=?utf-8?q?user=40example.com?=", "[address]?="},
        {"=?utf-8?B?dXNlckBleGFtcGxlLmNvbQ==?= x", "[address] x"},
        {"=?utf-8?B?aGVsbG8=?=", "=?utf-8?B?aGVsbG8=?="},
        {"tea @ noon, 40% off", "tea @ noon, 40% off"},
        {"user@", "[address]"},
        {"@example.com", "@example.com"},
        {"@@@@", "@@@@"},
        {"no address here", "no address here"},
    };
    struct mt_redact *redact = redactor(MT_REDACT_DROP);
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(pairs); i++)
        assert_string_equal(made(redact, MT_PRIVACY_FREE, pairs[i][0]), pairs[i][1]);
    mt_redact_destroy(redact);
}

static void blanks_and_comments_around_the_at_sign_change_no_name(void **state)
{
    static const char *const forms[] = {"alice @example.com", "alice(c)@example.com", "alice@\texample.com",
                                        "Alice (a (b) c) @ (c (d)) Example.com"};
    struct mt_redact *redact = redactor(MT_REDACT_HASH);
    char plain[128];
    (void)state;

    snprintf(plain, sizeof(plain), "%s", made(redact, MT_PRIVACY_FREE, "alice@example.com"));
    for (size_t i = 0; i < MT_ARRAY_COUNT(forms); i++)
        assert_string_equal(made(redact, MT_PRIVACY_FREE, forms[i]), plain);
    mt_redact_destroy(redact);
}

/* However many there are, and whatever stands around them. */
static void signs_without_an_address_stay(void **state)
{
    static char text[1900];
    struct mt_redact *redact = redactor(MT_REDACT_HASH);
    static const char *const pieces[] = {")@", "@(", " @", "(@)", "%25"};
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(pieces); i++) {
        for (size_t at = 0; at + 4 < sizeof(text); at += strlen(pieces[i]))
            memcpy(text + at, pieces[i], strlen(pieces[i]) + 1);
        assert_null(strstr(made(redact, MT_PRIVACY_FREE, text), "u-"));
    }
    mt_redact_destroy(redact);
}

static void what_is_no_domain_hides_no_second_address(void **state)
{
    struct mt_redact *redact = redactor(MT_REDACT_LOCAL_PART);
    static const char *const texts[] = {"<x@y secret%40example.com>", "<x@[secret%40example.com]>"};
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(texts); i++)
        assert_null(strstr(made(redact, MT_PRIVACY_FREE, texts[i]), "secret"));
    assert_non_null(strstr(made(redact, MT_PRIVACY_FREE, "<x@[IPv6:::1]>"), "@[IPv6:::1]>"));
    mt_redact_destroy(redact);
}

static void what_stands_before_the_slashes_of_a_url_is_searched_unless_it_is_a_scheme(void **state)
{
    struct mt_redact *redact = redactor(MT_REDACT_DROP);
    (void)state;

    assert_string_equal(made(redact, MT_PRIVACY_URL, "user@example.com://a.example"),
                        "[address]://a.example");
    assert_string_equal(made(redact, MT_PRIVACY_URL, "a+b-c.1://a.example/"), "a+b-c.1://a.example/");
    mt_redact_destroy(redact);
}

static void a_name_met_again_before_an_at_sign_takes_the_domain_with_it(void **state)
{
    struct mt_redact *redact = redactor(MT_REDACT_DROP);
    (void)state;

    assert_string_equal(made(redact, MT_PRIVACY_ADDRESS, "secret:"), "(absent)");
    assert_string_equal(made(redact, MT_PRIVACY_FREE, "to secret:@example.com, again"),
                        "to [address]@[domain], again");
    mt_redact_destroy(redact);
}

static void lines_lose_names_that_need_no_at_sign(void **state)
{
    static const char *const pairs[][2] = {
        {"RCPT TO:<user@example.com> NOTIFY=NEVER", "RCPT TO:<[address]> NOTIFY=NEVER"},
        {"MAIL FROM:<>", "MAIL FROM:<>"},
        {"rcpt to: <postmaster>", "rcpt to: <[address]>"},
        {"RCPT TO:postmaster SIZE=1", "RCPT TO:[address] SIZE=1"},
        {"RCPT TO:<a-very-long-name-that-was-c", "RCPT TO:<[address]"},
        {"VRFY alice", "VRFY [address]"},
        {" vrfy\tbob\r\n", " vrfy\t[address]\r\n"},
        {"VRFY Alice Smith <al@example.com>", "VRFY [address]"},
        {"VRFY", "VRFY"},
        {"MAIL\tFROM : <carol> SIZE=1", "MAIL\tFROM : <[address]> SIZE=1"},
        {"RCPT  TO:dave", "RCPT  TO:[address]"},
        {"RCPT TOO:x", "RCPT TOO:x"},
        {"550 5.1.1 alice... User unknown", "550 5.1.1 [address]... User unknown"},
        {"2026-11-22T13:38:00.123456789Z C: EXPN staff", "2026-11-22T13:38:00.123456789Z C: EXPN [address]"},
        {"2026-11-22T13:38:00.123456789Z S: 250 <staff>",
         "2026-11-22T13:38:00.123456789Z S: 250 <[address]>"},
        {"250 alicette", "250 alicette"},
        {"EHLO client.example", "EHLO client.example"},
        {"", ""},
    };
    struct mt_redact *redact = redactor(MT_REDACT_DROP);
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(pairs); i++)
        assert_string_equal(made(redact, MT_PRIVACY_LINE, pairs[i][0]), pairs[i][1]);
    mt_redact_destroy(redact);
}

static struct mt_span span(const char *text)
{
    return mt_span_cstr(text);
}

static void records_are_copied_through_all_their_lists(void **state)
{
    struct mt_record_parameter parameters[] = {
        {.keyword = span("ORCPT"), .value = span("rfc822;bob+40x.example")},
        {.keyword = span("NOTIFY"), .value = span("NEVER")},
        {.keyword = span("login"), .value = span("erin")}};
    struct mt_record_recipient recipients[] = {{.address = span("bob@x.example"),
                                                .domain = span("x.example"),
                                                .params = {.items = parameters, .count = 3},
                                                .code = 250}};
    struct mt_span from[] = {span("Alice <alice@y.example>")};
    struct mt_record_transaction transactions[] = {{.from_address = span(""),
                                                    .recipients = {.items = recipients, .count = 1},
                                                    .message_from = {.items = from, .count = 1},
                                                    .message_subject = span("for bob@x.example")}};
    struct mt_record_auth auths[] = {{.mechanism = span("PLAIN"), .user = span("carol")}};
    struct mt_record_session record = {.banner_text = span("hi carol, mail bob@x.example"),
                                       .auth = {.items = auths, .count = 1},
                                       .transactions = {.items = transactions, .count = 1}};
    struct mt_record_session redacted;
    struct mt_redact *redact = redactor(MT_REDACT_HASH);
    char bob[128];
    char expected[512];
    (void)state;

    snprintf(bob, sizeof(bob), "%s", made(redact, MT_PRIVACY_ADDRESS, "bob@x.example"));
    assert_true(mt_redact_session(redact, &record, &redacted));
    const struct mt_record_transaction *tx = redacted.transactions.items;
    const struct mt_record_recipient *rcpt = tx->recipients.items;
    assert_int_equal(redacted.transactions.count, 1);
    assert_string_equal(text_of(tx->from_address), "");
    assert_string_equal(text_of(rcpt->address), bob);
    assert_int_equal(rcpt->code, 250);
    snprintf(expected, sizeof(expected), "rfc822;%s", bob);
    assert_string_equal(text_of(rcpt->params.items[0].value), expected);
    assert_string_equal(text_of(rcpt->params.items[1].value), "NEVER");
    assert_null(strstr(text_of(rcpt->params.items[2].value), "erin"));
    snprintf(expected, sizeof(expected), "for %s", bob);
    assert_string_equal(text_of(tx->message_subject), expected);
    assert_null(strstr(text_of(tx->message_from.items[0]), "Alice"));
    snprintf(expected, sizeof(expected), "hi %s, mail %s", text_of(redacted.auth.items[0].user), bob);
    assert_string_equal(text_of(redacted.banner_text), expected);
    assert_string_equal(text_of(recipients[0].address), "bob@x.example"); /* the original stays */
    mt_redact_destroy(redact);
}

static void alerts_lose_addresses_in_their_sentence_evidence_and_groups(void **state)
{
    struct mt_span evidence[] = {span("2026-11-22T13:38:00.123456789Z C: VRFY root"),
                                 span("2026-11-22T13:38:00.123456789Z S: 250 root <root@x.example>")};
    struct mt_record_groupby groups[] = {{.key = span("smtp.probes.vrfy.argument"), .value = span("root")},
                                         {.key = span("source.ip"), .value = span("192.0.2.1")}};
    struct mt_record_alert alert = {.message = span("192.0.2.1 asked for \"root\""),
                                    .evidence = {.items = evidence, .count = 2},
                                    .group_by = {.items = groups, .count = 2}};
    struct mt_record_alert redacted;
    struct mt_redact *redact = redactor(MT_REDACT_DROP);
    (void)state;

    assert_true(mt_redact_alert(redact, &alert, &redacted));
    assert_string_equal(text_of(redacted.message), "192.0.2.1 asked for \"[address]\"");
    assert_string_equal(text_of(redacted.evidence.items[0]),
                        "2026-11-22T13:38:00.123456789Z C: VRFY [address]");
    assert_string_equal(text_of(redacted.evidence.items[1]),
                        "2026-11-22T13:38:00.123456789Z S: 250 [address] <[address]>");
    assert_string_equal(text_of(redacted.group_by.items[0].value), "[address]");
    assert_string_equal(text_of(redacted.group_by.items[1].value), "192.0.2.1");
    mt_redact_destroy(redact);
}

static void what_has_no_room_is_refused_whole(void **state)
{
    enum { SIZE = 4 << 20 };
    char *text = malloc(SIZE);
    struct mt_redact *redact = redactor(MT_REDACT_HASH);
    struct mt_record_session redacted;
    (void)state;

    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = "a@b "[i % 4];
    struct mt_record_session record = {.banner_text = mt_span(text, SIZE)};
    assert_false(mt_redact_session(redact, &record, &redacted));
    assert_null(mt_redact_text(redact, MT_PRIVACY_FREE, mt_span(text, SIZE)).ptr);
    mt_redact_destroy(redact);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_mode_there_is_no_redactor),
        cmocka_unit_test(the_four_words_are_modes_and_no_other),
        cmocka_unit_test(every_text_of_every_record_has_a_decision_and_each_decision_a_text),
        cmocka_unit_test(in_local_part_mode_the_domain_stays),
        cmocka_unit_test(in_hash_mode_equal_addresses_have_equal_names_in_any_case_and_any_form),
        cmocka_unit_test(in_drop_mode_addresses_leave_fields_and_leave_a_word_in_texts),
        cmocka_unit_test(addresses_are_found_wherever_they_stand_in_a_text),
        cmocka_unit_test(blanks_and_comments_around_the_at_sign_change_no_name),
        cmocka_unit_test(signs_without_an_address_stay),
        cmocka_unit_test(what_is_no_domain_hides_no_second_address),
        cmocka_unit_test(what_stands_before_the_slashes_of_a_url_is_searched_unless_it_is_a_scheme),
        cmocka_unit_test(a_name_met_again_before_an_at_sign_takes_the_domain_with_it),
        cmocka_unit_test(lines_lose_names_that_need_no_at_sign),
        cmocka_unit_test(records_are_copied_through_all_their_lists),
        cmocka_unit_test(alerts_lose_addresses_in_their_sentence_evidence_and_groups),
        cmocka_unit_test(what_has_no_room_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
