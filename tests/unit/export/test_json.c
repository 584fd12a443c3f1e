/* Records to JSON: whatever stands in a record, the line is one valid JSON
 * object that holds each present field once and nothing else. */
#include "export/json.h"

#include "base/codec.h"
#include "json_check.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINE_MAX_SIZE 65536

static uint8_t storage[LINE_MAX_SIZE + 1];

/* With a NUL behind it, for strstr. */
static struct mt_span written(const struct mt_buf *b)
{
    assert_false(b->overflow);
    storage[b->size] = '\0';
    return mt_buf_span(b);
}

static struct mt_span session_line(const struct mt_record_session *session)
{
    struct mt_buf b = mt_buf(storage, LINE_MAX_SIZE);
    mt_json_put_session(&b, session);
    return written(&b);
}

static struct mt_span alert_line(const struct mt_record_alert *alert)
{
    struct mt_buf b = mt_buf(storage, LINE_MAX_SIZE);
    mt_json_put_alert(&b, alert);
    return written(&b);
}

/* A line is one JSON object and one LF. */
static struct mt_span assert_line(struct mt_span line)
{
    size_t off;
    assert_true(line.size > 3);
    assert_int_equal(line.ptr[line.size - 1], '\n');
    struct mt_span text = mt_span_head(line, line.size - 1);
    assert_int_equal(text.ptr[0], '{');
    if (!json_check(text, NULL, NULL, &off))
        fail_msg("no JSON from byte %zu on: %.*s", off, (int)text.size, (const char *)text.ptr);
    return text;
}

static void assert_text(struct mt_span text, const char *expected)
{
    if (!mt_span_eq(text, mt_span_cstr(expected)))
        fail_msg("\n     got: %.*s\nexpected: %s", (int)text.size, (const char *)text.ptr, expected);
}

