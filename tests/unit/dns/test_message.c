#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static enum mt_dns_verdict answer_of(struct mt_span message, struct mt_dns_answer *ret_answer)
{
    struct mt_dns_question question;

    assert_true(mt_dns_read_question(message, &question));
    return mt_dns_read_answer(message, &question, ret_answer);
}

static void assert_items(const struct mt_dns_answer *answer, const char *const *wanted, size_t count)
{
    struct mt_dns_items items = {.rest = mt_span(answer->items, answer->size)};
    struct mt_span item;

    assert_int_equal(answer->item_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(mt_dns_next(&items, &item));
        assert_int_equal(item.size, strlen(wanted[i]));
        assert_memory_equal(item.ptr, wanted[i], item.size);
    }
    assert_false(mt_dns_next(&items, &item));
}

/* The answer of RFC 1035's kind that is seen most: a pointer to the question. */
static const uint8_t known_a[] = {
    0xdb, 0x42, 0x81, 0x80, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, /* header, one additional */
    4,    'm',  'A',  'i',  'L',  7,    'e',  'x',  'a',  'm',  'p',  'l',  'e', 3, 'c', 'o',
    'm',  0,    0x00, 0x01, 0x00, 0x01,                                                     /* question */
    0xc0, 0x0c, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x0e, 0x10, 0x00, 0x04, 192, 0, 2,   1, /* A */
    0x00, 0x00, 0x29, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,                       /* EDNS's OPT */
};

static void an_address_is_read_with_edns_behind_it(void **state)
{
    (void)state;
    struct mt_dns_question question;
    struct mt_dns_answer answer;
    struct mt_span message = mt_span(known_a, sizeof(known_a));

    assert_true(mt_dns_read_question(message, &question));
    assert_int_equal(question.id, 0xdb42);
    assert_int_equal(question.type, MT_DNS_A);
    assert_true(question.is_answer);
    assert_int_equal(question.name.size, 16);
    assert_memory_equal(question.name.text, "mail.example.com", 16);
    assert_int_equal(mt_dns_read_answer(message, &question, &answer), MT_DNS_ANSWERED);
    assert_int_equal(answer.ttl, 3600);
    assert_int_equal(answer.item_count, 1);
    assert_int_equal(answer.size, 6);
    assert_memory_equal(answer.items, "\0\4\xc0\x00\x02\x01", 6);
}

static void addresses_are_sorted_and_the_shortest_ttl_counts(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct wire w;

    wire_begin(&w, 1, 0x8180, "mx.example", MT_DNS_A);
    wire_record(&w, NULL, MT_DNS_A, 300, "\xc6\x33\x64\x07", 4);
    wire_record(&w, NULL, MT_DNS_A, 60, "\xc6\x33\x64\x05", 4);
    wire_record(&w, NULL, MT_DNS_A, 300, "\xc6\x33\x64\x07", 4);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_int_equal(answer.ttl, 60);
    assert_false(answer.is_cut);
    assert_items(&answer, (const char *const[]){"\xc6\x33\x64\x05", "\xc6\x33\x64\x07"}, 2);
}

static void an_alias_leads_to_what_stands_behind_it(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct wire w;

    wire_begin(&w, 1, 0x8180, "5.2.0.192.in-addr.arpa", MT_DNS_PTR);
    wire_name_record(&w, NULL, 5, 900, "5.0-15.2.0.192.in-addr.arpa");
    wire_name_record(&w, "5.0-15.2.0.192.in-addr.arpa", MT_DNS_PTR, 86400, "Relay.Example.NET");
    wire_name_record(&w, "other.example", MT_DNS_PTR, 1, "not.this.one");
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_int_equal(answer.ttl, 900);
    assert_memory_equal(answer.name.text, "5.2.0.192.in-addr.arpa", answer.name.size);
    assert_items(&answer, (const char *const[]){"relay.example.net"}, 1);
}

static void hosts_for_mail_keep_their_preference(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct mt_dns_items items;
    struct mt_span item;
    struct wire w;

    wire_begin(&w, 1, 0x8180, "example.org", MT_DNS_MX);
    wire_mx(&w, 300, 20, "mx2.example.org");
    wire_mx(&w, 300, 10, "mx1.example.org");
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    items.rest = mt_span(answer.items, answer.size);
    assert_true(mt_dns_next(&items, &item));
    assert_int_equal(item.ptr[1], 10);
    assert_memory_equal(item.ptr + 2, "mx1.example.org", 15);
    /* RFC 7505: takes no mail */
    wire_begin(&w, 1, 0x8180, "example.org", MT_DNS_MX);
    wire_mx(&w, 300, 0, "");
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_int_equal(answer.item_count, 1);
    assert_int_equal(answer.size, 4);
}

static void of_texts_only_spf_is_kept_and_its_strings_are_joined(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct wire w;

    wire_begin(&w, 1, 0x8180, "example.org", MT_DNS_TXT);
    wire_record(&w, NULL, MT_DNS_TXT, 300, "\x0fverify=deadbeef", 16);
    wire_record(&w, NULL, MT_DNS_TXT, 300, "\x0av=spf1 ip4", 11);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_items(&answer, (const char *const[]){"v=spf1 ip4"}, 1);
    wire_begin(&w, 1, 0x8180, "example.org", MT_DNS_TXT);
    wire_record(&w, NULL, MT_DNS_TXT, 300,
                "\x0bv=spf1 ip4:\x06"
                "a -all",
                19);
    wire_record(&w, NULL, MT_DNS_TXT, 300, "\x0bv=spf10 all", 12);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_items(&answer, (const char *const[]){"v=spf1 ip4:a -all"}, 1);
}

