/* A Received field cut into its clauses (RFC 5321 §4.4): words behind from, by,
 * via, with, id and for, comments among them, a date behind the semicolon.
 *
 * What is in the comments no standard says. Behind `from` they hold what the
 * receiver found out, and servers differ in which name stands outside:
 *   Postfix, Sendmail, OpenSMTPD, Gmail, Courier  from HELO (RDNS [IP])
 *   Exim                                          from RDNS ([IP] helo=HELO), from [IP] (helo=HELO)
 *   qmail                                         from RDNS (HELO HELO) (USER@IP)
 *   Exchange                                      from HELO (IP) */
#include "message/message.h"

enum clause {
    CLAUSE_NONE,
    CLAUSE_FROM,
    CLAUSE_BY,
    CLAUSE_VIA,
    CLAUSE_WITH,
    CLAUSE_ID,
    CLAUSE_FOR,
};

struct parser {
    struct mt_message_hop *hop;
    struct mt_span helo; /* that a comment gives */
    enum clause clause;
    bool has_value;       /* of the clause */
    bool is_closed;       /* a comment stands behind its value */
    const uint8_t *first; /* word of its value */
    unsigned unclosed;    /* comments so far */
};

/* Comments that never close: each is searched to the end of the field. */
#define UNCLOSED_MAX 4u

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static enum clause clause_of(struct mt_span word)
{
    static const char *const names[] = {[CLAUSE_FROM] = "from", [CLAUSE_BY] = "by", [CLAUSE_VIA] = "via",
                                        [CLAUSE_WITH] = "with", [CLAUSE_ID] = "id", [CLAUSE_FOR] = "for"};

    if (word.size < 2 || word.size > 4) /* which most words are: they are not compared */
        return CLAUSE_NONE;
    for (size_t i = CLAUSE_FROM; i < MT_ARRAY_COUNT(names); i++) {
        if (mt_span_ieq_cstr(word, names[i]))
            return (enum clause)i;
    }
    return CLAUSE_NONE;
}

/* Size of the word that s starts with; quotes and angle brackets hold blanks. */
static size_t word_size(struct mt_span s)
{
    uint8_t close = 0;

    for (size_t at = 0; at < s.size; at++) {
        uint8_t byte = s.ptr[at];
        if (close != 0) {
            if (byte == close)
                close = 0;
            continue;
        }
        if (byte > '(' && byte != ';' && byte != '<') /* nothing below */
            continue;
        if (is_blank(byte) || byte == '(' || byte == ';')
            return at;
        const uint8_t *behind = at + 1 < s.size ? s.ptr + at + 1 : NULL;
        uint8_t closing = byte == '<' ? '>' : byte == '"' ? '"' : 0;
        if (closing != 0 && behind != NULL && memchr(behind, closing, s.size - at - 1) != NULL)
            close = closing;
    }
    return s.size;
}

/* --- addresses -------------------------------------------------------------- */

/* Four numbers with dots between them, whatever they are. */
static bool looks_like_ipv4(struct mt_span text)
{
    unsigned dots = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '.')
            dots++;
        else if (!mt_ascii_is_digit(text.ptr[i]))
            return false;
    }
    return dots == 3 && mt_ascii_is_digit(text.ptr[0]);
}

/* ::ffff:192.0.2.1 is the IPv4 address in it (RFC 4291 §2.5.5.2). */
static void unmap(struct mt_ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (ip->family != 6 || memcmp(ip->bytes, mapped, sizeof(mapped)) != 0)
        return;
    struct mt_ip inner = {.family = 4};
    memcpy(inner.bytes, ip->bytes + 12, 4);
    *ip = inner;
}

