#include "base/anomaly.h"
#include "base/check.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/seq.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct mt_tuple some_tuple(uint32_t n, uint8_t family)
{
    struct mt_tuple t = {.src = {.family = family}, .dst = {.family = family}};

    memcpy(t.src.bytes, &n, sizeof(n));
    t.dst.bytes[0] = 10;
    t.src_port = (uint16_t)(1024 + n % 1000);
    t.dst_port = 25;
    if (family == 6)
        memcpy(t.dst.bytes + 12, &n, sizeof(n));
    return t;
}

static struct mt_tuple turned(struct mt_tuple t)
{
    return (struct mt_tuple){.src = t.dst, .dst = t.src, .src_port = t.dst_port, .dst_port = t.src_port};
}

static void both_directions_of_a_connection_hash_alike(void **state)
{
    (void)state;

    for (uint32_t n = 0; n < 10000; n++) {
        struct mt_tuple t = some_tuple(n, n % 2 ? 4 : 6);
        struct mt_tuple back = turned(t);
        assert_int_equal(mt_hash_tuple_symmetric(99, &t), mt_hash_tuple_symmetric(99, &back));
        assert_int_not_equal(mt_hash_tuple_symmetric(99, &t), mt_hash_tuple_symmetric(98, &t));
    }
}

static void connections_that_differ_in_one_member_hash_apart(void **state)
{
    (void)state;

    for (uint8_t family = 4; family <= 6; family += 2) {
        struct mt_tuple t = some_tuple(77, family);
        uint64_t h = mt_hash_tuple_symmetric(1, &t);
        for (size_t i = 0; i < (family == 4 ? 4u : 16u); i++) {
            struct mt_tuple other = t;
            other.src.bytes[i] ^= 1;
            assert_int_not_equal(mt_hash_tuple_symmetric(1, &other), h);
            other = t;
            other.dst.bytes[i] ^= 0x80;
            assert_int_not_equal(mt_hash_tuple_symmetric(1, &other), h);
        }
        struct mt_tuple other = t;
        other.src_port ^= 1;
        assert_int_not_equal(mt_hash_tuple_symmetric(1, &other), h);
        other = t;
        other.dst_port ^= 1;
        assert_int_not_equal(mt_hash_tuple_symmetric(1, &other), h);
        /* Ports that change places between the ends are another connection. */
        other = t;
        other.src_port = t.dst_port;
        other.dst_port = t.src_port;
        assert_int_not_equal(mt_hash_tuple_symmetric(1, &other), h);
    }
}

/* 65536 connections of one network into 4096 buckets: 16 each. A bucket of
 * more than 48 would be a chance of one in billions. */
static void neighbours_spread_over_the_buckets(void **state)
{
    (void)state;

    for (int high = 0; high < 2; high++) {
        static unsigned buckets[4096];
        unsigned most = 0;
        memset(buckets, 0, sizeof(buckets));
        for (uint32_t n = 0; n < 65536; n++) {
            struct mt_tuple t = some_tuple(__builtin_bswap32(0x0a000000 + n), 4);
            uint64_t h = mt_hash_tuple_symmetric(7, &t);
            unsigned *bucket = &buckets[high ? h >> 52 : h & 4095];
            ++*bucket;
            if (*bucket > most)
                most = *bucket;
        }
        assert_true(most <= 48);
    }
}

static void a_digest_depends_on_seed_and_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[300];

    memset(bytes, 'x', sizeof(bytes));
    for (size_t size = 1; size <= sizeof(bytes); size += 7) {
        uint64_t h = mt_hash_bytes(1, mt_span(bytes, size));
        struct mt_hash128 h128 = mt_hash_bytes128(1, mt_span(bytes, size));
        assert_int_not_equal(h, mt_hash_bytes(2, mt_span(bytes, size)));
        assert_int_not_equal(h, mt_hash_bytes(1, mt_span(bytes, size - 1)));
        bytes[size - 1] ^= 1;
        assert_int_not_equal(h, mt_hash_bytes(1, mt_span(bytes, size)));
        struct mt_hash128 other = mt_hash_bytes128(1, mt_span(bytes, size));
        assert_int_not_equal(h128.word[0], other.word[0]);
        assert_int_not_equal(h128.word[1], other.word[1]);
        bytes[size - 1] ^= 1;
    }
}

/* From the specification's reference implementation: event ids must stay what
 * they are from release to release. */
