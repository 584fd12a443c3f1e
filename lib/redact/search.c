/* Addresses in texts. Where a text is ambiguous more is taken out, not less: an
 * opening bracket before an @ and a closing one behind it enclose an address,
 * whatever stands in between. */
#include "redact/redact_priv.h"

#include "base/codec.h"

#define CANONICAL_MAX 1100u /* RFC 5321 path with room for a route */

/* --- one address ------------------------------------------------------------ */

static void put_digits(struct mt_redact *redact, const char *prefix, struct mt_span a, struct mt_span b)
{
    uint8_t canonical[CANONICAL_MAX];
    struct mt_buf text = mt_buf(canonical, sizeof(canonical));

    for (size_t i = 0; i < a.size; i++)
        mt_buf_put_byte(&text, mt_ascii_lower(a.ptr[i]));
    if (b.size > 0)
        mt_buf_put_byte(&text, '@');
    for (size_t i = 0; i < b.size; i++)
        mt_buf_put_byte(&text, mt_ascii_lower(b.ptr[i]));
    uint64_t hash = mt_siphash(&redact->config.key, mt_buf_span(&text));
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(hash >> (56 - 8 * i));
    mt_buf_put_cstr(&redact->b, prefix);
    mt_buf_put_hex(&redact->b, mt_span(bytes, sizeof(bytes)));
}

void mt_redact_put_login(struct mt_redact *redact, struct mt_span login)
{
    if (redact->config.mode == MT_REDACT_DROP)
        mt_buf_put_cstr(&redact->b, "[login]");
    else
        put_digits(redact, "u-", login, mt_span_none());
}

static struct mt_span without_dot(struct mt_span domain)
{
    while (domain.size > 0 && domain.ptr[domain.size - 1] == '.')
        domain.size--;
    return domain;
}

void mt_redact_put_domain(struct mt_redact *redact, struct mt_span domain)
{
    if (domain.size == 0)
        return;
    if (redact->config.mode == MT_REDACT_LOCAL_PART) {
        mt_buf_put_span(&redact->b, domain);
        return;
    }
    if (redact->config.mode == MT_REDACT_DROP) {
        mt_buf_put_cstr(&redact->b, "[domain]");
        return;
    }
    put_digits(redact, "d-", without_dot(domain), mt_span_none());
    mt_buf_put_cstr(&redact->b, ".invalid"); /* RFC 2606: nobody's */
}

/* RFC 5321 §4.1.2: "@a,@b:user@c" is the address user@c. */
static struct mt_span without_route(struct mt_span address)
{
    const uint8_t *colon =
        address.size > 0 && address.ptr[0] == '@' ? memchr(address.ptr, ':', address.size) : NULL;

    return colon == NULL ? address : mt_span_from(address, (size_t)(colon - address.ptr) + 1);
}

/* The last @ that is not quoted; size when there is none. */
static size_t at_of(struct mt_span address)
{
    size_t at = address.size;
    bool is_quoted = false;

    for (size_t i = 0; i < address.size; i++) {
        if (address.ptr[i] == '"')
            is_quoted = !is_quoted;
        else if (address.ptr[i] == '\\' && is_quoted)
            i++;
        else if (address.ptr[i] == '@' && !is_quoted)
            at = i;
    }
    return at;
}

static bool is_alnum(uint8_t c)
{
    return mt_ascii_is_alpha(c) || mt_ascii_is_digit(c);
}

static bool is_domain(uint8_t c)
{
    return c >= 0x80 || is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '\\';
}

static bool is_word(uint8_t c)
{
    return c >= 0x80 || is_alnum(c) || c == '_' || c == '-';
}

/* A remembered name at the start of text, as a word of its own. */
static size_t name_size(const struct mt_redact *redact, struct mt_span text)
{
    uint32_t count = (uint32_t)mt_min_u64(redact->name_count, MT_REDACT_NAMES_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const struct mt_redact_name *name = &redact->names[i];
        if (text.size < name->size || (text.size > name->size && is_word(text.ptr[name->size])))
            continue;
        if (mt_span_ieq(mt_span_head(text, name->size), mt_span(name->text, name->size)))
            return name->size;
    }
    return 0;
}

