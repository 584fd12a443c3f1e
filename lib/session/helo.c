/* What a client's greeting shows (detections D4): facts for the record, and a
 * score that a rule may judge by. Only tests that need no DNS and no other
 * session. */
#include "session/parts_priv.h"

#define SUBMISSION_PORT 587u
#define SMTPS_PORT 465u
#define LABEL_MAX 63u
#define NAME_MAX_SIZE 255u
/* Numbers of a name that are compared with the octets of the client's address. */
#define NUMBERS_MAX 16u

struct name {
    struct mt_span text;
    struct mt_ip ip; /* of an address, with or without brackets */
    bool is_literal;
    bool is_dotted;
};

/* --- the server's own name -------------------------------------------------- */

struct mt_span mt_banner_host(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    struct mt_entry *entry = mt_store_next(&cursor);

    while (entry != NULL && entry->tag != MT_TAG_BANNER)
        entry = mt_store_next(&cursor);
    if (entry == NULL)
        return mt_span_none();
    const struct mt_entry_banner *banner = (const struct mt_entry_banner *)entry;
    struct mt_span text = mt_span_trim(mt_entry_text(banner));
    size_t size = 0;
    while (size < text.size && text.ptr[size] != ' ' && text.ptr[size] != '\t')
        size++;
    return banner->code == 220 && size > 0 ? mt_span_head(text, size) : mt_span_none();
}

static bool is_own_name(const struct mt_run *run, struct mt_span name)
{
    const struct mt_site *site = run->engine->site;
    struct mt_span host = mt_banner_host(run->session);

    if (host.ptr != NULL && mt_span_ieq(name, host))
        return true;
    for (size_t i = 0; i < site->local_domain_count; i++) {
        if (mt_span_ieq(name, site->local_domains[i]))
            return true;
    }
    return false;
}

/* --- tests ------------------------------------------------------------------ */

static bool has_odd_bytes(struct mt_span argument)
{
    for (size_t i = 0; i < argument.size; i++) {
        if (argument.ptr[i] <= ' ' || argument.ptr[i] >= 0x7f)
            return true;
    }
    return false;
}

/* RFC 1123 §2.1, RFC 1035 §2.3.4. The underscore is as common as it is wrong,
 * and says nothing. */
