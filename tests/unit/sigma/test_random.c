/* Random rules and events: the compiled program against a second evaluator that
 * reads the rules as they were made, value by value, without anything shared. */
#include "event.h"
#include "plain.h"

#include "sigma/sigma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RULES 40u
#define ITEMS_MAX 3u
#define VALUES_MAX 3u
#define SELECTIONS_MAX 3u
#define EVENT_VALUES_MAX 20u

struct item {
    const char *field; /* NULL: keywords */
    const char *other; /* SAME */
    enum how how;
    bool is_all;
    bool is_negated;
    bool is_cased;
    unsigned count;
    char values[VALUES_MAX][32];
};

struct rule {
    struct item items[SELECTIONS_MAX][ITEMS_MAX];
    unsigned item_count[SELECTIONS_MAX];
    unsigned selection_count;
    bool is_list[SELECTIONS_MAX]; /* of maps: any instead of all */
    unsigned condition;
};

struct value {
    const char *field;
    char text[TEXT_MAX];
};

/* What events of a category are made of. Text fields with %u are of members, which
 * are the events; the others are of the record around them, or of the one event. */
struct kind {
    enum mt_sigma_category category;
    const char *texts[4];
    const char *numbers[3];
    const char *member; /* "smtp.transactions[%u].recipients[%u].": where its fields begin */
    const char *mark;   /* a field that makes the event one, and its value */
    const char *marked;
    bool is_single; /* no part of a record */
};

#define T "smtp.transactions."
#define R "smtp.transactions.recipients."
#define H "smtp.transactions.message.received_hops."
static const struct kind kinds[] = {
    {.category = MT_SIGMA_SESSION,
     .texts = {"smtp.helo.name", "smtp.anomalies", T "from.address", R "address"},
     .numbers = {"source.port", "smtp.helo.score", "smtp.codes.550"}},
    {.category = MT_SIGMA_TRANSACTION,
     .texts = {T "from.address", T "message.subject", T "reply.text", "smtp.helo.name"},
     .numbers = {T "reply.code", T "bytes", "source.port"},
     .member = "smtp.transactions[%u]."},
    {.category = MT_SIGMA_RECIPIENT,
     .texts = {R "address", R "domain", R "enhanced", "smtp.helo.name"},
     .numbers = {R "code", "smtp.helo.score", "source.port"},
     .member = "smtp.transactions[%u].recipients[%u]."},
    {.category = MT_SIGMA_AUTH,
     .texts = {"smtp.auth.mechanism", "smtp.auth.user", "smtp.auth.outcome", "smtp.helo.name"},
     .numbers = {"smtp.auth.code", "smtp.helo.score", "source.port"},
     .member = "smtp.auth[%u]."},
    {.category = MT_SIGMA_MESSAGE,
     .texts = {T "from.address", T "message.subject", T "reply.text", "smtp.helo.name"},
     .numbers = {T "reply.code", T "bytes", "source.port"},
     .member = "smtp.transactions[%u].",
     .mark = "mode",
     .marked = "data"},
    {.category = MT_SIGMA_RECEIVED,
     .texts = {H "by", H "with", H "from.name", "smtp.helo.name"},
     .numbers = {"smtp.codes.550", "smtp.helo.score", "source.port"},
     .member = "smtp.transactions[%u].message.received_hops[%u]."},
    {.category = MT_SIGMA_TLS,
     .texts = {"tls.cipher", "tls.client.server_name", "tls.version", "smtp.helo.name"},
     .numbers = {"source.port", "smtp.helo.score", "tls.alert.code"},
     .mark = "tls.version_protocol",
     .marked = "tls"},
    {.category = MT_SIGMA_COMMAND,
     .texts = {"smtp.command.word", "smtp.command.argument", "smtp.command.verb", "smtp.helo.name"},
     .numbers = {"smtp.command.size", "smtp.command.outstanding", "source.port"},
     .is_single = true},
    {.category = MT_SIGMA_REPLY,
     .texts = {"smtp.reply.text", "smtp.reply.argument", "smtp.reply.enhanced", "smtp.helo.name"},
     .numbers = {"smtp.reply.code", "smtp.reply.lines", "source.port"},
     .is_single = true},
    {.category = MT_SIGMA_FINDING,
     .texts = {"mailtap.finding", "smtp.probes.vrfy.argument", "smtp.transactions.recipients.address",
               "smtp.helo.name"},
     .numbers = {"mailtap.count", "smtp.transactions.recipients.code", "source.port"},
     .is_single = true},
};
#undef T
#undef R
#undef H