static void remember_name(struct mt_redact *redact, struct mt_span name)
{
    if (name.size < 2 || name.size > MT_REDACT_NAME_MAX || name_size(redact, name) == name.size)
        return;
    struct mt_redact_name *kept = &redact->names[redact->name_count++ % MT_REDACT_NAMES_MAX];
    kept->size = (uint8_t)name.size;
    for (size_t i = 0; i < name.size; i++)
        kept->text[i] = mt_ascii_lower(name.ptr[i]);
}

/* A name of a host, or what stands in brackets for one. */
static bool is_domain_text(struct mt_span domain)
{
    bool is_literal = domain.size > 1 && domain.ptr[0] == '[' && domain.ptr[domain.size - 1] == ']';

    if (is_literal)
        domain = mt_span(domain.ptr + 1, domain.size - 2);
    for (size_t i = 0; i < domain.size; i++) {
        if (!is_domain(domain.ptr[i]) && !(is_literal && domain.ptr[i] == ':'))
            return false;
    }
    return true;
}

void mt_redact_put_address(struct mt_redact *redact, struct mt_span address)
{
    address = without_route(mt_span_trim(address));
    if (address.size == 0)
        return;
    size_t at = at_of(address);
    struct mt_span domain = mt_span_from(address, at + 1);
    if (!is_domain_text(domain)) { /* it may hide another address: all of it is taken */
        at = address.size;
        domain = mt_span_none();
    }
    struct mt_span local = mt_span_head(address, at);
    if (domain.size == 0)
        remember_name(redact, local);
    if (redact->config.mode == MT_REDACT_DROP) {
        mt_buf_put_cstr(&redact->b, "[address]");
        return;
    }
    put_digits(redact, "u-", local, without_dot(domain));
    if (domain.size == 0)
        return;
    mt_buf_put_byte(&redact->b, '@');
    mt_redact_put_domain(redact, domain);
}

/* --- texts ------------------------------------------------------------------ */

/* RFC 5322 atext, dot and backslash, and what RFC 6531 adds. */
static bool is_local(uint8_t c)
{
    return c >= 0x80 || is_alnum(c) || (c > ' ' && c < 0x7f && strchr("!#$%&'*+-/=?^_`{|}~.\\", c) != NULL);
}

/* Of the digits behind a sign that stand for an @: 40, behind the sign of a URL also
 * 2540, when it was put into another URL, and so on; 0 when none do. */
static size_t digits_size(struct mt_span text, size_t i, bool is_url)
{
    size_t end = i;

    while (is_url && end + 2 < text.size && text.ptr[end] == '2' && text.ptr[end + 1] == '5')
        end += 2;
    bool is_at = end + 2 < text.size && text.ptr[end] == '4' && text.ptr[end + 1] == '0';
    return is_at ? end + 2 - i : 0;
}

/* How many bytes stand for an @ here: itself, or 40 hexadecimal behind the sign
 * of a URL, of xtext (RFC 3461 §4) or of quoted-printable. */
static size_t at_size(struct mt_span text, size_t i)
{
    uint8_t c = text.ptr[i];

    if (c == '@')
        return 1;
    if ((c != '%' && c != '+' && c != '=') || i == 0 || !is_local(text.ptr[i - 1]))
        return 0;
    size_t digits = digits_size(text, i + 1, c == '%');
    return digits > 0 && is_alnum(text.ptr[i + 1 + digits]) ? 1 + digits : 0;
}

static size_t find_at(struct mt_span text, size_t from)
{
    while (from < text.size && at_size(text, from) == 0)
        from++;
    return from;
}

/* An address of a text, with the brackets around it left outside. Blanks and
 * comments may stand around its @ (RFC 5322 §4.4): from gap_start to gap_end. */
struct found {
    size_t start;
    size_t end;
    size_t gap_start;
    size_t gap_end;
};