static bool is_label(struct mt_span label)
{
    if (label.size == 0 || label.size > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++) {
        uint8_t c = label.ptr[i];
        if (!mt_ascii_is_alpha(c) && !mt_ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

static struct mt_span last_label(struct mt_span name)
{
    size_t start = name.size;

    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    return mt_span_from(name, start);
}

static bool is_host_name(struct mt_span name)
{
    if (name.size == 0 || name.size > NAME_MAX_SIZE)
        return false;
    for (;;) {
        const uint8_t *dot = memchr(name.ptr, '.', name.size);
        size_t size = dot != NULL ? (size_t)(dot - name.ptr) : name.size;
        if (!is_label(mt_span_head(name, size)))
            return false;
        if (dot == NULL)
            return true;
        name = mt_span_from(name, size + 1);
        if (name.size == 0)
            return false;
    }
}

static bool is_number(struct mt_span label)
{
    for (size_t i = 0; i < label.size; i++) {
        if (!mt_ascii_is_digit(label.ptr[i]))
            return false;
    }
    return label.size > 0;
}

/* RFC 6761 §6, RFC 6762, and what resolvers keep inside. */
static bool is_never_public(struct mt_span name)
{
    static const char *const endings[] = {"localhost", "localdomain", "local", "lan",
                                          "internal",  "invalid",     "test",  "example"};
    struct mt_span last = last_label(name);

    for (size_t i = 0; i < MT_ARRAY_COUNT(endings); i++) {
        if (mt_span_ieq_cstr(last, endings[i]) && (i == 0 || last.size < name.size))
            return true;
    }
    return false;
}

/* Numbers of the name, in order; those over 255 break a row of octets. */
static unsigned collect_numbers(struct mt_span name, uint16_t *ret_numbers)
{
    unsigned count = 0;

    for (size_t i = 0; i < name.size && count < NUMBERS_MAX;) {
        uint32_t value = 0;
        size_t start = i;
        while (i < name.size && mt_ascii_is_digit(name.ptr[i])) {
            value = value > 255 ? value : value * 10 + (uint32_t)(name.ptr[i] - '0');
            i++;
        }
        if (i > start)
            ret_numbers[count++] = (uint16_t)(value > 255 ? 256 : value);
        else
            i++;
    }
    return count;
}

/* Two neighbouring octets of the address stand side by side in the name, in
 * either order, as in 17-2-0-192.dynamic.example. */
static bool holds_octets(struct mt_span name, const struct mt_ip *ip)
{
    uint16_t numbers[NUMBERS_MAX];
    unsigned count = ip->family == 4 ? collect_numbers(name, numbers) : 0;

    for (unsigned i = 0; i + 1 < count; i++) {
        for (unsigned octet = 0; octet < 3; octet++) {
            uint8_t a = ip->bytes[octet], b = ip->bytes[octet + 1];
            if ((numbers[i] == a && numbers[i + 1] == b) || (numbers[i] == b && numbers[i + 1] == a))
                return true;
        }
    }
    return false;
}

static bool says_dynamic(struct mt_span name)
{
    static const char *const words[] = {"dsl",   "adsl",   "vdsl",   "xdsl",    "sdsl",
                                        "dial",  "dialup", "dialin", "dialip",  "pool",
                                        "pools", "dyn",    "dhcp",   "dynamic", "dynip"};
    size_t i = 0;

    while (i < name.size) {
        size_t start = i;
        while (i < name.size && mt_ascii_is_alpha(name.ptr[i]))
            i++;
        struct mt_span word = mt_span(name.ptr + start, i - start);
        for (size_t w = 0; w < MT_ARRAY_COUNT(words); w++) {
            if (mt_span_ieq_cstr(word, words[w]))
                return true;
        }
        if (i == start)
            i++;
    }
    return false;
}

/* --- one greeting ----------------------------------------------------------- */

/* [192.0.2.1], [IPv6:2001:db8::1] (RFC 5321 §4.1.3), or the same without
 * brackets. */
static struct name read_name(struct mt_span argument)
{
    struct name name = {.text = argument};
    size_t size = 0;

    while (size < argument.size && argument.ptr[size] != ' ' && argument.ptr[size] != '\t')
        size++;
    name.text = mt_span_head(argument, size);
    struct mt_span inner = name.text;
    if (inner.size > 2 && inner.ptr[0] == '[' && inner.ptr[inner.size - 1] == ']') {
        name.is_literal = true;
        inner = mt_span(inner.ptr + 1, inner.size - 2);
    }
    if (mt_span_istarts(inner, "IPv6:"))
        inner = mt_span_from(inner, 5);
    if (!mt_ip_parse(inner, &name.ip))
        name.ip.family = 0;
    if (name.text.size > 0 && name.text.ptr[name.text.size - 1] == '.' && !name.is_literal)
        name.text.size--; /* the root */
    name.is_dotted = name.text.size > 0 && memchr(name.text.ptr, '.', name.text.size) != NULL;
    return name;
}

static uint32_t judge_address(const struct name *name, const struct mt_ip *client, const struct mt_ip *server)
{
    uint32_t findings = 0;

    if (mt_ip_eq(&name->ip, server))
        findings |= MT_HELO_OWN_IP;
    if (!name->is_literal)
        return findings | MT_HELO_BARE_IP;
    if (!mt_ip_eq(&name->ip, client))
        findings |= MT_HELO_LITERAL_MISMATCH;
    if (mt_ip_is_private(&name->ip) && !mt_ip_is_private(client))
        findings |= MT_HELO_LITERAL_PRIVATE;
    return findings;
}

static uint32_t judge_host(const struct mt_run *run, const struct name *name, const struct mt_ip *client)
{
    uint32_t findings = 0;

    if (is_own_name(run, name->text))
        findings |= MT_HELO_OWN_NAME;
    if ((run->session->flags & MT_S_OUTSIDE) && mt_site_is_local_domain(run->engine->site, name->text))
        findings |= MT_HELO_LOCAL_DOMAIN;
    if (!is_host_name(name->text))
        findings |= MT_HELO_INVALID_SYNTAX;
    if (!name->is_dotted)
        findings |= MT_HELO_NOT_FQDN;
    if (is_never_public(name->text))
        findings |= MT_HELO_LOCALHOST;
    if (name->is_dotted && is_number(last_label(name->text)))
        findings |= MT_HELO_NUMERIC_TLD;
    if (holds_octets(name->text, client) || says_dynamic(name->text))
        findings |= MT_HELO_DYNAMIC;
    return findings;
}

static enum mt_helo_kind kind_of(const struct name *name, uint32_t findings)
{
    if (name->is_literal)
        return name->ip.family != 0 ? MT_HELO_KIND_ADDRESS_LITERAL : MT_HELO_KIND_INVALID;
    if (name->ip.family != 0)
        return MT_HELO_KIND_BARE_ADDRESS;
    if (name->text.size == 0 || (findings & MT_HELO_INVALID_SYNTAX))
        return MT_HELO_KIND_INVALID;
    return name->is_dotted ? MT_HELO_KIND_FQDN : MT_HELO_KIND_SINGLE_LABEL;
}

static const struct mt_entry_helo *last_helo(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    const struct mt_entry_helo *last = NULL;
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag == MT_TAG_HELO)
            last = (const struct mt_entry_helo *)entry;
    }
    return last;
}

/* Against what was said before. Behind STARTTLS everything begins anew, and so
 * does, for EHLO alone, a security layer that AUTH has started. */
static uint32_t judge_again(const struct mt_session *session, const struct mt_smtp_command *command,
                            struct mt_span kept)
{
    uint32_t findings = 0;

    bool may_be_anew = mt_is_one_way(session) && (session->flags & MT_S_STARTTLS);

    if (!(session->flags & MT_S_HELO_SENT) || may_be_anew)
        return 0;
    const struct mt_entry_helo *before = last_helo(session);
    if (before != NULL && !mt_span_ieq(mt_entry_text(before), kept))
        findings |= MT_HELO_HOST_MISMATCH;
    if ((session->flags & MT_S_EHLO_OK) && command->verb != MT_VERB_LHLO)
        findings |= MT_HELO_PROTO_MISMATCH;
    return findings;
}

void mt_helo_command(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;
    struct mt_span kept = mt_keep(run, command->argument, run->engine->limits.text_max, MT_CUT_HELO);
    struct name name = read_name(command->argument);
    struct mt_ip client, server;

    mt_session_address(session, MT_CLIENT, &client);
    mt_session_address(session, MT_SERVER, &server);
    uint32_t findings = judge_again(session, command, kept);
    if (has_odd_bytes(command->argument))
        findings |= MT_HELO_SPACES_OR_CONTROL;
    if (name.ip.family != 0)
        findings |= judge_address(&name, &client, &server);
    else if (name.is_literal)
        findings |= MT_HELO_INVALID_SYNTAX;
    else if (name.text.size > 0)
        findings |= judge_host(run, &name, &client);

    struct mt_entry_helo *entry = mt_store_put(run, MT_TAG_HELO, sizeof(*entry), kept, false);
    if (entry == NULL) {
        mt_cut(run, MT_CUT_HELO);
        return;
    }
    entry->verb = (uint8_t)command->verb;
    entry->kind = (uint8_t)kind_of(&name, findings);
    entry->findings = findings;
    /* An early talker's name may turn out to be the server's own. */
    bool may_matter = findings != 0 || (session->flags & MT_S_EARLY);
    if (!may_matter || !(session->flags & MT_S_OUTSIDE))
        return;
    struct mt_entry_line *line = mt_store_put(run, MT_TAG_LINE, sizeof(*line),
                                              mt_span_head(command->line, MT_EVIDENCE_TEXT_MAX), false);
    if (line == NULL)
        return;
    line->of = entry;
    line->time = run->mark->time;
}

/* --- the sum ---------------------------------------------------------------- */

uint32_t mt_helo_findings(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    uint32_t findings = mt_has_anomaly(session, MT_ANOMALY_MAIL_BEFORE_GREETING) ? MT_HELO_MISSING : 0;
    struct mt_span host = (session->flags & MT_S_EARLY) ? mt_banner_host(session) : mt_span_none();
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag != MT_TAG_HELO)
            continue;
        const struct mt_entry_helo *helo = (const struct mt_entry_helo *)entry;
        findings |= helo->findings;
        if (host.ptr != NULL && mt_span_ieq(mt_entry_text(helo), host))
            findings |= MT_HELO_OWN_NAME;
    }
    return findings;
}

