/* Entries of transactions to records of transactions: one walk to see how long
 * each list is, one to fill them. */
#include "session/build_priv.h"
#include "session/latency_priv.h"
#include "session/look_alike_priv.h"

/* Shown of what stands behind a sequence that may pass for the end of content. */
#define SMUGGLING_FOLLOWS_MAX 80u

/* The transaction of an entry that says how many MAIL entries lie between;
 * NULL when a limit left that out. */
static struct mt_build_slot *slot_back(struct mt_build *build, uint32_t mails, uint8_t back)
{
    return mails > back && mails - back <= build->transactions_cap ? &build->slots[mails - 1 - back] : NULL;
}

/* --- how much of what ------------------------------------------------------- */

static uint32_t count_lists(struct mt_run *run)
{
    struct mt_build *build = run->engine->build;
    struct mt_cursor cursor = mt_store_begin(run->session);
    struct mt_entry *entry;
    uint32_t mails = 0;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        struct mt_build_slot *slot;
        if (entry->tag == MT_TAG_MAIL && mails < build->transactions_cap) {
            build->slots[mails++] = (struct mt_build_slot){.mail = (const struct mt_entry_mail *)entry};
        } else if (entry->tag == MT_TAG_RCPT) {
            slot = slot_back(build, mails, ((const struct mt_entry_rcpt *)entry)->back);
            if (slot != NULL)
                slot->recipients++;
        } else if (entry->tag == MT_TAG_FIELD) {
            const struct mt_entry_field *field = (const struct mt_entry_field *)entry;
            slot = slot_back(build, mails, field->back);
            if (slot != NULL && field->kind < MT_HEADER_LISTS)
                slot->texts[field->kind]++;
        } else if (entry->tag == MT_TAG_PART) {
            slot = slot_back(build, mails, ((const struct mt_entry_part *)entry)->back);
            if (slot != NULL)
                slot->parts++;
        } else if (entry->tag == MT_TAG_CHUNK) {
            slot = slot_back(build, mails, ((const struct mt_entry_chunk *)entry)->back);
            if (slot != NULL)
                slot->chunks++;
        } else if (entry->tag == MT_TAG_HEADER) {
            slot = slot_back(build, mails, ((const struct mt_entry_header *)entry)->back);
            if (slot != NULL)
                slot->headers++;
        }
    }
    return mails;
}

/* Gives each list its part of the arrays, and empties the counts for filling. */
static void place_lists(struct mt_run *run, uint32_t mails)
{
    struct mt_build *build = run->engine->build;
    uint32_t recipients = 0;
    uint32_t parts = 0;
    uint32_t chunks = 0;
    uint32_t headers = 0;

    for (uint32_t i = 0; i < mails; i++) {
        struct mt_build_slot *slot = &build->slots[i];
        slot->recipients_off = recipients;
        recipients += slot->recipients;
        slot->recipients = 0;
        slot->parts_off = parts;
        parts += slot->parts;
        slot->parts = 0;
        slot->chunks_off = chunks;
        chunks += slot->chunks;
        slot->chunks = 0;
        slot->headers_off = headers;
        headers += slot->headers;
        slot->headers = 0;
        for (unsigned list = 0; list < MT_HEADER_LISTS; list++) {
            slot->texts_off[list] = (uint32_t)build->texts_used;
            build->texts_used += slot->texts[list];
            slot->texts[list] = 0;
        }
    }
}

/* --- envelope --------------------------------------------------------------- */

struct mt_span mt_build_upper(struct mt_build *build, struct mt_span text)
{
    struct mt_buf *b = &build->b;
    uint8_t *start = b->ptr + b->size;

    if (text.ptr == NULL || text.size > b->cap - b->size)
        return mt_span_none();
    mt_ascii_put_upper(start, text.ptr, text.size);
    b->size += text.size;
    return mt_span(start, text.size);
}

static struct mt_parameters build_parameters(struct mt_run *run, struct mt_span argument, bool is_mail)
{
    struct mt_build *build = run->engine->build;
    struct mt_parameters list = {.items = &build->parameters[build->parameters_used]};
    struct mt_smtp_mailbox_argument parsed;

