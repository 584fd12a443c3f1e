/* The truth as JSON. Plain values stand for themselves; objects with one key
 * that begins with '$' say how to compare (compare.py). */
#include "calendar.h"
#include "truth.h"
#include "wrap.h"

#include <stdio.h>
#include <string.h>

struct out {
    char *at;
    char *end;
    bool needs_comma;
    bool is_full;
};

static void put(struct out *out, const char *bytes, size_t size)
{
    if ((size_t)(out->end - out->at) < size) {
        out->is_full = true;
        return;
    }
    memcpy(out->at, bytes, size);
    out->at += size;
}

static void raw(struct out *out, const char *text)
{
    put(out, text, strlen(text));
}

static void string(struct out *out, const char *bytes, size_t size)
{
    char escaped[8];

    put(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '"' || c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)c;
            put(out, escaped, 2);
        } else if (c < 0x20 || c == 0x7f) {
            put(out, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", c));
        } else {
            put(out, bytes + i, 1);
        }
    }
    put(out, "\"", 1);
}

static void comma(struct out *out)
{
    if (out->needs_comma)
        put(out, ",", 1);
    out->needs_comma = false;
}

static void key(struct out *out, const char *name)
{
    comma(out);
    string(out, name, strlen(name));
    put(out, ":", 1);
}

/* name NULL: an item of a list. */
static void open_with(struct out *out, const char *name, const char *bracket)
{
    if (name)
        key(out, name);
    else
        comma(out);
    raw(out, bracket);
    out->needs_comma = false;
}

static void close_with(struct out *out, const char *bracket)
{
    raw(out, bracket);
    out->needs_comma = true;
}

static void number(struct out *out, const char *name, uint64_t value)
{
    char digits[24];

    key(out, name);
    put(out, digits, (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value));
    out->needs_comma = true;
}

static void count(struct out *out, const char *name, uint64_t value)
{
    if (value)
        number(out, name, value);
}

static void text(struct out *out, const char *name, struct mt_text value)
{
    if (!value.data)
        return;
    if (name)
        key(out, name);
    else
        comma(out);
    string(out, value.data, value.size);
    out->needs_comma = true;
}

static void name_of(struct out *out, const char *name, const char *value)
{
    if (value)
        text(out, name, (struct mt_text){value, (uint32_t)strlen(value)});
}

static void time_of(struct out *out, const char *name, uint64_t time)
{
    char digits[32];

    if (!time)
        return;
    mt_calendar_rfc3339(time, digits);
    name_of(out, name, digits);
}

static void boolean(struct out *out, const char *name, bool value)
{
    key(out, name);
    raw(out, value ? "true" : "false");
    out->needs_comma = true;
}

/* What is not so may be said or left out. */
static void flag(struct out *out, const char *name, bool value)
{
    if (value) {
        boolean(out, name, true);
        return;
    }
    key(out, name);
    raw(out, "{\"$any\":[false,\"$absent\"]}");
    out->needs_comma = true;
}

static void list(struct out *out, const char *name, const struct mt_text *items, uint32_t size)
{
    if (!size)
        return;
    open_with(out, name, "[");
    for (uint32_t i = 0; i < size; i++)
        text(out, NULL, items[i]);
    close_with(out, "]");
}

static void name_list(struct out *out, const char *name, const struct mt_truth_names *names)
{
    open_with(out, name, "[");
    for (uint32_t i = 0; i < names->count; i++)
        name_of(out, NULL, names->items[i]);
    close_with(out, "]");
}

static void names(struct out *out, const char *name, const struct mt_truth_names *certain,
                  const struct mt_truth_names *possible, bool is_at_least)
{
    open_with(out, name, "{\"$names\":{");
    name_list(out, "must", certain);
    if (is_at_least)
        name_of(out, "may", "*");
    else if (possible)
        name_list(out, "may", possible);
    close_with(out, "}}");
}

static void choice(struct out *out, const char *name, unsigned bits, const char *const *meanings,
                   unsigned size)
{
    open_with(out, name, "{\"$any\":[");
    for (unsigned i = 0; i < size; i++)
        if (bits & 1u << i)
            name_of(out, NULL, meanings[i]);
    close_with(out, "]}");
}

struct tally {
    uint64_t packets[2], bytes[2];
    uint64_t first, last;
};