unsigned mt_helo_score(uint32_t findings)
{
    unsigned score = 0;

#define MT_HELO_TEST(name, number, text, points, meaning) score += findings & MT_HELO_##name ? points : 0;
#include "record/helo_tests.def"
#undef MT_HELO_TEST
    return score;
}

/* Who has authenticated, or talks to a submission port, may call itself what it
 * likes: mail programs know no name of theirs. */
static void observe(struct mt_run *run, struct mt_span mail_line)
{
    struct mt_session *session = run->session;
    uint16_t port = session->port[MT_SERVER];
    uint64_t both = MT_S_PAYLOAD_CLIENT | MT_S_PAYLOAD_SERVER;

    if (session->flags & MT_S_HELO_DONE)
        return;
    session->flags |= MT_S_HELO_DONE;
    if (!(session->flags & MT_S_OUTSIDE) || (session->flags & MT_S_AUTHED) || port == SUBMISSION_PORT ||
        port == SMTPS_PORT)
        return;
    bool is_known = (session->flags & both) == both && !(session->flags & MT_S_RESYNC) &&
                    !mt_has_anomaly(session, MT_ANOMALY_GAP);
    uint32_t findings = mt_helo_findings(session);
    if (is_known && mt_helo_score(findings) >= run->engine->limits.helo_threshold)
        mt_observe_helo(run, findings, mail_line);
}

void mt_helo_at_mail(struct mt_run *run, const struct mt_smtp_command *command)
{
    if (MT_LIKELY(run->session->flags & MT_S_HELO_SENT))
        observe(run, command->line);
}

void mt_helo_at_close(struct mt_run *run)
{
    observe(run, mt_span_none());
}
