#include "config/values_priv.h"

#include "base/check.h"
#include "config/units.h"
#include "metrics/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a domain and of one of its labels: RFC 1035 §2.3.4 in text form. */
enum {
    DOMAIN_SIZE_MAX = 253,
    LABEL_SIZE_MAX = 63,
    KEYS_MAX = 64,
};

static int refuse(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *node,
                  const char *expected)
{
    mt_yaml_report_place(report, node->line, node->column, "%s: found %s, expected %s", name,
                         mt_yaml_describe(node).text, expected);
    return -EINVAL;
}

/* --- mappings ----------------------------------------------------------------- */

static size_t index_of(struct mt_span key, const char *const *keys, size_t count)
{
    size_t i = 0;
    while (i < count && !mt_span_eq(key, mt_span_cstr(keys[i])))
        i++;
    return i;
}

static int check_key(const struct mt_yaml_report *report, const struct mt_yaml *key, const char *const *keys,
                     size_t count, uint32_t *seen_line, size_t *ret_index)
{
    if (key->kind != MT_YAML_TEXT) {
        mt_yaml_report_place(report, key->line, key->column, "found %s as a key, expected a text",
                             mt_yaml_describe(key).text);
        return -EINVAL;
    }
    size_t index = index_of(key->text, keys, count);
    if (index == count) {
        mt_yaml_report_unknown(report, key->line, key->column, key->text, keys, count);
        return -EINVAL;
    }
    if (seen_line[index] != 0) {
        mt_yaml_report_place(report, key->line, key->column, "\"%s\" is given twice, first in line %u",
                             keys[index], (unsigned)seen_line[index]);
        return -EINVAL;
    }
    seen_line[index] = key->line;
    *ret_index = index;
    return 0;
}

