/* The tree of parts, cut in all ways, and what no tree may do: cost more than its
 * octets, or nest without end. */
#include "message/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
    char text[4096];
    size_t size;
    struct mt_message_header header;
    bool has_header;
    unsigned anomalies;
    unsigned parts;
    uint64_t body;
};

static void say(struct seen *seen, const char *text, struct mt_span more)
{
    int size = snprintf(seen->text + seen->size, sizeof(seen->text) - seen->size, "%s%.*s", text,
                        (int)more.size, more.ptr != NULL ? (const char *)more.ptr : "");

    seen->size += (size_t)size;
    if (seen->size >= sizeof(seen->text))
        seen->size = sizeof(seen->text) - 1;
}

static void on_part(void *ctx, const struct mt_mime_part *part)
{
    struct seen *seen = ctx;
    char number[8];

    seen->parts++;
    seen->body = 0;
    assert_true(part->path_size <= MT_MIME_PATH_MAX);
    for (unsigned i = 0; i < part->path_size; i++) {
        snprintf(number, sizeof(number), "%s%u", i > 0 ? "." : "", part->path[i]);
        say(seen, number, mt_span_none());
    }
    say(seen, " ", part->type);
    say(seen, " ", part->name);
    say(seen, part->flags & MT_MIME_DOUBLE_EXTENSION ? " double\n" : "\n", mt_span_none());
}

static void on_end(void *ctx, uint64_t encoded, uint64_t decoded)
{
    struct seen *seen = ctx;
    char text[64];

    snprintf(text, sizeof(text), "= %llu %llu\n", (unsigned long long)encoded, (unsigned long long)decoded);
    say(seen, text, mt_span_none());
    assert_int_equal(seen->body, encoded);
}

static void on_body(void *ctx, struct mt_span bytes)
{
    ((struct seen *)ctx)->body += bytes.size;
}

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct seen *seen = ctx;

    if (seen->anomalies++ < 8) {
        say(seen, "! ", mt_span_cstr(mt_anomaly_name(anomaly)));
        say(seen, "\n", mt_span_none());
    }
}

static struct mt_message_header *get(void *ctx)
{
    struct seen *seen = ctx;

    assert_false(seen->has_header);
    seen->has_header = true;
    return &seen->header;
}

static void put(void *ctx, struct mt_message_header *header)
{
    struct seen *seen = ctx;

    assert_ptr_equal(header, &seen->header);
    seen->has_header = false;
}

static const struct mt_mime_events events = {on_part, on_end, on_body, NULL, on_anomaly, get, put};

/* Behind what text holds already; it has to fit. */
static void append(char *text, size_t cap, const char *more)
{
    size_t size = strlen(text);

    assert_true(strlen(more) < cap - size);
    memcpy(text + size, more, strlen(more) + 1);
}

/* Pieces of at most size octets, and cut before each dash behind LF. */
static void run(const char *type, struct mt_span body, size_t piece_size, struct seen *seen)
{
    struct mt_mime mime;

    *seen = (struct seen){.size = 0};
    mt_mime_start(&mime);
    mt_mime_field(&mime, mt_span_cstr("Content-Type"), mt_span_cstr(type), NULL, NULL);
    mt_mime_header_end(&mime, &events, seen);
    while (body.size > 0) {
        struct mt_span piece = mt_span_head(body, piece_size);
        for (size_t i = 0; i + 1 < piece.size; i++) {
            if (piece.ptr[i] == '\n' && piece.ptr[i + 1] == '-')
                piece.size = i + 1;
        }
        mt_mime_body(&mime, piece, NULL, NULL, &events, seen);
        body = mt_span_from(body, piece.size);
    }
    mt_mime_finish(&mime, true, &events, seen);
    assert_false(seen->has_header);
}

static void assert_tree(const char *type, const char *body, const char *expected)
{
    struct seen seen;
    size_t size = strlen(body);

    for (size_t piece = 1; piece <= size; piece++) {
        run(type, mt_span(body, size), piece, &seen);
        assert_string_equal(seen.text, expected);
    }
}

static void the_line_end_before_a_boundary_is_not_the_parts(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=b", "--b\r\n\r\none\r\n--b\r\n\r\n\r\n--b--\r\n",
                "1  \n= 3 3\n2  \n= 0 0\n");
    assert_tree("multipart/mixed; boundary=b", "--b\n\none\n\n--b--\n", "1  \n= 4 4\n");
}

static void what_only_begins_like_a_boundary_is_none(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=b", "--b\r\n\r\n--bc\r\n--b-\r\n -- b\r\n- --b\r\n--\r\n--b--\r\n",
                "1  \n= 28 28\n");
}

static void an_outer_boundary_closes_what_is_open_in_it(void **state)
{
    (void)state;
    assert_tree(
        "multipart/mixed; boundary=b",
        "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--",
        "1.1  \n= 3 3\n! mime_boundary_missing\n2  \n= 3 3\n");
}