static bool find_brackets(struct mt_span text, size_t low, size_t at, struct found *ret_found)
{
    size_t start = at;
    size_t end = at;

    low = at - low > CANONICAL_MAX ? at - CANONICAL_MAX : low;
    while (start > low && text.ptr[start - 1] != '<' && text.ptr[start - 1] != '\n')
        start--;
    if (start == low || text.ptr[start - 1] != '<')
        return false;
    while (end < text.size && text.ptr[end] != '>' && text.ptr[end] != '\n')
        end++;
    *ret_found = (struct found){.start = start, .end = end};
    return true;
}

static size_t local_start(struct mt_span text, size_t low, size_t at)
{
    size_t start = at;

    while (start > low) {
        uint8_t c = text.ptr[start - 1];
        if (c == '"') {
            const uint8_t *open = start - 1 > low ? memrchr(text.ptr + low, '"', start - 1 - low) : NULL;
            start = open != NULL ? (size_t)(open - text.ptr) : start - 1;
        } else if (is_local(c)) {
            start--;
        } else {
            break;
        }
    }
    return start;
}

static size_t domain_end(struct mt_span text, size_t from)
{
    size_t end = from;

    while (end < text.size) {
        bool is_literal = text.ptr[end] == '[' && (end == from || text.ptr[end - 1] == '@');
        if (is_literal) {
            const uint8_t *close = memchr(text.ptr + end, ']', text.size - end);
            end = close != NULL ? (size_t)(close - text.ptr) + 1 : text.size;
        } else if (is_domain(text.ptr[end]) || text.ptr[end] == '@') {
            end++;
        } else {
            break;
        }
    }
    while (end > from && (text.ptr[end - 1] == '.' || text.ptr[end - 1] == '-'))
        end--; /* of the sentence */
    return end;
}

/* Of the comment that ends before, or begins at `at`; `at` when it is none. Comments
 * nest (RFC 5322 §3.2.2). */
static size_t comment_start(struct mt_span text, size_t low, size_t at)
{
    size_t depth = 0;

    for (size_t i = at; i > low; i--) {
        depth += text.ptr[i - 1] == ')';
        depth -= text.ptr[i - 1] == '(';
        if (depth == 0)
            return i - 1;
    }
    return at;
}

static size_t comment_end(struct mt_span text, size_t at)
{
    size_t depth = 0;

    for (size_t i = at; i < text.size; i++) {
        depth += text.ptr[i] == '(';
        depth -= text.ptr[i] == ')';
        if (depth == 0)
            return i + 1;
    }
    return at;
}

/* Where the blanks and comments before `at` start, not before low. */
static size_t skip_back(struct mt_span text, size_t low, size_t at)
{
    while (at > low) {
        uint8_t c = text.ptr[at - 1];
        if (c == ' ' || c == '\t') {
            at--;
            continue;
        }
        size_t open = c == ')' ? comment_start(text, low, at) : at;
        if (open == at)
            break;
        at = open;
    }
    return at;
}

/* Where those that begin at `at` end. */
static size_t skip_on(struct mt_span text, size_t at)
{
    while (at < text.size) {
        uint8_t c = text.ptr[at];
        if (c == ' ' || c == '\t') {
            at++;
            continue;
        }
        size_t end = c == '(' ? comment_end(text, at) : at;
        if (end == at)
            break;
        at = end;
    }
    return at;
}

/* "alice @example.com", "alice(c)@ example.com". What follows the @ has to look like
 * a host, since signs for "at" stand between blanks too. */
static bool find_spaced(struct mt_span text, size_t low, size_t at, struct found *ret_found)
{
    low = at - low > CANONICAL_MAX ? at - CANONICAL_MAX : low;
    text = mt_span_head(text, at + CANONICAL_MAX);
    size_t gap_start = skip_back(text, low, at);
    size_t gap_end = skip_on(text, at + 1);

    if (text.ptr[at] != '@' || (gap_start == at && gap_end == at + 1))
        return false;
    size_t start = local_start(text, low, gap_start);
    size_t end = domain_end(text, gap_end);
    bool is_host =
        end > gap_end && (memchr(text.ptr + gap_end, '.', end - gap_end) != NULL || text.ptr[gap_end] == '[');
    if (start == gap_start || !is_host)
        return false;
    *ret_found = (struct found){start, end, gap_start, gap_end};
    return true;
}