    if (!mt_smtp_parse_mailbox(argument, is_mail, NULL, NULL, &parsed))
        return (struct mt_parameters){0};
    if (parsed.parameters_total > parsed.parameter_count)
        mt_cut(run, MT_CUT_PARAMS);
    for (uint32_t i = 0; i < parsed.parameter_count; i++) {
        const struct mt_smtp_parameter *parameter = &parsed.parameters[i];
        struct mt_span keyword = mt_build_upper(build, parameter->keyword);
        if (keyword.ptr == NULL || build->parameters_used == build->parameters_cap) {
            mt_cut(run, MT_CUT_PARAMS);
            break;
        }
        build->parameters[build->parameters_used++] = (struct mt_record_parameter){
            .keyword = keyword,
            .value = parameter->value.ptr != NULL ? parameter->value : mt_span("", 0),
        };
        list.count++;
    }
    return list;
}

/* Does anything but the closing bracket follow the address? */
static bool has_parameters(const struct mt_place *place, struct mt_span text)
{
    if (place->size == MT_PLACE_NONE)
        return false;
    struct mt_span behind = mt_span_trim(mt_span_from(text, (size_t)place->off + place->size));
    return behind.size > 1 || (behind.size == 1 && behind.ptr[0] != '>');
}

static struct mt_span argument_of(struct mt_span line)
{
    struct mt_span rest = mt_span_trim(line);
    size_t size = 0;

    while (size < rest.size && rest.ptr[size] != ' ' && rest.ptr[size] != '\t')
        size++;
    return mt_span_trim(mt_span_from(rest, size));
}

static void fill_mail(struct mt_run *run, const struct mt_entry_mail *mail,
                      struct mt_record_transaction *transaction)
{
    struct mt_build *build = run->engine->build;
    struct mt_span text = mt_entry_text(mail);

    *transaction = (struct mt_record_transaction){
        .from_address = mt_place_address(&mail->place, text),
        .from_domain = mt_build_lower(build, mt_place_domain(&mail->place, text)),
        .from_code = mt_reply_code(mail->reply),
        .from_enhanced = mt_build_enhanced(build, mail->reply),
        .start = mail->start,
    };
    if (has_parameters(&mail->place, text))
        transaction->from_params = build_parameters(run, text, true);
    if (mail->flags & (MT_TX_DATA | MT_TX_BDAT))
        transaction->mode = mail->flags & MT_TX_BDAT ? "bdat" : "data";
}

static const char *verdict_of(uint32_t reply)
{
    static const char *const verdicts[] = {
        [0] = "unanswered",
        [2] = "accepted",
        [4] = "deferred",
        [5] = "rejected",
    };
    unsigned class = reply == 0 ? 0 : mt_reply_class(reply);

    return class < MT_ARRAY_COUNT(verdicts) && (class > 0 || reply == 0) ? verdicts[class] : NULL;
}

static void fill_rcpt(struct mt_run *run, const struct mt_entry_rcpt *rcpt, struct mt_build_slot *slot)
{
    const struct mt_site *site = run->engine->site;
    struct mt_build *build = run->engine->build;
    struct mt_span text = mt_entry_text(rcpt);
    struct mt_span domain = mt_place_domain(&rcpt->place, text);

    if (slot->recipients_off + slot->recipients >= build->recipients_cap) {
        mt_cut(run, MT_CUT_RECIPIENTS);
        return;
    }
    struct mt_record_recipient *recipient = &build->recipients[slot->recipients_off + slot->recipients++];
    *recipient = (struct mt_record_recipient){
        .address = mt_place_address(&rcpt->place, text),
        .domain = mt_build_lower(build, domain),
        .code = mt_reply_code(rcpt->reply),
        .enhanced = mt_build_enhanced(build, rcpt->reply),
        .verdict = verdict_of(rcpt->reply),
    };
    slot->unanswered += rcpt->reply == 0;
    if (has_parameters(&rcpt->place, text))
        recipient->params = build_parameters(run, argument_of(text), false);
    if (site->local_domain_count > 0 && domain.ptr != NULL)
        recipient->local = mt_site_is_local_domain(site, domain) ? MT_FLAG_TRUE : MT_FLAG_FALSE;
    mt_build_relay(run, (struct mt_entry_mail *)(uintptr_t)slot->mail, rcpt, recipient);
}

/* --- message and reply ------------------------------------------------------ */

/* What stands between brackets, if they are around all of it. */
static struct mt_span between(struct mt_span text, char open, char close)
{
    if (text.size >= 2 && text.ptr[0] == (uint8_t)open && text.ptr[text.size - 1] == (uint8_t)close)
        return mt_span(text.ptr + 1, text.size - 2);
    return text;
}

