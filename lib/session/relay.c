/* What a recipient says about relaying (detections D1): the shapes that make a
 * server pass mail on to somebody else, and where that would go. */
#include "base/scan.h"
#include "session/parts_priv.h"

/* The parts of a recipient that decide. */
struct recipient {
    struct mt_span route; /* "@a,@b:", absent when there is none */
    struct mt_span local; /* without its quotes */
    struct mt_span domain;
    bool is_quoted;
};

static size_t last_of(struct mt_span s, uint8_t byte)
{
    const uint8_t *last = s.size > 0 ? memrchr(s.ptr, byte, s.size) : NULL;
    return last == NULL ? s.size : (size_t)(last - s.ptr);
}

static struct mt_span unquote(struct mt_span local, bool *ret_is_quoted)
{
    *ret_is_quoted = local.size >= 2 && local.ptr[0] == '"' && local.ptr[local.size - 1] == '"';
    return *ret_is_quoted ? mt_span(local.ptr + 1, local.size - 2) : local;
}

static struct recipient recipient_of(const struct mt_smtp_path *path)
{
    struct recipient r = {.domain = path->domain};

    if (path->has_route)
        r.route = mt_span_head(path->address, path->address.size - path->mailbox.size);
    r.local = unquote(path->local, &r.is_quoted);
    return r;
}

enum shape {
    SHAPE_PLAIN,
    SHAPE_ROUTE,
    SHAPE_DOUBLE_AT,
    SHAPE_PERCENT,
    SHAPE_BANG,
};

/* ret_target: the domain that the mail would go to. */
static enum shape shape_of(const struct recipient *r, struct mt_span *ret_target)
{
    size_t at = last_of(r->local, '@');
    size_t percent = last_of(r->local, '%');
    const uint8_t *bang = r->local.size > 0 ? memchr(r->local.ptr, '!', r->local.size) : NULL;

    *ret_target = r->domain;
    if (r->route.ptr != NULL)
        return SHAPE_ROUTE;
    if (at + 1 < r->local.size) {
        *ret_target = mt_span_from(r->local, at + 1);
        return SHAPE_DOUBLE_AT;
    }
    if (percent > 0 && percent + 1 < r->local.size) {
        *ret_target = mt_span_from(r->local, percent + 1);
        return SHAPE_PERCENT;
    }
    if (bang != NULL && bang > r->local.ptr && bang + 1 < r->local.ptr + r->local.size) {
        *ret_target = mt_span(r->local.ptr, (size_t)(bang - r->local.ptr));
        return SHAPE_BANG;
    }
    return SHAPE_PLAIN;
}

bool mt_relay_is_route(const struct mt_smtp_path *path)
{
    if (MT_LIKELY(path->is_plain))
        return false;
    struct recipient r = recipient_of(path);
    struct mt_span target;
    enum shape shape = shape_of(&r, &target);

    return shape == SHAPE_ROUTE || shape == SHAPE_PERCENT || shape == SHAPE_BANG;
}

static size_t next_letter(struct mt_span text, size_t off)
{
    return off + mt_scan_letters(mt_span_from(text, off), 'y', 'h');
}

/* Does the word stand in text, so that `at` is its off-th byte? */
static bool stands_at(struct mt_span text, size_t at, const char *word, size_t off)
{
    return at >= off && mt_span_istarts(mt_span_from(text, at - off), word);
}

/* "relay" or "authenticat", asked of every refusal: the letters y and h are rare
 * enough to look at only where they stand. */
bool mt_relay_speaks_of(struct mt_span text)
{
    for (size_t at = next_letter(text, 0); at < text.size; at = next_letter(text, at + 1)) {
        if (stands_at(text, at, "relay", 4) || stands_at(text, at, "authenticat", 3))
            return true;
    }
    return false;
}

static bool is_literal(struct mt_span domain)
{
    return domain.ptr != NULL && domain.size > 0 && domain.ptr[0] == '[';
}

bool mt_relay_is_own_ip(const struct mt_session *session, struct mt_span domain)
{
    struct mt_ip server, ip;

    if (domain.size < 3 || domain.ptr[0] != '[' || domain.ptr[domain.size - 1] != ']')
        return false;
    struct mt_span inner = mt_span(domain.ptr + 1, domain.size - 2);
    if (mt_span_istarts(inner, "IPv6:"))
        inner = mt_span_from(inner, 5);
    mt_session_address(session, MT_SERVER, &server);
    return mt_ip_parse(inner, &ip) && mt_ip_eq(&ip, &server);
}

/* What a sender says to a recipient that is not ours. */
static enum mt_relay_form judge_sender(const struct mt_run *run, const struct mt_entry_mail *tx)
{
    struct mt_span address = mt_place_address(&tx->place, mt_entry_text(tx));
    struct mt_span domain = mt_place_domain(&tx->place, mt_entry_text(tx));