/* text is an address, or looks like one that can't be. */
static bool take_ip(struct mt_message_hop *hop, struct mt_span text)
{
    struct mt_ip ip;

    if (mt_span_istarts(text, "IPv6:"))
        text = mt_span_from(text, 5);
    if (mt_ip_parse(text, &ip)) {
        unmap(&ip);
        if (hop->from_ip.family == 0)
            hop->from_ip = ip;
        return true;
    }
    bool is_impossible = looks_like_ipv4(text);
    hop->has_impossible_ip |= is_impossible;
    return is_impossible;
}

/* What stands between brackets that word begins with. */
static bool take_literal(struct mt_message_hop *hop, struct mt_span word)
{
    const uint8_t *end = word.size > 2 && word.ptr[0] == '[' ? memchr(word.ptr, ']', word.size) : NULL;

    return end != NULL && take_ip(hop, mt_span(word.ptr + 1, (size_t)(end - word.ptr) - 1));
}

/* --- comments behind from --------------------------------------------------- */

static struct mt_span host_of(struct mt_span word)
{
    const uint8_t *at = word.size > 0 ? memrchr(word.ptr, '@', word.size) : NULL;

    if (at != NULL) /* root@host: what identd said */
        word = mt_span_from(word, (size_t)(at - word.ptr) + 1);
    if (word.size > 1 && word.ptr[word.size - 1] == '.')
        word.size--;
    return mt_span_ieq_cstr(word, "unknown") ? mt_span_none() : word;
}

static struct mt_span next_word(struct mt_span *rest)
{
    size_t size = 0;

    while (rest->size > 0 && (is_blank(rest->ptr[0]) || rest->ptr[0] == '(' || rest->ptr[0] == ')'))
        *rest = mt_span_from(*rest, 1);
    while (size < rest->size && !is_blank(rest->ptr[size]) && rest->ptr[size] != '(' &&
           rest->ptr[size] != ')')
        size++;
    struct mt_span word = mt_span_head(*rest, size);
    *rest = mt_span_from(*rest, size);
    return word;
}

static void take_from_comment(struct parser *p, struct mt_span rest)
{
    struct mt_message_hop *hop = p->hop;
    struct mt_span before = mt_span_none();
    struct mt_span word;

    while ((word = next_word(&rest)).size > 0) {
        const uint8_t *bracket = memchr(word.ptr, '[', word.size);
        size_t head = bracket != NULL ? (size_t)(bracket - word.ptr) : word.size;
        bool has_helo = mt_span_istarts(word, "helo=");
        bool is_helo = mt_span_ieq_cstr(word, "helo") || mt_span_ieq_cstr(word, "ehlo");
        if (has_helo || is_helo) {
            struct mt_span helo = has_helo ? mt_span_from(word, 5) : next_word(&rest);
            if (p->helo.ptr == NULL && helo.size > 0)
                p->helo = helo;
        } else if (bracket != NULL && take_literal(hop, mt_span_from(word, head))) {
            struct mt_span host = head > 0 ? mt_span_head(word, head) : before;
            if (hop->from_host.ptr == NULL && host.size > 0)
                hop->from_host = host_of(host);
        } else {
            take_ip(hop, host_of(word));
        }
        before = word;
    }
}

/* --- clauses ---------------------------------------------------------------- */

static struct mt_span without_angles(struct mt_span word)
{
    if (word.size >= 2 && word.ptr[0] == '<' && word.ptr[word.size - 1] == '>')
        return mt_span(word.ptr + 1, word.size - 2);
    return word;
}

static void set_once(struct mt_span *text, struct mt_span value)
{
    if (text->ptr == NULL && value.size > 0)
        *text = value;
}

static void take_value(struct parser *p, struct mt_span word)
{
    struct mt_message_hop *hop = p->hop;

    switch (p->clause) {
    case CLAUSE_FROM:
        set_once(&hop->from_name, word);
        break;
    case CLAUSE_BY:
        set_once(&hop->by, word);
        break;
    case CLAUSE_WITH:
        set_once(&hop->with, word);
        break;
    case CLAUSE_ID:
        set_once(&hop->id, without_angles(word));
        break;
    case CLAUSE_FOR:
        set_once(&hop->recipient, without_angles(word));
        break;
    default:
        break;
    }
}

