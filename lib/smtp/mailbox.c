/* The argument of MAIL and RCPT: a path and its ESMTP parameters (RFC 5321
 * §4.1.2). First what stands where, as liberal as servers are; then whether it
 * follows the grammar, which only decides on anomalies. */
#include "base/scan.h"
#include "smtp/smtp.h"

/* RFC 5321 §4.5.3.1, octets */
#define LOCAL_MAX 64
#define DOMAIN_MAX 255
#define PATH_MAX_SIZE 256 /* with its brackets */
#define LABEL_MAX 63

/* Oddities of one argument, each reported once. */
struct oddities {
    bool path_malformed;
    bool path_no_brackets;
    bool path_space;
    bool path_too_long;
    bool parameter_malformed;
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct mt_span skip_blanks(struct mt_span s)
{
    size_t off = 0;

    while (off < s.size && is_blank(s.ptr[off]))
        off++;
    return mt_span_from(s, off);
}

/* Size of the quoted string that s starts with, 0 when it never closes. */
static size_t quoted_size(struct mt_span s)
{
    for (size_t at = 1; at < s.size; at++) {
        if (s.ptr[at] == '\\')
            at++;
        else if (s.ptr[at] == '"')
            return at + 1;
    }
    return 0;
}

/* A walk over the bytes of s that stand outside quoted strings. A quote that
 * never closes is a byte like others, and so are all behind it: the end is
 * looked for in vain only once, which keeps a walk linear. */
struct walk {
    struct mt_span s;
    size_t next;
    bool ignores_quotes;
};

/* Offset of the next byte outside quotes, or s.size. */
static size_t walk_on(struct walk *w)
{
    while (w->next < w->s.size) {
        size_t at = w->next;
        if (w->s.ptr[at] != '"' || w->ignores_quotes) {
            w->next = at + 1;
            return at;
        }
        size_t size = quoted_size(mt_span_from(w->s, at));
        w->ignores_quotes = size == 0;
        w->next = at + size;
    }
    return w->s.size;
}

static bool has_quotes(struct mt_span s)
{
    return mt_scan_byte(s, '"') < s.size;
}

/* These two find the first byte of a kind outside quotes, or s.size. */
static size_t find_unquoted(struct mt_span s, uint8_t byte)
{
    struct walk w = {.s = s};
    size_t at;

    if (MT_LIKELY(!has_quotes(s)))
        return mt_scan_byte(s, byte);
    while ((at = walk_on(&w)) < s.size && s.ptr[at] != byte)
        ;
    return at;
}

static size_t find_unquoted_blank(struct mt_span s)
{
    struct walk w = {.s = s};
    size_t at;

    while ((at = walk_on(&w)) < s.size && !is_blank(s.ptr[at]))
        ;
    return at;
}

/* --- where things stand ----------------------------------------------------- */

/* What stands behind "FROM:" or "TO:". Who leaves the keyword or its colon out
 * is understood as well. */
static struct mt_span skip_keyword(struct mt_span argument, bool is_mail, struct oddities *odd)
{
    size_t size = 0;

    while (size < argument.size && mt_ascii_is_alpha(argument.ptr[size]))
        size++;
    struct mt_span word = mt_span_head(argument, size);
    struct mt_span rest = mt_span_from(argument, size);
    bool is_due = mt_span_ieq_cstr(word, is_mail ? "FROM" : "TO");
    bool is_other = mt_span_ieq_cstr(word, is_mail ? "TO" : "FROM");
    bool ends = rest.size == 0 || is_blank(rest.ptr[0]) || rest.ptr[0] == ':' || rest.ptr[0] == '<';

    odd->path_malformed |= !is_due;
    if (!ends || !(is_due || is_other))
        return argument;
    struct mt_span behind = skip_blanks(rest);
    if (behind.size == 0 || behind.ptr[0] != ':') {
        odd->path_malformed = true;
        return behind;
    }
    struct mt_span path = skip_blanks(mt_span_from(behind, 1));
    odd->path_space |= behind.size < rest.size || path.size + 1 < behind.size;
    return path;
}

/* Offset of a '<' that starts a word, as in `Name <user@host>`, or s.size. */
static size_t find_bracket(struct mt_span s)
{
    struct walk w = {.s = s};
    size_t at;

    while ((at = walk_on(&w)) < s.size) {
        if (s.ptr[at] == '<' && (at == 0 || is_blank(s.ptr[at - 1]) || s.ptr[at - 1] == '"'))
            return at;
    }
    return s.size;
}

/* Splits s into the address and what follows it. */
static bool split_address(struct mt_span s, struct oddities *odd, struct mt_span *ret_address,
                          struct mt_span *ret_behind)
{
    size_t bracket = find_bracket(s);

