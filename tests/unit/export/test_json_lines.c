/* The encoder without a table writes what the walk over the table writes, byte for
 * byte, of records of random pieces, and keeps to the room that it was given. */
#include "../../fuzz/record_pieces.h"
#include "export/json.h"
#include "export/json_lines_priv.h"
#include "export/json_table_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define RECORDS 3000u
#define PIECES_MAX 8192u
#define LINE_CAP (1u << 20)
#define LONG_TEXT_MAX 3000u

static uint8_t walked[LINE_CAP];
static uint8_t written[LINE_CAP];

/* Knuth's MMIX, its upper half: the same records in every run. */
static uint32_t next(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 32);
}

/* Many zeros, which are absent fields; most others text that needs no escape. */
static size_t make_pieces(uint64_t *random, uint8_t *pieces)
{
    size_t size = next(random) % PIECES_MAX;
    uint32_t zeros = next(random) % 100;
    for (size_t i = 0; i < size; i++) {
        uint32_t kind = next(random) % 100;
        uint32_t byte = next(random);
        pieces[i] = (uint8_t)(kind < zeros ? 0 : kind % 20 != 0 ? 0x20 + byte % 0x5f : byte);
    }
    return size;
}

struct sample {
    struct record_pieces source;
    struct mt_record_session session;
    struct mt_record_alert alert;
    uint8_t pieces[PIECES_MAX];
    uint8_t text[LONG_TEXT_MAX];
};

static void make_sample(struct sample *sample, uint64_t *random)
{
    size_t size = make_pieces(random, sample->pieces);
    record_pieces_init(&sample->source, sample->pieces, size);
    record_pieces_byte(&sample->source);
    if (next(random) % 4 > 0)
        record_pieces_fill(&sample->source, &mt_group_session, &sample->session);
    record_pieces_fill(&sample->source, &mt_group_alert, &sample->alert);
    /* the pieces are short */
    size_t long_size = next(random) % LONG_TEXT_MAX;
    memset(sample->text, 'x', long_size);
    if (long_size > 0 && next(random) % 2 == 0)
        sample->text[next(random) % long_size] = (uint8_t)next(random);
    sample->session.banner_text = mt_span(sample->text, long_size);
    sample->alert.message = mt_span(sample->text, long_size);
}

static struct mt_span walk(unsigned group, const void *record)
{
    struct mt_buf b = mt_buf(walked, sizeof(walked));
    mt_json_put_line(&b, mt_json_groups, group, record);
    assert_false(b.overflow);
    return mt_span(b.ptr, b.size - 1); /* the line end is the caller's */
}

static uint8_t *write_straight(struct mt_json_pen *pen, uint8_t *to, unsigned group, const void *record)
{
    return group == MT_JSON_GROUP_SESSION ? mt_json_straight_session(pen, to, record)
                                          : mt_json_straight_alert(pen, to, record);
}

static void assert_same(struct mt_span line, const uint8_t *text, size_t size)
{
    if (!mt_span_eq(line, mt_span(text, size)))
        fail_msg("\n  walked: %.*s\nstraight: %.*s", (int)line.size, (const char *)line.ptr, (int)size,
                 (const char *)text);
}

/* However little room there is, nothing is written behind the reserve, and a line
 * that is not whole says so. */
static void assert_keeps_to_room(struct mt_span line, size_t room, unsigned group, const void *record)
{
    uint8_t *memory = malloc(room + mt_json_reserve);
    assert_non_null(memory);
    struct mt_json_pen pen = {.limit = memory + room};
    const uint8_t *end = write_straight(&pen, memory, group, record);
    assert_true(end <= memory + room + mt_json_reserve);
    if (!pen.is_full)
        assert_same(line, memory, (size_t)(end - memory));
    free(memory);
}

static void assert_same_in_any_buffer(struct mt_span line, size_t cap, unsigned group, const void *record)
{
    uint8_t *memory = malloc(cap + 1);
    assert_non_null(memory);
    memory[cap] = 0xa5;
    struct mt_buf b = mt_buf(memory, cap);
    if (group == MT_JSON_GROUP_SESSION)
        mt_json_put_session(&b, record);
    else
        mt_json_put_alert(&b, record);
    assert_int_equal(b.overflow, cap < line.size + 1);
    assert_int_equal(memory[cap], 0xa5);
    if (b.overflow)
        assert_int_equal(b.size, 0);
    else
        assert_same(line, memory, b.size - 1);
    free(memory);
}

static void check(uint64_t *random, unsigned group, const void *record)
{
    struct mt_span line = walk(group, record);
    struct mt_json_pen pen = {.limit = written + sizeof(written) - mt_json_reserve};
    const uint8_t *end = write_straight(&pen, written, group, record);
    assert_false(pen.is_full);
    assert_same(line, written, (size_t)(end - written));
    assert_keeps_to_room(line, next(random) % (line.size + 400), group, record);
    assert_same_in_any_buffer(line, line.size + next(random) % (mt_json_reserve + 400), group, record);
    assert_same_in_any_buffer(line, next(random) % (line.size + 2), group, record);
}

static void random_records_are_written_as_the_walk_over_the_table_writes_them(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (unsigned i = 0; i < RECORDS; i++) {
        struct sample *sample = calloc(1, sizeof(*sample));
        assert_non_null(sample);
        make_sample(sample, &random);
        check(&random, MT_JSON_GROUP_SESSION, &sample->session);
        check(&random, MT_JSON_GROUP_ALERT, &sample->alert);
        record_pieces_fini(&sample->source);
        free(sample);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_records_are_written_as_the_walk_over_the_table_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