static void that_there_is_nothing_is_an_answer_as_well(void **state)
{
    (void)state;
    static const uint8_t soa[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 120};
    struct mt_dns_answer answer;
    struct wire w;

    wire_begin(&w, 1, 0x8183, "nobody.example", MT_DNS_A);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_true(answer.is_missing);
    assert_int_equal(answer.ttl, 60);
    wire_begin(&w, 1, 0x8180, "example.org", MT_DNS_AAAA);
    wire_record(&w, "example.org", 6, 900, soa, sizeof(soa));
    w.bytes[7] = 0;
    w.bytes[9] = 1;
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_false(answer.is_missing);
    assert_int_equal(answer.item_count, 0);
    assert_int_equal(answer.ttl, 120);
}

static void failures_and_other_types_are_of_no_use(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct wire w;

    wire_begin(&w, 1, 0x8182, "example.org", MT_DNS_A);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_USELESS);
    wire_begin(&w, 1, 0x8180, "example.org", 33);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_USELESS);
    wire_begin(&w, 1, 0x8380, "example.org", MT_DNS_A);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_CUT);
}

static void pointers_that_lead_forward_or_in_circles_are_damage(void **state)
{
    (void)state;
    struct mt_dns_question question;
    uint8_t message[64] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};

    memcpy(message + 12, "\xc0\x0c\0\1\0\1", 6); /* to itself */
    assert_false(mt_dns_read_question(mt_span(message, 18), &question));
    memcpy(message + 12, "\1a\xc0\x0c\0\1\0\1", 8); /* to its own start */
    assert_false(mt_dns_read_question(mt_span(message, 20), &question));
    memcpy(message + 12, "\xc0\x0e\1a\0\0\1\0\1", 9); /* forward */
    assert_false(mt_dns_read_question(mt_span(message, 21), &question));
    memcpy(message + 12,
           "\x40"
           "a\0\0\1\0\1",
           7); /* a label of a kind that never was */
    assert_false(mt_dns_read_question(mt_span(message, 19), &question));
}

static void names_longer_than_the_limit_or_with_odd_bytes_are_not_read(void **state)
{
    (void)state;
    char name[300] = "";
    struct mt_dns_question question;
    struct wire w;

    for (int i = 0; i < 127; i++)
        memcpy(name + (ptrdiff_t)2 * i, "a.", 3);
    name[253] = '\0';
    wire_begin(&w, 1, 0x0100, name, MT_DNS_A);
    assert_true(mt_dns_read_question(wire_span(&w), &question));
    assert_int_equal(question.name.size, 253);
    memcpy(name + 253, ".a", 3);
    wire_begin(&w, 1, 0x0100, name, MT_DNS_A);
    assert_false(mt_dns_read_question(wire_span(&w), &question));
    wire_begin(&w, 1, 0x0100, "a\x1b[31m.example", MT_DNS_A);
    assert_false(mt_dns_read_question(wire_span(&w), &question));
    wire_begin(&w, 1, 0x0100, "_dmarc.example", MT_DNS_TXT);
    assert_true(mt_dns_read_question(wire_span(&w), &question));
}

static void a_message_cut_anywhere_is_damaged_or_says_the_same(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct mt_dns_question question;

    for (size_t size = 0; size < sizeof(known_a) - 11; size++) {
        struct mt_span cut = mt_span(known_a, size);
        if (!mt_dns_read_question(cut, &question))
            continue;
        assert_int_equal(mt_dns_read_answer(cut, &question, &answer), MT_DNS_DAMAGED);
    }
}

static void more_values_than_are_kept_are_cut(void **state)
{
    (void)state;
    struct mt_dns_answer answer;
    struct wire w;

    wire_begin(&w, 1, 0x8180, "example.org", MT_DNS_A);
    for (unsigned i = 0; i <= MT_DNS_ITEMS_MAX; i++)
        wire_record(&w, NULL, MT_DNS_A, 300, (uint8_t[]){10, 0, 0, (uint8_t)i}, 4);
    assert_int_equal(answer_of(wire_span(&w), &answer), MT_DNS_ANSWERED);
    assert_int_equal(answer.item_count, MT_DNS_ITEMS_MAX);
    assert_true(answer.is_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_read_with_edns_behind_it),
        cmocka_unit_test(addresses_are_sorted_and_the_shortest_ttl_counts),
        cmocka_unit_test(an_alias_leads_to_what_stands_behind_it),
        cmocka_unit_test(hosts_for_mail_keep_their_preference),
        cmocka_unit_test(of_texts_only_spf_is_kept_and_its_strings_are_joined),
        cmocka_unit_test(that_there_is_nothing_is_an_answer_as_well),
        cmocka_unit_test(failures_and_other_types_are_of_no_use),
        cmocka_unit_test(pointers_that_lead_forward_or_in_circles_are_damage),
        cmocka_unit_test(names_longer_than_the_limit_or_with_odd_bytes_are_not_read),
        cmocka_unit_test(a_message_cut_anywhere_is_damaged_or_says_the_same),
        cmocka_unit_test(more_values_than_are_kept_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
