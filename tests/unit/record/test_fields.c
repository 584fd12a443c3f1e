/* The field list as data describes the structs that were made from it, byte by
 * byte: nothing is left out, nothing is named twice. */
#include "record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct mt_field_group *const groups[] = {
    &mt_group_outer,     &mt_group_session,     &mt_group_auth,    &mt_group_probe,     &mt_group_parameter,
    &mt_group_recipient, &mt_group_hop,         &mt_group_part,    &mt_group_signature, &mt_group_header,
    &mt_group_chunk,     &mt_group_transaction, &mt_group_groupby, &mt_group_alert,     &mt_group_command,
    &mt_group_reply,     &mt_group_certificate, &mt_group_finding,
};

struct layout {
    size_t size;
    size_t align;
};

#define LAYOUT(name) [MT_FIELD_TYPE_##name] = {sizeof(MT_TYPE_##name), _Alignof(MT_TYPE_##name)}

static const struct layout layouts[] = {
    LAYOUT(TEXT),      LAYOUT(NAME),       LAYOUT(U64),       LAYOUT(COUNT),       LAYOUT(CODE),
    LAYOUT(FLAG),      LAYOUT(TIME),       LAYOUT(IP),        LAYOUT(MAC),         LAYOUT(TEXTS),
    LAYOUT(NAMES),     LAYOUT(CODES),      LAYOUT(VERBS),     LAYOUT(AUTH),        LAYOUT(PROBE),
    LAYOUT(OUTER),     LAYOUT(PARAMETERS), LAYOUT(RECIPIENT), LAYOUT(HOP),         LAYOUT(PART),
    LAYOUT(SIGNATURE), LAYOUT(CHUNK),      LAYOUT(HEADER),    LAYOUT(CERTIFICATE), LAYOUT(TRANSACTION),
    LAYOUT(GROUPBYS),
};

static size_t round_up(size_t off, size_t align)
{
    return (off + align - 1) / align * align;
}

static void every_member_of_every_struct_is_in_the_list_and_in_its_order(void **state)
{
    (void)state;
    for (size_t g = 0; g < MT_ARRAY_COUNT(groups); g++) {
        const struct mt_field_group *group = groups[g];
        size_t end = 0;
        size_t widest = 1;
        for (uint32_t i = 0; i < group->count; i++) {
            const struct mt_field *field = &group->fields[i];
            assert_true(field->type < MT_ARRAY_COUNT(layouts));
            const struct layout *layout = &layouts[field->type];
            assert_true(layout->size > 0);
            if (field->off != round_up(end, layout->align))
                fail_msg("%s: %s lies at %u, the one before ends at %zu", group->name, field->path,
                         field->off, end);
            end = field->off + layout->size;
            if (layout->align > widest)
                widest = layout->align;
        }
        assert_int_equal(round_up(end, widest), group->struct_size);
    }
}

static void no_path_is_named_twice_in_a_group(void **state)
{
    (void)state;
    for (size_t g = 0; g < MT_ARRAY_COUNT(groups); g++) {
        const struct mt_field_group *group = groups[g];
        for (uint32_t i = 0; i < group->count; i++) {
            for (uint32_t k = 0; k < i; k++)
                assert_string_not_equal(group->fields[i].path, group->fields[k].path);
        }
    }
}

static bool is_below(const char *path, const char *object, size_t object_size)
{
    return strncmp(path, object, object_size) == 0 && path[object_size] == '.';
}

/* An encoder that walks the list opens each object once. */
static void fields_of_one_object_stand_together(void **state)
{
    (void)state;
    for (size_t g = 0; g < MT_ARRAY_COUNT(groups); g++) {
        const struct mt_field_group *group = groups[g];
        for (uint32_t i = 0; i < group->count; i++) {
            const char *path = group->fields[i].path;
            for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
                size_t size = (size_t)(dot - path);
                uint32_t k = i + 1;
                while (k < group->count && is_below(group->fields[k].path, path, size))
                    k++;
                for (; k < group->count; k++) {
                    if (is_below(group->fields[k].path, path, size))
                        fail_msg("%s: %s stands apart from %s", group->name, group->fields[k].path, path);
                }
            }
        }
    }
}

/* "a" can't be a text and "a.b" a member of it. */
static void no_path_is_both_a_value_and_an_object(void **state)
{
    (void)state;
    for (size_t g = 0; g < MT_ARRAY_COUNT(groups); g++) {
        const struct mt_field_group *group = groups[g];
        for (uint32_t i = 0; i < group->count; i++) {
            size_t size = strlen(group->fields[i].path);
            for (uint32_t k = 0; k < group->count; k++)
                assert_false(is_below(group->fields[k].path, group->fields[i].path, size));
        }
    }
}

static void every_path_is_made_of_plain_names_and_has_a_meaning(void **state)
{
    (void)state;
    for (size_t g = 0; g < MT_ARRAY_COUNT(groups); g++) {
        const struct mt_field_group *group = groups[g];
        assert_true(group->count > 0);
        for (uint32_t i = 0; i < group->count; i++) {
            const char *path = group->fields[i].path;
            assert_int_equal(strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789_.@"), strlen(path));
            assert_null(strstr(path, ".."));
            assert_true(path[0] != '.' && path[0] != '\0' && path[strlen(path) - 1] != '.');
            assert_true(strlen(group->fields[i].meaning) > 2);
        }
    }
}

static void each_list_of_structs_leads_to_the_group_of_its_items(void **state)
{
    (void)state;
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_OUTER), &mt_group_outer);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_AUTH), &mt_group_auth);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_PROBE), &mt_group_probe);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_PARAMETERS), &mt_group_parameter);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_RECIPIENT), &mt_group_recipient);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_HOP), &mt_group_hop);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_PART), &mt_group_part);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_SIGNATURE), &mt_group_signature);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_CHUNK), &mt_group_chunk);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_HEADER), &mt_group_header);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_CERTIFICATE), &mt_group_certificate);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_TRANSACTION), &mt_group_transaction);
    assert_ptr_equal(mt_field_items(MT_FIELD_TYPE_GROUPBYS), &mt_group_groupby);
    for (int type = MT_FIELD_TYPE_TEXT; type <= MT_FIELD_TYPE_VERBS; type++)
        assert_null(mt_field_items((enum mt_field_type)type));
}

/* Every group but the two records themselves, and the events, is the item of some
 * list. */
static void every_group_can_be_reached_from_a_record(void **state)
{
    (void)state;
    for (size_t g = 0; g < MT_ARRAY_COUNT(groups); g++) {
        bool is_reached = groups[g] == &mt_group_session || groups[g] == &mt_group_alert ||
                          groups[g] == &mt_group_command || groups[g] == &mt_group_reply ||
                          groups[g] == &mt_group_finding;
        for (size_t from = 0; from < MT_ARRAY_COUNT(groups); from++) {
            for (uint32_t i = 0; i < groups[from]->count; i++)
                is_reached |= mt_field_items((enum mt_field_type)groups[from]->fields[i].type) == groups[g];
        }
        if (!is_reached)
            fail_msg("no list holds items of group %s", groups[g]->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_of_every_struct_is_in_the_list_and_in_its_order),
        cmocka_unit_test(no_path_is_named_twice_in_a_group),
        cmocka_unit_test(fields_of_one_object_stand_together),
        cmocka_unit_test(no_path_is_both_a_value_and_an_object),
        cmocka_unit_test(every_path_is_made_of_plain_names_and_has_a_meaning),
        cmocka_unit_test(each_list_of_structs_leads_to_the_group_of_its_items),
        cmocka_unit_test(every_group_can_be_reached_from_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
