/* What a message's envelope and header say against each other (detections D10), and
 * what a recipient says about relaying (D1). */
#include "session/build_priv.h"

enum {
#define MT_MESSAGE_TEST(name, number, text, meaning) MESSAGE_##name = 1u << (number),
#include "record/message_tests.def"
#undef MT_MESSAGE_TEST
};

/* --- addresses in header fields ------------------------------------------------ */

static size_t last_of(struct mt_span s, uint8_t byte)
{
    const uint8_t *last = s.size > 0 ? memrchr(s.ptr, byte, s.size) : NULL;
    return last == NULL ? s.size : (size_t)(last - s.ptr);
}

/* What stands between the last brackets, or all of it. */
static struct mt_span address_of(struct mt_span mailbox)
{
    size_t open = last_of(mailbox, '<');

    if (open == mailbox.size)
        return mt_span_trim(mailbox);
    struct mt_span rest = mt_span_from(mailbox, open + 1);
    return mt_span_head(rest, last_of(rest, '>'));
}

static struct mt_span name_of(struct mt_span mailbox)
{
    size_t open = last_of(mailbox, '<');
    return open == mailbox.size ? mt_span_none() : mt_span_head(mailbox, open);
}

static struct mt_span domain_of(struct mt_span address)
{
    size_t at = last_of(address, '@');
    return at + 1 < address.size ? mt_span_from(address, at + 1) : mt_span_none();
}

static struct mt_span first_domain(const struct mt_texts *mailboxes)
{
    return mailboxes->count > 0 ? domain_of(address_of(mailboxes->items[0])) : mt_span_none();
}

static bool is_domain_byte(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) || byte == '-' || byte == '.';
}

/* The domain behind an at sign in text that is no address by itself. */
static struct mt_span domain_within(struct mt_span text)
{
    size_t at = last_of(text, '@');
    size_t size = at;

    if (at == text.size)
        return mt_span_none();
    while (size + 1 < text.size && is_domain_byte(text.ptr[size + 1]))
        size++;
    struct mt_span domain = mt_span(text.ptr + at + 1, size - at);
    return last_of(domain, '.') + 1 < domain.size ? domain : mt_span_none();
}

static bool differ(struct mt_span a, struct mt_span b)
{
    return a.size > 0 && b.size > 0 && !mt_build_is_same_owner(a, b);
}

static bool holds(const struct mt_texts *mailboxes, struct mt_span address)
{
    for (uint32_t i = 0; i < mailboxes->count; i++) {
        if (mt_span_ieq(address_of(mailboxes->items[i]), address))
            return true;
    }
    return false;
}

/* --- the tests ------------------------------------------------------------------ */

static bool names_no_recipient(const struct mt_record_transaction *t)
{
    if (t->recipients.count == 0 || t->recipients.count < t->recipients_total)
        return false;
    for (uint32_t i = 0; i < t->recipients.count; i++) {
        struct mt_span address = t->recipients.items[i].address;
        if (address.ptr == NULL || holds(&t->message_to, address) || holds(&t->message_cc, address))
            return false;
    }
    return true;
}

/* As somebody of ours, with an address that is not. */
static bool is_posing(const struct mt_site *site, const struct mt_texts *from, struct mt_span domain)
{
    return site->protected_name_count > 0 && site->local_domain_count > 0 && from->count > 0 &&
           domain.size > 0 && !mt_site_is_local_domain(site, domain) &&
           mt_site_is_protected_name(site, name_of(from->items[0]));
}

static uint32_t test_message(const struct mt_run *run, uint32_t seen, const struct mt_record_transaction *t)
{
    const struct mt_session *session = run->session;
    struct mt_span from = first_domain(&t->message_from);
    struct mt_span id = domain_of(address_of(t->message_id));
    bool is_stranger = (session->flags & MT_S_OUTSIDE) && !(session->flags & MT_S_AUTHED);
    uint32_t findings = 0;

    if (differ(t->from_domain, from))
        findings |= MESSAGE_ENVELOPE;
    if (t->message_from.count > 0 && differ(domain_within(name_of(t->message_from.items[0])), from))
        findings |= MESSAGE_NAME_ADDRESS;
    if (is_posing(run->engine->site, &t->message_from, from))
        findings |= MESSAGE_PROTECTED_NAME;
    if (is_stranger && from.size > 0 && mt_site_is_local_domain(run->engine->site, from))
        findings |= MESSAGE_LOCAL_FROM;
    if ((t->message_from.count > 1 && t->message_sender.ptr == NULL) || (seen & 1u << MT_HEADER_TWO_FROM))
        findings |= MESSAGE_SEVERAL_FROM;
    if (differ(first_domain(&t->message_reply_to), from))
        findings |= MESSAGE_REPLY_TO;
    if (differ(id, from) && (t->from_domain.size == 0 || differ(id, t->from_domain)))
        findings |= MESSAGE_MESSAGE_ID;
    if (t->message_from.count > 0 && names_no_recipient(t))
        findings |= MESSAGE_NO_RECIPIENT;
    if (seen & 1u << MT_HEADER_TWICE)
        findings |= MESSAGE_DUPLICATE;
    if (seen & 1u << MT_HEADER_MALFORMED)
        findings |= MESSAGE_MALFORMED;
    return findings;
}