static struct tally tally_of(const struct mt_plan *plan)
{
    struct tally tally = {0};

    for (uint32_t i = 0; i < plan->frame_count; i++) {
        const struct mt_plan_frame *frame = &plan->frames[i];

        tally.packets[frame->side]++;
        tally.bytes[frame->side] += mt_plan_wire_size(&plan->link, frame);
        if (!i)
            tally.first = frame->time;
        tally.last = frame->time;
    }
    return tally;
}

static void endpoint(struct out *out, const char *name, const struct mt_plan *plan, const struct tally *tally,
                     enum mt_plan_side side)
{
    const struct mt_plan_ip *ip = &plan->link.ip[side];
    uint8_t mac[6];
    char digits[48];

    mt_plan_mac(&plan->link, side, mac);
    open_with(out, name, "{");
    number(out, "bytes", tally->bytes[side]);
    if (ip->family == 4) {
        snprintf(digits, sizeof(digits), "%u.%u.%u.%u", ip->bytes[0], ip->bytes[1], ip->bytes[2],
                 ip->bytes[3]);
    } else {
        for (size_t i = 0; i < 16; i += 2)
            snprintf(digits + i / 2 * 5, 6, "%02x%02x%s", ip->bytes[i], ip->bytes[i + 1], i < 14 ? ":" : "");
    }
    name_of(out, "ip", digits);
    snprintf(digits, sizeof(digits), "%02X-%02X-%02X-%02X-%02X-%02X", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    name_of(out, "mac", digits);
    number(out, "packets", tally->packets[side]);
    number(out, "port", plan->link.port[side]);
    close_with(out, "}");
}

static void network(struct out *out, const struct mt_truth *truth, const struct mt_plan *plan)
{
    char layers[4096];
    char digits[8];
    bool is_spoken = truth->banner_code || truth->helo_verb;

    open_with(out, "network", "{");
    name_of(out, "protocol", is_spoken ? "smtp" : NULL);
    name_of(out, "type", plan->link.ip[0].family == 4 ? "ipv4" : "ipv6");
    if (mt_wrap_truth(&plan->link, layers, sizeof(layers))) {
        key(out, "outer");
        raw(out, layers);
        out->needs_comma = true;
    }
    if (plan->link.vlan[0]) {
        open_with(out, "vlan", "{");
        snprintf(digits, sizeof(digits), "%u", plan->link.vlan[0]);
        name_of(out, "id", digits);
        close_with(out, "}");
    }
    close_with(out, "}");
}

static void greeting(struct out *out, const struct mt_truth *truth)
{
    if (truth->banner_code) {
        open_with(out, "banner", "{");
        number(out, "code", truth->banner_code);
        text(out, "text", truth->banner_text);
        close_with(out, "}");
    }
    if (truth->helo_verb) {
        open_with(out, "helo", "{");
        name_of(out, "verb", truth->helo_verb);
        text(out, "name", truth->helo_name);
        name_of(out, "kind", truth->helo_kind);
        if (truth->findings_loose != MT_LOOSE_OPEN)
            names(out, "findings", &truth->findings, NULL, truth->findings_loose == MT_LOOSE_AT_LEAST);
        if (truth->findings_loose == MT_LOOSE_NO)
            count(out, "score", truth->helo_score);
        close_with(out, "}");
    }
    list(out, "extensions", truth->extensions, truth->extension_count);
    if (truth->banner_code || truth->helo_verb) {
        open_with(out, "starttls", "{");
        flag(out, "offered", truth->is_starttls_offered);
        flag(out, "requested", truth->is_starttls_requested);
        count(out, "code", truth->starttls_code);
        name_of(out, "outcome", truth->starttls_outcome);
        close_with(out, "}");
    }
}

static void auths(struct out *out, const struct mt_truth *truth)
{
    if (!truth->auth_count)
        return;
    open_with(out, "auth", "[");
    for (uint32_t i = 0; i < truth->auth_count; i++) {
        const struct mt_truth_auth *auth = &truth->auth[i];

        open_with(out, NULL, "{");
        text(out, "mechanism", auth->mechanism);
        text(out, "user", auth->user);
        count(out, "code", auth->code);
        name_of(out, "outcome", auth->outcome);
        close_with(out, "}");
    }
    close_with(out, "]");
}

static void counts(struct out *out, const struct mt_truth *truth)
{
    static const char *const verbs[MT_SAID_COUNT] = {"helo", "ehlo", "mail", "rcpt",     "data",
                                                     "bdat", "rset", "vrfy", "expn",     "help",
                                                     "noop", "quit", "auth", "starttls", "unknown"};
    uint64_t classes[10] = {0};
    uint64_t total = 0;
    char digits[8];

    open_with(out, "commands", "{");
    for (int i = 0; i < MT_SAID_COUNT; i++)
        count(out, verbs[i], truth->said[i]);
    close_with(out, "}");
    for (unsigned code = 0; code < 1000; code++) {
        classes[code / 100] += truth->codes[code];
        total += truth->codes[code];
    }
    open_with(out, "replies", "{");
    count(out, "2xx", classes[2]);
    count(out, "3xx", classes[3]);
    count(out, "4xx", classes[4]);
    count(out, "5xx", classes[5]);
    count(out, "other", total - classes[2] - classes[3] - classes[4] - classes[5]);
    close_with(out, "}");
    open_with(out, "codes", "{");
    for (unsigned code = 0; code < 1000; code++) {
        if (truth->codes[code]) {
            snprintf(digits, sizeof(digits), "%u", code);
            count(out, digits, truth->codes[code]);
        }
    }
    close_with(out, "}");
}

static const char *probe_verdict(unsigned code)
{
    if (code == 250 || code == 251)
        return "exists";
    return code / 100 == 5 ? "unknown" : "undetermined";
}

static void probe_list(struct out *out, const char *name, const struct mt_truth_probe *probes, uint32_t size)
{
    if (!size)
        return;
    open_with(out, name, "[");
    for (uint32_t i = 0; i < size; i++) {
        open_with(out, NULL, "{");
        text(out, "argument", probes[i].argument);
        count(out, "code", probes[i].answer.code);
        text(out, "enhanced", probes[i].answer.enhanced);
        if (probes[i].answer.code)
            name_of(out, "verdict", probe_verdict(probes[i].answer.code));
        close_with(out, "}");
    }
    close_with(out, "]");
}

static const char *recipient_verdict(unsigned code)
{
    switch (code / 100) {
    case 2:
        return "accepted";
    case 4:
        return "deferred";
    case 5:
        return "rejected";
    default:
        return "unanswered";
    }
}

static void parameters(struct out *out, const struct mt_truth_parameter *items, uint32_t size)
{
    char keyword[32];

    if (!size)
        return;
    open_with(out, "params", "{");
    for (uint32_t i = 0; i < size; i++) {
        snprintf(keyword, sizeof(keyword), "%.*s", (int)items[i].keyword.size, items[i].keyword.data);
        text(out, keyword, items[i].value);
    }
    close_with(out, "}");
}

static void recipients(struct out *out, const struct mt_truth *truth,
                       const struct mt_truth_transaction *transaction, bool has_site)
{
    uint32_t shown = transaction->recipient_count;

    if (!shown)
        return;
    if (shown > MT_TRUTH_RECIPIENTS_LISTED)
        shown = MT_TRUTH_RECIPIENTS_LISTED;
    open_with(out, "recipients", "[");
    for (uint32_t i = 0; i < shown; i++) {
        const struct mt_truth_recipient *recipient = &truth->recipients[transaction->recipient_first + i];

        open_with(out, NULL, "{");
        text(out, "address", recipient->address);
        text(out, "domain", recipient->domain);
        parameters(out, recipient->parameters, recipient->parameter_count);
        count(out, "code", recipient->answer.code);
        text(out, "enhanced", recipient->answer.enhanced);
        name_of(out, "verdict", recipient_verdict(recipient->answer.code));
        if (has_site && recipient->is_local_open)
            flag(out, "local", false);
        else if (has_site)
            boolean(out, "local", recipient->is_local);
        close_with(out, "}");
    }
    close_with(out, "]");
    number(out, "recipients_total", transaction->recipient_count);
}

/* The text of a final reply, with or without its enhanced code: the documents
 * allow both readings. */
static void reply_text(struct out *out, const struct mt_truth_transaction *transaction)
{
    uint32_t skip = transaction->reply.enhanced.data ? transaction->reply.enhanced.size + 1 : 0;
    struct mt_text bare = transaction->reply_text;

    if (!bare.data)
        return;
    open_with(out, "text", "{\"$any\":[");
    text(out, NULL, bare);
    if (skip)
        text(out, NULL, (struct mt_text){bare.data + skip, bare.size - skip});
    close_with(out, "]}");
}

static void message(struct out *out, const struct mt_truth_transaction *transaction)
{
    open_with(out, "message", "{");
    list(out, "from", &transaction->header_from, 1);
    list(out, "to", transaction->header_to, transaction->header_to_count);
    text(out, "subject", transaction->subject);
    text(out, "date", transaction->date);
    text(out, "message_id", transaction->message_id);
    if (transaction->received_count) {
        open_with(out, "received", "{\"$any\":[");
        out->needs_comma = false;
        open_with(out, NULL, "[");
        for (uint32_t i = 0; i < transaction->received_count; i++)
            text(out, NULL, transaction->received[i]);
        raw(out, "],\"$absent\"");
        close_with(out, "]}");
    }
    close_with(out, "}");
}

static void transaction(struct out *out, const struct mt_truth *truth, const struct mt_plan *plan,
                        const struct mt_truth_transaction *t, bool has_site)
{
    static const char *const outcomes[] = {"delivered", "rejected", "deferred",
                                           "aborted",   "reset",    "unfinished"};

    open_with(out, NULL, "{");
    open_with(out, "from", "{");
    text(out, "address", t->from);
    text(out, "domain", t->from_domain);
    parameters(out, t->parameters, t->parameter_count);
    count(out, "code", t->from_answer.code);
    text(out, "enhanced", t->from_answer.enhanced);
    close_with(out, "}");
    if (!t->are_recipients_open)
        recipients(out, truth, t, has_site);
    if (!t->is_mode_open)
        name_of(out, "mode", t->mode);
    if (!t->are_bytes_open)
        count(out, "bytes", t->bytes);
    if (t->reply.code && !t->is_reply_open) {
        open_with(out, "reply", "{");
        number(out, "code", t->reply.code);
        text(out, "enhanced", t->reply.enhanced);
        reply_text(out, t);
        text(out, "queue_id", t->queue_id);
        close_with(out, "}");
    }
    if (t->outcomes)
        choice(out, "outcome", t->outcomes, outcomes, 6);
    if (t->start.off)
        time_of(out, "start", mt_plan_time_of(plan, t->start.side, t->start.off - 1));
    if (t->end.off && !t->is_end_open)
        time_of(out, "end", mt_plan_time_of(plan, t->end.side, t->end.off - 1));
    if (t->has_message && !t->is_message_open)
        message(out, t);
    close_with(out, "}");
}

static void smtp(struct out *out, const struct mt_truth *truth, const struct mt_plan *plan, bool has_site)
{
    static const char *const ends[] = {"quit", "fin", "rst", "timeout", "evicted", "capture_end"};
    const char *direction = "both";

    if (truth->is_side_unseen[MT_PLAN_SERVER])
        direction = "client_only";
    if (truth->is_side_unseen[MT_PLAN_CLIENT])
        direction = "server_only";
    open_with(out, "smtp", "{");
    greeting(out, truth);
    auths(out, truth);
    counts(out, truth);
    open_with(out, "probes", "{");
    probe_list(out, "vrfy", truth->vrfy, truth->vrfy_count);
    probe_list(out, "expn", truth->expn, truth->expn_count);
    close_with(out, "}");
    if (truth->transaction_count) {
        open_with(out, "transactions", "[");
        for (uint32_t i = 0; i < truth->transaction_count; i++)
            transaction(out, truth, plan, &truth->transactions[i], has_site);
        close_with(out, "]");
        number(out, "transactions_total", truth->transaction_count);
    }
    names(out, "anomalies", &truth->anomalies, &truth->may_have, truth->may_have_any);
    open_with(out, "missing_bytes", "{");
    count(out, "client", truth->is_midstream ? 0 : mt_plan_missing(plan, MT_PLAN_CLIENT));
    count(out, "server", truth->is_midstream ? 0 : mt_plan_missing(plan, MT_PLAN_SERVER));
    close_with(out, "}");
    if (!truth->is_pickup_open)
        name_of(out, "pickup", truth->is_midstream ? "midstream" : "syn");
    name_of(out, "direction", direction);
    choice(out, "end", truth->ends, ends, 6);
    if (truth->is_truncated) {
        key(out, "truncated");
        raw(out, "\"$nonempty\"");
        out->needs_comma = true;
    }
    close_with(out, "}");
}

/* Of a handshake that was seen whole. */
static bool is_tls_open(const struct mt_truth *truth)
{
    return truth->tls_version &&
           (truth->is_midstream || truth->is_side_unseen[0] || truth->is_side_unseen[1]);
}

static void tls(struct out *out, const struct mt_truth *truth)
{
    if (!truth->tls_version || is_tls_open(truth))
        return;
    open_with(out, "tls", "{");
    name_of(out, "cipher", truth->tls_cipher);
    open_with(out, "client", "{");
    text(out, "server_name", truth->tls_server_name);
    name_of(out, "version", "1.3");
    close_with(out, "}");
    flag(out, "established", true);
    name_of(out, "version", truth->tls_version);
    name_of(out, "version_protocol", "tls");
    close_with(out, "}");
}

/* Paths about which nothing is said. */
static void open_paths(struct out *out, const struct mt_truth *truth)
{
    static const char *const of_tls[] = {"tls.client.ja3", "tls.client.ja4", "tls.client.supported_ciphers",
                                         "tls.resumed", "tls.server"};
    static const char *const in_fragments[] = {"source.packets",    "source.bytes",  "destination.packets",
                                               "destination.bytes", "network.bytes", "network.packets"};
    char path[64];

    open_with(out, "open", "[");
    for (uint32_t i = 0; i < truth->open_count; i++)
        name_of(out, NULL, truth->open[i]);
    for (uint32_t i = 0; truth->is_in_fragments && i < sizeof(in_fragments) / sizeof(in_fragments[0]); i++)
        name_of(out, NULL, in_fragments[i]);
    if (is_tls_open(truth))
        name_of(out, NULL, "tls");
    for (uint32_t i = 0; truth->tls_version && i < sizeof(of_tls) / sizeof(of_tls[0]); i++)
        name_of(out, NULL, of_tls[i]);
    if (truth->findings_loose == MT_LOOSE_OPEN)
        name_of(out, NULL, "smtp.helo.findings");
    if (truth->findings_loose != MT_LOOSE_NO)
        name_of(out, NULL, "smtp.helo.score");
    for (uint32_t i = 0; i < truth->transaction_count; i++) {
        const struct mt_truth_transaction *t = &truth->transactions[i];
        const struct {
            bool is_open;
            const char *leaf;
        } leaves[] = {
            {t->is_end_open, "end"},
            {t->is_reply_open, "reply"},
            {t->is_mode_open, "mode"},
            {t->are_bytes_open, "bytes"},
            {!t->outcomes, "outcome"},
            {t->is_message_open, "message"},
            {t->are_recipients_open, "recipients"},
            {t->are_recipients_open, "recipients_total"},
        };

        for (size_t j = 0; j < sizeof(leaves) / sizeof(leaves[0]); j++) {
            snprintf(path, sizeof(path), "smtp.transactions[%u].%s", i, leaves[j].leaf);
            if (leaves[j].is_open)
                name_of(out, NULL, path);
        }
    }
    close_with(out, "]");
}

size_t mt_truth_line(const struct mt_truth *truth, const struct mt_plan *plan, bool has_site, char *ret_line,
                     size_t size)
{
    struct out out = {.at = ret_line, .end = ret_line + size};
    struct tally tally = tally_of(plan);

    open_with(&out, NULL, "{");
    number(&out, "number", truth->number);
    name_of(&out, "story", truth->story);
    open_with(&out, "session", "{");
    open_with(&out, "event", "{");
    time_of(&out, "start", tally.first);
    time_of(&out, "end", tally.last);
    close_with(&out, "}");
    endpoint(&out, "source", plan, &tally, MT_PLAN_CLIENT);
    endpoint(&out, "destination", plan, &tally, MT_PLAN_SERVER);
    network(&out, truth, plan);
    smtp(&out, truth, plan, has_site);
    tls(&out, truth);
    close_with(&out, "}");
    open_paths(&out, truth);
    close_with(&out, "}");
    raw(&out, "\n");
    return out.is_full ? 0 : (size_t)(out.at - ret_line);
}