/* The next address at or behind from; false when there is none. */
static bool find_address(struct mt_span text, size_t from, struct found *ret_found)
{
    size_t low = from;

    for (size_t at = from; (at = find_at(text, at)) < text.size;) {
        size_t size = at_size(text, at);
        if (find_brackets(text, low, at, ret_found))
            return true;
        struct found found = {.start = local_start(text, low, at), .end = domain_end(text, at + size)};
        bool is_whole = found.start < at && found.end > at + size;
        if (!is_whole && find_spaced(text, low, at, ret_found))
            return true;
        if (found.start < at) {
            found.end = found.end < at + size ? at + size : found.end;
            *ret_found = found;
            return true;
        }
        at += size; /* a route, or a sign that stands for "at" */
    }
    return false;
}

/* Under the name that it has without what stands around its @. */
static void put_found(struct mt_redact *redact, struct mt_span text, const struct found *found)
{
    struct mt_span whole = mt_span(text.ptr + found->start, found->end - found->start);
    uint8_t bytes[CANONICAL_MAX];
    struct mt_buf b = mt_buf(bytes, sizeof(bytes));

    if (found->gap_end == 0) {
        mt_redact_put_address(redact, whole);
        return;
    }
    mt_buf_put_head(&b, mt_span(text.ptr + found->start, found->gap_start - found->start));
    mt_buf_put_byte(&b, '@');
    mt_buf_put_head(&b, mt_span(text.ptr + found->gap_end, found->end - found->gap_end));
    mt_redact_put_address(redact, mt_buf_span(&b));
}

static void put_without_names(struct mt_redact *redact, struct mt_span text)
{
    size_t done = 0;

    for (size_t i = 0; redact->name_count > 0 && i < text.size;) {
        bool starts_word = i == 0 || !is_word(text.ptr[i - 1]);
        size_t size = starts_word ? name_size(redact, mt_span_from(text, i)) : 0;
        if (size == 0) {
            i++;
            continue;
        }
        mt_buf_put_span(&redact->b, mt_span(text.ptr + done, i - done));
        if (redact->config.mode == MT_REDACT_DROP)
            mt_buf_put_cstr(&redact->b, "[address]");
        else
            put_digits(redact, "u-", mt_span(text.ptr + i, size), mt_span_none());
        i += size;
        if (i < text.size && text.ptr[i] == '@') { /* "a:@example.com": no local part, but a name */
            size_t end = domain_end(text, i + 1);
            mt_buf_put_byte(&redact->b, '@');
            mt_redact_put_domain(redact, mt_span(text.ptr + i + 1, end - i - 1));
            i = end;
        }
        done = i;
    }
    mt_buf_put_span(&redact->b, mt_span_from(text, done));
}

static void put_plain(struct mt_redact *redact, struct mt_span text)
{
    struct found found;
    size_t done = 0;

    while (find_address(text, done, &found)) {
        put_without_names(redact, mt_span(text.ptr + done, found.start - done));
        put_found(redact, text, &found);
        done = found.end;
    }
    put_without_names(redact, mt_span_from(text, done));
}

/* An RFC 2047 word in base64 hides what it holds from a search, not from a
 * reader: "=?charset?B?text?=". Returns where it ends, and where its text is. */
static size_t encoded_word(struct mt_span text, size_t from, struct mt_span *ret_coded)
{
    size_t marks[4];
    unsigned count = 0;

    for (size_t i = from + 1; i < text.size && count < 4 && text.ptr[i] > ' '; i++) {
        if (text.ptr[i] == '?')
            marks[count++] = i;
    }
    bool is_word = count == 4 && marks[0] == from + 1 && marks[2] == marks[1] + 2 &&
                   mt_ascii_lower(text.ptr[marks[1] + 1]) == 'b' && marks[3] + 1 < text.size &&
                   text.ptr[marks[3] + 1] == '=';
    if (!is_word)
        return from;
    *ret_coded = mt_span(text.ptr + marks[2] + 1, marks[3] - marks[2] - 1);
    return marks[3] + 2;
}