static void assert_golden(struct mt_span line, const char *name)
{
    static char golden[LINE_MAX_SIZE];
    char path[1024];
    snprintf(path, sizeof(path), "%s/tests/unit/export/%s", MT_SOURCE_ROOT, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail_msg("%s can't be read", path);
    size_t size = fread(golden, 1, sizeof(golden) - 1, file);
    fclose(file);
    golden[size] = '\0';
    assert_text(line, golden);
}

static void an_ordinary_session_reads_like_its_golden_text(void **state)
{
    (void)state;
    struct mt_span line = session_line(&sample_session);
    assert_line(line);
    assert_golden(line, "session.golden.json");
}

static void an_alert_reads_like_its_golden_text(void **state)
{
    (void)state;
    struct mt_span line = alert_line(&sample_alert);
    assert_line(line);
    assert_golden(line, "alert.golden.json");
}

static void a_record_with_nothing_set_keeps_only_its_numbers(void **state)
{
    (void)state;
    struct mt_record_session session = {0};
    assert_text(session_line(&session),
                "{\"event\":{\"duration\":0},\"source\":{\"bytes\":0,\"packets\":0,\"port\":0},"
                "\"destination\":{\"bytes\":0,\"packets\":0,\"port\":0},"
                "\"network\":{\"bytes\":0,\"packets\":0}}\n");
    struct mt_record_alert alert = {0};
    assert_text(alert_line(&alert), "{\"event\":{\"severity\":0}}\n");
}

static void an_item_with_nothing_set_is_an_empty_object(void **state)
{
    (void)state;
    static const struct mt_record_recipient recipients[2];
    const struct mt_record_transaction transaction = {.recipients = {recipients, 2}};
    const struct mt_record_session session = {.transactions = {&transaction, 1}};
    struct mt_span text = assert_line(session_line(&session));
    assert_non_null(strstr((const char *)text.ptr, "\"smtp\":{\"transactions\":[{\"recipients\":[{},{}]}]}"));
}

/* --- every field ------------------------------------------------------------ */

/* Sets each member of a group's struct to some value. */
static void fill(const struct mt_field_group *group, void *record);

struct items {
    const void *items;
    uint32_t count;
};

static const void *filled_item(const struct mt_field_group *group)
{
    static _Alignas(16) uint8_t items[48][1024];
    static unsigned used;
    assert_true(used < MT_ARRAY_COUNT(items) && group->struct_size <= sizeof(items[0]));
    void *item = items[used++];
    fill(group, item);
    return item;
}

static void fill_list(enum mt_field_type type, void *member)
{
    static const struct mt_span text = {(const uint8_t *)"text", 4};
    static const char *const name = "name";
    static const struct mt_code_count code = {250, 1};
    static const struct mt_verb_count verb = {"mail", 1};
    const void *item;

    if (type == MT_FIELD_TYPE_TEXTS)
        item = &text;
    else if (type == MT_FIELD_TYPE_NAMES)
        item = &name;
    else if (type == MT_FIELD_TYPE_CODES)
        item = &code;
    else if (type == MT_FIELD_TYPE_VERBS)
        item = &verb;
    else
        item = filled_item(mt_field_items(type));
    memcpy(member, &(struct items){item, 1}, sizeof(struct items));
}

static void fill(const struct mt_field_group *group, void *record)
{
    static const uint8_t mac[6] = {1, 2, 3, 4, 5, 6};

    for (uint32_t i = 0; i < group->count; i++) {
        uint8_t *member = (uint8_t *)record + group->fields[i].off;
        switch ((enum mt_field_type)group->fields[i].type) {
        case MT_FIELD_TYPE_TEXT:
            *(struct mt_span *)member = mt_span_cstr("text");
            break;
        case MT_FIELD_TYPE_NAME:
            *(const char **)member = "name";
            break;
        case MT_FIELD_TYPE_U64:
        case MT_FIELD_TYPE_COUNT:
        case MT_FIELD_TYPE_TIME:
            *(uint64_t *)member = UINT64_MAX;
            break;
        case MT_FIELD_TYPE_CODE:
            *(uint16_t *)member = 250;
            break;
        case MT_FIELD_TYPE_FLAG:
            *member = MT_FLAG_TRUE;
            break;
        case MT_FIELD_TYPE_IP:
            *(struct mt_ip *)member = (struct mt_ip){.bytes = {192, 0, 2, 1}, .family = 4};
            break;
        case MT_FIELD_TYPE_MAC:
            *(const uint8_t **)member = mac;
            break;
        default:
            fill_list((enum mt_field_type)group->fields[i].type, member);
        }
    }
}

struct paths {
    unsigned count;
    char path[320][128];
};

static void collect_path(void *ctx, const char *path, struct mt_span value)
{
    struct paths *paths = ctx;
    (void)value;
    assert_true(paths->count < MT_ARRAY_COUNT(paths->path));
    snprintf(paths->path[paths->count++], sizeof(paths->path[0]), "%s", path);
}

/* What the field list says that a record with every field set holds. */
static void expect_paths(const struct mt_field_group *group, const char *prefix, struct paths *paths)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);
        const char *below = "";
        char path[128];

        if (field->type == MT_FIELD_TYPE_TEXTS || field->type == MT_FIELD_TYPE_NAMES)
            below = "[]";
        else if (field->type == MT_FIELD_TYPE_CODES)
            below = ".250";
        else if (field->type == MT_FIELD_TYPE_VERBS)
            below = ".mail";
        else if (items == &mt_group_parameter || items == &mt_group_groupby)
            below = ".text";
        else if (items != NULL)
            below = "[].";
        snprintf(path, sizeof(path), "%s%s%s", prefix, field->path, below);
        if (strcmp(below, "[].") == 0)
            expect_paths(items, path, paths);
        else
            collect_path(paths, path, mt_span_none());
    }
}

static void assert_every_path(const struct mt_field_group *group, struct mt_span line)
{
    static struct paths expected;
    static struct paths found;
    size_t off;

    expected.count = 0;
    found.count = 0;
    expect_paths(group, "", &expected);
    assert_true(json_check(assert_line(line), collect_path, &found, &off));
    for (unsigned i = 0; i < expected.count && i < found.count; i++)
        assert_string_equal(found.path[i], expected.path[i]);
    assert_int_equal(found.count, expected.count);
}

static void a_session_with_every_field_set_has_every_path_of_the_list_in_its_order(void **state)
{
    (void)state;
    struct mt_record_session session;
    fill(&mt_group_session, &session);
    assert_every_path(&mt_group_session, session_line(&session));
}

static void an_alert_with_every_field_set_has_every_path_of_the_list_in_its_order(void **state)
{
    (void)state;
    struct mt_record_alert alert;
    fill(&mt_group_alert, &alert);
    assert_every_path(&mt_group_alert, alert_line(&alert));
}