int mt_config_map(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *map,
                  const char *const *keys, size_t count, mt_config_member *member, void *ctx)
{
    uint32_t seen_line[KEYS_MAX] = {0};

    MT_BUG_ON(count > KEYS_MAX);
    if (map->kind != MT_YAML_MAP)
        return refuse(report, name, map, "a mapping");
    for (const struct mt_yaml *key = map->child; key != NULL; key = key->next->next) {
        size_t index;
        int rc = check_key(report, key, keys, count, seen_line, &index);
        if (rc == 0)
            rc = member(ctx, index, key->next);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- lists -------------------------------------------------------------------- */

static int count_items(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                       const char *expected, size_t count_max, size_t *ret_count)
{
    size_t count = 0;

    if (list->kind != MT_YAML_LIST)
        return refuse(report, name, list, expected);
    for (const struct mt_yaml *item = list->child; item != NULL; item = item->next) {
        if (++count > count_max) {
            mt_yaml_report_place(report, item->line, item->column, "%s: more than %zu entries", name,
                                 count_max);
            return -EINVAL;
        }
    }
    *ret_count = count;
    return 0;
}

/* --- networks ----------------------------------------------------------------- */

static void clear_host_bits(struct mt_ip *ip, unsigned bits)
{
    for (unsigned i = 0; i < sizeof(ip->bytes); i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        if (kept < 8)
            ip->bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
}

/* "10.1.2.3/8" is most likely meant as 10.0.0.0/8: true, and that text, when the
 * bits behind the prefix are all that is wrong. */
static bool suggest_network(struct mt_span text, char *ret_text, size_t size)
{
    size_t slash = 0;
    while (slash < text.size && text.ptr[slash] != '/')
        slash++;
    struct mt_prefix prefix;
    struct mt_span length = mt_span_from(text, slash + 1);
    if (!mt_ip_parse(mt_span_head(text, slash), &prefix.ip) || length.size == 0 || length.size > 3)
        return false;

    unsigned bits = 0;
    for (size_t i = 0; i < length.size; i++) {
        if (!mt_ascii_is_digit(length.ptr[i]))
            return false;
        bits = bits * 10 + (length.ptr[i] - '0');
    }
    if (bits > (prefix.ip.family == 4 ? 32 : 128))
        return false;
    clear_host_bits(&prefix.ip, bits);
    struct mt_buf b = mt_buf(ret_text, size - 1);
    mt_buf_put_ip(&b, &prefix.ip);
    mt_buf_put_byte(&b, '/');
    mt_buf_put_u64(&b, bits);
    ret_text[b.size] = '\0';
    struct mt_prefix parsed;
    return mt_prefix_parse(mt_buf_span(&b), &parsed);
}

static int take_network(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *item,
                        struct mt_prefix *ret_network)
{
    static const char expected[] = "an address or a network like 192.0.2.0/24 or 2001:db8::/32";
    char suggestion[64];

    if (item->kind == MT_YAML_TEXT && mt_prefix_parse(item->text, ret_network))
        return 0;
    if (item->kind != MT_YAML_TEXT || !suggest_network(item->text, suggestion, sizeof(suggestion)))
        return refuse(report, name, item, expected);
    mt_yaml_report_place(report, item->line, item->column,
                         "%s: %s has bits set behind its prefix; did you mean \"%s\"?", name,
                         mt_yaml_quote(item->text).text, suggestion);
    return -EINVAL;
}

int mt_config_networks(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                       bool is_needed, struct mt_config_networks *ret_networks)
{
    size_t count;
    int rc = count_items(report, name, list, "a list of networks", MT_CONFIG_ITEMS_MAX, &count);
    if (rc != 0)
        return rc;
    if (count == 0 && is_needed) {
        mt_yaml_report_place(report, list->line, list->column,
                             "%s: the list is empty; leave the key out for private address space", name);
        return -EINVAL;
    }
    struct mt_prefix *items = calloc(count + 1, sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    size_t i = 0;
    for (const struct mt_yaml *item = list->child; item != NULL && rc == 0; item = item->next)
        rc = take_network(report, name, item, &items[i++]);
    if (rc != 0) {
        free(items);
        return rc;
    }
    *ret_networks = (struct mt_config_networks){items, count};
    return 0;
}

/* --- domains ------------------------------------------------------------------ */

/* What keeps text from being a domain, or NULL. Bytes above 127 are those of an
 * internationalised name (RFC 6531) and stand as they are. */
static const char *domain_fault(struct mt_span text)
{
    size_t label = 0;

    if (text.size == 0)
        return "is empty";
    if (memchr(text.ptr, '@', text.size) != NULL)
        return "holds an \"@\"; give the domain alone";
    if (text.ptr[0] == '.')
        return "begins with a dot; a domain covers those below it";
    if (text.ptr[0] == '*')
        return "begins with a star; a domain covers those below it";
    if (text.size > DOMAIN_SIZE_MAX)
        return "is longer than 253 bytes";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.ptr[i];
        if (c == '.' && label == 0)
            return "has an empty label";
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_SIZE_MAX)
            return "has a label longer than 63 bytes";
        if (c < 0x80 && c != '.' && c != '-' && c != '_' && !mt_ascii_is_alpha(c) && !mt_ascii_is_digit(c))
            return "holds a character that no domain has";
    }
    return label == 0 ? "ends with a dot" : NULL;
}

static int check_fault(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *item,
                       const char *fault)
{
    if (fault == NULL)
        return 0;
    mt_yaml_report_place(report, item->line, item->column, "%s: %s %s", name, mt_yaml_quote(item->text).text,
                         fault);
    return -EINVAL;
}

static int check_domain(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *item)
{
    if (item->kind != MT_YAML_TEXT)
        return refuse(report, name, item, "a domain");
    return check_fault(report, name, item, domain_fault(item->text));
}

struct text_list {
    const char *what;
    size_t max;
    int (*check)(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *item);
};

static int take_texts(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                      const struct text_list *kind, struct mt_config_domains *ret_texts)
{
    size_t size = 0;
    size_t count;
    int rc = count_items(report, name, list, kind->what, kind->max, &count);
    if (rc != 0)
        return rc;
    for (const struct mt_yaml *item = list->child; item != NULL; item = item->next) {
        rc = kind->check(report, name, item);
        if (rc != 0)
            return rc;
        size += item->text.size;
    }
    struct mt_span *items = malloc((count + 1) * sizeof(*items) + size);
    if (items == NULL)
        return -ENOMEM;
    uint8_t *text = (uint8_t *)(items + count + 1);
    size_t i = 0;
    for (const struct mt_yaml *item = list->child; item != NULL; item = item->next) {
        items[i++] = mt_span(text, item->text.size);
        for (size_t k = 0; k < item->text.size; k++)
            *text++ = mt_ascii_lower(item->text.ptr[k]);
    }
    *ret_texts = (struct mt_config_domains){items, count};
    return 0;
}

int mt_config_domains(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                      struct mt_config_domains *ret_domains)
{
    static const struct text_list domains = {"a list of domains", MT_CONFIG_ITEMS_MAX, check_domain};

    return take_texts(report, name, list, &domains, ret_domains);
}

#define PERSON_SIZE_MAX 128u
#define PERSONS_MAX 256u /* a message's sender is compared with each */

static const char *person_fault(struct mt_span text)
{
    bool has_letter = false;

    if (text.size > PERSON_SIZE_MAX)
        return "is longer than 128 bytes";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.ptr[i];
        if (c < ' ' || c == 0x7f || c == '<' || c == '>' || c == '@')
            return "holds a character that no name has; addresses have no place here";
        has_letter |= c >= 0x80 || mt_ascii_is_alpha(c) || mt_ascii_is_digit(c);
    }
    return has_letter ? NULL : "has no letter";
}

static int check_person(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *item)
{
    if (item->kind != MT_YAML_TEXT)
        return refuse(report, name, item, "a person's name");
    return check_fault(report, name, item, person_fault(item->text));
}

int mt_config_names(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                    struct mt_config_domains *ret_names)
{
    static const struct text_list persons = {"a list of names", PERSONS_MAX, check_person};

    return take_texts(report, name, list, &persons, ret_names);
}

/* --- scalars ------------------------------------------------------------------ */

/* Digits only, without leading zeros: YAML 1.1 took those for octal. */
static bool parse_number(struct mt_span text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.size == 0 || text.size > 10 || (text.ptr[0] == '0' && text.size > 1))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!mt_ascii_is_digit(text.ptr[i]))
            return false;
        number = number * 10 + (text.ptr[i] - '0');
    }
    *ret_number = number;
    return true;
}

