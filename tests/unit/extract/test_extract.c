/* Files of messages and parts: what is in them, where they are, and what limits,
 * hostile names and folders do. */
#include "extract/extract.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef"

struct bench {
    char folder[64];
    struct mt_extract *extract;
    struct mt_extract_desk *desk;
    struct mt_stats stats;
};

static void begin(struct bench *bench, uint64_t file_max, uint64_t total_max, bool is_patient)
{
    char reason[256] = "";
    char folder[96];

    snprintf(bench->folder, sizeof(bench->folder), "/tmp/mailtap-test-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(folder, sizeof(folder), "%s/out", bench->folder);
    const struct mt_extract_config config = {
        .folder = folder, .file_max = file_max, .total_max = total_max, .is_patient = is_patient};
    int rc = mt_extract_create(&config, reason, sizeof(reason), &bench->extract);
    assert_string_equal(reason, "");
    assert_int_equal(rc, 0);
    bench->desk = mt_extract_open_desk(bench->extract);
    assert_non_null(bench->desk);
}

static uint64_t count(const struct bench *bench, enum mt_counter counter)
{
    return mt_stats_get(&bench->stats, counter);
}

static void finish(struct bench *bench)
{
    memset(&bench->stats, 0, sizeof(bench->stats));
    assert_true(mt_extract_destroy(bench->extract, &bench->stats));
    assert_int_equal(count(bench, MT_COUNTER_EXTRACT_ERRORS), 0);
}

/* NULL: there is none. */
static const char *content(const struct bench *bench, const char *name)
{
    static char text[1 << 20];
    char path[256];

    snprintf(path, sizeof(path), "%s/out/%s", bench->folder, name);
    int fd = open(path, O_RDONLY | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

static unsigned files_in(const char *path)
{
    DIR *dir = opendir(path);
    unsigned number = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        number += entry->d_name[0] != '.';
    closedir(dir);
    return number;
}

static void remove_files(const char *path)
{
    DIR *dir = opendir(path);

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

static void clear(struct bench *bench)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/out", bench->folder);
    remove_files(path);
    remove_files(bench->folder);
}

static uint32_t begin_file(struct bench *bench, const char *path, const char *name)
{
    const struct mt_record_file file = {
        .event_id = mt_span_cstr(ID),
        .path = path != NULL ? mt_span_cstr(path) : mt_span_none(),
        .type = mt_span_cstr("text/plain"),
        .name = mt_span_cstr(name),
        .time = UINT64_C(1700000000000000000),
        .transaction = 1,
    };

    return mt_extract_begin(bench->desk, &file);
}

static void a_message_and_its_part_are_written_and_named_in_the_index(void **state)
{
    (void)state;
    struct bench bench;

    begin(&bench, 0, 0, true);
    uint32_t mail = begin_file(&bench, NULL, "");
    uint32_t part = begin_file(&bench, "2.1", "in\"vo\xc3\xa9\x01.txt");
    mt_extract_put(bench.desk, mail, mt_span_cstr("one "));
    mt_extract_put(bench.desk, part, mt_span_cstr("part"));
    mt_extract_put(bench.desk, mail, mt_span_cstr("two"));
    mt_extract_end(bench.desk, part, true);
    mt_extract_end(bench.desk, mail, false);
    finish(&bench);
    assert_string_equal(content(&bench, ID "-1.eml"), "one two");
    assert_string_equal(content(&bench, ID "-1-2.1.part"), "part");
    assert_string_equal(
        content(&bench, "index.jsonl"),
        "{\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\",\"file\":\"" ID
        "-1-2.1.part\",\"kind\":\"part\",\"event_id\":\"" ID
        "\",\"transaction\":1,\"path\":\"2.1\",\"content_type\":\"text/plain\","
        "\"name\":\"in\\\"vo\xc3\xa9\\ufffd.txt\",\"size\":4}\n"
        "{\"@timestamp\":\"2023-11-14T22:13:20.000000000Z\",\"file\":\"" ID
        "-1.eml\",\"kind\":\"message\",\"event_id\":\"" ID
        "\",\"transaction\":1,\"content_type\":\"text/plain\",\"size\":7,\"incomplete\":true}\n");
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_FILES), 2);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_BYTES), 11);
    clear(&bench);
}

