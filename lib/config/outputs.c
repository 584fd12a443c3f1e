/* The entries of `outputs:` and `notify:`: what stands behind --output or --notify,
 * as a text or as a mapping of format, target and the keys of
 * export/output_keys.def. */
#include "config/config_priv.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REASON_SIZE 512u
#define SPEC_SIZE 2048u

struct entry {
    const struct mt_yaml_report *report;
    const char *list; /* the list's key in the file */
    bool is_notice;
    const struct mt_yaml *node;
    struct mt_output_config *config;
};

static int say(const struct mt_yaml_report *report, const struct mt_yaml *at, const char *list,
               const char *reason)
{
    /* it holds words of the file, which may hold anything */
    char text[2 * REASON_SIZE];
    struct mt_buf b = mt_buf(text, sizeof(text) - 1);

    mt_buf_put_escaped(&b, mt_span_cstr(reason));
    text[b.size] = '\0';
    mt_yaml_report_place(report, at->line, at->column, "%s: %s", list, text);
    return -EINVAL;
}

/* Only format and target decide which keys there are, so they come first. */
static bool is_head(const struct mt_yaml *key)
{
    return mt_span_eq(key->text, mt_span_cstr("format")) || mt_span_eq(key->text, mt_span_cstr("target"));
}

static const struct mt_yaml *value_of(const struct mt_yaml *map, const char *name)
{
    for (const struct mt_yaml *key = map->child; key != NULL; key = key->next->next) {
        if (key->kind == MT_YAML_TEXT && mt_span_eq(key->text, mt_span_cstr(name)))
            return key->next;
    }
    return NULL;
}

static int check_once(const struct entry *entry, const struct mt_yaml *key)
{
    char reason[REASON_SIZE];

    if (key->kind != MT_YAML_TEXT) {
        snprintf(reason, sizeof(reason), "found %s as a key, expected a text", mt_yaml_describe(key).text);
        return say(entry->report, key, entry->list, reason);
    }
    for (const struct mt_yaml *before = entry->node->child; before != key; before = before->next->next) {
        if (!mt_span_eq(before->text, key->text))
            continue;
        mt_yaml_report_place(entry->report, key->line, key->column, "%s is given twice, first in line %u",
                             mt_yaml_quote(key->text).text, (unsigned)before->line);
        return -EINVAL;
    }
    return 0;
}

/* text for the time being; free() it. */
static int copy_text(const struct entry *entry, const char *name, const struct mt_yaml *value,
                     char **ret_text)
{
    char expected[REASON_SIZE];

    snprintf(expected, sizeof(expected), "%s: %s", entry->list, name);
    return mt_config_text(entry->report, expected, value, ret_text);
}

static int init_config(const struct entry *entry, const char *spec, char reason[REASON_SIZE])
{
    return entry->is_notice ? mt_notice_config_init(spec, reason, REASON_SIZE, entry->config)
                            : mt_output_config_init(spec, reason, REASON_SIZE, entry->config);
}

static int start_entry(const struct entry *entry)
{
    const struct mt_yaml *format = value_of(entry->node, "format");
    const struct mt_yaml *target = value_of(entry->node, "target");
    char reason[REASON_SIZE];
    char spec[SPEC_SIZE];
    char *texts[2] = {NULL, NULL};

    if (format == NULL || target == NULL)
        return say(entry->report, entry->node, entry->list,
                   format == NULL ? "an entry needs a format, as in format: ecs"
                                  : "an entry needs a target, as in target: file:/var/log/mailtap.json");
    int rc = copy_text(entry, "format", format, &texts[0]);
    if (rc == 0)
        rc = copy_text(entry, "target", target, &texts[1]);
    if (rc == 0 && strpbrk(texts[0], ":?") != NULL) {
        rc = say(entry->report, format, entry->list, "a format is a name alone; the target has its own key");
    } else if (rc == 0) {
        bool fits = (size_t)snprintf(spec, sizeof(spec), "%s:%s", texts[0], texts[1]) < sizeof(spec);
        snprintf(reason, sizeof(reason), "the target is too long");
        rc = fits ? init_config(entry, spec, reason) : -EINVAL;
        /* a sentence that names no format says what is wrong with the target */
        if (rc == -EINVAL)
            rc = say(entry->report, strstr(reason, ": there is no form") != NULL ? format : target,
                     entry->list, reason);
    }
    free(texts[0]);
    free(texts[1]);
    return rc;
}