int mt_config_number(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                     uint32_t low, uint32_t high, uint32_t *ret_number)
{
    uint64_t number;

    if (value->kind != MT_YAML_TEXT || !parse_number(value->text, &number) || number < low || number > high) {
        char expected[64];
        snprintf(expected, sizeof(expected), "a whole number from %u to %u", (unsigned)low, (unsigned)high);
        return refuse(report, name, value, expected);
    }
    *ret_number = (uint32_t)number;
    return 0;
}

int mt_config_numbers(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                      uint32_t low, uint32_t high, size_t count_max, uint16_t *ret_numbers,
                      uint32_t *ret_count)
{
    size_t count;
    int rc = count_items(report, name, list, "a list of numbers", count_max, &count);
    uint32_t i = 0;

    if (rc == 0 && count == 0)
        return refuse(report, name, list, "at least one number");
    for (const struct mt_yaml *item = list->child; rc == 0 && item != NULL; item = item->next) {
        uint32_t number;
        rc = mt_config_number(report, name, item, low, high, &number);
        if (rc == 0)
            ret_numbers[i++] = (uint16_t)number;
    }
    if (rc == 0)
        *ret_count = i;
    return rc;
}

static bool is_plain_text(const struct mt_yaml *value)
{
    if (value->kind != MT_YAML_TEXT || value->text.size == 0)
        return false;
    for (size_t i = 0; i < value->text.size; i++) {
        if (value->text.ptr[i] < 0x20)
            return false;
    }
    return true;
}

