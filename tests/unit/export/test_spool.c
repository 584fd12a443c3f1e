/* Documents in frames, in the queue and in the spool. */
#include "export/document_priv.h"
#include "export/queue_priv.h"
#include "export/spool_priv.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (MT_FRAME_MAX + (1u << 20))

static char folder[64];
static uint8_t buffer[BUFFER_SIZE];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/mailtap-spool-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int clear_folder(void **state)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, NULL);

    (void)state;
    for (int i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        unlink(path);
        free(names[i]);
    }
    free(names);
    return rmdir(folder);
}

static struct mt_document document_of(const char *text)
{
    return (struct mt_document){.time = 7,
                                .put = 8,
                                .text = mt_span_cstr(text),
                                .id = mt_span_cstr("id"),
                                .key = mt_span_cstr("192.0.2.1"),
                                .rule = mt_span_cstr("rule"),
                                .stream = 3,
                                .kind = 1,
                                .level = 4};
}

static void a_document_comes_out_of_its_frame_as_it_went_in(void **state)
{
    struct mt_document in = document_of("{\"a\":1}");
    struct mt_document out;
    size_t size = 0;

    (void)state;
    mt_frame_put(&in, buffer);
    assert_int_equal(mt_frame_read(mt_span(buffer, mt_frame_size(&in)), false, &out, &size), MT_FRAME_WHOLE);
    assert_int_equal(size, mt_frame_size(&in));
    assert_true(mt_span_eq(out.text, in.text) && mt_span_eq(out.id, in.id) && mt_span_eq(out.key, in.key) &&
                mt_span_eq(out.rule, in.rule));
    assert_true(out.time == 7 && out.put == 8 && out.stream == 3 && out.kind == 1 && out.level == 4);
}

static void a_frame_with_any_bit_changed_is_no_frame(void **state)
{
    struct mt_document in = document_of("some text");
    struct mt_document out;
    size_t size = mt_frame_size(&in);
    size_t used;

    (void)state;
    mt_frame_put(&in, buffer);
    for (size_t bit = 0; bit < size * 8; bit++) {
        buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(mt_frame_read(mt_span(buffer, size), false, &out, &used), MT_FRAME_WHOLE);
        buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t less = 0; less < size; less++)
        assert_int_equal(mt_frame_read(mt_span(buffer, less), false, &out, &used), MT_FRAME_SHORT);
}

static void the_queue_gives_chunks_in_order_and_counts_what_it_sheds(void **state)
{
    static uint8_t text[1000];
    struct mt_document in = document_of("");
    struct mt_queue *queue;
    struct mt_chunk *chunk;
    uint64_t shed = 0;
    uint64_t came = 0;

    (void)state;
    in.text = mt_span(text, sizeof(text));
    assert_int_equal(mt_queue_create(4 << 20, MT_OUTPUT_SHED_NEWEST, &queue), 0);
    for (int i = 0; i < 10000; i++) {
        in.time = (uint64_t)i;
        shed += mt_queue_put(queue, &in);
    }
    assert_true(mt_queue_bytes(queue) <= 4 << 20);
    while ((chunk = mt_queue_take(queue)) != NULL) {
        struct mt_span rest = mt_span(chunk->bytes, chunk->size);
        struct mt_document out;
        for (size_t size = 0; mt_frame_read(rest, false, &out, &size) == MT_FRAME_WHOLE; came++) {
            assert_int_equal(out.time, came);
            rest = mt_span_from(rest, size);
        }
        mt_queue_release(queue, chunk);
    }
    assert_true(shed > 0);
    assert_int_equal(came + shed, 10000);
    assert_int_equal(mt_queue_bytes(queue), 0);
    mt_queue_destroy(queue);
}

static struct mt_spool *open_spool(uint64_t max, enum mt_output_shed shed)
{
    struct mt_spool_config config = {.folder = folder, .max = max, .shed = shed};
    struct mt_spool *spool = NULL;
    char reason[256] = "";

    if (mt_spool_open(&config, reason, sizeof(reason), &spool) != 0)
        fail_msg("%s", reason);
    return spool;
}

static void append(struct mt_spool *spool, uint64_t first, uint64_t count)
{
    char text[64];

    for (uint64_t i = first; i < first + count; i++) {
        snprintf(text, sizeof(text), "document %llu", (unsigned long long)i);
        struct mt_document document = document_of(text);
        document.time = i;
        mt_frame_put(&document, buffer);
        assert_int_equal(mt_spool_append(spool, mt_span(buffer, mt_frame_size(&document)), 1), 0);
    }
}

/* Reads, and acknowledges, documents until there are none; the first and how many. */
static uint64_t drain(struct mt_spool *spool, uint64_t *ret_first, bool in_order)
{
    uint64_t count = 0;
    uint64_t last = 0;

    for (size_t size; (size = mt_spool_read(spool, 4096, buffer, BUFFER_SIZE)) > 0;) {
        struct mt_span rest = mt_span(buffer, size);
        struct mt_document out;
        size_t batch = 0;
        for (size_t used = 0; mt_frame_read(rest, false, &out, &used) == MT_FRAME_WHOLE; batch++) {
            if (count + batch == 0)
                *ret_first = out.time;
            else if (in_order)
                assert_int_equal(out.time, last + 1);
            last = out.time;
            rest = mt_span_from(rest, used);
        }
        count += batch;
        mt_spool_settle(spool, batch);
        mt_spool_acknowledge(spool);
    }
    return count;
}

