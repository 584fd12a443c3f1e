#include "base/scan.h"
#include "detect/detect_priv.h"

/* When a client's use of one server was last told of. */
struct use {
    uint64_t time; /* 0: free */
    uint64_t server;
    uint64_t held_back;
};

/* Who asks more servers than this within the time of one alert has the others in
 * the table of repeats. */
#define USES_MAX 3

struct vrfy_client {
    struct mt_table_entry entry;
    struct use uses[USES_MAX];
    bool has_more_uses;
    struct mt_window arguments;
    uint64_t confirmed; /* when an address was last answered 250 or 251, 0: never */
    struct mt_step step;
    struct mt_history history; /* last: its lines start undefined */
};

int mt_vrfy_init(struct mt_detect *detect, uint32_t count_max)
{
    return mt_table_init(&detect->vrfy_clients,
                         &(struct mt_table_config){.entry_size = sizeof(struct vrfy_client),
                                                   .zeroed_size = offsetof(struct vrfy_client, history.lines),
                                                   .large_size = sizeof(struct mt_window_large),
                                                   .count_max = count_max});
}

void mt_vrfy_fini(struct mt_detect *detect)
{
    mt_table_fini(&detect->vrfy_clients);
}

/* 252 says "cannot verify", which tells the asker nothing (RFC 5321 §3.5.3). */
static bool is_confirmed(const struct mt_observation *o)
{
    return o->code == 250 || o->code == 251;
}

static const char *verb_of(const struct mt_observation *o)
{
    return o->is_expn ? "EXPN" : "VRFY";
}

static struct mt_span without_brackets(struct mt_span argument)
{
    argument = mt_span_trim(argument);
    if (argument.size >= 2 && argument.ptr[0] == '<' && argument.ptr[argument.size - 1] == '>')
        argument = mt_span(argument.ptr + 1, argument.size - 2);
    return argument;
}

/* The argument in lower case, so that Root and ROOT are one. */
static struct mt_span folded(const struct mt_observation *o, uint8_t storage[MT_OBSERVED_TEXT_MAX])
{
    struct mt_span argument = without_brackets(mt_observed_subject(o));

    mt_ascii_put_lower(storage, argument.ptr, argument.size);
    return mt_span(storage, argument.size);
}

/* The superuser and the two aliases of old sendmails that ran a program, as
 * whole local parts, and the wish for everyone of a domain. */
static bool is_sensitive_name(struct mt_span folded_argument)
{
    static const struct mt_span names[] = {
        {.ptr = (const uint8_t *)"root", .size = 4},
        {.ptr = (const uint8_t *)"decode", .size = 6},
        {.ptr = (const uint8_t *)"uudecode", .size = 8},
    };
    struct mt_span local = mt_span_head(folded_argument, mt_scan_byte(folded_argument, '@'));

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (mt_span_eq(local, names[i]))
            return true;
    }
    return local.size == 1 && local.ptr[0] == '*' && folded_argument.size > 1;
}

static bool is_expansion(const struct mt_observation *o)
{
    return o->is_expn && o->code == 250 && o->reply_lines > 1;
}

static void put_question(struct mt_buf *b, const struct mt_observation *o)
{
    mt_buf_put_ip(b, &o->tuple.src);
    mt_buf_put_cstr(b, " asked ");
    mt_buf_put_ip(b, &o->tuple.dst);
    mt_buf_put_cstr(b, " by ");
    mt_buf_put_cstr(b, verb_of(o));
    mt_buf_put_cstr(b, " for \"");
    mt_buf_put_escaped(b, mt_observed_subject(o));
    mt_buf_put_cstr(b, "\" and got ");
    if (o->code == 0) {
        mt_buf_put_cstr(b, "no answer");
    } else {
        mt_buf_put_cstr(b, "the answer ");
        mt_buf_put_u64(b, o->code);
    }
}

/* Is this use to be told of, and for how many does it stand? */
static bool is_use_due(struct mt_detect *detect, struct vrfy_client *client, const struct mt_observation *o,
                       uint64_t *ret_count)
{
    uint64_t server = mt_detect_ip(detect->seed, &o->tuple.dst);
    uint64_t span = detect->config.vrfy_use_repeat * MT_SEC;
    struct use *found = NULL;

    for (size_t i = 0; i < USES_MAX; i++) {
        struct use *use = &client->uses[i];
        if (use->time != 0 && use->server == server) {
            found = use;
            break;
        }
        if (use->time == 0 || detect->now - use->time >= span)
            found = use;
    }
    if (!found || (found->server != server && client->has_more_uses)) {
        client->has_more_uses = true;
        return mt_detect_repeat(detect, MT_FINDING_VRFY_EXPN_USE, o, mt_span_none(),
                                detect->config.vrfy_use_repeat, ret_count);
    }
    bool is_same = found->time != 0 && found->server == server;
    if (is_same && detect->now - found->time < span) {
        found->held_back++;
        mt_stats_add(detect->stats, MT_COUNTER_ALERTS_SUPPRESSED, 1);
        return false;
    }
    *ret_count = is_same ? found->held_back + 1 : 1;
    *found = (struct use){.time = detect->now, .server = server};
    return true;
}

