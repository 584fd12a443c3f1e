#include "dpi/other_priv.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int begin(void **state)
{
    return mt_other_create((struct mt_other_asker **)state);
}

static int end(void **state)
{
    mt_other_destroy(*state);
    return 0;
}

/* Lines with C or S before them, up to NULL. */
static const char *ask(struct mt_other_asker *asker, const char *const *lines)
{
    struct mt_other_piece pieces[32];
    size_t count = 0;

    for (; lines[count]; count++)
        pieces[count] = (struct mt_other_piece){.side = lines[count][0] == 'C' ? MT_CLIENT : MT_SERVER,
                                                .bytes = mt_span_cstr(lines[count] + 1)};
    return mt_other_ask(asker, pieces, count);
}

#define ASK(state, ...) ask(state, (const char *const[]){__VA_ARGS__, NULL})

static void protocols_are_known_by_their_first_words(void **state)
{
    assert_string_equal(ASK(*state, "SSSH-2.0-OpenSSH_9.2\r\n", "CSSH-2.0-x\r\n"), "ssh");
    assert_string_equal(ASK(*state, "CGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), "http");
    assert_string_equal(ASK(*state, "S+OK POP3 ready\r\n", "CUSER a\r\n", "S+OK\r\n", "CPASS x\r\n"), "pop3");
    assert_string_equal(ASK(*state, "CNICK bot\r\nUSER a b c d\r\n", "S:irc.x NOTICE AUTH :*** Looking\r\n"),
                        "irc");
    assert_string_equal(ASK(*state, "C*1\r\n$4\r\nPING\r\n", "S+PONG\r\n"), "redis");
    assert_string_equal(ASK(*state, "SRFB 003.008\n", "CRFB 003.008\n"), "vnc");
}

static void ftp_is_no_mail_although_it_greets_with_220(void **state)
{
    assert_string_equal(ASK(*state, "S220 ftp.example.org FTP server ready\r\n", "CUSER anonymous\r\n",
                            "S331 Password required\r\n", "CPASS x\r\n", "S230 Welcome\r\n"),
                        "ftp");
    assert_string_equal(ASK(*state, "S220 ftp ready\r\n", "CAUTH TLS\r\n", "S234 Go\r\n"), "ftp");
}

static void mail_and_what_nobody_knows_have_no_name(void **state)
{
    assert_null(
        ASK(*state, "S220 mx ESMTP\r\n", "CEHLO a.example\r\n", "S250 mx\r\n", "CMAIL FROM:<a@b>\r\n"));
    assert_null(ASK(*state, "Cabcdefgh\r\n", "Szzzzzz\r\n"));
    assert_null(ASK(*state, "S220 mx ESMTP\r\n", "CFOO\r\n", "S500 what\r\n", "CQUIT\r\n"));
    assert_null(mt_other_ask(*state, NULL, 0));
}

static void more_and_longer_pieces_than_are_looked_at_do_no_harm(void **state)
{
    struct mt_other_piece pieces[3 * MT_OTHER_PIECES];
    char text[4096];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < 3 * (size_t)MT_OTHER_PIECES; i++)
        pieces[i] = (struct mt_other_piece){.side = i % 2 ? MT_SERVER : MT_CLIENT,
                                            .bytes = mt_span(text, i == 3 ? 0 : sizeof(text))};
    assert_null(mt_other_ask(*state, pieces, 3 * (size_t)MT_OTHER_PIECES));
}

static void what_was_asked_before_changes_no_answer(void **state)
{
    for (unsigned i = 0; i < 300; i++) {
        assert_string_equal(ASK(*state, "SSSH-2.0-OpenSSH_9.2\r\n", "CSSH-2.0-x\r\n"), "ssh");
        assert_null(ASK(*state, "C\x01\x02\x03\x04\x99", "Szz"));
        (void)ASK(*state, "C\x13"
                          "BitTorrent protocol ................................................");
        assert_null(ASK(*state, "Cabcdefgh\r\n", "Szzzzzz\r\n"));
    }
}

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Of each flow everything is freed; what nDPI remembers across flows has a limit. */
static void memory_does_not_grow_with_what_is_asked(void **state)
{
    uint32_t random = 1;
    size_t before = 0;

    for (unsigned i = 0; i < 20000; i++) {
        struct mt_other_piece pieces[4];
        uint8_t noise[4][64];
        for (unsigned p = 0; p < 4; p++) {
            for (unsigned k = 0; k < 64; k++) {
                random = random * 1103515245 + 12345;
                noise[p][k] = (uint8_t)(random >> 16);
            }
            if (i % 3 == 0)
                memcpy(noise[p], p % 2 ? "HTTP/1.1 200 OK\r\nServer: " : "GET /x HTTP/1.1\r\nHost: ", 23);
            pieces[p] =
                (struct mt_other_piece){.side = (enum mt_side)(p % 2), .bytes = mt_span(noise[p], 64)};
        }
        (void)mt_other_ask(*state, pieces, 4);
        if (i == 2000)
            before = allocated();
    }
    assert_true(allocated() < before + 65536);
}

/* What nDPI itself asks for, by its own hooks. */
static struct {
    size_t count;
    size_t bytes; /* in use */
    size_t peak;
} asked;

static void *hooked_malloc(size_t size)
{
    void *memory = malloc(size);

    asked.count++;
    asked.bytes += memory != NULL ? malloc_usable_size(memory) : 0;
    if (asked.bytes > asked.peak)
        asked.peak = asked.bytes;
    return memory;
}

static void hooked_free(void *memory)
{
    asked.bytes -= memory != NULL ? malloc_usable_size(memory) : 0;
    free(memory);
}

static int begin_hooked(void **state)
{
    memset(&asked, 0, sizeof(asked));
    set_ndpi_malloc(hooked_malloc);
    set_ndpi_free(hooked_free);
    set_ndpi_flow_malloc(hooked_malloc);
    set_ndpi_flow_free(hooked_free);
    return begin(state);
}

static int end_hooked(void **state)
{
    end(state);
    set_ndpi_malloc(NULL);
    set_ndpi_free(NULL);
    set_ndpi_flow_malloc(NULL);
    set_ndpi_flow_free(NULL);
    return asked.bytes == 0 ? 0 : -1;
}

/* Stated in docs/architecture.md. */
#define TABLES_MAX ((size_t)8 << 20)
#define FLOW_MAX ((size_t)64 << 10)

/* One flow is looked at at a time: its room is the asker's, and what nDPI adds to it
 * is gone when the answer is there. */
static void a_flow_takes_memory_while_it_is_looked_at_and_no_longer(void **state)
{
    struct mt_other_asker *asker = *state;
    size_t tables = asked.bytes, count = asked.count;

    assert_true(count > 0);
    assert_true(tables < TABLES_MAX);
    assert_true(asker->flow_size < FLOW_MAX);
    for (unsigned i = 0; i < 100; i++) {
        asked.peak = asked.bytes;
        assert_string_equal(ASK(asker, "CGET /a HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x\r\n\r\n",
                                "SHTTP/1.1 200 OK\r\nServer: y\r\nContent-Type: text/html\r\n\r\n"),
                            "http");
        assert_true(asked.peak - tables < FLOW_MAX);
        assert_int_equal(asked.bytes, tables);
        (void)ASK(asker, "S220 ftp.example.org FTP server ready\r\n", "CUSER a\r\n", "S331 Password\r\n");
        assert_int_equal(asked.bytes, tables);
    }
    assert_true(asked.count > count); /* the hooks hear of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(protocols_are_known_by_their_first_words, begin, end),
        cmocka_unit_test_setup_teardown(ftp_is_no_mail_although_it_greets_with_220, begin, end),
        cmocka_unit_test_setup_teardown(mail_and_what_nobody_knows_have_no_name, begin, end),
        cmocka_unit_test_setup_teardown(more_and_longer_pieces_than_are_looked_at_do_no_harm, begin, end),
        cmocka_unit_test_setup_teardown(what_was_asked_before_changes_no_answer, begin, end),
        cmocka_unit_test_setup_teardown(memory_does_not_grow_with_what_is_asked, begin, end),
        cmocka_unit_test_setup_teardown(a_flow_takes_memory_while_it_is_looked_at_and_no_longer, begin_hooked,
                                        end_hooked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