    if (address.ptr == NULL)
        return MT_RELAY_NONE;
    if (address.size == 0)
        return MT_RELAY_NULL_SENDER;
    if (mt_relay_is_own_ip(run->session, domain))
        return MT_RELAY_SENDER_AT_SERVER_IP;
    if (mt_banner_names(run->session, domain))
        return MT_RELAY_SENDER_AT_SERVER_NAME;
    return domain.size == 0 || mt_site_is_local_domain(run->engine->site, domain) ? MT_RELAY_NONE
                                                                                  : MT_RELAY_FOREIGN_FOREIGN;
}

/* The sender decides when the recipient is plain and not ours; it is judged once. */
static enum mt_relay_form form_of_sender(const struct mt_run *run, struct mt_entry_mail *tx,
                                         struct mt_span target)
{
    MT_STATIC_ASSERT(MT_RELAY_SENDER_AT_SERVER_NAME < 8, "the sender's forms fit three bits");

    if (target.size == 0 || mt_site_is_local_domain(run->engine->site, target) ||
        mt_relay_is_own_ip(run->session, target))
        return MT_RELAY_NONE;
    if (!(tx->flags & MT_TX_FORM_KNOWN))
        tx->flags = (uint16_t)(tx->flags | MT_TX_FORM_KNOWN | judge_sender(run, tx) << MT_TX_FORM_SHIFT);
    return (enum mt_relay_form)(tx->flags >> MT_TX_FORM_SHIFT & 7);
}

static enum mt_relay_form form_of_shape(const struct recipient *r, enum shape shape)
{
    bool has_domain = r->domain.size > 0;
    bool is_at_ip = is_literal(r->domain);

    switch (shape) {
    case SHAPE_ROUTE:
        return is_literal(mt_span_from(r->route, 1)) ? MT_RELAY_ROUTE_IP : MT_RELAY_ROUTE_NAME;
    case SHAPE_DOUBLE_AT:
        if (!has_domain)
            return MT_RELAY_QUOTED;
        if (is_at_ip)
            return r->is_quoted ? MT_RELAY_QUOTED_AT_IP : MT_RELAY_DOUBLE_AT_IP;
        return MT_RELAY_DOUBLE_AT_NAME;
    case SHAPE_PERCENT:
        if (!has_domain)
            return MT_RELAY_QUOTED_PERCENT;
        return is_at_ip ? MT_RELAY_PERCENT_AT_IP : MT_RELAY_PERCENT_AT_NAME;
    case SHAPE_BANG:
        if (!has_domain)
            return MT_RELAY_BANG;
        return is_at_ip ? MT_RELAY_BANG_AT_IP : MT_RELAY_BANG_AT_NAME;
    case SHAPE_PLAIN:
        break;
    }
    return MT_RELAY_NONE;
}

/* Size of "@a,@b:" at the start of an address that is to be kept apart from the
 * mailbox; colons inside address literals don't count. */
static size_t route_size(struct mt_span address)
{
    bool is_inside = false;

    if (address.size == 0 || address.ptr[0] != '@')
        return 0;
    for (size_t at = 1; at < address.size; at++) {
        uint8_t byte = address.ptr[at];
        is_inside = byte == '[' || (is_inside && byte != ']');
        if (byte == ':' && !is_inside)
            return at + 1;
    }
    return 0;
}

enum mt_relay_form mt_relay_form(const struct mt_run *run, struct mt_entry_mail *tx,
                                 const struct mt_entry_rcpt *rcpt, struct mt_span *ret_target)
{
    struct mt_span address = mt_place_address(&rcpt->place, mt_entry_text(rcpt));
    struct mt_span domain = mt_place_domain(&rcpt->place, mt_entry_text(rcpt));

    *ret_target = mt_span_none();
    if (address.ptr == NULL)
        return MT_RELAY_NONE;
    if (MT_LIKELY(rcpt->flags & MT_RCPT_PLAIN)) {
        *ret_target = domain;
        return form_of_sender(run, tx, domain);
    }
    size_t route = route_size(address);
    size_t behind_local = domain.ptr != NULL ? domain.size + 1 : 0;
    struct recipient r = {.route = route > 0 ? mt_span_head(address, route) : mt_span_none(),
                          .domain = domain};
    r.local = unquote(mt_span(address.ptr + route, address.size - route - behind_local), &r.is_quoted);
    enum shape shape = shape_of(&r, ret_target);
    return shape == SHAPE_PLAIN ? form_of_sender(run, tx, *ret_target) : form_of_shape(&r, shape);
}
