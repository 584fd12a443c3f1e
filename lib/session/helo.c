/* What a client's greeting shows (detections D4): facts for the record, and a
 * score that a rule may judge by. Only tests that need no other session; those
 * that need DNS are made at its end (names.c). */
#include "session/parts_priv.h"

#define SUBMISSION_PORT 587u
#define SMTPS_PORT 465u
#define LABEL_MAX 63u
#define NAME_MAX_SIZE 255u
/* Numbers of a name that are compared with the octets of the client's address. */
#define NUMBERS_MAX 16u
/* How far behind the start the banner is looked for, when a client spoke first. */
#define EARLY_ENTRIES_MAX 64u

/* What the bytes of a name are. */
enum {
    HAS_ALPHA = 1 << 0,
    HAS_DIGIT = 1 << 1,
    HAS_DOT = 1 << 2,
    HAS_COLON = 1 << 3,
    HAS_ODD = 1 << 4,     /* blanks, control and 8-bit bytes */
    IS_MISSPELT = 1 << 5, /* no host name */
};

struct name {
    struct mt_span text; /* up to the first blank */
    struct mt_ip ip;     /* of an address, with or without brackets */
    uint8_t bytes;       /* HAS_* */
    bool is_literal;
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* --- the server's own name -------------------------------------------------- */

bool mt_banner_names(const struct mt_session *session, struct mt_span name)
{
    struct mt_cursor cursor = mt_store_begin(session);
    struct mt_entry *entry = session->flags & MT_S_BANNER ? mt_store_next(&cursor) : NULL;

    for (unsigned i = 0; entry != NULL && entry->tag != MT_TAG_BANNER; i++)
        entry = i < EARLY_ENTRIES_MAX ? mt_store_next(&cursor) : NULL;
    if (entry == NULL || name.size == 0)
        return false;
    const struct mt_entry_banner *banner = (const struct mt_entry_banner *)entry;
    struct mt_span text = mt_span_trim(mt_entry_text(banner));
    bool ends = text.size == name.size || (text.size > name.size && is_blank(text.ptr[name.size]));
    return banner->code == 220 && ends && mt_span_ieq(mt_span_head(text, name.size), name);
}

static bool is_own_name(const struct mt_run *run, struct mt_span name)
{
    const struct mt_site *site = run->engine->site;

    if (mt_banner_names(run->session, name))
        return true;
    for (size_t i = 0; i < site->local_domain_count; i++) {
        if (mt_span_ieq(name, site->local_domains[i]))
            return true;
    }
    return false;
}

/* --- tests ------------------------------------------------------------------ */

static struct mt_span last_label(struct mt_span name)
{
    size_t start = name.size;

    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    return mt_span_from(name, start);
}

static bool is_number(struct mt_span label)
{
    for (size_t i = 0; i < label.size; i++) {
        if (!mt_ascii_is_digit(label.ptr[i]))
            return false;
    }
    return label.size > 0;
}

struct word {
    const char *text;
    uint8_t size;
};
#define WORD(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

static bool is_one_of(struct mt_span word, const struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (words[i].size == word.size && mt_span_ieq(word, mt_span(words[i].text, word.size)))
            return true;
    }
    return false;
}

/* RFC 6761 §6, RFC 6762, and what resolvers keep inside. */
static bool is_never_public(struct mt_span name)
{
    static const struct word endings[] = {
        WORD("localdomain"), WORD("local"), WORD("lan"),       WORD("internal"),
        WORD("invalid"),     WORD("test"),  WORD("localhost"), WORD("example"),
    };
    struct mt_span last = last_label(name);

    if (last.size == name.size)
        return mt_span_ieq_cstr(name, "localhost");
    return is_one_of(last, endings, MT_ARRAY_COUNT(endings));
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
    static const struct word words[] = {
        WORD("dsl"),   WORD("adsl"),   WORD("vdsl"),   WORD("xdsl"),    WORD("sdsl"),
        WORD("dial"),  WORD("dialup"), WORD("dialin"), WORD("dialip"),  WORD("pool"),
        WORD("pools"), WORD("dyn"),    WORD("dhcp"),   WORD("dynamic"), WORD("dynip"),
    };
    size_t i = 0;

    while (i < name.size) {
        size_t start = i;
        while (i < name.size && mt_ascii_is_alpha(name.ptr[i]))
            i++;
        /* All of them begin with one of six letters. */
        bool may_be = i > start && memchr("dapvxsDAPVXS", name.ptr[start], 12) != NULL;
        if (may_be && is_one_of(mt_span(name.ptr + start, i - start), words, MT_ARRAY_COUNT(words)))
            return true;
        if (i == start)
            i++;
    }
    return false;
}

/* --- one greeting ----------------------------------------------------------- */