static int set_value(const struct entry *entry, const struct mt_yaml *key, const char *name,
                     const struct mt_yaml *value)
{
    char reason[REASON_SIZE];
    char *text;

    if (mt_output_config_has(entry->config, name, reason, sizeof(reason)) != 0)
        return say(entry->report, key, entry->list, reason);
    int rc = copy_text(entry, name, value, &text);
    if (rc != 0)
        return rc;
    rc = mt_output_config_set(entry->config, name, text, reason, sizeof(reason));
    explicit_bzero(text, strlen(text));
    free(text);
    if (rc == -ENOMEM || rc == 0)
        return rc;
    return say(entry->report, value, entry->list, reason);
}

static int take_key(const struct entry *entry, const struct mt_yaml *key)
{
    const struct mt_yaml *value = key->next;
    char *name;
    int rc = copy_text(entry, "key", key, &name);

    if (rc != 0)
        return rc;
    if (value->kind != MT_YAML_LIST || !mt_output_config_is_list(entry->config, name))
        rc = set_value(entry, key, name, value);
    else
        for (const struct mt_yaml *item = value->child; rc == 0 && item != NULL; item = item->next)
            rc = set_value(entry, key, name, item);
    free(name);
    return rc;
}

static int take_map(const struct entry *entry)
{
    char reason[REASON_SIZE];
    int rc = 0;

    for (const struct mt_yaml *key = entry->node->child; rc == 0 && key != NULL; key = key->next->next)
        rc = check_once(entry, key);
    if (rc == 0)
        rc = start_entry(entry);
    if (rc != 0)
        return rc;
    for (const struct mt_yaml *key = entry->node->child; rc == 0 && key != NULL; key = key->next->next) {
        if (!is_head(key))
            rc = take_key(entry, key);
    }
    if (rc == 0 && mt_output_config_check(entry->config, reason, sizeof(reason)) != 0)
        rc = say(entry->report, entry->node, entry->list, reason);
    if (rc != 0)
        mt_output_config_fini(entry->config);
    return rc;
}

/* The same text as on the command line. */
static int take_spec(const struct entry *entry)
{
    char reason[REASON_SIZE];
    char *spec;
    int rc = copy_text(entry, "entry", entry->node, &spec);

    if (rc != 0)
        return rc;
    rc = entry->is_notice ? mt_notice_config_parse(spec, reason, sizeof(reason), entry->config)
                          : mt_output_config_parse(spec, reason, sizeof(reason), entry->config);
    free(spec);
    return rc == -EINVAL ? say(entry->report, entry->node, entry->list, reason) : rc;
}

int mt_config_take_outputs(struct mt_config_change *change, const char *name, bool is_notice,
                           const struct mt_yaml *list)
{
    const struct mt_yaml_report *report = change->report;
    struct mt_config_outputs *outputs = is_notice ? &change->notify : &change->outputs;
    int rc = 0;

    if (list->kind != MT_YAML_LIST) {
        mt_yaml_report_place(report, list->line, list->column, "%s: found %s, expected a list of outputs",
                             name, mt_yaml_describe(list).text);
        return -EINVAL;
    }
    outputs->items = calloc(MT_OUTPUTS_MAX, sizeof(*outputs->items));
    if (outputs->items == NULL)
        return -ENOMEM;
    for (const struct mt_yaml *node = list->child; rc == 0 && node != NULL; node = node->next) {
        struct entry entry = {report, name, is_notice, node, &outputs->items[outputs->count]};
        if (outputs->count == MT_OUTPUTS_MAX) {
            mt_yaml_report_place(report, node->line, node->column, "%s: more than %u entries", name,
                                 MT_OUTPUTS_MAX);
            return -EINVAL;
        }
        rc = node->kind == MT_YAML_TEXT ? take_spec(&entry)
             : node->kind == MT_YAML_MAP
                 ? take_map(&entry)
                 : say(report, node, name, "expected a mapping with format and target");
        outputs->count += rc == 0;
    }
    return rc;
}

void mt_config_move_outputs(struct mt_config_outputs *to, const struct mt_config_outputs *from)
{
    if (from->items == NULL)
        return;
    mt_config_free_outputs(to);
    *to = *from;
}

void mt_config_free_outputs(struct mt_config_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        mt_output_config_fini(&outputs->items[i]);
    free(outputs->items);
    *outputs = (struct mt_config_outputs){NULL, 0};
}