static void take_word(struct parser *p, struct mt_span word)
{
    enum clause clause = clause_of(word);

    if (clause != CLAUSE_NONE && (p->has_value || p->clause == CLAUSE_NONE)) {
        p->clause = clause;
        p->has_value = false;
        p->is_closed = false;
        return;
    }
    if (!p->has_value) {
        take_value(p, word);
        p->first = word.ptr;
    } else if (p->clause == CLAUSE_WITH && !p->is_closed && p->hop->with.ptr == p->first) {
        /* "Microsoft SMTP Server" */
        p->hop->with.size = (size_t)(word.ptr + word.size - p->hop->with.ptr);
    }
    /* "mail .example.edu" is one name */
    bool is_rest_of_name = p->clause == CLAUSE_BY && p->has_value && word.ptr[0] == '.';
    if (is_rest_of_name && p->hop->by.ptr == p->first && !p->is_closed)
        p->hop->by.size = (size_t)(word.ptr + word.size - p->hop->by.ptr);
    p->has_value = true;
}

static bool begins_clause(struct mt_span s)
{
    return s.ptr[0] == ';' || (s.ptr[0] == ' ' && mt_span_istarts(s, " by "));
}

/* Of the comment that s starts with; one that never closes ends where the next
 * clause begins, or with the text. */
static size_t comment_size(struct mt_span s, bool *ret_is_whole)
{
    size_t depth = 0;
    size_t open_end = s.size;

    *ret_is_whole = true;
    for (size_t at = 0; at < s.size; at++) {
        if (s.ptr[at] == '\\')
            at++;
        else if (s.ptr[at] == '(')
            depth++;
        else if (s.ptr[at] == ')' && --depth == 0)
            return at + 1;
        else if (open_end == s.size && begins_clause(mt_span_from(s, at)))
            open_end = at;
    }
    *ret_is_whole = false;
    return open_end;
}

/* Which name is which: that outside is the host's when a comment has another. */
static void settle_names(struct parser *p)
{
    struct mt_message_hop *hop = p->hop;
    struct mt_span outside = hop->from_name;

    if (p->helo.ptr != NULL) {
        bool is_literal = outside.size > 0 && outside.ptr[0] == '[';
        hop->from_name = p->helo;
        if (hop->from_host.ptr == NULL && !is_literal)
            hop->from_host = host_of(outside);
    }
    if (hop->from_ip.family == 0 && outside.size > 0 && !take_literal(hop, outside))
        take_ip(hop, outside);
}

void mt_message_parse_received(struct mt_span value, struct mt_message_hop *ret_hop)
{
    struct parser p = {.hop = ret_hop};
    size_t at = 0;

    *ret_hop = (struct mt_message_hop){0};
    while (at < value.size && value.ptr[at] != ';') {
        struct mt_span rest = mt_span_from(value, at);
        bool is_comment = rest.ptr[0] == '(';
        if (is_blank(rest.ptr[0]) || (is_comment && p.unclosed == UNCLOSED_MAX)) {
            at++;
        } else if (is_comment) {
            bool is_whole;
            size_t size = comment_size(rest, &is_whole);
            p.unclosed += !is_whole;
            if (p.clause == CLAUSE_FROM)
                take_from_comment(&p, mt_span_head(rest, size));
            p.is_closed = true;
            at += size;
        } else {
            size_t size = word_size(rest);
            take_word(&p, mt_span_head(rest, size));
            at += size;
        }
    }
    settle_names(&p);
    struct mt_span behind = mt_span_none();
    ret_hop->has_date = mt_message_parse_date(mt_span_from(value, at + 1), &ret_hop->seconds, &behind);
    if (mt_span_istarts(behind, "id ")) /* Courier */
        set_once(&ret_hop->id, mt_span_trim(mt_span_from(behind, 3)));
}