static uint8_t kind_of_byte(uint8_t byte)
{
    if (MT_LIKELY(mt_ascii_is_alpha(byte)))
        return HAS_ALPHA;
    if (byte == '.')
        return HAS_DOT;
    if (mt_ascii_is_digit(byte))
        return HAS_DIGIT;
    /* The underscore is as common as it is wrong, and says nothing. */
    if (byte == '-' || byte == '_')
        return 0;
    if (byte == ':')
        return HAS_COLON | IS_MISSPELT;
    return byte <= ' ' || byte >= 0x7f ? HAS_ODD | IS_MISSPELT : IS_MISSPELT;
}

/* RFC 1123 §2.1, RFC 1035 §2.3.4: labels of at most 63 letters, digits and
 * inner hyphens. */
static uint8_t look_at_bytes(struct mt_span text)
{
    size_t label = 0;
    uint8_t seen = 0, before = '.';

    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.ptr[i];
        seen |= kind_of_byte(byte);
        if ((byte == '.' || byte == '-') && before == '.')
            seen |= IS_MISSPELT;
        if (byte == '.' && (before == '-' || label > LABEL_MAX))
            seen |= IS_MISSPELT;
        label = byte == '.' ? 0 : label + 1;
        before = byte;
    }
    if (label == 0 || label > LABEL_MAX || before == '-' || text.size > NAME_MAX_SIZE)
        seen |= IS_MISSPELT;
    return seen;
}

static struct mt_span first_word(struct mt_span argument)
{
    size_t size = 0;

    while (size < argument.size && !is_blank(argument.ptr[size]))
        size++;
    return mt_span_head(argument, size);
}

/* [192.0.2.1], [IPv6:2001:db8::1] (RFC 5321 §4.1.3), or the same without
 * brackets. */
static void read_address(struct name *name)
{
    struct mt_span inner = name->text;

    if (inner.size > 2 && inner.ptr[0] == '[' && inner.ptr[inner.size - 1] == ']') {
        name->is_literal = true;
        inner = mt_span(inner.ptr + 1, inner.size - 2);
    } else if ((name->bytes & HAS_ALPHA) && !(name->bytes & HAS_COLON)) {
        return;
    }
    if (mt_span_istarts(inner, "IPv6:"))
        inner = mt_span_from(inner, 5);
    if (!mt_ip_parse(inner, &name->ip))
        name->ip.family = 0;
}

static struct name read_name(struct mt_span argument)
{
    struct name name = {.text = first_word(argument)};

    if (name.text.size > 1 && name.text.ptr[name.text.size - 1] == '.')
        name.text.size--; /* the root */
    name.bytes = look_at_bytes(name.text);
    if (name.text.size + 1 < argument.size)
        name.bytes |= HAS_ODD;
    read_address(&name);
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
    bool has_digit = name->bytes & HAS_DIGIT;
    bool is_dotted = name->bytes & HAS_DOT;

    if (name->bytes & IS_MISSPELT)
        findings |= MT_HELO_INVALID_SYNTAX;
    if (!is_dotted)
        findings |= MT_HELO_NOT_FQDN;
    if (is_never_public(name->text))
        findings |= MT_HELO_LOCALHOST;
    if (has_digit && is_dotted && is_number(last_label(name->text)))
        findings |= MT_HELO_NUMERIC_TLD;
    if ((has_digit && holds_octets(name->text, client)) || says_dynamic(name->text))
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
    return name->bytes & HAS_DOT ? MT_HELO_KIND_FQDN : MT_HELO_KIND_SINGLE_LABEL;
}

/* Looked for once; from the second greeting on it is remembered. */
static const struct mt_entry_helo *last_helo(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    const struct mt_entry_helo *last = NULL;
    struct mt_entry *entry;

    if (session->extra != NULL && session->extra->helo != NULL)
        return session->extra->helo;
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
    if (name.bytes & HAS_ODD)
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
    entry->before = (uint16_t)mt_min_u64(mt_text_octets(session, MT_SERVER), UINT16_MAX);
    session->flags |= findings != 0 ? MT_S_HELO_FOUND : 0;
    struct mt_extra *extra = session->flags & MT_S_HELO_SENT ? mt_extra(run) : NULL;
    if (extra != NULL)
        extra->helo = entry;
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
    struct mt_entry *entry;

    if (!(session->flags & (MT_S_HELO_FOUND | MT_S_EARLY)))
        return findings;
    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag != MT_TAG_HELO)
            continue;
        const struct mt_entry_helo *helo = (const struct mt_entry_helo *)entry;
        findings |= helo->findings;
        if ((session->flags & MT_S_EARLY) && mt_banner_names(session, mt_entry_text(helo)))
            findings |= MT_HELO_OWN_NAME;
    }
    return findings;
}

unsigned mt_helo_score(uint32_t findings)
{
    unsigned score = 0;

    if (MT_LIKELY(findings == 0))
        return 0;
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
    bool is_end = mail_line.ptr == NULL;
    uint32_t findings = mt_helo_findings(session) | (is_end ? run->engine->known.findings : 0);
    if (is_known && mt_helo_score(findings) >= run->engine->limits.helo_threshold)
        mt_observe_helo(run, findings, mail_line);
    else if (run->engine->names != NULL && !is_end)
        session->flags &= ~MT_S_HELO_DONE; /* answers may still come */
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