static void the_digest_is_xxh3(void **state)
{
    (void)state;
    struct mt_hash128 empty = mt_hash_bytes128(0, mt_span("", 0));

    assert_int_equal(mt_hash_bytes(0, mt_span("", 0)), UINT64_C(0x2D06800538D394C2));
    assert_int_equal(empty.word[0], UINT64_C(0x6001C324468D497F));
    assert_int_equal(empty.word[1], UINT64_C(0x99AA06D3014798D8));
}

static char logged[2048];
static enum mt_log_level logged_level;

static void keep_message(enum mt_log_level level, const char *message)
{
    logged_level = level;
    snprintf(logged, sizeof(logged), "%s", message);
}

static void a_message_reaches_the_sink_and_is_cut_at_its_limit(void **state)
{
    (void)state;
    char text[1500];

    memset(text, 'm', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    mt_log(MT_LOG_ERROR, "nobody listens");
    assert_string_equal(logged, "");
    mt_log_set_sink(keep_message);
    mt_log(MT_LOG_WARNING, "%d of %s", 3, "four");
    assert_string_equal(logged, "3 of four");
    assert_int_equal(logged_level, MT_LOG_WARNING);
    mt_log(MT_LOG_INFO, "%s", text);
    assert_int_equal(strlen(logged), 1023);
    mt_log_set_sink(NULL);
}

static void a_failed_check_names_its_place_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);

    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        mt_check_failed("room/door.c", 42, "door == NULL");
    }
    close(ends[1]);
    char text[256] = "";
    int status;
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0)
        size += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(text, "room/door.c:42: this must not happen: door == NULL\n");
}

static void every_anomaly_has_a_name_of_its_own(void **state)
{
    (void)state;

    for (int a = 0; a < MT_ANOMALY_COUNT; a++) {
        assert_true(strlen(mt_anomaly_name((enum mt_anomaly)a)) > 0);
        assert_true(strlen(mt_anomaly_meaning((enum mt_anomaly)a)) > 0);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(mt_anomaly_name((enum mt_anomaly)a), mt_anomaly_name((enum mt_anomaly)b));
    }
    assert_string_equal(mt_anomaly_name(MT_ANOMALY_BARE_LF), "bare_lf");
}

static void sequence_numbers_compare_across_the_wrap(void **state)
{
    (void)state;
    assert_true(mt_seq_lt(0xfffffff0u, 0x10u));
    assert_false(mt_seq_lt(0x10u, 0xfffffff0u));
    assert_true(mt_seq_le(5, 5));
    assert_int_equal(mt_seq_diff(0x10u, 0xfffffff0u), 0x20);
}

static void wire_integers_are_read_at_any_alignment(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8};

    assert_int_equal(mt_load_be16(bytes + 1), 0x0102);
    assert_int_equal(mt_load_be32(bytes + 1), 0x01020304);
    assert_int_equal(mt_load_le16(bytes + 1), 0x0201);
    assert_int_equal(mt_load_le32(bytes + 1), 0x04030201);
    assert_int_equal(mt_load_le64(bytes + 1), UINT64_C(0x0807060504030201));
}

static void case_is_turned_of_letters_alone_in_texts_of_every_size(void **state)
{
    uint8_t text[256 + 64], lower[sizeof(text)], upper[sizeof(text)];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)i;
    for (size_t off = 0; off < 256; off++) {
        for (size_t size = 0; size < 64; size++) {
            memset(lower, 'x', sizeof(lower));
            memset(upper, 'X', sizeof(upper));
            mt_ascii_put_lower(lower, text + off, size);
            mt_ascii_put_upper(upper, text + off, size);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(lower[i], mt_ascii_lower(text[off + i]));
                assert_int_equal(upper[i], mt_ascii_upper(text[off + i]));
            }
            assert_int_equal(lower[size], 'x');
            assert_int_equal(upper[size], 'X');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_of_a_connection_hash_alike),
        cmocka_unit_test(connections_that_differ_in_one_member_hash_apart),
        cmocka_unit_test(neighbours_spread_over_the_buckets),
        cmocka_unit_test(a_digest_depends_on_seed_and_every_byte),
        cmocka_unit_test(the_digest_is_xxh3),
        cmocka_unit_test(a_message_reaches_the_sink_and_is_cut_at_its_limit),
        cmocka_unit_test(a_failed_check_names_its_place_and_aborts),
        cmocka_unit_test(every_anomaly_has_a_name_of_its_own),
        cmocka_unit_test(sequence_numbers_compare_across_the_wrap),
        cmocka_unit_test(wire_integers_are_read_at_any_alignment),
        cmocka_unit_test(case_is_turned_of_letters_alone_in_texts_of_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