void mt_build_findings(struct mt_run *run, const struct mt_build_slot *slot,
                       struct mt_record_transaction *transaction)
{
    static const struct mt_build_finding tests[] = {
#define MT_MESSAGE_TEST(name, number, text, meaning) {MESSAGE_##name, text},
#include "record/message_tests.def"
#undef MT_MESSAGE_TEST
    };
    MT_STATIC_ASSERT(MT_ARRAY_COUNT(tests) == MT_BUILD_MESSAGE_FINDINGS_MAX, "a message has room for all");
    uint32_t findings = slot->seen != 0 ? test_message(run, slot->seen, transaction) : 0;

    if (findings != 0)
        mt_build_put_findings(run->engine->build, tests, MT_ARRAY_COUNT(tests), findings,
                              &transaction->message_findings);
}

/* --- relaying -------------------------------------------------------------------- */

static const char *const form_names[] = {
    [MT_RELAY_NULL_SENDER] = "null_sender",
    [MT_RELAY_FOREIGN_FOREIGN] = "foreign_sender",
    [MT_RELAY_SENDER_AT_SERVER_IP] = "sender_at_server_ip",
    [MT_RELAY_SENDER_AT_SERVER_NAME] = "sender_at_server_name",
    [MT_RELAY_PERCENT_AT_IP] = "percent_at_ip",
    [MT_RELAY_PERCENT_AT_NAME] = "percent_at_name",
    [MT_RELAY_QUOTED] = "quoted",
    [MT_RELAY_QUOTED_PERCENT] = "quoted_percent",
    [MT_RELAY_DOUBLE_AT_IP] = "double_at_ip",
    [MT_RELAY_QUOTED_AT_IP] = "quoted_at_ip",
    [MT_RELAY_DOUBLE_AT_NAME] = "double_at_name",
    [MT_RELAY_ROUTE_IP] = "route_ip",
    [MT_RELAY_ROUTE_NAME] = "route_name",
    [MT_RELAY_BANG] = "bang",
    [MT_RELAY_BANG_AT_IP] = "bang_at_ip",
    [MT_RELAY_BANG_AT_NAME] = "bang_at_name",
};
MT_STATIC_ASSERT(MT_ARRAY_COUNT(form_names) == MT_RELAY_FORM_COUNT, "each form has a name");

/* Of whom it is asked: as of what detections D1 are made of (observe.c). */
static bool is_watched(const struct mt_run *run, const struct mt_entry_mail *tx)
{
    const struct mt_session *session = run->session;

    return (session->flags & MT_S_INBOUND) && !(session->flags & (MT_S_AUTHED | MT_S_LMTP)) &&
           !(tx->flags & (MT_TX_GAP | MT_TX_ANONYMOUS)) && !mt_is_one_way(session);
}

void mt_build_relay(struct mt_run *run, struct mt_entry_mail *tx, const struct mt_entry_rcpt *rcpt,
                    struct mt_record_recipient *recipient)
{
    const struct mt_site *site = run->engine->site;
    struct mt_span target;

    bool is_ours = (rcpt->flags & MT_RCPT_PLAIN) && recipient->local == MT_FLAG_TRUE;
    if (is_ours || !is_watched(run, tx))
        return;
    enum mt_relay_form form = mt_relay_form(run, tx, rcpt, &target);
    bool knows_local = site->local_domain_count > 0;
    if (form > MT_RELAY_SENDER_AT_SERVER_NAME || knows_local)
        recipient->form = form_names[form];
    if (knows_local && target.size > 0 && !mt_site_is_local_domain(site, target) &&
        !mt_relay_is_own_ip(run->session, target))
        recipient->foreign = MT_FLAG_TRUE;
}