static const struct kind *kind;

static uint32_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* --- making ---------------------------------------------------------------------- */

static void make_text(char *to, unsigned size_max)
{
    unsigned size = below(size_max + 1);
    for (unsigned i = 0; i < size; i++)
        to[i] = "abAB"[below(4)];
    to[size] = '\0';
}

static const char *const networks[] = {"10.0.0.0/8", "10.0.1.0/24", "192.0.2.1", "2001:db8::/32",
                                       "0.0.0.0/0"};
static const char *const addresses[] = {"10.0.0.1", "10.0.1.9", "192.0.2.1", "192.0.2.2", "2001:db8::1"};

static void make_value(struct item *item, char *to)
{
    make_text(to, 3);
    if (item->how >= BASE64 && item->how <= DASHED && to[0] == '\0')
        strcpy(to, "a");
    if (item->how == DASHED) {
        memmove(to + 1, to, strlen(to) + 1);
        to[0] = below(2) ? '-' : '/';
    }
    if (item->how == EXPANDED || item->how == EXPANDED_ENDS)
        strcpy(to, below(3) == 0 ? "a%local_domains%"
                   : below(2)    ? "%local_domains%"
                                 : "%local_domains%%local_domains%");
    if (item->how == NETWORK)
        strcpy(to, networks[below(MT_ARRAY_COUNT(networks))]);
    else if (item->how >= LESS)
        snprintf(to, 16, "%u", below(4));
    if (item->how == REGEX && below(3) == 0) {
        memmove(to + 1, to, strlen(to) + 1);
        to[0] = '^';
    }
    if (item->how == REGEX && below(4) == 0)
        strcat(to, "$");
    if (item->how == WILD)
        strcat(to, below(2) ? "*" : "?");
    if (item->how == WILD && below(2))
        strcat(to, "b");
}

static void make_item(struct item *item)
{
    memset(item, 0, sizeof(*item));
    static const enum how of_keywords[] = {CONTAINS, REGEX, OFFSET, DASHED, EXPANDED_ENDS};
    bool is_number = below(4) == 0;
    item->field = is_number ? kind->numbers[below(3)] : kind->texts[below(4)];
    item->how = (enum how)below(LESS);
    if (is_number)
        item->how = (enum how)(LESS + below(NUMBER + 1 - LESS));
    unsigned other = below(8);
    if (other == 0) {
        item->field = NULL;
        item->how = of_keywords[below(MT_ARRAY_COUNT(of_keywords))];
    } else if (other == 1) {
        item->field = "source.ip";
        item->how = NETWORK;
    }
    bool is_one = item->how >= SAME && item->how < NUMBER;
    item->count = is_one ? 1 : 1 + below(VALUES_MAX);
    item->other = kind->texts[below(4)];
    item->is_all = item->count > 1 && below(3) == 0;
    bool is_text = item->how <= SAME;
    item->is_cased = is_text && below(4) == 0;
    item->is_negated = (is_text || item->how >= NUMBER) && below(5) == 0;
    for (unsigned i = 0; i < item->count; i++)
        make_value(item, item->values[i]);
}

/* A key stands once in a map. */
static bool has_field(const struct item *items, unsigned count, const char *field)
{
    for (unsigned i = 0; i < count; i++) {
        if (items[i].field == field)
            return true;
    }
    return false;
}

static void make_rule(struct rule *rule)
{
    memset(rule, 0, sizeof(*rule));
    rule->selection_count = 1 + below(SELECTIONS_MAX);
    for (unsigned s = 0; s < rule->selection_count; s++) {
        rule->item_count[s] = 1 + below(ITEMS_MAX);
        rule->is_list[s] = below(3) == 0;
        for (unsigned i = 0; i < rule->item_count[s]; i++)
            do
                make_item(&rule->items[s][i]);
            while (has_field(rule->items[s], i, rule->items[s][i].field));
    }
    rule->condition = below(6);
}

