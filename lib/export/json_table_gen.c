/* Runs at build time and prints json_table.c; see json_table_priv.h. */
#include "export/json_table_priv.h"

#include <stdio.h>
#include <stdlib.h>

static const struct mt_field_group *const groups[MT_JSON_GROUP_COUNT] = {
    [MT_JSON_GROUP_SESSION] = &mt_group_session,
    [MT_JSON_GROUP_ALERT] = &mt_group_alert,
    [MT_JSON_GROUP_OUTER] = &mt_group_outer,
    [MT_JSON_GROUP_AUTH] = &mt_group_auth,
    [MT_JSON_GROUP_PROBE] = &mt_group_probe,
    [MT_JSON_GROUP_RECIPIENT] = &mt_group_recipient,
    [MT_JSON_GROUP_HOP] = &mt_group_hop,
    [MT_JSON_GROUP_PART] = &mt_group_part,
    [MT_JSON_GROUP_SIGNATURE] = &mt_group_signature,
    [MT_JSON_GROUP_CHUNK] = &mt_group_chunk,
    [MT_JSON_GROUP_CERTIFICATE] = &mt_group_certificate,
    [MT_JSON_GROUP_HEADER] = &mt_group_header,
    [MT_JSON_GROUP_TRANSACTION] = &mt_group_transaction,
};

static void give_up(const struct mt_field *field, const char *why)
{
    fprintf(stderr, "record/fields.def: %s: %s\n", field->path, why);
    exit(1);
}

/* 0 where the encoder has its own way: scalars, and lists written as objects. */
static unsigned items_of(const struct mt_field *field)
{
    const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);
    if (items == NULL || items == &mt_group_parameter || items == &mt_group_groupby)
        return MT_JSON_GROUP_NONE;
    for (unsigned g = 1; g < MT_JSON_GROUP_COUNT; g++) {
        if (groups[g] == items)
            return g;
    }
    give_up(field, "its items are no group of the table");
    return MT_JSON_GROUP_NONE;
}

/* The number of the object that path[0..size) names, unique within the object
 * around it: one more than the index of its first field. */
static unsigned object_number(const struct mt_field_group *group, const char *path, size_t size)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const char *other = group->fields[i].path;
        if (strncmp(other, path, size) == 0 && other[size] == '.')
            return i + 1;
    }
    return 0;
}

static void print_field(const struct mt_field_group *group, const struct mt_field *field)
{
    char text[2 * MT_JSON_KEY_MAX];
    unsigned start[MT_JSON_DEPTH_MAX + 1] = {0};
    unsigned depth = 0;
    uint32_t objects = 0;
    struct mt_buf b = mt_buf(text, sizeof(text));

    mt_buf_put_cstr(&b, ",\"");
    for (const char *p = field->path; *p != '\0'; p++) {
        if (*p != '.') {
            mt_buf_put_byte(&b, (uint8_t)*p);
            continue;
        }
        if (depth == MT_JSON_DEPTH_MAX)
            give_up(field, "nested deeper than MT_JSON_DEPTH_MAX");
        unsigned number = object_number(group, field->path, (size_t)(p - field->path));
        if (number == 0 || number > UINT8_MAX)
            give_up(field, "too many fields to number its objects");
        objects |= number << (8 * depth);
        depth++;
        mt_buf_put_cstr(&b, "\":{\"");
        /* the brace: it gives way to a comma when the text begins here */
        start[depth] = (unsigned)b.size - 2;
    }
    mt_buf_put_cstr(&b, "\":");
    if (b.overflow || b.size > MT_JSON_KEY_MAX)
        give_up(field, "longer than MT_JSON_KEY_MAX");
    if (b.size - start[depth] > MT_JSON_LEAF_MAX || start[depth] + MT_JSON_LEAF_MAX > MT_JSON_KEY_MAX)
        give_up(field, "its last key does not end within MT_JSON_LEAF_MAX");

    fputs("    {\"", stdout);
    for (size_t i = 0; i < b.size; i++) {
        if (text[i] == '"')
            putchar('\\');
        putchar(text[i]);
    }
    printf("\", 0x%xu, %u, %u, %u, %u, %zu, %u, {%u, %u, %u, %u}},\n", (unsigned)objects, field->off,
           field->type, items_of(field), depth, b.size, start[depth], start[0], start[1], start[2], start[3]);
}

int main(void)
{
    puts("/* Made by json_table_gen.c from record/fields.def. */\n"
         "#include \"export/json_table_priv.h\"");
    for (unsigned g = 1; g < MT_JSON_GROUP_COUNT; g++) {
        printf("\nstatic const struct mt_json_field %s_fields[] = {\n", groups[g]->name);
        for (uint32_t i = 0; i < groups[g]->count; i++)
            print_field(groups[g], &groups[g]->fields[i]);
        puts("};");
    }
    puts("\nconst struct mt_json_group mt_json_groups[MT_JSON_GROUP_COUNT] = {");
    for (unsigned g = 1; g < MT_JSON_GROUP_COUNT; g++)
        printf("    [%u] = {%s_fields, %u, %u},\n", g, groups[g]->name, groups[g]->count,
               groups[g]->struct_size);
    puts("};");
    return ferror(stdout) || fflush(stdout) != 0;
}