/* Objects open and close between any two fields, whichever lie between them. */
static void any_two_fields_alone_make_a_valid_line(void **state)
{
    (void)state;
    struct mt_record_session full;
    fill(&mt_group_session, &full);
    for (uint32_t i = 0; i < mt_group_session.count; i++) {
        for (uint32_t k = i + 1; k < mt_group_session.count; k++) {
            struct mt_record_session session = {0};
            uint32_t i_off = mt_group_session.fields[i].off;
            uint32_t k_off = mt_group_session.fields[k].off;
            uint32_t i_size = mt_group_session.fields[i + 1].off - i_off;
            uint32_t k_size = (k + 1 < mt_group_session.count ? mt_group_session.fields[k + 1].off
                                                              : mt_group_session.struct_size) -
                              k_off;
            memcpy((uint8_t *)&session + i_off, (const uint8_t *)&full + i_off, i_size);
            memcpy((uint8_t *)&session + k_off, (const uint8_t *)&full + k_off, k_size);
            assert_line(session_line(&session));
        }
    }
}

/* --- values ----------------------------------------------------------------- */

static void assert_string(const char *text, size_t size, const char *expected)
{
    struct mt_buf b = mt_buf(storage, LINE_MAX_SIZE);
    mt_json_put_string(&b, mt_span(text, size));
    assert_text(written(&b), expected);
}

#define ASSERT_STRING(literal, expected) assert_string(literal, sizeof(literal) - 1, expected)

static void strings_are_escaped_where_they_must_be_and_only_there(void **state)
{
    (void)state;
    ASSERT_STRING("", "\"\"");
    ASSERT_STRING("plain text / with 'marks'", "\"plain text / with 'marks'\"");
    ASSERT_STRING("\"quoted\\\"", "\"\\\"quoted\\\\\\\"\"");
    ASSERT_STRING("a\tb\r\nc", "\"a\\tb\\r\\nc\"");
    ASSERT_STRING("\x00\x01\x1b\x1f\x7f", "\"\\u0000\\u0001\\u001b\\u001f\\u007f\"");
    ASSERT_STRING("\xc2\x80\xc2\x9f\xc2\xa0", "\"\\u0080\\u009f\xc2\xa0\"");
    ASSERT_STRING("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
                  "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
    ASSERT_STRING("J\xc3\xbcrgen \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x93\xa7",
                  "\"J\xc3\xbcrgen \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x93\xa7\"");
}

#define R "\xef\xbf\xbd"

static void each_byte_that_is_not_utf8_becomes_a_replacement_character(void **state)
{
    (void)state;
    ASSERT_STRING("\xff", "\"" R "\"");
    ASSERT_STRING("a\xe4z", "\"a" R "z\"");
    ASSERT_STRING("\xc3", "\"" R "\"");
    ASSERT_STRING("\xe2\x82", "\"" R R "\"");
    ASSERT_STRING("\xed\xa0\x80", "\"" R R R "\"");
    ASSERT_STRING("\xc0\xaf", "\"" R R "\"");
    ASSERT_STRING("\xf4\x90\x80\x80", "\"" R R R R "\"");
}

/* Texts of every size around the widths that are looked at in one step, in
 * memory that ends with them. */
static void a_byte_to_escape_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const struct {
        uint8_t byte;
        const char *escaped;
    } specials[] = {{'"', "\\\""},     {'\\', "\\\\"}, {0x1f, "\\u001f"},
                    {0x7f, "\\u007f"}, {0x80, R},      {' ', " "}};
    for (size_t size = 1; size <= 140; size++) {
        uint8_t *text = malloc(size);
        assert_non_null(text);
        for (size_t at = 0; at < size; at++) {
            for (size_t i = 0; i < MT_ARRAY_COUNT(specials); i++) {
                char expected[160];
                memset(text, '~', size);
                text[at] = specials[i].byte;
                snprintf(expected, sizeof(expected), "\"%.*s%s%.*s\"", (int)at, (const char *)text,
                         specials[i].escaped, (int)(size - at - 1), (const char *)text + at + 1);
                assert_string((const char *)text, size, expected);
            }
        }
        free(text);
    }
}

static void assert_clean(struct mt_span line)
{
    struct mt_span text = assert_line(line);
    for (size_t off = 0; off < text.size;) {
        size_t size = mt_utf8_char(mt_span_from(text, off));
        assert_true(size > 0);
        assert_true(text.ptr[off] >= 0x20 && text.ptr[off] != 0x7f);
        assert_false(text.ptr[off] == 0xc2 && text.ptr[off + 1] < 0xa0);
        off += size;
    }
}