/* --- writing ---------------------------------------------------------------------- */

static const char *const modifiers[HOW_COUNT] = {[CONTAINS] = "|contains",
                                                 [STARTS] = "|startswith",
                                                 [ENDS] = "|endswith",
                                                 [REGEX] = "|re",
                                                 [BASE64] = "|base64",
                                                 [OFFSET] = "|base64offset|contains",
                                                 [WIDE_BASE64] = "|wide|base64",
                                                 [BIG_BASE64] = "|utf16be|base64",
                                                 [MARK_OFFSET] = "|utf16|base64offset|contains",
                                                 [DASHED] = "|windash|contains",
                                                 [EXPANDED] = "|expand",
                                                 [EXPANDED_ENDS] = "|expand|endswith",
                                                 [SAME] = "|fieldref",
                                                 [EXISTS] = "|exists",
                                                 [MISSING] = "|exists",
                                                 [LESS] = "|lt",
                                                 [MORE] = "|gt",
                                                 [AT_MOST] = "|lte",
                                                 [AT_LEAST] = "|gte",
                                                 [NETWORK] = "|cidr"};

static const char *const conditions[6][SELECTIONS_MAX] = {
    {"s0", "s0 and s1", "s0 and s1 and s2"},
    {"s0", "s0 or s1", "s0 or s1 or s2"},
    {"not s0", "s0 and not s1", "s0 and not (s1 or s2)"},
    {"1 of s*", "all of s*", "1 of s* and not s2"},
    {"all of them", "1 of them", "all of them"},
    {"not not s0", "not s0 or s1", "(s0 or s1) and not s2"},
};

static void write_item(struct mt_buf *b, const struct item *item, const char *lead)
{
    char line[512];
    bool is_regex = item->how == REGEX;
    const char *letters = is_regex == item->is_cased ? "" : is_regex ? "|i" : "|cased";
    int n = snprintf(line, sizeof(line), "    %s'%s%s%s%s%s':", lead, item->field ? item->field : "",
                     modifiers[item->how] ? modifiers[item->how] : "", letters, item->is_all ? "|all" : "",
                     item->is_negated ? "|neq" : "");
    if (item->how >= SAME && item->how <= MISSING) {
        const char *const what[] = {item->other, "true", "null", "false"};
        snprintf(line + n, sizeof(line) - (size_t)n, " %s\n", what[item->how - SAME]);
        mt_buf_put_cstr(b, line);
        return;
    }
    for (unsigned i = 0; i < item->count; i++)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "%s'%s'", i == 0 ? " [" : ", ", item->values[i]);
    snprintf(line + n, sizeof(line) - (size_t)n, "]\n");
    mt_buf_put_cstr(b, line);
}

static void write_rule(struct mt_buf *b, const struct rule *rule, unsigned number)
{
    char line[256];
    snprintf(line, sizeof(line),
             "---\ntitle: rule %u\nlogsource: {product: mailtap, service: smtp, category: %s}\ndetection:\n",
             number, mt_sigma_category_name(kind->category));
    mt_buf_put_cstr(b, line);
    for (unsigned s = 0; s < rule->selection_count; s++) {
        snprintf(line, sizeof(line), "  s%u:\n", s);
        mt_buf_put_cstr(b, line);
        for (unsigned i = 0; i < rule->item_count[s]; i++)
            write_item(b, &rule->items[s][i], rule->is_list[s] ? "- " : "");
    }
    snprintf(line, sizeof(line), "  condition: %s\n", conditions[rule->condition][rule->selection_count - 1]);
    mt_buf_put_cstr(b, line);
}

/* --- the second evaluator ------------------------------------------------------------ */