static bool hides_address(struct mt_span coded)
{
    uint8_t bytes[512];
    struct mt_buf decoded = mt_buf(bytes, sizeof(bytes));

    return !mt_base64_decode(coded, &decoded) || memchr(bytes, '@', decoded.size) != NULL;
}

void mt_redact_put_free(struct mt_redact *redact, struct mt_span text)
{
    size_t done = 0;

    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.ptr[i] != '=' || text.ptr[i + 1] != '?')
            continue;
        struct mt_span coded;
        size_t end = encoded_word(text, i, &coded);
        if (end == i || !hides_address(coded))
            continue;
        put_plain(redact, mt_span(text.ptr + done, i - done));
        mt_redact_put_address(redact, coded);
        if (end < text.size && text.ptr[end] == '@') /* it was the local part */
            end = domain_end(text, end + 1);
        done = end;
        i = end - 1;
    }
    put_plain(redact, mt_span_from(text, done));
}

/* --- lines of the conversation ---------------------------------------------- */

/* "2026-11-22T13:38:00.123456789Z C: " before a line of evidence. */
static size_t stamp_size(struct mt_span line)
{
    enum { STAMP = 34, MARK = 30 };
    static const char shape[] = "0000-00-00T00:00:00.000000000Z";
    bool is_stamped = line.size >= STAMP &&
                      (memcmp(line.ptr + MARK, " C: ", 4) == 0 || memcmp(line.ptr + MARK, " S: ", 4) == 0);

    for (size_t i = 0; is_stamped && i < MARK; i++)
        is_stamped = shape[i] == '0' ? mt_ascii_is_digit(line.ptr[i]) : line.ptr[i] == (uint8_t)shape[i];
    return is_stamped ? STAMP : 0;
}

/* The first word of text, which goes on behind the blanks that follow it. */
static struct mt_span take_word(struct mt_span *text)
{
    struct mt_span rest = mt_span_trim(*text);
    size_t size = 0;

    while (size < rest.size && rest.ptr[size] != ' ' && rest.ptr[size] != '\t')
        size++;
    *text = mt_span_trim(mt_span_from(rest, size));
    return mt_span_head(rest, size);
}

/* MAIL FROM:<alice>, RCPT TO: alice SIZE=1. Absent when line is nothing of that. */
static struct mt_span named_path(struct mt_span line)
{
    static const char *const verbs[] = {"MAIL", "RCPT", "SEND", "SOML", "SAML"};
    struct mt_span rest = line;
    struct mt_span verb = take_word(&rest);
    const uint8_t *colon = rest.size > 0 ? memchr(rest.ptr, ':', rest.size) : NULL;
    bool is_path = false;

    for (size_t i = 0; i < MT_ARRAY_COUNT(verbs); i++)
        is_path |= mt_span_ieq_cstr(verb, verbs[i]);
    if (!is_path || colon == NULL)
        return mt_span_none();
    struct mt_span word = mt_span_trim(mt_span(rest.ptr, (size_t)(colon - rest.ptr)));
    if (!mt_span_ieq_cstr(word, "FROM") && !mt_span_ieq_cstr(word, "TO"))
        return mt_span_none();
    rest = mt_span_trim(mt_span_from(rest, (size_t)(colon - rest.ptr) + 1));
    bool is_open = rest.size > 0 && rest.ptr[0] == '<';
    size_t size = is_open;
    while (size < rest.size && rest.ptr[size] != (is_open ? '>' : ' ') && rest.ptr[size] != '\r' &&
           rest.ptr[size] != '\n')
        size++;
    return mt_span(rest.ptr + is_open, size - is_open);
}