int mt_config_text(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                   char **ret_text)
{
    if (value->kind != MT_YAML_TEXT || value->text.size == 0)
        return refuse(report, name, value, "a text");
    if (!is_plain_text(value))
        return refuse(report, name, value, "a text without control characters");
    char *text = malloc(value->text.size + 1);
    if (text == NULL)
        return -ENOMEM;
    memcpy(text, value->text.ptr, value->text.size);
    text[value->text.size] = '\0';
    *ret_text = text;
    return 0;
}

int mt_config_address(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                      char **ret_text)
{
    char reason[512];
    char *text;
    int rc = mt_config_text(report, name, value, &text);

    if (rc != 0)
        return rc;
    if (mt_metrics_address_check(text, reason, sizeof(reason)) != 0) {
        mt_yaml_report_place(report, value->line, value->column, "%s: %s", name, reason);
        free(text);
        return -EINVAL;
    }
    *ret_text = text;
    return 0;
}

int mt_config_texts(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                    size_t count_max, struct mt_config_texts *ret_texts)
{
    static const char expected[] = "a text or a list of texts";
    const struct mt_yaml *first = value->kind == MT_YAML_LIST ? value->child : value;
    size_t count = 1;
    size_t size = 0;

    int rc = value->kind == MT_YAML_LIST ? count_items(report, name, value, expected, count_max, &count) : 0;
    if (rc != 0)
        return rc;
    if (count == 0)
        return refuse(report, name, value, "at least one text");
    const struct mt_yaml *item = first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        if (!is_plain_text(item))
            return refuse(report, name, item, expected);
        size += item->text.size + 1;
    }
    char **items = malloc(count * sizeof(*items) + size);
    if (items == NULL)
        return -ENOMEM;
    char *text = (char *)(items + count);
    item = first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        items[i] = text;
        memcpy(text, item->text.ptr, item->text.size);
        text += item->text.size;
        *text++ = '\0';
    }
    *ret_texts = (struct mt_config_texts){items, count};
    return 0;
}

int mt_config_word(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                   const char *const *words, uint32_t *ret_index)
{
    char expected[128];
    int size = 0;

    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (value->kind == MT_YAML_TEXT && mt_span_eq(value->text, mt_span_cstr(words[i]))) {
            *ret_index = i;
            return 0;
        }
        const char *before = i == 0 ? "" : words[i + 1] != NULL ? ", " : " or ";
        if ((size_t)size < sizeof(expected))
            size += snprintf(expected + size, sizeof(expected) - (size_t)size, "%s%s", before, words[i]);
    }
    return refuse(report, name, value, expected);
}

int mt_config_flag(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                   bool *ret_flag)
{
    static const char *const words[] = {"false", "true", NULL};
    uint32_t index;
    int rc = mt_config_word(report, name, value, words, &index);

    if (rc == 0)
        *ret_flag = index == 1;
    return rc;
}

int mt_config_memory(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                     uint64_t *ret_size)
{
    uint64_t size;

    if (value->kind != MT_YAML_TEXT || !mt_config_parse_size(value->text, &size) ||
        size < MT_CONFIG_MEMORY_MIN || size > MT_CONFIG_MEMORY_MAX)
        return refuse(report, name, value, "a size like 64M or 2G, from 4M to 1024G");
    *ret_size = size;
    return 0;
}

int mt_config_interval(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                       uint64_t *ret_time)
{
    uint64_t time;

    if (value->kind != MT_YAML_TEXT || !mt_config_parse_time(value->text, &time) ||
        time < MT_CONFIG_INTERVAL_MIN || time > MT_CONFIG_INTERVAL_MAX)
        return refuse(report, name, value, "a time like 10s or 5m, from 1s to 24h");
    *ret_time = time;
    return 0;
}