/* Letters, with ^ before and $ behind them or not. */
static bool regex_matches(const struct item *item, const char *regex, const char *text)
{
    char pattern[TEXT_MAX];
    size_t size = strlen(regex);
    bool from_start = regex[0] == '^';
    bool to_end = size > 0 && regex[size - 1] == '$';
    int letters = (int)(size - from_start - to_end);
    snprintf(pattern, sizeof(pattern), "%s%.*s%s", from_start ? "" : "*", letters, regex + from_start,
             to_end ? "" : "*");
    return glob(pattern, text, item->is_cased);
}

static bool form_matches(const struct item *item, const char *form, const char *text)
{
    char pattern[TEXT_MAX * 2 + 4];
    bool is_keyword = !item->field;
    bool before = is_keyword || item->how == CONTAINS || item->how == ENDS || item->how == EXPANDED_ENDS ||
                  item->how == OFFSET || item->how == MARK_OFFSET || item->how == DASHED;
    bool after =
        is_keyword || (before && item->how != ENDS && item->how != EXPANDED_ENDS) || item->how == STARTS;
    snprintf(pattern, sizeof(pattern), "%s%s%s", before ? "*" : "", form, after ? "*" : "");
    return glob(pattern, text, item->is_cased);
}

static bool value_matches(const struct item *item, const char *wanted, const char *text)
{
    struct forms forms;
    bool is_met = false;
    if (item->how == NETWORK)
        return is_in_network(wanted, text);
    if (item->how == REGEX)
        return regex_matches(item, wanted, text);
    if (item->how == AT_MOST)
        return atoi(text) <= atoi(wanted);
    if (item->how == AT_LEAST)
        return atoi(text) >= atoi(wanted);
    if (item->how == LESS)
        return atoi(text) < atoi(wanted);
    if (item->how == MORE)
        return atoi(text) > atoi(wanted);
    if (item->how == NUMBER)
        return atoi(text) == atoi(wanted);
    make_forms(&forms, item->how, wanted);
    for (unsigned i = 0; i < forms.count; i++)
        is_met |= form_matches(item, forms.text[i], text);
    return is_met;
}

static const char *of_member(const char *member, const char *field);

/* source.ip is the session's. */
static bool is_of_finding(const char *field)
{
    return kind->category == MT_SIGMA_FINDING && strncmp(field, "source.", 7) != 0;
}

/* Keywords are looked for in texts and addresses of what the event is. */
static bool is_searched(const char *field)
{
    bool is_whole = kind->category == MT_SIGMA_SESSION || kind->category == MT_SIGMA_TLS;
    for (unsigned i = 0; i < MT_ARRAY_COUNT(kind->numbers); i++) {
        if (field == kind->numbers[i])
            return false;
    }
    return is_whole || is_of_finding(field) || field == kind->mark ||
           (kind->member && of_member(kind->member, field)) || strncmp(field, "smtp.command.", 13) == 0 ||
           strncmp(field, "smtp.reply.", 11) == 0;
}

static bool is_of(const struct item *item, const struct value *value)
{
    return item->field ? strcmp(value->field, item->field) == 0 : is_searched(value->field);
}

static bool has_same(const struct item *item, const struct value *values, unsigned count)
{
    for (unsigned v = 0; v < count; v++) {
        for (unsigned w = 0; w < count; w++) {
            if (strcmp(values[v].field, item->field) == 0 && strcmp(values[w].field, item->other) == 0 &&
                strlen(values[v].text) == strlen(values[w].text) &&
                glob(values[v].text, values[w].text, item->is_cased))
                return true;
        }
    }
    return false;
}

static bool item_matches(const struct item *item, const struct value *values, unsigned count)
{
    unsigned present = 0;
    unsigned met = 0;
    for (unsigned v = 0; v < count; v++)
        present += is_of(item, &values[v]);
    if (item->how >= EXISTS && item->how <= MISSING)
        return (present > 0) == (item->how == EXISTS);
    if (item->how == SAME)
        return has_same(item, values, count) != item->is_negated;
    for (unsigned w = 0; w < item->count; w++) {
        bool is_met = false;
        for (unsigned v = 0; v < count; v++)
            is_met |= is_of(item, &values[v]) && value_matches(item, item->values[w], values[v].text);
        met += is_met;
    }
    bool result = item->is_all ? met == item->count : met > 0;
    return result != item->is_negated;
}