static void any_three_bytes_make_a_clean_line(void **state)
{
    (void)state;
    static const uint8_t tails[] = {'a', 0x80, 0xa8};
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t t = 0; t < sizeof(tails); t++) {
                const uint8_t bytes[3] = {(uint8_t)first, (uint8_t)second, tails[t]};
                const struct mt_record_session session = {.banner_text = mt_span(bytes, 3)};
                assert_clean(session_line(&session));
            }
        }
    }
}

static void an_absent_text_is_left_out_and_an_empty_one_is_written(void **state)
{
    (void)state;
    struct mt_record_transaction transaction = {.from_address = mt_span("", 0)};
    const struct mt_record_session session = {.transactions = {&transaction, 1}};
    assert_text(json_find(assert_line(session_line(&session)), "smtp.transactions[].from.address"), "\"\"");
    transaction.from_address = mt_span_none();
    assert_null(json_find(assert_line(session_line(&session)), "smtp.transactions[].from.address").ptr);
}

static void a_flag_tells_false_from_absent(void **state)
{
    (void)state;
    struct mt_record_session session = {.starttls_offered = MT_FLAG_TRUE,
                                        .starttls_requested = MT_FLAG_FALSE};
    struct mt_span text = assert_line(session_line(&session));
    assert_text(json_find(text, "smtp.starttls.offered"), "true");
    assert_text(json_find(text, "smtp.starttls.requested"), "false");
    session.starttls_requested = MT_FLAG_ABSENT;
    assert_null(json_find(assert_line(session_line(&session)), "smtp.starttls.requested").ptr);
}

static void reply_codes_keep_their_three_digits(void **state)
{
    (void)state;
    static const struct mt_code_count codes[] = {{0, 1}, {7, 2}, {99, 3}, {250, UINT32_MAX}, {999, 5}};
    const struct mt_record_session session = {.codes = {codes, MT_ARRAY_COUNT(codes)}};
    struct mt_span text = assert_line(session_line(&session));
    assert_text(json_find(text, "smtp.codes.000"), "1");
    assert_text(json_find(text, "smtp.codes.007"), "2");
    assert_text(json_find(text, "smtp.codes.099"), "3");
    assert_text(json_find(text, "smtp.codes.250"), "4294967295");
    assert_text(json_find(text, "smtp.codes.999"), "5");
}

static struct mt_span parameters_line(const struct mt_record_parameter *parameters, uint32_t count)
{
    const struct mt_record_transaction transaction = {.from_params = {parameters, count}};
    const struct mt_record_session session = {.transactions = {&transaction, 1}};
    struct mt_span text = assert_line(session_line(&session));
    const char *begin = strstr((const char *)text.ptr, "\"params\":");
    assert_non_null(begin);
    const char *end = strchr(begin, '}');
    assert_non_null(end);
    return mt_span(begin + 9, (size_t)(end + 1 - (begin + 9)));
}

#define PARAMETER(keyword, value)                                \
    {                                                            \
        {(const uint8_t *)(keyword), sizeof(keyword) - 1}, value \
    }
#define NO_VALUE \
    {            \
        NULL, 0  \
    }
#define VALUE(value)                                \
    {                                               \
        (const uint8_t *)(value), sizeof(value) - 1 \
    }

static void a_parameter_given_twice_is_kept_under_a_name_of_its_own(void **state)
{
    (void)state;
    static const struct mt_record_parameter twice[] = {
        PARAMETER("SIZE", VALUE("1")),   PARAMETER("BODY", VALUE("7BIT")), PARAMETER("SIZE", VALUE("2")),
        PARAMETER("SMTPUTF8", NO_VALUE), PARAMETER("SIZE", VALUE("3")),
    };
    assert_text(parameters_line(twice, MT_ARRAY_COUNT(twice)),
                "{\"SIZE\":\"1\",\"BODY\":\"7BIT\",\"SIZE_2\":\"2\",\"SMTPUTF8\":\"\",\"SIZE_3\":\"3\"}");
}