static void use(struct mt_detect *detect, struct vrfy_client *client, const struct mt_observation *o)
{
    uint64_t count;
    if (!is_use_due(detect, client, o, &count))
        return;

    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_VRFY_EXPN_USE, &draft);
    mt_draft_group_server(detect, o, &draft);
    draft.confidence = "high";
    draft.count = count;
    draft.window = detect->config.vrfy_use_repeat;
    put_question(&draft.message, o);
    mt_detect_raise(detect, o, &draft);
}

static void sensitive(struct mt_detect *detect, const struct mt_observation *o, struct mt_span argument)
{
    uint64_t count;
    if (!mt_detect_repeat(detect, MT_FINDING_VRFY_SENSITIVE, o, argument,
                          detect->config.vrfy_sensitive_repeat, &count))
        return;

    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_VRFY_SENSITIVE, &draft);
    mt_draft_group_server(detect, o, &draft);
    mt_draft_group(&draft, o->is_expn ? "smtp.probes.expn.argument" : "smtp.probes.vrfy.argument",
                   mt_observed_subject(o));
    draft.confidence = "high";
    draft.count = count;
    draft.window = detect->config.vrfy_sensitive_repeat;
    put_question(&draft.message, o);
    if (is_expansion(o)) {
        mt_buf_put_cstr(&draft.message, " with a list of ");
        mt_buf_put_u64(&draft.message, o->reply_lines);
        mt_buf_put_cstr(&draft.message, " lines");
    }
    mt_detect_raise(detect, o, &draft);
}

static void raise_probe(struct mt_detect *detect, const struct mt_observation *o,
                        const struct vrfy_client *client, enum mt_level level, uint64_t count,
                        uint64_t distinct)
{
    bool has_confirmed = level > MT_LEVEL_INFORMATIONAL;
    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_VRFY_PROBE, &draft);
    draft.level = level;
    draft.confidence = has_confirmed ? "high" : "medium";
    draft.count = count;
    draft.window = detect->config.vrfy_probe_window;
    draft.history = &client->history;

    struct mt_buf *b = &draft.message;
    mt_buf_put_ip(b, &o->tuple.src);
    mt_buf_put_cstr(b, " sent ");
    mt_buf_put_u64(b, count);
    mt_buf_put_cstr(b, " VRFY or EXPN commands for ");
    mt_buf_put_u64(b, distinct);
    mt_buf_put_cstr(b, " different names within ");
    mt_buf_put_u64(b, draft.window);
    mt_buf_put_cstr(b, " seconds, the last to ");
    mt_buf_put_ip(b, &o->tuple.dst);
    mt_buf_put_cstr(b, has_confirmed ? ", and learnt that at least one exists" : ", and none was confirmed");
    mt_detect_raise(detect, o, &draft);
}

static void probe(struct mt_detect *detect, struct vrfy_client *client, const struct mt_observation *o,
                  struct mt_span argument)
{
    struct mt_window_large *large = mt_table_large(&detect->vrfy_clients, &client->entry);
    uint64_t span = detect->config.vrfy_probe_window * MT_SEC;
    uint64_t now = detect->now;

    mt_window_add(&client->arguments, large, span, now, mt_detect_item(argument));
    if (is_confirmed(o))
        client->confirmed = now;

    uint64_t count = mt_window_count(&client->arguments, large, span, now);
    bool has_confirmed = client->confirmed != 0 && now - client->confirmed < span;
    enum mt_level level = has_confirmed ? MT_LEVEL_HIGH : MT_LEVEL_INFORMATIONAL;
    bool is_met =
        count >= detect->config.vrfy_probe_count &&
        mt_window_has_distinct(&client->arguments, large, span, now, detect->config.vrfy_probe_distinct);

    if (is_met && mt_detect_step(detect, &client->step, span, count, level))
        raise_probe(detect, o, client, level, count,
                    mt_window_distinct(&client->arguments, large, span, now));
    mt_history_add(&client->history, o);
}

uint64_t mt_detect_expect_probe(const struct mt_detect *detect, const struct mt_ip *client)
{
    struct mt_hash128 key = mt_detect_key(detect, client, NULL, mt_span_none());
    mt_table_prefetch(&detect->vrfy_clients, key);
    return key.word[0];
}

void mt_detect_fetch_probe(const struct mt_detect *detect, uint64_t expected)
{
    mt_table_fetch(&detect->vrfy_clients, expected, offsetof(struct vrfy_client, history.lines));
}

void mt_vrfy_probe(struct mt_detect *detect, const struct mt_observation *o)
{
    struct mt_hash128 key = mt_detect_key(detect, &o->tuple.src, NULL, mt_span_none());
    mt_table_prefetch(&detect->vrfy_clients, key);

    uint8_t storage[MT_OBSERVED_TEXT_MAX];
    struct mt_span argument = folded(o, storage);
    struct vrfy_client *client = mt_detect_take(detect, &detect->vrfy_clients, key);
    mt_history_prefetch(&client->history);
    use(detect, client, o);
    if (is_sensitive_name(argument) || is_expansion(o))
        sensitive(detect, o, argument);
    probe(detect, client, o, argument);
}