static bool selection_matches(const struct rule *rule, unsigned s, const struct value *values, unsigned count)
{
    unsigned met = 0;
    for (unsigned i = 0; i < rule->item_count[s]; i++)
        met += item_matches(&rule->items[s][i], values, count);
    return rule->is_list[s] ? met > 0 : met == rule->item_count[s];
}

static bool rule_matches(const struct rule *rule, const struct value *values, unsigned count)
{
    bool s[SELECTIONS_MAX] = {false};
    unsigned n = rule->selection_count;
    bool all = true;
    bool any = false;
    for (unsigned i = 0; i < n; i++) {
        s[i] = selection_matches(rule, i, values, count);
        all &= s[i];
        any |= s[i];
    }
    switch (rule->condition) {
    case 0:
        return all;
    case 1:
        return any;
    case 2:
        return n == 1 ? !s[0] : s[0] && !s[1] && !s[2];
    case 3:
        return n == 2 ? all : any && !(n == 3 && s[2]);
    case 4:
        return n == 2 ? any : all;
    default:
        return n == 1 ? s[0] : n == 2 ? !s[0] || s[1] : (s[0] || s[1]) && !s[2];
    }
}

/* --- comparing ------------------------------------------------------------------------ */

/* Now and then what an encoding, a dash or a placeholder may become. */
static void make_event_text(char *to)
{
    struct forms forms;
    char text[16];
    make_text(text, 4);
    unsigned which = below(9);
    strcpy(to, text);
    if (text[0] != '\0' && which < 3) {
        static const enum how hows[] = {BASE64, WIDE_BASE64, BIG_BASE64};
        make_forms(&forms, hows[which], text);
        snprintf(to, TEXT_MAX, "%.40s", forms.text[0]);
    } else if (which == 3) {
        uint8_t bytes[12] = {0xff, 0xfe, 'a', 0, 'b', 0};
        forms.count = 0;
        add_base64(&forms, bytes, 2 + 2 * (1 + below(2)), UINT32_MAX);
        snprintf(to, TEXT_MAX, "%.40s", forms.text[0]);
    } else if (which == 4) {
        static const char *const before[] = {"-", "/", "a -", "\xe2\x80\x94"};
        snprintf(to, TEXT_MAX, "%s%s", before[below(4)], text);
    } else if (which == 5) {
        snprintf(to, TEXT_MAX, "%s%s", below(2) ? domains[0] : "a", domains[below(2)]);
    }
}

static unsigned make_session(struct value *values, struct mt_record_session **ret_record)
{
    struct mt_record_session *record = event_start();
    unsigned count = 0;
    char text[TEXT_MAX];
    uint8_t has[6] = {0};
    if (below(3) > 0) {
        values[count].field = "source.ip";
        strcpy(values[count].text, addresses[below(MT_ARRAY_COUNT(addresses))]);
        event_set(record, "source.ip", mt_span_cstr(values[count++].text));
    }
    /* numbers that are always there */
    values[count].field = "source.port";
    snprintf(values[count].text, sizeof(values[count].text), "%u", below(4));
    event_set(record, "source.port", mt_span_cstr(values[count++].text));
    for (unsigned i = below(8); i > 0; i--) {
        static const char *const paths[] = {"smtp.anomalies",
                                            "smtp.transactions[0].recipients[0].address",
                                            "smtp.transactions[1].recipients[0].address",
                                            "smtp.transactions[1].recipients[1].address",
                                            "smtp.transactions[0].from.address",
                                            "smtp.helo.name"};
        static const char *const fields[] = {"smtp.anomalies",
                                             "smtp.transactions.recipients.address",
                                             "smtp.transactions.recipients.address",
                                             "smtp.transactions.recipients.address",
                                             "smtp.transactions.from.address",
                                             "smtp.helo.name"};
        unsigned which = below(6);
        if (has[which]++ >= (which == 0 ? 3 : 1))
            continue;
        make_event_text(text);
        values[count].field = fields[which];
        snprintf(values[count].text, sizeof(values[count].text), "%s", text);
        event_set(record, paths[which], mt_span_cstr(values[count++].text));
    }
    static const char *const counts[] = {"smtp.helo.score", "smtp.codes.550"};
    for (unsigned i = 0; i < 2; i++) {
        unsigned number = below(4);
        if (number == 0)
            continue;
        values[count].field = counts[i];
        snprintf(values[count].text, sizeof(values[count].text), "%u", number);
        event_set(record, counts[i], mt_span_cstr(values[count++].text));
    }
    *ret_record = record;
    return count;
}