static void no_name_leads_out_of_the_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"../../x", "/etc/x", "..",  ".",       "a/b",
                                        "-rf",     "\n",     "con", "x\\..\\y"};
    struct bench bench;
    char path[96];

    begin(&bench, 0, 0, true);
    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        const struct mt_record_file file = {.event_id = mt_span_cstr(names[i]),
                                            .path = mt_span_cstr(names[i]),
                                            .name = mt_span_cstr(names[i]),
                                            .transaction = (uint32_t)i};
        uint32_t part = mt_extract_begin(bench.desk, &file);
        mt_extract_put(bench.desk, part, mt_span_cstr("x"));
        mt_extract_end(bench.desk, part, true);
    }
    finish(&bench);
    assert_int_equal(files_in(bench.folder), 1);
    snprintf(path, sizeof(path), "%s/out", bench.folder);
    assert_int_equal(files_in(path), MT_ARRAY_COUNT(names) + 1);
    clear(&bench);
}

static void what_is_there_is_neither_followed_nor_written_to(void **state)
{
    (void)state;
    struct bench bench;
    char path[160], target[160];

    begin(&bench, 0, 0, true);
    snprintf(target, sizeof(target), "%s/target", bench.folder);
    snprintf(path, sizeof(path), "%s/out/" ID "-1.eml", bench.folder);
    assert_int_equal(symlink(target, path), 0);
    uint32_t mail = begin_file(&bench, NULL, "");
    mt_extract_put(bench.desk, mail, mt_span_cstr("x"));
    mt_extract_end(bench.desk, mail, true);
    finish(&bench);
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_EXISTING), 1);
    assert_non_null(strstr(content(&bench, "index.jsonl"), "\"existing\":true"));
    clear(&bench);
}

static void limits_cut_files_and_the_whole(void **state)
{
    (void)state;
    struct bench bench;

    begin(&bench, 10, 15, true);
    for (unsigned i = 0; i < 3; i++) {
        char place[2] = {(char)('1' + i), '\0'};
        uint32_t part = begin_file(&bench, place, "");
        mt_extract_put(bench.desk, part, mt_span_cstr("123456"));
        mt_extract_put(bench.desk, part, mt_span_cstr("789abcdef"));
        mt_extract_end(bench.desk, part, true);
    }
    finish(&bench);
    assert_string_equal(content(&bench, ID "-1-1.part"), "123456789a");
    assert_string_equal(content(&bench, ID "-1-2.part"), "12345");
    assert_null(content(&bench, ID "-1-3.part"));
    assert_null(strstr(content(&bench, "index.jsonl"), "-1-3.part"));
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_CUT), 2);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_SHED), 1);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_BYTES), 15);
    clear(&bench);
}

static void files_that_hold_nothing_have_a_limit_too(void **state)
{
    (void)state;
    enum { FILES = MT_EXTRACT_FILES_MIN + 2 };
    struct bench bench;
    char place[16];

    begin(&bench, 0, 2 * MT_EXTRACT_SMALL, true);
    for (unsigned i = 0; i < FILES + 5; i++) {
        snprintf(place, sizeof(place), "%u", i % (FILES - 3)); /* some are there already */
        uint32_t part = begin_file(&bench, place, "");
        mt_extract_end(bench.desk, part, true);
    }
    finish(&bench);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_FILES), FILES - 3);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_EXISTING), 3);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_SHED), 5);
    clear(&bench);
}

static void what_is_made_belongs_to_whom_the_run_becomes(void **state)
{
    (void)state;
    bool is_root = geteuid() == 0;
    char reason[256], folder[64] = "/tmp/mailtap-test-XXXXXX", path[160];
    struct mt_extract_config config = {.has_owner = true, .is_patient = true};
    struct bench bench;
    struct stat file;

    assert_non_null(mkdtemp(folder));
    snprintf(bench.folder, sizeof(bench.folder), "%s", folder);
    snprintf(path, sizeof(path), "%s/out", folder);
    config.folder = path;
    config.uid = is_root ? 12345 : geteuid(); /* others may only keep what is theirs */
    config.gid = is_root ? 12346 : getegid();
    assert_int_equal(mt_extract_create(&config, reason, sizeof(reason), &bench.extract), 0);
    bench.desk = mt_extract_open_desk(bench.extract);
    assert_non_null(bench.desk);
    mt_extract_end(bench.desk, begin_file(&bench, NULL, ""), true);
    finish(&bench);
    snprintf(path, sizeof(path), "%s/out/" ID "-1.eml", folder);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_uid, config.uid);
    assert_int_equal(file.st_gid, config.gid);
    clear(&bench);
}