static void fill_field(struct mt_run *run, const struct mt_entry_field *field, struct mt_build_slot *slot,
                       struct mt_record_transaction *transaction)
{
    struct mt_build *build = run->engine->build;
    struct mt_span text = mt_entry_text(field);
    uint32_t below = 1u << MT_HEADER_FROM | 1u << MT_HEADER_SUBJECT | 1u << MT_HEADER_DATE;

    if (field->kind == MT_HEADER_RECEIVED)
        slot->is_received_low |= (slot->seen & below) != 0;
    slot->seen |= 1u << field->kind;
    if (field->kind >= MT_HEADER_TWICE)
        return;
    if (field->kind < MT_HEADER_LISTS) {
        size_t at = slot->texts_off[field->kind] + slot->texts[field->kind];
        if (at >= build->texts_cap) {
            mt_cut(run, MT_CUT_MESSAGE);
            return;
        }
        build->texts[at] = text;
        slot->texts[field->kind]++;
        return;
    }
    switch (field->kind) {
    case MT_HEADER_SUBJECT:
        transaction->message_subject = text;
        break;
    case MT_HEADER_DATE:
        transaction->message_date = text;
        break;
    case MT_HEADER_MESSAGE_ID:
        transaction->message_id = text;
        break;
    case MT_HEADER_SENDER:
        transaction->message_sender = text;
        break;
    case MT_HEADER_RETURN_PATH:
        transaction->message_return_path = between(text, '<', '>');
        break;
    case MT_HEADER_LIST_ID:
        transaction->message_list_id = text;
        break;
    case MT_HEADER_ORIGINATING_IP:
        transaction->message_originating_ip = between(text, '[', ']');
        break;
    case MT_HEADER_CONTENT_TYPE:
        transaction->message_content_type = text;
        break;
    case MT_HEADER_IN_REPLY_TO:
        transaction->message_in_reply_to = text;
        break;
    default:
        transaction->message_user_agent = text;
        break;
    }
}

static void fill_reply(struct mt_build *build, uint32_t mails, const struct mt_entry_reply *reply)
{
    struct mt_span line = mt_entry_text(reply);
    uint32_t i = mails;

    MT_BUG_ON(reply == NULL);
    while (i > 0 && build->slots[i - 1].mail != reply->tx)
        i--;
    if (i == 0)
        return;
    struct mt_record_transaction *transaction = &build->transactions[i - 1];
    if (reply->is_first) {
        transaction->reply_text = mt_span_none();
        transaction->reply_queue_id = mt_span_none();
    }
    mt_build_join(build, &transaction->reply_text, line);
    if (transaction->reply_queue_id.ptr == NULL)
        transaction->reply_queue_id = mt_smtp_queue_id(line);
}

static void fill_look_alike(const struct mt_entry_look_alike *entry,
                            struct mt_record_transaction *transaction)
{
    enum mt_smtp_verb verb = mt_look_alike_command(entry);
    bool is_last = verb != MT_VERB_UNKNOWN || entry->gravest_off == entry->off;
    uint8_t look_alike = is_last ? entry->look_alike : entry->gravest;

    transaction->smuggling_sequence = mt_smtp_look_alike_name((enum mt_smtp_look_alike)look_alike);
    transaction->smuggling_offset = is_last ? entry->off : entry->gravest_off;
    if (!is_last) /* what followed it is kept no more */
        return;
    transaction->smuggling_command = verb == MT_VERB_UNKNOWN ? NULL : mt_smtp_verb_wire(verb);
    struct mt_span follows = mt_span_head(mt_look_alike_follows(entry), SMUGGLING_FOLLOWS_MAX);
    if (follows.size > 0)
        transaction->smuggling_follows = follows;
}

static void fill_chunk(struct mt_build *build, const struct mt_entry_chunk *chunk, struct mt_build_slot *slot)
{
    if (slot->chunks_off + slot->chunks >= build->chunks_cap)
        return;
    build->chunks[slot->chunks_off + slot->chunks++] = (struct mt_record_chunk){
        .size = chunk->size,
        .code = chunk->code,
        .last = chunk->is_last ? MT_FLAG_TRUE : MT_FLAG_ABSENT,
    };
}

static void fill_octets(const struct mt_entry_octets *entry, struct mt_record_transaction *transaction)
{
    const struct mt_octets sums = entry->sums; /* that is packed */

    /* content with a gap in it has several */
    transaction->content_crlf += sums.crlf;
    transaction->content_bare_lf += sums.bare_lf;
    transaction->content_bare_cr += sums.bare_cr;
    transaction->content_eight_bit += sums.eight_bit;
    transaction->content_control += sums.control;
    transaction->content_longest_line = mt_max_u64(transaction->content_longest_line, sums.longest);
}