    if (bracket == s.size) {
        size_t size = find_unquoted_blank(s);
        odd->path_no_brackets = size > 0;
        odd->path_malformed |= size == 0;
        *ret_address = mt_span_head(s, size);
        *ret_behind = mt_span_from(s, size);
        return size > 0;
    }
    struct mt_span inner = mt_span_from(s, bracket + 1);
    size_t end = find_unquoted(inner, '>');
    bool is_closed = end < inner.size;
    if (!is_closed)
        end = find_unquoted_blank(inner);
    *ret_address = mt_span_trim(mt_span_head(inner, end));
    *ret_behind = mt_span_from(inner, is_closed ? end + 1 : end);
    odd->path_malformed |= bracket > 0 || !is_closed || ret_address->size < end;
    return true;
}

/* Size of a source route, "@a,@b:", with its colon; 0 when there is none
 * (RFC 5321 App. C). Colons inside address literals don't count. */
static size_t route_size(struct mt_span address)
{
    bool is_literal = false;

    if (address.size == 0 || address.ptr[0] != '@')
        return 0;
    for (size_t at = 1; at < address.size; at++) {
        if (address.ptr[at] == '[')
            is_literal = true;
        else if (address.ptr[at] == ']')
            is_literal = false;
        else if (address.ptr[at] == ':' && !is_literal)
            return at + 1;
    }
    return 0;
}

/* At the last @ outside quotes. */
static void split_mailbox(struct mt_span mailbox, struct mt_smtp_path *path)
{
    struct walk w = {.s = mailbox};
    size_t last = mailbox.size;
    size_t at;

    if (MT_LIKELY(!has_quotes(mailbox))) {
        const uint8_t *sign = memrchr(mailbox.ptr, '@', mailbox.size);
        last = sign != NULL ? (size_t)(sign - mailbox.ptr) : mailbox.size;
    } else {
        while ((at = walk_on(&w)) < mailbox.size) {
            if (mailbox.ptr[at] == '@')
                last = at;
        }
    }
    path->local = mt_span_head(mailbox, last);
    path->domain = last < mailbox.size ? mt_span_from(mailbox, last + 1) : mt_span_none();
}

/* --- the grammar ------------------------------------------------------------ */

/* Sets of ASCII, a bit each. */
struct set {
    uint64_t bits[2];
};
#define BIT(byte) (UINT64_C(1) << ((byte)&63))
#define RUN(from, to) (BIT(to) | (BIT(to) - BIT(from)))
#define DIGITS RUN('0', '9')
#define LETTERS (RUN('A', 'Z') | RUN('a', 'z'))
/* atext (RFC 5322 §3.2.3) but for '!' and '%' */
#define ATEXT_LOW \
    (DIGITS | RUN('#', '$') | RUN('&', '\'') | RUN('*', '+') | BIT('-') | BIT('/') | BIT('=') | BIT('?'))
#define ATEXT_HIGH (LETTERS | RUN('^', '`') | RUN('{', '~'))

static const struct set atext = {{ATEXT_LOW | BIT('!') | BIT('%'), ATEXT_HIGH}};
static const struct set plain_atext = {{ATEXT_LOW, ATEXT_HIGH}};
static const struct set letters_digits = {{DIGITS, LETTERS}};

static inline bool set_has(const struct set *set, uint8_t byte)
{
    return byte < 0x80 && (set->bits[byte >> 6] >> (byte & 63) & 1);
}

/* What RFC 6531 §3.3 adds to atext, too. */
static bool is_atext(uint8_t byte)
{
    return byte > 0x7f || set_has(&atext, byte);
}

static bool is_quoted_string(struct mt_span s)
{
    if (s.size < 2 || s.ptr[0] != '"' || quoted_size(s) != s.size)
        return false;
    for (size_t at = 1; at < s.size; at++) {
        if (s.ptr[at] < 0x20 || s.ptr[at] == 0x7f)
            return false;
    }
    return true;
}

static bool is_local(struct mt_span s)
{
    bool was_dot = true;

    if (is_quoted_string(s))
        return true;
    for (size_t at = 0; at < s.size; at++) {
        bool is_dot = s.ptr[at] == '.';
        if ((is_dot && was_dot) || !(is_dot || is_atext(s.ptr[at])))
            return false;
        was_dot = is_dot;
    }
    return !was_dot;
}

static bool is_literal(struct mt_span s)
{
    if (s.size <= 2 || s.ptr[0] != '[' || s.ptr[s.size - 1] != ']')
        return false;
    for (size_t at = 1; at + 1 < s.size; at++) {
        uint8_t byte = s.ptr[at];
        if (byte <= 0x20 || byte >= 0x7f || (byte >= '[' && byte <= ']'))
            return false;
    }
    return true;
}

/* Labels of letters, digits and inner hyphens, or U-labels (RFC 6531 §3.3). */
static bool is_domain(struct mt_span s)
{
    size_t label_size = 0;
    uint8_t before = '.';

    if (is_literal(s))
        return true;
    for (size_t at = 0; at < s.size; at++) {
        uint8_t byte = s.ptr[at];
        if (mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) || byte > 0x7f)
            label_size++;
        else if (byte == '-' && before != '.')
            label_size++;
        else if (byte == '.' && before != '.' && before != '-')
            label_size = 0;
        else
            return false;
        if (label_size > LABEL_MAX)
            return false;
        before = byte;
    }
    return before != '.' && before != '-';
}