/* More files at a time than there are descriptors for. */
static void files_share_the_descriptors_that_there_are(void **state)
{
    (void)state;
    enum { FILES = 2 * MT_EXTRACT_FDS_MAX + 7 };
    static uint32_t parts[FILES];
    struct bench bench;
    char text[96];

    begin(&bench, 0, 0, true);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(text, sizeof(text), "%u", i);
        parts[i] = begin_file(&bench, text, "");
        assert_int_not_equal(parts[i], 0);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < FILES; i++)
            mt_extract_put(bench.desk, parts[i], mt_span(&"abc"[round], 1));
    }
    for (unsigned i = 0; i < FILES; i++)
        mt_extract_end(bench.desk, parts[i], true);
    finish(&bench);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(text, sizeof(text), ID "-1-%u.part", i);
        assert_string_equal(content(&bench, text), "abc");
    }
    clear(&bench);
}

static void more_files_than_places_are_counted(void **state)
{
    (void)state;
    struct bench bench;
    char place[16];
    unsigned refused = 0;

    begin(&bench, 0, 0, true);
    for (unsigned i = 0; i < MT_EXTRACT_OPEN_MAX + 5; i++) {
        snprintf(place, sizeof(place), "%u", i);
        refused += begin_file(&bench, place, "") == 0;
    }
    assert_int_equal(refused, 5);
    finish(&bench); /* and what was never ended is closed */
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_SHED), 5);
    assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_FILES), MT_EXTRACT_OPEN_MAX);
    clear(&bench);
}

/* Much more than the ring holds: who may wait loses nothing, and a file of who may
 * not ends where octets first found no room. */
static void a_full_ring_is_waited_for_or_cuts(void **state)
{
    (void)state;
    enum { BLOCKS = 100 };
    static uint8_t block[1 << 18];

    for (int is_patient = 0; is_patient < 2; is_patient++) {
        struct bench bench;
        begin(&bench, 0, 0, is_patient);
        uint32_t mail = begin_file(&bench, NULL, "");
        for (unsigned i = 0; i < BLOCKS; i++)
            mt_extract_put(bench.desk, mail, mt_span(block, sizeof(block)));
        mt_extract_end(bench.desk, mail, true);
        finish(&bench);
        bool is_all = count(&bench, MT_COUNTER_EXTRACT_BYTES) == BLOCKS * sizeof(block);
        assert_true(is_all || !is_patient);
        assert_int_equal(count(&bench, MT_COUNTER_EXTRACT_CUT), !is_all);
        clear(&bench);
    }
}

static void a_folder_that_can_not_be_is_named(void **state)
{
    (void)state;
    const struct mt_extract_config config = {.folder = "/proc/no/such/folder"};
    struct mt_extract *extract = NULL;
    char reason[256];

    assert_true(mt_extract_create(&config, reason, sizeof(reason), &extract) < 0);
    assert_non_null(strstr(reason, "/proc/no/such/folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_and_its_part_are_written_and_named_in_the_index),
        cmocka_unit_test(no_name_leads_out_of_the_folder),
        cmocka_unit_test(what_is_there_is_neither_followed_nor_written_to),
        cmocka_unit_test(limits_cut_files_and_the_whole),
        cmocka_unit_test(files_that_hold_nothing_have_a_limit_too),
        cmocka_unit_test(what_is_made_belongs_to_whom_the_run_becomes),
        cmocka_unit_test(files_share_the_descriptors_that_there_are),
        cmocka_unit_test(more_files_than_places_are_counted),
        cmocka_unit_test(a_full_ring_is_waited_for_or_cuts),
        cmocka_unit_test(a_folder_that_can_not_be_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