static void equal_boundaries_are_the_outer_ones(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=b",
                "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n",
                "! mime_boundary_missing\n2  \n= 3 3\n");
}

static void a_missing_last_boundary_is_an_anomaly(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=b", "--b\r\n\r\none\r\n", "1  \n= 3 3\n! mime_boundary_missing\n");
    assert_tree("multipart/mixed; boundary=b", "no part at all\r\n", "! mime_boundary_missing\n");
}

static void a_hidden_extension_is_named(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=b",
                "--b\r\nContent-Disposition: attachment; filename=\"invoice.pdf  .EXE\"\r\n\r\n--b--\r\n",
                "1  invoice.pdf  .EXE double\n= 0 0\n");
    assert_tree("multipart/mixed; boundary=b",
                "--b\r\nContent-Disposition: attachment; filename=report.2025.pdf\r\n\r\n--b--\r\n",
                "1  report.2025.pdf\n= 0 0\n");
}

static void messages_in_messages_end_at_the_limit(void **state)
{
    (void)state;
    char body[4096] = "";
    struct seen seen;

    for (unsigned i = 0; i < 60; i++)
        append(body, sizeof(body), "Content-Type: message/rfc822\r\n\r\n");
    run("message/rfc822", mt_span_cstr(body), 1000, &seen);
    assert_int_equal(seen.anomalies, 1);
    assert_true(seen.parts <= MT_MIME_DEPTH_MAX + 1);
}

static void multiparts_in_multiparts_end_at_the_limit(void **state)
{
    (void)state;
    char body[8192] = "";
    char part[128];
    struct seen seen;

    for (unsigned i = 0; i < 60; i++) {
        snprintf(part, sizeof(part), "--b%u\r\nContent-Type: multipart/mixed; boundary=b%u\r\n\r\n", i,
                 i + 1);
        append(body, sizeof(body), part);
    }
    run("multipart/mixed; boundary=b0", mt_span_cstr(body), 1000, &seen);
    assert_true(strstr(seen.text, "mime_too_deep") != NULL);
    assert_int_equal(seen.parts, 1);
}

static void as_many_messages_as_one_likes_stand_side_by_side(void **state)
{
    (void)state;
    char body[8192] = "";
    struct seen seen;

    for (unsigned i = 0; i < 40; i++)
        append(body, sizeof(body), "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ntext\r\n");
    append(body, sizeof(body), "--b--\r\n");
    run("multipart/digest; boundary=b", mt_span_cstr(body), 1000, &seen);
    assert_int_equal(seen.anomalies, 0);
    assert_int_equal(seen.parts, 80);
}

static void more_escapes_than_octets_decode_to_nothing(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=b",
                "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=====\r\n--b--\r\n",
                "1  \n= 5 0\n");
    assert_tree("multipart/mixed; boundary=b",
                "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc=\r\n--b--\r\n",
                "1  \n= 10 4\n");
}

static void blanks_behind_a_boundary_are_nobodys(void **state)
{
    (void)state;
    assert_tree("multipart/mixed; boundary=\"b \"", "--b \r\n\r\none\r\n--b-- \r\n", "1  \n= 3 3\n");
}

static void one_long_name_twice_is_one_name(void **state)
{
    (void)state;
    char type[1024], disposition[1024], name[400] = "x";
    struct mt_mime mime;

    while (strlen(name) < 300) /* of two octets each: the limit falls into one */
        append(name, sizeof(name), "\xc3\xa9");
    snprintf(type, sizeof(type), "a/b; name=\"%s\"", name);
    snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", name);
    mt_mime_start(&mime);
    mt_mime_field(&mime, mt_span_cstr("Content-Type"), mt_span_cstr(type), NULL, NULL);
    mt_mime_field(&mime, mt_span_cstr("Content-Disposition"), mt_span_cstr(disposition), NULL, NULL);
    assert_int_equal(mime.name_size, MT_MIME_NAME_MAX - 1);
    assert_int_equal(mime.part_flags & (MT_MIME_TWO_NAMES | MT_MIME_NAME_CUT), MT_MIME_NAME_CUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_end_before_a_boundary_is_not_the_parts),
        cmocka_unit_test(what_only_begins_like_a_boundary_is_none),
        cmocka_unit_test(an_outer_boundary_closes_what_is_open_in_it),
        cmocka_unit_test(equal_boundaries_are_the_outer_ones),
        cmocka_unit_test(a_missing_last_boundary_is_an_anomaly),
        cmocka_unit_test(a_hidden_extension_is_named),
        cmocka_unit_test(messages_in_messages_end_at_the_limit),
        cmocka_unit_test(multiparts_in_multiparts_end_at_the_limit),
        cmocka_unit_test(as_many_messages_as_one_likes_stand_side_by_side),
        cmocka_unit_test(more_escapes_than_octets_decode_to_nothing),
        cmocka_unit_test(blanks_behind_a_boundary_are_nobodys),
        cmocka_unit_test(one_long_name_twice_is_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
