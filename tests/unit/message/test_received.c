/* Received fields as the common servers write them, and dates. */
#include "message/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void put(char *text, size_t size, const char *name, struct mt_span value)
{
    size_t used = strlen(text);

    if (value.ptr != NULL)
        snprintf(text + used, size - used, "%s%s=%.*s", used > 0 ? "|" : "", name, (int)value.size,
                 (const char *)value.ptr);
}

static void assert_hop(const char *value, const char *expected)
{
    struct mt_message_hop hop;
    char text[1024] = "";
    char number[32];
    uint8_t address[MT_IP_TEXT_MAX];

    mt_message_parse_received(mt_span_cstr(value), &hop);
    put(text, sizeof(text), "name", hop.from_name);
    put(text, sizeof(text), "host", hop.from_host);
    if (hop.from_ip.family != 0)
        put(text, sizeof(text), "ip",
            mt_span(address, (size_t)(mt_ip_text(address, &hop.from_ip) - address)));
    put(text, sizeof(text), "by", hop.by);
    put(text, sizeof(text), "with", hop.with);
    put(text, sizeof(text), "id", hop.id);
    put(text, sizeof(text), "for", hop.recipient);
    snprintf(number, sizeof(number), "%lld", (long long)hop.seconds);
    if (hop.has_date)
        put(text, sizeof(text), "date", mt_span_cstr(number));
    if (hop.has_impossible_ip)
        put(text, sizeof(text), "impossible", mt_span_cstr("ip"));
    assert_string_equal(text, expected);
}

static void the_forms_of_postfix_are_read(void **state)
{
    (void)state;
    assert_hop("from mail.example.org (mail.example.org [192.0.2.1])\t(using TLSv1.3 with cipher "
               "TLS_AES_256_GCM_SHA384 (256/256 bits)\t key-exchange X25519)\t(No client certificate "
               "requested)\tby mx.example.net (Postfix) with ESMTPS id 4bWQ1x0\tfor <b@example.net>; Tue, "
               " 1 Jul 2025 10:00:02 +0200 (CEST)",
               "name=mail.example.org|host=mail.example.org|ip=192.0.2.1|by=mx.example.net|with=ESMTPS|"
               "id=4bWQ1x0|for=b@example.net|date=1751356802");
    assert_hop("from [10.1.1.1] (unknown [203.0.113.5]) by mx.example.net (Postfix) with ESMTP id 1",
               "name=[10.1.1.1]|ip=203.0.113.5|by=mx.example.net|with=ESMTP|id=1");
    assert_hop("by mx.example.net (Postfix, from userid 1000) id 9A; Thu, 1 Jan 1970 00:00:01 +0000",
               "by=mx.example.net|id=9A|date=1");
    assert_hop("from x (unknown [IPv6:2001:db8::1]) by y (Postfix) with LMTP id 2",
               "name=x|ip=2001:db8::1|by=y|with=LMTP|id=2");
}

static void the_forms_of_sendmail_are_read(void **state)
{
    (void)state;
    assert_hop("from a.example.org (root@b.example.org [192.0.2.1] (may be forged)) by mx (8.15.2/8.15.2) "
               "with ESMTPS id 561A (version=TLSv1.2 cipher=X bits=256 verify=NO) for <b@example.net>; "
               "Tue, 1 Jul 2025 10:00:02 GMT",
               "name=a.example.org|host=b.example.org|ip=192.0.2.1|by=mx|with=ESMTPS|id=561A|"
               "for=b@example.net|date=1751364002");
    assert_hop("(from root@localhost) by host (8.14.4/8.14.4/Submit) id x1; Tue, 1 Jul 2025 10:00:02 -0700",
               "by=host|id=x1|date=1751389202");
}

static void the_forms_of_exim_are_read(void **state)
{
    (void)state;
    assert_hop("from b.example.org ([192.0.2.1] helo=a.example.org) by mx.example.net with esmtps "
               "(TLS1.3) tls TLS_AES (Exim 4.96) (envelope-from <a@example.org>) id 1qF-000-1A for "
               "b@example.net; Tue, 01 Jul 2025 10:00:02 +0000",
               "name=a.example.org|host=b.example.org|ip=192.0.2.1|by=mx.example.net|with=esmtps|"
               "id=1qF-000-1A|for=b@example.net|date=1751364002");
    assert_hop("from [192.0.2.1] (port=4711 helo=[10.0.0.1]) by mx with esmtp id 1a",
               "name=[10.0.0.1]|ip=192.0.2.1|by=mx|with=esmtp|id=1a");
    assert_hop("from [192.0.2.1]:4711 (helo=a.example.org) by mx with esmtp id 1a",
               "name=a.example.org|ip=192.0.2.1|by=mx|with=esmtp|id=1a");
    assert_hop("from joe by mx with local (Exim 4.96) id 1a", "name=joe|by=mx|with=local|id=1a");
}