static void the_name_of_a_second_parameter_is_never_that_of_another(void **state)
{
    (void)state;
    static const struct mt_record_parameter forged[] = {
        PARAMETER("A", VALUE("1")),    PARAMETER("A", VALUE("2")),   PARAMETER("A_2", VALUE("3")),
        PARAMETER("A_2", VALUE("4")),  PARAMETER("A_4", VALUE("5")), PARAMETER("A", VALUE("6")),
        PARAMETER("", VALUE("7")),     PARAMETER("", VALUE("8")),    PARAMETER("\xff", VALUE("9")),
        PARAMETER("\xfe", VALUE("0")),
    };
    assert_text(parameters_line(forged, MT_ARRAY_COUNT(forged)),
                "{\"A\":\"1\",\"A_3\":\"2\",\"A_2\":\"3\",\"A_2_2\":\"4\",\"A_4\":\"5\",\"A_5\":\"6\","
                "\"\":\"7\",\"_2\":\"8\",\"" R "\":\"9\",\"" R "_2\":\"0\"}");
}

/* --- limits ----------------------------------------------------------------- */

static void a_line_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    size_t size = session_line(&sample_session).size;
    const size_t before = 5;

    for (size_t cap = 0; cap <= size; cap++) {
        /* of the heap, and exact: a sanitizer sees the first byte too many */
        uint8_t *memory = malloc(before + cap);
        assert_non_null(memory);
        memcpy(memory, "12345", before);
        struct mt_buf b = mt_buf(memory, before + cap);
        b.size = before;
        mt_json_put_session(&b, &sample_session);
        assert_int_equal(b.overflow, cap < size);
        assert_int_equal(b.size, cap < size ? before : before + size);
        assert_memory_equal(memory, "12345", before);
        free(memory);
    }
}

static void an_alert_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    size_t size = alert_line(&sample_alert).size;

    for (size_t cap = 0; cap <= size; cap++) {
        uint8_t *memory = malloc(cap + 1);
        assert_non_null(memory);
        memory[cap] = 0xa5;
        struct mt_buf b = mt_buf(memory, cap);
        mt_json_put_alert(&b, &sample_alert);
        assert_int_equal(b.overflow, cap < size);
        assert_int_equal(b.size, cap < size ? 0 : size);
        assert_int_equal(memory[cap], 0xa5);
        free(memory);
    }
}

static void a_string_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    const struct mt_span text = mt_span("\xff\n\xc2\x80 \"", 6);
    for (size_t cap = 0; cap < 16; cap++) {
        struct mt_buf b = mt_buf(storage, cap);
        mt_json_put_string(&b, text);
        assert_true(b.overflow);
        assert_int_equal(b.size, 0);
    }
    struct mt_buf b = mt_buf(storage, 16);
    mt_json_put_string(&b, text);
    assert_false(b.overflow);
    assert_int_equal(b.size, 16);
}

/* A caller tests once after many appends: what was lost before stays known. */
static void an_overflow_from_before_is_not_forgotten(void **state)
{
    (void)state;
    struct mt_buf b = mt_buf(storage, LINE_MAX_SIZE);
    b.overflow = true;
    mt_json_put_alert(&b, &sample_alert);
    assert_true(b.overflow);
    assert_line(mt_buf_span(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_session_reads_like_its_golden_text),
        cmocka_unit_test(an_alert_reads_like_its_golden_text),
        cmocka_unit_test(a_record_with_nothing_set_keeps_only_its_numbers),
        cmocka_unit_test(an_item_with_nothing_set_is_an_empty_object),
        cmocka_unit_test(a_session_with_every_field_set_has_every_path_of_the_list_in_its_order),
        cmocka_unit_test(an_alert_with_every_field_set_has_every_path_of_the_list_in_its_order),
        cmocka_unit_test(any_two_fields_alone_make_a_valid_line),
        cmocka_unit_test(strings_are_escaped_where_they_must_be_and_only_there),
        cmocka_unit_test(each_byte_that_is_not_utf8_becomes_a_replacement_character),
        cmocka_unit_test(a_byte_to_escape_is_found_wherever_it_stands),
        cmocka_unit_test(any_three_bytes_make_a_clean_line),
        cmocka_unit_test(an_absent_text_is_left_out_and_an_empty_one_is_written),
        cmocka_unit_test(a_flag_tells_false_from_absent),
        cmocka_unit_test(reply_codes_keep_their_three_digits),
        cmocka_unit_test(a_parameter_given_twice_is_kept_under_a_name_of_its_own),
        cmocka_unit_test(the_name_of_a_second_parameter_is_never_that_of_another),
        cmocka_unit_test(a_line_that_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(an_alert_that_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(a_string_that_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(an_overflow_from_before_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