/* --- outcome ---------------------------------------------------------------- */

static const char *refusal(unsigned class)
{
    return class == 4 ? "deferred" : "rejected";
}

/* What the server said last decides, then what the client did, then how the
 * connection ended. */
static const char *outcome_of(const struct mt_build_slot *slot, enum mt_session_end end)
{
    const struct mt_entry_mail *mail = slot->mail;
    const struct mt_entry_done *done = mail->done;
    unsigned final = done != NULL ? mt_reply_class(done->final) : 0;
    unsigned opening = mt_reply_class(mail->reply);
    bool has_connection_ended =
        end == MT_SESSION_END_FIN || end == MT_SESSION_END_RST || end == MT_SESSION_END_QUIT;
    uint16_t verdicts = mail->flags & (MT_TX_ACCEPTED | MT_TX_REJECTED | MT_TX_DEFERRED);

    if (final == 2)
        return "delivered";
    if (final == 4 || final == 5)
        return refusal(final);
    if (opening == 4 || opening == 5)
        return refusal(opening);
    if (mail->flags & MT_TX_CONTENT_END)
        return "unfinished"; /* its reply is not known */
    bool is_refused = verdicts != 0 && !(verdicts & MT_TX_ACCEPTED) && slot->unanswered == 0;
    if (is_refused && !(mail->flags & (MT_TX_GAP | MT_TX_CONTENT)))
        return refusal(verdicts & MT_TX_DEFERRED ? 4 : 5);
    switch (done != NULL ? done->closed : MT_TX_OPEN) {
    case MT_TX_END_RESET:
        return "reset";
    case MT_TX_END_QUIT:
        return "aborted";
    case MT_TX_END_GAP:
        return "unfinished";
    default:
        return has_connection_ended ? "aborted" : "unfinished";
    }
}

static void finish_transaction(struct mt_run *run, struct mt_build_slot *slot, enum mt_session_end end,
                               struct mt_record_transaction *transaction)
{
    struct mt_build *build = run->engine->build;
    const struct mt_entry_done *done = slot->mail->done;
    struct mt_texts dkim, arc;
    struct mt_texts *lists[MT_HEADER_LISTS] = {
        [MT_HEADER_FROM] = &transaction->message_from,
        [MT_HEADER_TO] = &transaction->message_to,
        [MT_HEADER_CC] = &transaction->message_cc,
        [MT_HEADER_REPLY_TO] = &transaction->message_reply_to,
        [MT_HEADER_RECEIVED] = &transaction->message_received,
        [MT_HEADER_AUTH_RESULTS] = &transaction->message_auth_results,
        [MT_HEADER_DKIM] = &dkim,
        [MT_HEADER_ARC] = &arc,
    };

    transaction->recipients =
        (struct mt_recipients){.items = &build->recipients[slot->recipients_off], .count = slot->recipients};
    transaction->recipients_total = slot->mail->kept;
    for (unsigned list = 0; list < MT_HEADER_LISTS; list++)
        *lists[list] =
            (struct mt_texts){.items = &build->texts[slot->texts_off[list]], .count = slot->texts[list]};
    mt_build_signatures(run, &dkim, &transaction->message_dkim);
    mt_build_signatures(run, &arc, &transaction->message_arc);
    mt_build_received(run, slot, transaction);
    transaction->message_parts =
        (struct mt_parts){.items = &build->parts[slot->parts_off], .count = slot->parts};
    transaction->message_attachments =
        (struct mt_parts){.items = &build->attachments[slot->parts_off], .count = slot->attachments};
    transaction->chunks =
        (struct mt_chunks){.items = &build->chunks[slot->chunks_off], .count = slot->chunks};
    transaction->message_header =
        (struct mt_headers){.items = &build->headers[slot->headers_off], .count = slot->headers};
    transaction->message_header_total = slot->header_total;
    transaction->outcome = outcome_of(slot, end);
    bool is_aborted = transaction->outcome[0] == 'a'; /* no other outcome begins so */
    if (done != NULL) {
        transaction->recipients_total += done->unkept;
        transaction->bytes = done->bytes;
        transaction->end = done->end;
        transaction->latency_data = mt_time_unpack(done->latency[0]) * 1000;
        transaction->latency_content = mt_time_unpack(done->latency[1]) * 1000;
        transaction->reply_code = mt_reply_code(done->final);
        transaction->reply_enhanced = mt_build_enhanced(build, done->final);
    }
    mt_build_findings(run, slot, transaction);
    if (transaction->end == 0 && is_aborted)
        transaction->end = run->session->last.time;
    if (transaction->reply_code == 0)
        transaction->reply_text = mt_span_none();
    if (transaction->reply_code / 100 != 2)
        transaction->reply_queue_id = mt_span_none();
}