/* Numbers that are always there; others are absent when 0. */
static bool is_always_there(const char *field)
{
    return strcmp(field, "source.port") == 0 || strncmp(field, "smtp.command.", 13) == 0 ||
           strcmp(field, "smtp.reply.lines") == 0;
}

/* The field's last part, or NULL when it is none of the member's. */
static const char *of_member(const char *member, const char *field)
{
    size_t f = 0;
    for (size_t m = 0; member[m] != '\0'; m++) {
        if (member[m] == '[') {
            m += 3; /* "[%u]" */
            continue;
        }
        if (member[m] != field[f++])
            return NULL;
    }
    return field + f;
}

struct made {
    struct value values[EVENT_VALUES_MAX];
    unsigned count;
};

static void put_value(struct made *made, const char *field, const char *text)
{
    made->values[made->count].field = field;
    snprintf(made->values[made->count++].text, sizeof(made->values[0].text), "%s", text);
}

/* A value of the field, for the event and at `prefix` of the record; often none. */
static void make_field(struct mt_record_session *record, struct made *made, const char *prefix,
                       const char *field, const char *rest, bool is_number)
{
    char path[128];
    char text[TEXT_MAX];
    bool is_needed = prefix[0] != '\0' && field == kind->texts[0]; /* the member would not be there */
    if (!is_number && !is_needed && below(3) == 0)
        return;
    make_event_text(text);
    if (is_number)
        snprintf(text, sizeof(text), "%u", below(4));
    bool is_absent = is_number && text[0] == '0' && !is_always_there(field);
    if (!is_absent)
        put_value(made, field, text);
    snprintf(path, sizeof(path), "%s%s", prefix, rest);
    if (!is_absent)
        event_set(record, path, mt_span_cstr(text));
}

static void make_fields(struct mt_record_session *record, struct made *made, const char *prefix)
{
    for (unsigned i = 0; i < 7; i++) {
        const char *field = i < 4 ? kind->texts[i] : kind->numbers[i - 4];
        const char *rest = kind->member ? of_member(kind->member, field) : NULL;
        if (prefix ? rest != NULL : rest == NULL)
            make_field(record, made, prefix ? prefix : "", field, prefix ? rest : field, i >= 4);
    }
}

#define MEMBERS_MAX 4u

/* The events of a record, at most MEMBERS_MAX. */
static unsigned make_events(struct made made[MEMBERS_MAX], struct mt_record_session **ret_record)
{
    struct made around = {.count = 0};
    memset(made, 0, MEMBERS_MAX * sizeof(*made));
    if (kind->category == MT_SIGMA_SESSION) {
        made[0].count = make_session(made[0].values, ret_record);
        return 1;
    }
    struct mt_record_session *record = event_start();
    *ret_record = record;
    make_fields(record, &around, NULL);
    if (below(3) > 0) {
        put_value(&around, "source.ip", addresses[below(MT_ARRAY_COUNT(addresses))]);
        event_set(record, "source.ip", mt_span_cstr(around.values[around.count - 1].text));
    }
    unsigned members = kind->member ? below(MEMBERS_MAX + 1) : 1;
    bool is_deep = kind->member && strstr(strstr(kind->member, "%u") + 1, "%u") != NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < members; i++) {
        char prefix[96];
        struct made one = around;
        snprintf(prefix, sizeof(prefix), kind->member ? kind->member : "", is_deep ? i / 2 : i, i % 2);
        if (kind->member)
            make_fields(record, &one, prefix);
        bool is_marked = !kind->mark || below(4) > 0;
        char mark[128];
        snprintf(mark, sizeof(mark), "%s%s", prefix, kind->mark ? kind->mark : "");
        if (kind->mark && is_marked) {
            event_set(record, mark, mt_span_cstr(kind->marked));
            put_value(&one, kind->mark, kind->marked);
        }
        if (is_marked)
            made[count++] = one;
    }
    return count;
}