static void the_forms_of_exchange_are_read(void **state)
{
    (void)state;
    assert_hop("from AM0.prod.outlook.com (2603:10a6:20b::1) by DB9.prod.outlook.com (2603:10a6::2) with "
               "Microsoft SMTP Server (version=TLS1_2, cipher=TLS_X) id 15.20.8880.27; Tue, 1 Jul 2025 "
               "10:00:02 +0000",
               "name=AM0.prod.outlook.com|ip=2603:10a6:20b::1|by=DB9.prod.outlook.com|with=Microsoft SMTP "
               "Server|id=15.20.8880.27|date=1751364002");
    assert_hop(
        "from ex1.corp.example (10.1.2.3) by ex2.corp.example (10.1.2.4) with Microsoft SMTP Server id "
        "15.1.2 via Frontend Transport; Tue, 1 Jul 2025 10:00:02 +0000",
        "name=ex1.corp.example|ip=10.1.2.3|by=ex2.corp.example|with=Microsoft SMTP Server|id=15.1.2|"
        "date=1751364002");
}

static void the_forms_of_qmail_are_read(void **state)
{
    (void)state;
    assert_hop("from unknown (HELO a.example.org) (joe@192.0.2.1)  by mx.example.net with SMTP; 1 Jul 2025 "
               "10:00:02 -0000",
               "name=a.example.org|ip=192.0.2.1|by=mx.example.net|with=SMTP|date=1751364002");
    assert_hop("from b.example.org (HELO a.example.org) (192.0.2.1) by mx with ESMTPS",
               "name=a.example.org|host=b.example.org|ip=192.0.2.1|by=mx|with=ESMTPS");
    assert_hop("(qmail 4711 invoked by uid 89); 1 Jul 2025 10:00:02 -0000", "date=1751364002");
}

static void the_forms_of_gmail_are_read(void **state)
{
    (void)state;
    assert_hop("from a.example.org (b.example.org. [192.0.2.1]) by mx.google.com with ESMTPS id "
               "ffacd0b85a97d-3a8.2025.07.01 for <b@gmail.example> (version=TLS1_3 cipher=X bits=256/256); "
               "Tue, 01 Jul 2025 03:00:02 -0700 (PDT)",
               "name=a.example.org|host=b.example.org|ip=192.0.2.1|by=mx.google.com|with=ESMTPS|"
               "id=ffacd0b85a97d-3a8.2025.07.01|for=b@gmail.example|date=1751364002");
    assert_hop("by 2002:a05:6402:1::1 with SMTP id q1csp42; Tue, 1 Jul 2025 10:00:02 +0000",
               "by=2002:a05:6402:1::1|with=SMTP|id=q1csp42|date=1751364002");
}

static void the_forms_of_courier_are_read(void **state)
{
    (void)state;
    assert_hop("from a.example.org (b.example.org [::ffff:192.0.2.1])   (TLS: TLSv1/SSLv3,256bits,AES, "
               "AUTH: LOGIN joe)   by mx.example.net with ESMTPSA; Tue, 01 Jul 2025 10:00:02 +0000   id "
               "0000.6863.1A",
               "name=a.example.org|host=b.example.org|ip=192.0.2.1|by=mx.example.net|with=ESMTPSA|"
               "id=0000.6863.1A|date=1751364002");
}

static void the_forms_of_opensmtpd_are_read(void **state)
{
    (void)state;
    assert_hop("from a.example.org (b.example.org [192.0.2.1])\tby mx.example.net (OpenSMTPD) with ESMTPS id "
               "7b3a (TLSv1.3:TLS_AES:256:NO)\tfor <b@example.net>;\tTue, 1 Jul 2025 10:00:02 +0000 (UTC)",
               "name=a.example.org|host=b.example.org|ip=192.0.2.1|by=mx.example.net|with=ESMTPS|id=7b3a|"
               "for=b@example.net|date=1751364002");
    assert_hop("from localhost (a.example.org [local])\tby a.example.org (OpenSMTPD) with ESMTPA id 1",
               "name=localhost|by=a.example.org|with=ESMTPA|id=1");
}

