/* DATA content against a plain reading of RFC 5321 §4.5.2, for every short
 * string over the bytes that matter, cut at every place. */
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SHORT_MAX 8
#define BYTES_MAX 64

/* What a parser or the reference made of some bytes. */
struct outcome {
    char content[BYTES_MAX]; /* with '!' where an anomaly was reported */
    size_t size;
    size_t octets;
    size_t taken; /* bytes up to the end of content */
    bool has_ended;
};

static void put(struct outcome *o, char byte)
{
    assert_true(o->size < sizeof(o->content));
    o->content[o->size++] = byte;
}

static void on_content(void *ctx, struct mt_span bytes)
{
    struct outcome *o = ctx;

    assert_true(bytes.size > 0);
    for (size_t i = 0; i < bytes.size; i++)
        put(o, (char)bytes.ptr[i]);
    o->octets += bytes.size;
}

static void on_content_end(void *ctx, bool is_chunk)
{
    struct outcome *o = ctx;

    assert_false(is_chunk);
    assert_false(o->has_ended);
    o->has_ended = true;
}

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    assert_int_equal(anomaly, MT_ANOMALY_LF_DOT_LF);
    put(ctx, '!');
}

static const struct mt_smtp_client_events events = {
    .content = on_content,
    .content_end = on_content_end,
    .anomaly = on_anomaly,
};

/* The same bytes looked at whole, with all that stands before and behind each
 * at hand. The content is preceded by the CRLF of the DATA line. */
static struct outcome reference(const char *bytes, size_t size)
{
    char text[BYTES_MAX] = "\r\n";
    struct outcome o = {0};
    size_t end = size + 2;

    memcpy(text + 2, bytes, size);
    for (size_t i = 2; i < end; i++) {
        bool is_behind_eol = text[i - 1] == '\r' || text[i - 1] == '\n';
        bool is_behind_crlf = text[i - 1] == '\n' && text[i - 2] == '\r';
        bool is_dot = text[i] == '.' && is_behind_eol;
        bool is_before_eol = i + 1 < end && (text[i + 1] == '\r' || text[i + 1] == '\n');
        bool is_before_crlf = i + 2 < end && text[i + 1] == '\r' && text[i + 2] == '\n';
        if (is_dot && is_behind_crlf && is_before_crlf) {
            o.has_ended = true;
            o.taken = i + 1;
            return o;
        }
        /* A dot behind CRLF and before a CR at the very end may still be the
         * final one. */
        bool is_open = is_behind_crlf && (i + 1 == end || (i + 2 == end && text[i + 1] == '\r'));
        if (!(is_dot && is_behind_crlf)) {
            put(&o, text[i]);
            o.octets++;
        }
        if (is_dot && is_before_eol && !is_open)
            put(&o, '!');
        if (is_dot && is_open)
            break;
    }
    o.taken = size;
    return o;
}

/* Parses bytes cut at `cut`, each piece in a block of its own size. */
static struct outcome parsed(const char *bytes, size_t size, size_t cut)
{
    struct mt_smtp_client client = {0};
    struct outcome o = {0};
    size_t done = 0;

    mt_smtp_client_set_mode(&client, MT_SMTP_CONTENT);
    while (done < size && !o.has_ended) {
        size_t piece = done < cut ? cut - done : size - done;
        uint8_t *copy = malloc(piece);
        assert_non_null(copy);
        memcpy(copy, bytes + done, piece);
        struct mt_parse_result result =
            mt_smtp_client_parse(&client, mt_span(copy, piece), false, &events, &o);
        free(copy);
        done += result.consumed;
        if (!o.has_ended)
            assert_int_equal(result.status, MT_PARSE_DONE);
    }
    assert_int_equal(client.content_bytes, o.octets);
    assert_int_equal(client.mode, o.has_ended ? MT_SMTP_COMMAND : MT_SMTP_CONTENT);
    o.taken = done;
    return o;
}

static void assert_same(const struct outcome *expected, const struct outcome *got)
{
    assert_int_equal(got->has_ended, expected->has_ended);
    assert_int_equal(got->octets, expected->octets);
    assert_int_equal(got->size, expected->size);
    assert_memory_equal(got->content, expected->content, expected->size);
}

static void every_short_content_cut_anywhere_is_read_as_the_rfc_says(void **state)
{
    static const char alphabet[] = "\r\n.a";

    (void)state;
    for (size_t size = 1; size <= SHORT_MAX; size++) {
        for (uint32_t number = 0; number < 1u << (2 * size); number++) {
            char bytes[SHORT_MAX];
            for (size_t i = 0; i < size; i++)
                bytes[i] = alphabet[number >> (2 * i) & 3];
            struct outcome expected = reference(bytes, size);
            size_t used = expected.taken < size ? expected.taken : size;
            for (size_t cut = 1; cut <= used; cut++) {
                struct outcome got = parsed(bytes, used, cut);
                assert_same(&expected, &got);
            }
        }
    }
}

static void count_content(void *ctx, struct mt_span bytes)
{
    struct outcome *o = ctx;
    o->octets += bytes.size;
}

static void the_end_is_found_at_every_offset_of_a_vector(void **state)
{
    static const struct mt_smtp_client_events counting = {
        .content = count_content,
        .content_end = on_content_end,
        .anomaly = on_anomaly,
    };
    static const char end[] = "\r\n.\r\nNOOP";
    char bytes[512];

    (void)state;
    for (size_t size = 0; size < 300; size++) {
        struct mt_smtp_client client = {0};
        struct outcome o = {0};
        memset(bytes, 'a', size);
        memcpy(bytes + size, end, strlen(end));
        mt_smtp_client_set_mode(&client, MT_SMTP_CONTENT);
        struct mt_span span = mt_span(bytes, size + strlen(end));
        struct mt_parse_result result = mt_smtp_client_parse(&client, span, false, &counting, &o);
        assert_true(o.has_ended);
        assert_int_equal(o.octets, size + 2);
        assert_int_equal(result.status, MT_PARSE_MORE); /* NOOP is a command now */
        assert_int_equal(result.consumed, size + 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_content_cut_anywhere_is_read_as_the_rfc_says),
        cmocka_unit_test(the_end_is_found_at_every_offset_of_a_vector),
    };
    return cmocka_run_group_tests_name("smtp content", tests, NULL, NULL);
}