static void note(void *ctx, const struct mt_sigma_match *match)
{
    bool *matched = ctx;
    matched[atoi(match->rule->title + 5)] = true;
}

static void compare_set(uint32_t with_seed, uint32_t *ret_matches)
{
    static struct rule rules[RULES];
    static uint8_t text[RULES * 4096];
    struct mt_buf b = mt_buf(text, sizeof(text));
    /* each second set as few texts as many, by Hyperscan */
    struct mt_span locals[DOMAINS] = {mt_span_cstr(domains[0]), mt_span_cstr(domains[1])};
    const struct mt_site site = {.given = true, .local_domains = locals, .local_domain_count = DOMAINS};
    const struct mt_sigma_config config = {.site = &site, .evaluators = 1, .scan_from = with_seed % 2};
    struct mt_sigma *sigma;
    seed = with_seed;
    for (unsigned r = 0; r < RULES; r++) {
        make_rule(&rules[r]);
        write_rule(&b, &rules[r], r);
    }
    assert_false(b.overflow);
    assert_int_equal(mt_sigma_load_text(&config, "random", mt_buf_span(&b), &sigma), 0);
    assert_true(mt_sigma_active_count(sigma) > RULES / 2); /* some contradict themselves */
    for (unsigned e = 0; e < 60; e++) {
        struct made made[MEMBERS_MAX];
        struct mt_record_session *record;
        bool matched[RULES] = {false};
        unsigned count = make_events(made, &record);
        const struct mt_sigma_event single = event_single(kind->category);
        if (kind->is_single)
            mt_sigma_evaluate_event(mt_sigma_evaluator(sigma, 0), kind->category, &single, note, matched);
        else
            mt_sigma_evaluate(mt_sigma_evaluator(sigma, 0), record, note, matched);
        for (unsigned r = 0; r < RULES; r++) {
            char title[16];
            snprintf(title, sizeof(title), "rule %u", r);
            const struct mt_sigma_rule *rule = mt_sigma_find(sigma, title);
            bool expected = false;
            for (unsigned m = 0; m < count; m++)
                expected |= rule_matches(&rules[r], made[m].values, made[m].count);
            if (!rule || rule->inactive) {
                if (expected && rule)
                    fail_msg("seed %u: %s is said to contradict itself, and matches", with_seed, title);
                continue;
            }
            *ret_matches += expected;
            if (expected == matched[r])
                continue;
            struct mt_buf one = mt_buf(text, sizeof(text));
            write_rule(&one, &rules[r], r);
            for (unsigned m = 0; m < count; m++) {
                for (unsigned v = 0; v < made[m].count; v++)
                    print_error("%u: %s=%s\n", m, made[m].values[v].field, made[m].values[v].text);
            }
            fail_msg("seed %u, event %u: expected %d\n%.*s", with_seed, e, expected, (int)one.size, text);
        }
    }
    mt_sigma_destroy(sigma);
}

static void the_program_agrees_with_a_plain_evaluator_on_random_rules_and_events(void **state)
{
    (void)state;
    uint32_t matches = 0;
    kind = &kinds[0];
    for (uint32_t s = 1; s <= 30; s++)
        compare_set(s * 7919, &matches);
    assert_true(matches > 5000);
}

static void the_same_holds_for_the_events_of_every_category(void **state)
{
    (void)state;
    for (size_t k = 1; k < MT_ARRAY_COUNT(kinds); k++) {
        uint32_t matches = 0;
        kind = &kinds[k];
        for (uint32_t s = 1; s <= 10; s++)
            compare_set(s * 7919 + (uint32_t)k, &matches);
        assert_true(matches > 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_agrees_with_a_plain_evaluator_on_random_rules_and_events),
        cmocka_unit_test(the_same_holds_for_the_events_of_every_category),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