/* "@a,@b:" */
static bool is_route(struct mt_span s)
{
    while (s.size > 0) {
        const uint8_t *comma = memchr(s.ptr, ',', s.size);
        size_t size = comma != NULL ? (size_t)(comma - s.ptr) : s.size - 1;
        if (s.ptr[0] != '@' || size == 0 || !is_domain(mt_span(s.ptr + 1, size - 1)))
            return false;
        s = mt_span_from(s, size + 1);
        if (comma != NULL && s.size == 0)
            return false;
    }
    return true;
}

static void judge_path(const struct mt_smtp_path *path, bool is_mail, struct oddities *odd)
{
    struct mt_span route = mt_span_head(path->address, path->address.size - path->mailbox.size);

    odd->path_too_long |= path->address.size + 2 > PATH_MAX_SIZE || path->local.size > LOCAL_MAX ||
                          path->domain.size > DOMAIN_MAX;
    if (path->address.size == 0) {
        odd->path_malformed |= !is_mail; /* the null sender is no recipient */
        return;
    }
    bool is_postmaster = !is_mail && mt_span_ieq_cstr(path->address, "postmaster"); /* RFC 5321 §4.1.1.3 */
    bool has_domain = path->domain.ptr != NULL ? is_domain(path->domain) : is_postmaster;
    odd->path_malformed |= !has_domain || !is_local(path->local) || !is_route(route);
}

/* --- parameters ------------------------------------------------------------- */

static bool is_parameter(const struct mt_smtp_parameter *parameter)
{
    struct mt_span keyword = parameter->keyword;
    struct mt_span value = parameter->value;

    if (keyword.size == 0 || keyword.ptr[0] == '-' || (value.ptr != NULL && value.size == 0))
        return false;
    for (size_t at = 0; at < keyword.size; at++) {
        uint8_t byte = keyword.ptr[at];
        if (!mt_ascii_is_alpha(byte) && !mt_ascii_is_digit(byte) && byte != '-')
            return false;
    }
    for (size_t at = 0; at < value.size; at++) {
        if (value.ptr[at] <= 0x20 || value.ptr[at] == '=' || value.ptr[at] == 0x7f)
            return false;
    }
    return true;
}

static void split_parameters(struct mt_span s, struct mt_smtp_mailbox_argument *argument,
                             struct oddities *odd)
{
    if (s.size > 0 && !is_blank(s.ptr[0]))
        odd->parameter_malformed = true;
    while ((s = skip_blanks(s)).size > 0) {
        size_t size = 0, equals = 0;
        bool has_value = false;
        for (; size < s.size && !is_blank(s.ptr[size]); size++) {
            if (s.ptr[size] == '=' && !has_value) {
                equals = size;
                has_value = true;
            }
        }
        struct mt_span whole = mt_span_head(s, size);
        struct mt_smtp_parameter parameter = {
            .keyword = has_value ? mt_span_head(whole, equals) : whole,
            .value = has_value ? mt_span_from(whole, equals + 1) : mt_span_none(),
        };
        odd->parameter_malformed |= !is_parameter(&parameter);
        if (argument->parameter_count < MT_SMTP_PARAMETERS_MAX)
            argument->parameters[argument->parameter_count++] = parameter;
        argument->parameters_total++;
        s = mt_span_from(s, size);
    }
}

