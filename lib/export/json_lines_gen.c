/* Runs at build time and prints json_lines.c; see json_lines_priv.h. */
#include "export/json_lines_priv.h"
#include "export/json_table_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* One way to write a type: what asks whether a value is there, NULL for one that
 * always is; what writes it; the most that it writes without asking for room. */
struct way {
    const char *has;
    const char *put;
    unsigned room;
};

static const struct way ways[] = {
    [MT_FIELD_TYPE_TEXT] = {"text", "text(pen, ", 0},
    [MT_FIELD_TYPE_NAME] = {"pointer", "name(pen, ", 0},
    [MT_FIELD_TYPE_U64] = {NULL, "number(", MT_TEXT_U64_MAX},
    [MT_FIELD_TYPE_COUNT] = {"number", "number(", MT_TEXT_U64_MAX},
    [MT_FIELD_TYPE_CODE] = {"code", "code(", MT_TEXT_U64_MAX},
    [MT_FIELD_TYPE_FLAG] = {"flag", "flag(", 8},
    [MT_FIELD_TYPE_TIME] = {"number", "time(pen, ", 2 + MT_TEXT_TIME_MAX},
    [MT_FIELD_TYPE_IP] = {"ip", "ip(", 2 + MT_IP_TEXT_MAX},
    [MT_FIELD_TYPE_MAC] = {"pointer", "mac(", 20},
    [MT_FIELD_TYPE_TEXTS] = {"list", "texts(pen, ", 2},
    [MT_FIELD_TYPE_NAMES] = {"list", "names(pen, ", 2},
    [MT_FIELD_TYPE_CODES] = {"list", "codes(pen, ", 2},
    [MT_FIELD_TYPE_VERBS] = {"list", "verbs(pen, ", 2},
    [MT_FIELD_TYPE_PARAMETERS] = {"list", "pairs(pen, ", 2},
    [MT_FIELD_TYPE_GROUPBYS] = {"list", "pairs(pen, ", 2},
};
static const struct way objects_way = {"list", NULL, 3};

static unsigned reserve = MT_JSON_SLACK;

static void give_up(const struct mt_field *field, const char *why)
{
    fprintf(stderr, "record/fields.def: %s: %s\n", field->path, why);
    exit(1);
}

static const struct mt_field_group *objects_of(const struct mt_field *field)
{
    const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);

    return items == &mt_group_parameter || items == &mt_group_groupby ? NULL : items;
}

/* The key with its comma, filled up to whole vectors: it is copied by these. */
static void print_key(const char *name, size_t size)
{
    size_t key = size + 4;
    size_t padded = (key + 15) / 16 * 16;

    printf("MT_JSON_KEY(to, %zu, %zu, \",\\\"%.*s\\\":", padded, key, (int)size, name);
    for (size_t i = key; i < padded; i++)
        fputs("\\0", stdout);
    fputs("\")", stdout);
    reserve += (unsigned)padded;
}

static void print_indent(unsigned depth)
{
    printf("%*s", 4 * (int)(depth + 1), "");
}

static void print_open(const struct mt_field_group *group, uint32_t index, const char *name, size_t size,
                       unsigned depth)
{
    const char *path = group->fields[index].path;
    size_t prefix = (size_t)(name - path) + size + 1;

    for (uint32_t i = 0; i < index; i++) {
        if (strncmp(group->fields[i].path, path, prefix) == 0)
            give_up(&group->fields[index], "fields of one object do not stand together");
    }
    print_indent(depth);
    fputs("to = ", stdout);
    print_key(name, size);
    puts(";");
    print_indent(depth);
    puts("{");
    print_indent(depth + 1);
    printf("uint8_t *open%u = to;\n", depth);
    reserve++;
}

static void print_close(const char *name, size_t size, unsigned depth)
{
    print_indent(depth + 1);
    printf("to = mt_json_close(open%u, to, %zu); /* %.*s */\n", depth, size + 4, (int)size, name);
    print_indent(depth);
    puts("}");
}

static void print_field(const struct mt_field *field, const char *name, unsigned depth)
{
    const struct mt_field_group *items = objects_of(field);
    const struct way *way = items != NULL ? &objects_way : &ways[field->type];

    if (items == NULL && (field->type >= MT_ARRAY_COUNT(ways) || way->put == NULL))
        give_up(field, "json_lines_gen.c has no way to write its type");
    if (way->has != NULL) {
        print_indent(depth);
        printf("if (mt_json_has_%s(r + %u))\n", way->has, field->off);
        depth++;
    }
    print_indent(depth);
    if (items != NULL)
        printf("to = put_list_of_%s(pen, ", items->name);
    else
        printf("to = mt_json_put_%s", way->put);
    print_key(name, strlen(name));
    printf(", r + %u);\n", field->off);
    reserve += way->room;
}