static void take_total(const struct mt_entry_total *total, struct mt_build_slot *slot)
{
    if (total->received > 0)
        slot->received_total = total->received;
    if (total->fields > 0)
        slot->header_total += total->fields;
}

/* --- all of them ------------------------------------------------------------ */

static void fill(struct mt_run *run)
{
    struct mt_build *build = run->engine->build;
    struct mt_cursor cursor = mt_store_begin(run->session);
    struct mt_entry *entry;
    uint32_t mails = 0;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        struct mt_build_slot *slot;
        if (entry->tag == MT_TAG_MAIL && mails < build->transactions_cap) {
            fill_mail(run, (const struct mt_entry_mail *)entry, &build->transactions[mails++]);
        } else if (entry->tag == MT_TAG_RCPT) {
            slot = slot_back(build, mails, ((const struct mt_entry_rcpt *)entry)->back);
            if (slot != NULL)
                fill_rcpt(run, (const struct mt_entry_rcpt *)entry, slot);
        } else if (entry->tag == MT_TAG_FIELD) {
            slot = slot_back(build, mails, ((const struct mt_entry_field *)entry)->back);
            if (slot != NULL)
                fill_field(run, (const struct mt_entry_field *)entry, slot,
                           &build->transactions[slot - build->slots]);
        } else if (entry->tag == MT_TAG_PART) {
            slot = slot_back(build, mails, ((const struct mt_entry_part *)entry)->back);
            build->part = NULL;
            build->attachment = NULL;
            if (slot != NULL)
                mt_build_part(run, (const struct mt_entry_part *)entry, slot);
        } else if (entry->tag == MT_TAG_BODY) {
            mt_build_body(run, (const struct mt_entry_body *)entry);
        } else if (entry->tag == MT_TAG_URL) {
            mt_build_url(run, (const struct mt_entry_url *)entry);
        } else if (entry->tag == MT_TAG_TOTAL) {
            slot = slot_back(build, mails, ((const struct mt_entry_total *)entry)->back);
            if (slot != NULL)
                take_total((const struct mt_entry_total *)entry, slot);
        } else if (entry->tag == MT_TAG_HEADER) {
            slot = slot_back(build, mails, ((const struct mt_entry_header *)entry)->back);
            if (slot != NULL)
                mt_build_header(run, (const struct mt_entry_header *)entry, slot);
        } else if (entry->tag == MT_TAG_LOOK_ALIKE) {
            slot = slot_back(build, mails, ((const struct mt_entry_look_alike *)entry)->back);
            if (slot != NULL)
                fill_look_alike((const struct mt_entry_look_alike *)entry,
                                &build->transactions[slot - build->slots]);
        } else if (entry->tag == MT_TAG_CHUNK) {
            slot = slot_back(build, mails, ((const struct mt_entry_chunk *)entry)->back);
            if (slot != NULL)
                fill_chunk(build, (const struct mt_entry_chunk *)entry, slot);
        } else if (entry->tag == MT_TAG_OCTETS) {
            slot = slot_back(build, mails, ((const struct mt_entry_octets *)entry)->back);
            if (slot != NULL)
                fill_octets((const struct mt_entry_octets *)entry, &build->transactions[slot - build->slots]);
        } else if (entry->tag == MT_TAG_REPLY) {
            fill_reply(build, mails, (const struct mt_entry_reply *)entry);
        }
    }
}

void mt_build_transactions(struct mt_run *run, enum mt_session_end end, struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;

    record->transactions_total = run->session->transactions;
    record->transactions.items = build->transactions;
    if (run->session->kept_transactions == 0)
        return; /* no entry belongs to one */
    uint32_t mails = count_lists(run);
    build->helo = record->helo_name;
    place_lists(run, mails);
    fill(run);
    for (uint32_t i = 0; i < mails; i++)
        finish_transaction(run, &build->slots[i], end, &build->transactions[i]);
    record->transactions.count = mails;
}