static void report(const struct oddities *odd, const struct mt_smtp_client_events *events, void *ctx)
{
    if (events == NULL)
        return;
    if (odd->path_malformed)
        events->anomaly(ctx, MT_ANOMALY_PATH_MALFORMED);
    if (odd->path_no_brackets)
        events->anomaly(ctx, MT_ANOMALY_PATH_NO_BRACKETS);
    if (odd->path_space)
        events->anomaly(ctx, MT_ANOMALY_PATH_SPACE);
    if (odd->path_too_long)
        events->anomaly(ctx, MT_ANOMALY_PATH_TOO_LONG);
    if (odd->parameter_malformed)
        events->anomaly(ctx, MT_ANOMALY_PARAMETER_MALFORMED);
}

/* Words of a set, with single dots between them, from at on; returns where they end,
 * or 0 when they end with a dot or there are none. Labels are words too. */
static inline size_t dotted_end(struct mt_span s, size_t at, const struct set *set, bool is_host)
{
    size_t start = at;
    uint8_t before = '.';

    for (; at < s.size; at++) {
        uint8_t byte = s.ptr[at];
        if (byte == '.') {
            if (before == '.' || (is_host && (before == '-' || at - start > LABEL_MAX)))
                return 0;
            start = at + 1;
        } else if (!set_has(set, byte) && !(is_host && byte == '-' && before != '.')) {
            break;
        }
        before = byte;
    }
    bool ends_well = before != '.' && !(is_host && (before == '-' || at - start > LABEL_MAX));
    return ends_well ? at : 0;
}

/* "TO:<user@host.example>" and what follows it: what nearly everybody writes, in one
 * walk and without any oddity. False says nothing but that it is not that. */
static bool parse_plain(struct mt_span argument, bool is_mail, struct mt_smtp_path *ret_path,
                        struct mt_span *ret_behind)
{
    size_t start = is_mail ? 6 : 4;

    if (argument.size < start + 4 || argument.ptr[start - 1] != '<' || argument.ptr[start - 2] != ':' ||
        !mt_span_istarts(argument, is_mail ? "FROM" : "TO"))
        return false;
    size_t sign = dotted_end(argument, start, &plain_atext, false);
    if (sign == 0 || sign == argument.size || argument.ptr[sign] != '@')
        return false;
    size_t end = dotted_end(argument, sign + 1, &letters_digits, true);
    if (end == 0 || end == argument.size || argument.ptr[end] != '>')
        return false;
    if (sign - start > LOCAL_MAX || end - start + 2 > PATH_MAX_SIZE)
        return false;
    struct mt_span address = mt_span(argument.ptr + start, end - start);
    *ret_path = (struct mt_smtp_path){
        .address = address,
        .mailbox = address,
        .local = mt_span_head(address, sign - start),
        .domain = mt_span_from(address, sign + 1 - start),
        .is_plain = true,
    };
    *ret_behind = mt_span_from(argument, end + 1);
    return true;
}

bool mt_smtp_parse_mailbox(struct mt_span argument, bool is_mail, const struct mt_smtp_client_events *events,
                           void *ctx, struct mt_smtp_mailbox_argument *ret_argument)
{
    struct oddities odd = {0};
    struct mt_span address, behind;

    if (MT_LIKELY(parse_plain(argument, is_mail, &ret_argument->path, &behind))) {
        ret_argument->parameter_count = 0;
        ret_argument->parameters_total = 0;
        if (behind.size > 0) {
            split_parameters(behind, ret_argument, &odd);
            report(&odd, events, ctx);
        }
        return true;
    }
    struct mt_span path = skip_keyword(argument, is_mail, &odd);
    bool has_address = split_address(path, &odd, &address, &behind);
    if (has_address) {
        size_t route = route_size(address);
        ret_argument->path = (struct mt_smtp_path){
            .address = address,
            .mailbox = mt_span_from(address, route),
            .has_route = route > 0,
        };
        split_mailbox(ret_argument->path.mailbox, &ret_argument->path);
        judge_path(&ret_argument->path, is_mail, &odd);
        ret_argument->parameter_count = 0;
        ret_argument->parameters_total = 0;
        split_parameters(behind, ret_argument, &odd);
    }
    report(&odd, events, ctx);
    return has_address;
}