/* Where the name that starts at p ends; NULL when it is the field's own. */
static const char *object_end(const char *p)
{
    return strchr(p, '.');
}

static void print_members(const struct mt_field_group *group)
{
    const char *open[MT_JSON_DEPTH_MAX]; /* names of the objects that are open, within paths */
    size_t sizes[MT_JSON_DEPTH_MAX];
    unsigned depth = 0;

    for (uint32_t i = 0; i < group->count; i++) {
        const char *name = group->fields[i].path;
        const char *end;
        unsigned shared = 0;
        while (shared < depth && (end = object_end(name)) != NULL && (size_t)(end - name) == sizes[shared] &&
               strncmp(name, open[shared], sizes[shared]) == 0) {
            name = end + 1;
            shared++;
        }
        while (depth > shared) {
            depth--;
            print_close(open[depth], sizes[depth], depth);
        }
        for (; (end = object_end(name)) != NULL; name = end + 1) {
            if (depth == MT_JSON_DEPTH_MAX)
                give_up(&group->fields[i], "nested deeper than MT_JSON_DEPTH_MAX");
            open[depth] = name;
            sizes[depth] = (size_t)(end - name);
            print_open(group, i, name, sizes[depth], depth);
            depth++;
        }
        print_field(&group->fields[i], name, depth);
    }
    while (depth > 0) {
        depth--;
        print_close(open[depth], sizes[depth], depth);
    }
}

static void print_group(const struct mt_field_group *group)
{
    printf("\nstatic uint8_t *put_%s(struct mt_json_pen *pen, uint8_t *to, const uint8_t *r)\n{\n"
           "    uint8_t *begin = to;\n\n"
           "    (void)pen;\n",
           group->name);
    print_members(group);
    puts("    return mt_json_end(begin, to);\n}");
    reserve += 2;
}

static void print_list(const struct mt_field_group *group)
{
    printf("\nstatic uint8_t *put_list_of_%s(struct mt_json_pen *pen, uint8_t *to, const void *member)\n{\n"
           "    struct mt_json_list list = mt_json_list(member);\n"
           "    const uint8_t *item = list.items;\n\n"
           "    for (uint32_t i = 0; i < list.count && mt_json_has_room(pen, to); i++, item += %u) {\n"
           "        *to++ = i == 0 ? '[' : ',';\n"
           "        to = put_%s(pen, to, item);\n"
           "    }\n"
           "    *to = ']';\n"
           "    return to + 1;\n}\n",
           group->name, group->struct_size, group->name);
}

/* Behind the groups of its lists, each once. */
static void print_function(const struct mt_field_group *group)
{
    static const struct mt_field_group *printed[32];
    static size_t count;

    for (size_t i = 0; i < count; i++) {
        if (printed[i] == group)
            return;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field_group *items = objects_of(&group->fields[i]);
        if (items != NULL)
            print_function(items);
    }
    if (count == MT_ARRAY_COUNT(printed))
        give_up(&group->fields[0], "there are more groups than json_lines_gen.c has room for");
    printed[count++] = group;
    print_group(group);
    if (group != &mt_group_session && group != &mt_group_alert)
        print_list(group);
}

int main(void)
{
    puts("/* Made by json_lines_gen.c from record/fields.def. */\n"
         "#include \"export/json_lines_priv.h\"");
    print_function(&mt_group_session);
    print_function(&mt_group_alert);
    printf("\nconst size_t mt_json_reserve = %u;\n", reserve);
    puts("\nuint8_t *mt_json_straight_session(struct mt_json_pen *pen, uint8_t *to, const struct "
         "mt_record_session *record)\n"
         "{\n    return put_session(pen, to, (const uint8_t *)record);\n}\n"
         "\nuint8_t *mt_json_straight_alert(struct mt_json_pen *pen, uint8_t *to, const struct "
         "mt_record_alert *alert)\n"
         "{\n    return put_alert(pen, to, (const uint8_t *)alert);\n}");
    return ferror(stdout) || fflush(stdout) != 0;
}