/* VRFY alice, EXPN Alice A. <alice@example.com>. */
static struct mt_span named_mailbox(struct mt_span line)
{
    struct mt_span rest = line;
    struct mt_span verb = take_word(&rest);
    bool is_probe = mt_span_ieq_cstr(verb, "VRFY") || mt_span_ieq_cstr(verb, "EXPN");
    size_t size = 0;

    while (size < rest.size && rest.ptr[size] != '\r' && rest.ptr[size] != '\n')
        size++;
    return is_probe && size > 0 ? mt_span_head(rest, size) : mt_span_none();
}

/* What a command names is a name where it needs no @, and goes with what is around it. */
void mt_redact_put_line(struct mt_redact *redact, struct mt_span line)
{
    size_t stamp = stamp_size(line);
    struct mt_span said = mt_span_from(line, stamp);
    struct mt_span mailbox = named_mailbox(said);
    struct mt_span name = mailbox.ptr != NULL ? mailbox : named_path(said);

    mt_buf_put_span(&redact->b, mt_span_head(line, stamp));
    if (mailbox.ptr == NULL && (name.ptr == NULL || memchr(name.ptr, '@', name.size) != NULL)) {
        mt_redact_put_free(redact, said);
        return;
    }
    size_t off = (size_t)(name.ptr - said.ptr);
    mt_buf_put_span(&redact->b, mt_span_head(said, off));
    if (mailbox.ptr != NULL)
        mt_redact_put_mailbox(redact, name);
    else
        mt_redact_put_address(redact, name);
    mt_redact_put_free(redact, mt_span_from(said, off + name.size));
}

/* --- mailboxes and parameters ------------------------------------------------ */

void mt_redact_put_mailbox(struct mt_redact *redact, struct mt_span mailbox)
{
    struct found found;
    size_t done = 0;

    while (find_address(mailbox, done, &found)) {
        if (done > 0)
            mt_buf_put_cstr(&redact->b, ", ");
        put_found(redact, mailbox, &found);
        done = found.end;
    }
    if (done == 0)
        mt_redact_put_address(redact, mailbox);
}

/* xtext, RFC 3461 §4: "+40" for "@". */
static struct mt_span xtext_decoded(struct mt_span text, struct mt_buf *b)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.size; i++) {
        const char *high = text.ptr[i] == '+' && i + 2 < text.size
                               ? memchr(digits, mt_ascii_upper(text.ptr[i + 1]), 16)
                               : NULL;
        const char *low = high != NULL ? memchr(digits, mt_ascii_upper(text.ptr[i + 2]), 16) : NULL;
        if (low != NULL) {
            mt_buf_put_byte(b, (uint8_t)((high - digits) << 4 | (low - digits)));
            i += 2;
        } else {
            mt_buf_put_byte(b, text.ptr[i]);
        }
    }
    return mt_buf_span(b);
}

/* ORCPT=rfc822;user+40example.com (RFC 3461 §4.2), AUTH=user+40example.com
 * (RFC 4954 §5), AUTH=<>; of XCLIENT LOGIN=user. */
void mt_redact_put_parameter(struct mt_redact *redact, struct mt_span keyword, struct mt_span value)
{
    uint8_t text[CANONICAL_MAX];
    struct mt_buf b = mt_buf(text, sizeof(text));
    bool is_orcpt = mt_span_ieq_cstr(keyword, "ORCPT");
    bool is_address = is_orcpt || mt_span_ieq_cstr(keyword, "AUTH") || mt_span_ieq_cstr(keyword, "LOGIN");

    if (!is_address || mt_span_ieq_cstr(value, "<>")) {
        mt_redact_put_free(redact, value);
        return;
    }
    const uint8_t *semicolon = is_orcpt && value.size > 0 ? memchr(value.ptr, ';', value.size) : NULL;
    if (semicolon != NULL) {
        size_t size = (size_t)(semicolon - value.ptr) + 1;
        mt_redact_put_free(redact, mt_span_head(value, size));
        value = mt_span_from(value, size);
    }
    mt_redact_put_address(redact, xtext_decoded(value, &b));
}

void mt_redact_forget_names(struct mt_redact *redact)
{
    redact->name_count = 0;
}