static void what_is_not_acknowledged_is_there_again(void **state)
{
    struct mt_spool_counts counts;
    uint64_t first = 0;
    struct mt_spool *spool = open_spool(64 << 20, MT_OUTPUT_SHED_OLDEST);

    (void)state;
    append(spool, 1, 1000);
    size_t size = mt_spool_read(spool, 4096, buffer, BUFFER_SIZE);
    assert_true(size > 0 && size <= 4096);
    assert_int_equal(mt_spool_read(spool, 4096, buffer, BUFFER_SIZE), size);
    mt_spool_close(spool);
    spool = open_spool(64 << 20, MT_OUTPUT_SHED_OLDEST);
    mt_spool_count(spool, &counts);
    assert_int_equal(counts.found, 1000);
    assert_int_equal(drain(spool, &first, true), 1000);
    assert_int_equal(first, 1);
    append(spool, 1001, 10);
    assert_int_equal(drain(spool, &first, true), 10);
    assert_int_equal(first, 1001);
    mt_spool_count(spool, &counts);
    assert_int_equal(counts.spooled, 0);
    mt_spool_close(spool);
    spool = open_spool(64 << 20, MT_OUTPUT_SHED_OLDEST);
    mt_spool_count(spool, &counts);
    assert_int_equal(counts.found, 0);
    assert_int_equal(mt_spool_read(spool, 4096, buffer, BUFFER_SIZE), 0);
    mt_spool_close(spool);
}

static void a_full_spool_gives_up_its_oldest_documents_but_not_those_being_sent(void **state)
{
    struct mt_spool_counts counts;
    uint64_t first = 0;
    struct mt_spool *spool = open_spool(4 << 20, MT_OUTPUT_SHED_OLDEST);

    (void)state;
    append(spool, 1, 100);
    assert_true(mt_spool_read(spool, 1, buffer, BUFFER_SIZE) > 0); /* one document is being sent */
    append(spool, 101, 60000);
    mt_spool_settle(spool, 1);
    mt_spool_acknowledge(spool);
    mt_spool_count(spool, &counts);
    assert_true(counts.shed > 0 && counts.bytes <= 4 << 20);
    uint64_t came = drain(spool, &first, true);
    assert_int_equal(1 + came + counts.shed, 60100);
    assert_int_equal(first, counts.shed + 2);
    mt_spool_close(spool);
}

static void a_full_spool_can_refuse_what_comes_instead(void **state)
{
    struct mt_spool_counts counts;
    uint64_t first = 0;
    struct mt_spool *spool = open_spool(4 << 20, MT_OUTPUT_SHED_NEWEST);

    (void)state;
    append(spool, 1, 60000);
    mt_spool_count(spool, &counts);
    assert_int_equal(counts.spooled + counts.shed, 60000);
    assert_true(counts.shed > 0);
    assert_int_equal(drain(spool, &first, true), counts.spooled);
    assert_int_equal(first, 1);
    mt_spool_close(spool);
}

/* Wherever a segment is cut or changed: the rest is read, the sums are right. */
static void damage_anywhere_costs_only_what_it_covers(void **state)
{
    char path[128];
    struct mt_spool_counts counts;
    uint64_t first = 0;

    (void)state;
    for (off_t at = 0; at < 400; at += 7) {
        struct mt_spool *spool = open_spool(64 << 20, MT_OUTPUT_SHED_OLDEST);
        append(spool, 1, 20);
        mt_spool_close(spool);
        struct dirent **names = NULL;
        int count = scandir(folder, &names, NULL, alphasort);
        path[0] = '\0';
        for (int i = 0; i < count; i++) {
            if (strstr(names[i]->d_name, ".segment") != NULL)
                snprintf(path, sizeof(path), "%s/%.40s", folder, names[i]->d_name);
            free(names[i]);
        }
        free(names);
        int fd = open(path, O_WRONLY);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, at), 3);
        close(fd);
        spool = open_spool(64 << 20, MT_OUTPUT_SHED_OLDEST);
        mt_spool_count(spool, &counts);
        uint64_t found = counts.found;
        uint64_t came = drain(spool, &first, false);
        mt_spool_count(spool, &counts);
        assert_int_equal(counts.spooled, 0);
        assert_int_equal(came + counts.damaged, found);
        assert_in_range(came, at < 32 ? 19 : 18, 20);
        mt_spool_close(spool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_comes_out_of_its_frame_as_it_went_in),
        cmocka_unit_test(a_frame_with_any_bit_changed_is_no_frame),
        cmocka_unit_test(the_queue_gives_chunks_in_order_and_counts_what_it_sheds),
        cmocka_unit_test_setup_teardown(what_is_not_acknowledged_is_there_again, make_folder, clear_folder),
        cmocka_unit_test_setup_teardown(a_full_spool_gives_up_its_oldest_documents_but_not_those_being_sent,
                                        make_folder, clear_folder),
        cmocka_unit_test_setup_teardown(a_full_spool_can_refuse_what_comes_instead, make_folder,
                                        clear_folder),
        cmocka_unit_test_setup_teardown(damage_anywhere_costs_only_what_it_covers, make_folder, clear_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