static void forged_and_broken_fields_give_what_they_hold(void **state)
{
    (void)state;
    assert_hop("", "");
    assert_hop(";", "");
    assert_hop("From galangal.org ([region]) by mail .bieberdorf.edu (8.8.8.5)",
               "name=galangal.org|by=mail .bieberdorf.edu");
    assert_hop("From galangal.org (turmeric.com [104.128.23.115] by mail .bieberdorf.edu",
               "name=galangal.org|host=turmeric.com|ip=104.128.23.115|by=mail .bieberdorf.edu");
    assert_hop("from [300.1.2.3] by mx", "name=[300.1.2.3]|by=mx|impossible=ip");
    assert_hop("from a (b [1.2.3.456]) by mx", "name=a|host=b|by=mx|impossible=ip");
    assert_hop("from a (b [192.0.2.1) by mx; Tue, 1 Jul 2025 10:00:02 +0000", "name=a|by=mx|date=1751364002");
    assert_hop("by mx for <a b@example.net> id <7>", "by=mx|id=7|for=a b@example.net");
    assert_hop("by mx for <a@example.net id 7", "by=mx|id=7|for=<a@example.net");
}

static void assert_date(const char *text, long long expected)
{
    int64_t seconds = -1;
    struct mt_span rest;

    assert_true(mt_message_parse_date(mt_span_cstr(text), &seconds, &rest));
    assert_int_equal(seconds, expected);
}

static void a_clause_that_comes_twice_takes_nothing_of_the_second(void **state)
{
    (void)state;
    assert_hop("by a (x) with ESMTP by b .c with SMTP Server id 1 with LMTP x", "by=a|with=ESMTP|id=1");
    assert_hop("from a by b .c with Microsoft SMTP Server id 1",
               "name=a|by=b .c|with=Microsoft SMTP Server|id=1");
}

static void comments_that_never_close_hide_no_clause(void **state)
{
    (void)state;
    assert_hop("from a ( by b ( with c ( id d ( for e ( x ( y ) by f; 1 Jul 2025 10:00:02 GMT",
               "name=a|by=b|date=1751364002");
    assert_hop("from a ( by b ( by c ( by d ( id 7", "name=a|by=b");
    assert_hop("from a ( by b ( by c ( by d ( by e ( by f ( id 7",
               "name=a|by=b|id=7"); /* no more are searched */
}

static void dates_of_all_forms_are_read(void **state)
{
    (void)state;
    assert_date("Tue, 1 Jul 2025 10:00:02 +0000", 1751364002);
    assert_date("1 Jul 2025 10:00 +0000", 1751364000);
    assert_date("Tue,1 Jul 2025 10:00:02.25 +0000", 1751364002);
    assert_date("Tue, (a (nested) comment) 1 Jul 25 10:00:02 UT", 1751364002);
    assert_date("Tue Jul  1 10:00:02 2025 -0700", 1751389202);
    assert_date("Fri, 21 Nov 97 09:55:06 -0600", 880127706);
    assert_date("29 Feb 2024 23:59:60 Z", 1709251200);
    assert_date("31 Dec 1969 23:59:59 GMT", -1);
    assert_date("1 Jan 1900 00:00:00 GMT", -2208988800LL);
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "Tue",
        "Tue, 1 Jul 2025",
        "Tue, 1 Jul 2025 10:00:02",      /* no zone */
        "Tue, 1 Jul 2025 10:00:02 A",    /* RFC 5322 §4.3: means nothing */
        "Tue, 32 Jul 2025 10:00:02 GMT", /* no such day */
        "29 Feb 2025 10:00:02 GMT",
        "1 Jul 2025 24:00:00 GMT",
        "1 Jul 2025 1:2:3:4 GMT",
        "1 Jul 20255 10:00:02 GMT",
        "1 Jul 2025 10:00:02 +00600",
        "1 Jul 2025 10:00:02 +0060",
        "yesterday",
        "(1 Jul 2025 10:00:02 GMT",
    };
    int64_t seconds = 42;
    struct mt_span rest = mt_span_none();
    for (size_t i = 0; i < MT_ARRAY_COUNT(texts); i++) {
        if (mt_message_parse_date(mt_span_cstr(texts[i]), &seconds, &rest))
            fail_msg("\"%s\" was taken for a date", texts[i]);
        assert_int_equal(seconds, 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forms_of_postfix_are_read),
        cmocka_unit_test(the_forms_of_sendmail_are_read),
        cmocka_unit_test(the_forms_of_exim_are_read),
        cmocka_unit_test(the_forms_of_exchange_are_read),
        cmocka_unit_test(the_forms_of_qmail_are_read),
        cmocka_unit_test(the_forms_of_gmail_are_read),
        cmocka_unit_test(the_forms_of_courier_are_read),
        cmocka_unit_test(the_forms_of_opensmtpd_are_read),
        cmocka_unit_test(forged_and_broken_fields_give_what_they_hold),
        cmocka_unit_test(a_clause_that_comes_twice_takes_nothing_of_the_second),
        cmocka_unit_test(comments_that_never_close_hide_no_clause),
        cmocka_unit_test(dates_of_all_forms_are_read),
        cmocka_unit_test(what_is_no_date_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
