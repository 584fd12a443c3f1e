/* Mail transactions: envelope, message, replies. */
#include "calendar.h"
#include "talk.h"

struct subject {
    const char *wire;
    const char *decoded;
};

static const struct subject odd_subjects[] = {
    {"=?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=", "Gr\303\274\303\237e aus K\303\266ln"},
    {"=?utf-8?q?caf=C3=A9_at_noon=3F?=", "caf\303\251 at noon?"},
    {"=?UTF-8?B?5Lya6K2w?= =?UTF-8?B?6LOH5paZ?=", "\344\274\232\350\255\260\350\263\207\346\226\231"},
    {"=?ISO-8859-1?Q?Best=E4tigung?= of order 12", "Best\303\244tigung of order 12"},
    {"numbers of the second quarter,\r\n corrected", "numbers of the second quarter, corrected"},
    {"a \"quoted\" word and a back\\slash", "a \"quoted\" word and a back\\slash"},
};

static const char *const plain_subjects[] = {
    "minutes of the meeting",
    "re: invoice",
    "your order has left our store",
    "weekly report",
    "question about the list",
    "test",
    "out of office",
    "fwd: photographs",
};

static const char *const given_names[] = {"Anna",  "Boris", "Clara", "Emil",
                                          "Frida", "Georg", "Hanna", "Ivan"};

static struct mt_text keep(struct mt_talk *talk, const struct mt_line *line)
{
    return mt_truth_text(talk->truth, line->data, line->size);
}

static struct mt_text constant(const char *text)
{
    return (struct mt_text){text, (uint32_t)strlen(text)};
}

/* A draw that would lift the mean over its cap is made again without the tail,
 * and cut if even that is too much; some slack lets the first ones vary. */
uint32_t mt_mail_draw_size(struct mt_talk *talk)
{
    struct mt_sizes *sizes = talk->sizes;
    uint32_t size = mt_random_message_size(talk->random);
    uint64_t limit = (sizes->count + 16) * sizes->mean_cap;

    if (size > sizes->cap)
        size = sizes->cap;
    if (sizes->mean_cap && sizes->total + size > limit) {
        size = mt_random_body_size(talk->random);
        if (sizes->total + size > limit)
            size = 200;
    }
    sizes->total += size;
    sizes->count++;
    return size;
}

struct mt_mail_choice mt_mail_choose(struct mt_talk *talk, uint32_t body_size)
{
    struct mt_random *random = talk->random;
    uint32_t luck = mt_random_below(random, 1000);
    struct mt_mail_choice choice = {
        .body_size = body_size,
        .recipients = 1 + mt_random_permille(random, 150) + mt_random_permille(random, 50),
        .is_null_sender = mt_random_permille(random, 30),
        .ring = body_size > 6000 ? MT_RING_BASE64 : MT_RING_TEXT,
    };

    choice.refuses_sender = luck < 5;
    choice.refuses_all = luck >= 5 && luck < 25;
    choice.defers_recipients = luck >= 25 && luck < 40;
    choice.refuses_content = luck >= 40 && luck < 50;
    choice.refuses_some = choice.recipients > 1 && luck >= 50 && luck < 200;
    return choice;
}

static void add_parameter(struct mt_talk *talk, struct mt_line *line, struct mt_truth_parameter *list,
                          uint32_t *count, const char *keyword, const struct mt_line *value)
{
    mt_line_put(line, " ");
    mt_line_put(line, keyword);
    if (value->size) {
        mt_line_put(line, "=");
        mt_line_put_bytes(line, value->data, value->size);
    }
    list[(*count)++] = (struct mt_truth_parameter){constant(keyword), keep(talk, value)};
}

static bool lists_word(const struct mt_talk *talk, const char *word)
{
    size_t size = strlen(word);

    for (size_t i = 0; talk->server->keywords[i]; i++)
        if (strncmp(talk->server->keywords[i], word, size) == 0)
            return true;
    return false;
}

static void sender_parameters(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                              struct mt_line *line, uint32_t body_size)
{
    struct mt_line value;

    value.size = 0;
    if (!talk->is_extended)
        return;
    if (lists_word(talk, "SIZE") && mt_random_permille(talk->random, 700)) {
        mt_line_put_number(&value, body_size + 600);
        add_parameter(talk, line, transaction->parameters, &transaction->parameter_count, "SIZE", &value);
    }
    value.size = 0;
    if (lists_word(talk, "8BITMIME") && mt_random_permille(talk->random, 400)) {
        mt_line_put(&value, "8BITMIME");
        add_parameter(talk, line, transaction->parameters, &transaction->parameter_count, "BODY", &value);
    }
    value.size = 0;
    if (lists_word(talk, "SMTPUTF8") && mt_random_permille(talk->random, 50))
        add_parameter(talk, line, transaction->parameters, &transaction->parameter_count, "SMTPUTF8", &value);
}

static void put_foreign_address(struct mt_talk *talk, struct mt_line *line)
{
    struct mt_random *random = talk->random;
    uint32_t form = mt_random_below(random, 100);

    if (form < 2)
        mt_line_put(line, "\"lazy fox\"");
    else if (form < 5)
        mt_line_put(line, "bounce+list=kanu.net");
    else
        mt_line_put_name(line, mt_random_below(random, 9000000));
    mt_line_put(line, "@");
    if (form == 6)
        mt_line_put(line, "BIG.");
    mt_line_put_domain(line, MT_DOMAIN_FOREIGN + mt_random_below(random, 4000000));
}

static struct mt_text domain_of(struct mt_talk *talk, struct mt_text address)
{
    for (uint32_t i = address.size; i-- > 0;) {
        if (address.data[i] == '@')
            return mt_truth_lower(talk->truth, (struct mt_text){address.data + i + 1, address.size - i - 1});
    }
    return (struct mt_text){NULL, 0};
}

struct mt_truth_transaction *mt_mail_from(struct mt_talk *talk, const struct mt_mail_choice *choice)
{
    struct mt_truth *truth = talk->truth;
    struct mt_truth_transaction *transaction = &truth->transactions[truth->transaction_count++];
    struct mt_line line, address;

    *transaction = (struct mt_truth_transaction){.recipient_first = truth->recipient_count};
    address.size = 0;
    if (!choice->is_null_sender)
        put_foreign_address(talk, &address);
    transaction->from = keep(talk, &address);
    transaction->from_domain = domain_of(talk, transaction->from);
    line.size = 0;
    mt_line_put(&line, "MAIL FROM:<");
    mt_line_put_bytes(&line, address.data, address.size);
    mt_line_put(&line, ">");
    sender_parameters(talk, transaction, &line, choice->body_size);
    transaction->start = mt_talk_say(talk, MT_SAID_MAIL, &line);
    /* Until something better happens. */
    transaction->outcomes =
        MT_OUTCOME_REJECTED | MT_OUTCOME_ABORTED | MT_OUTCOME_RESET | MT_OUTCOME_UNFINISHED;
    transaction->is_end_open = true;
    return transaction;
}

void mt_mail_from_answer(struct mt_talk *talk, struct mt_truth_transaction *transaction, unsigned code,
                         const char *enhanced, const char *text)
{
    mt_talk_answer(talk, code, enhanced, text);
    transaction->from_answer = mt_talk_answered(talk, code, enhanced);
}

void mt_mail_local_address(struct mt_talk *talk, struct mt_line *ret_address)
{
    ret_address->size = 0;
    mt_line_put_name(ret_address, mt_random_below(talk->random, 9000000));
    mt_line_put(ret_address, "@");
    mt_line_put_domain(ret_address, mt_random_below(talk->random, talk->local_domains));
    /* Domains are compared without regard to case. */
    if (mt_random_permille(talk->random, 20))
        ret_address->data[9] = (char)(ret_address->data[9] - 'a' + 'A');
}

struct mt_truth_recipient *mt_mail_rcpt(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                                        const struct mt_line *address, bool is_local)
{
    struct mt_truth *truth = talk->truth;
    struct mt_truth_recipient *recipient = &truth->recipients[truth->recipient_count++];
    struct mt_line line, value;

    *recipient = (struct mt_truth_recipient){.is_local = is_local};
    transaction->recipient_count++;
    recipient->address = keep(talk, address);
    recipient->domain = domain_of(talk, recipient->address);
    line.size = 0;
    mt_line_put(&line, "RCPT TO:<");
    mt_line_put_bytes(&line, address->data, address->size);
    mt_line_put(&line, ">");
    if (talk->is_extended && lists_word(talk, "DSN") && mt_random_permille(talk->random, 80)) {
        value.size = 0;
        mt_line_put(&value, "FAILURE,DELAY");
        add_parameter(talk, &line, recipient->parameters, &recipient->parameter_count, "NOTIFY", &value);
        value.size = 0;
        mt_line_put(&value, "rfc822;");
        mt_line_put_bytes(&value, address->data, address->size);
        add_parameter(talk, &line, recipient->parameters, &recipient->parameter_count, "ORCPT", &value);
    }
    mt_talk_say(talk, MT_SAID_RCPT, &line);
    return recipient;
}

void mt_mail_rcpt_answer(struct mt_talk *talk, struct mt_truth_recipient *recipient, unsigned code,
                         const char *enhanced, const char *text)
{
    mt_talk_answer(talk, code, enhanced, text);
    recipient->answer = mt_talk_answered(talk, code, enhanced);
}

/* --- the message -------------------------------------------------------------- */

static void put_person(struct mt_talk *talk, struct mt_line *line, struct mt_text address)
{
    switch (mt_random_below(talk->random, 4)) {
    case 0:
        mt_line_put_bytes(line, address.data, address.size);
        return;
    case 1:
        mt_line_put(line, "\"");
        mt_line_put(line, given_names[mt_random_below(talk->random, 8)]);
        mt_line_put(line, ", office\"");
        break;
    default:
        mt_line_put(line, given_names[mt_random_below(talk->random, 8)]);
    }
    mt_line_put(line, " <");
    mt_line_put_bytes(line, address.data, address.size);
    mt_line_put(line, ">");
}

/* Appends "Name: value CRLF"; returns the value as the truth keeps it. */
static struct mt_text put_field(struct mt_talk *talk, struct mt_line *header, const char *name,
                                const struct mt_line *value)
{
    mt_line_put(header, name);
    mt_line_put(header, ": ");
    mt_line_put_bytes(header, value->data, value->size);
    mt_line_put(header, "\r\n");
    return keep(talk, value);
}

static void put_received(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                         struct mt_line *header)
{
    uint32_t hops = mt_random_below(talk->random, 3);
    struct mt_line value;
    char date[32];

    mt_calendar_rfc5322(talk->plan->now, date);
    for (uint32_t i = 0; i < hops; i++) {
        value.size = 0;
        mt_line_put(&value, "from out.");
        mt_line_put_domain(&value, MT_DOMAIN_FOREIGN + mt_random_below(talk->random, 4000000));
        mt_line_put(&value, " by ");
        mt_line_put_bytes(&value, talk->client_name.data, talk->client_name.size);
        mt_line_put(&value, " with ESMTPS id ");
        mt_line_put_hex(&value, mt_random_next(talk->random), 10);
        mt_line_put(&value, "; ");
        mt_line_put(&value, date);
        transaction->received[transaction->received_count++] = put_field(talk, header, "Received", &value);
    }
}

static void put_subject(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                        struct mt_line *header)
{
    uint32_t form = mt_random_below(talk->random, 100);
    const struct subject *odd = &odd_subjects[form % 6];
    struct mt_line value;

    if (form >= 96)
        return;
    value.size = 0;
    if (form >= 24) {
        mt_line_put(&value, plain_subjects[form % 8]);
        transaction->subject = put_field(talk, header, "Subject", &value);
        return;
    }
    mt_line_put(&value, odd->wire);
    put_field(talk, header, "Subject", &value);
    transaction->subject = constant(odd->decoded);
}

static void put_people(struct mt_talk *talk, struct mt_truth_transaction *transaction, struct mt_line *header)
{
    const struct mt_truth_recipient *first = &talk->truth->recipients[transaction->recipient_first];
    struct mt_line value;

    value.size = 0;
    put_person(talk, &value, transaction->from.size ? transaction->from : constant("MAILER-DAEMON"));
    transaction->header_from = put_field(talk, header, "From", &value);

    value.size = 0;
    for (uint32_t i = 0; i < transaction->recipient_count && i < 4; i++) {
        uint32_t start;

        if (i)
            mt_line_put(&value, ", ");
        start = value.size;
        put_person(talk, &value, first[i].address);
        transaction->header_to[transaction->header_to_count++] =
            mt_truth_text(talk->truth, value.data + start, value.size - start);
    }
    put_field(talk, header, "To", &value);
}

static void put_header(struct mt_talk *talk, struct mt_truth_transaction *transaction, struct mt_line *header)
{
    struct mt_line value;
    char date[32];

    put_received(talk, transaction, header);
    put_people(talk, transaction, header);
    put_subject(talk, transaction, header);
    mt_calendar_rfc5322(talk->plan->now, date);
    value.size = 0;
    mt_line_put(&value, date);
    transaction->date = put_field(talk, header, "Date", &value);
    value.size = 0;
    mt_line_put(&value, "<");
    mt_line_put_hex(&value, mt_random_next(talk->random), 16);
    mt_line_put(&value, "@");
    mt_line_put_bytes(&value, talk->client_name.data, talk->client_name.size);
    mt_line_put(&value, ">");
    transaction->message_id = put_field(talk, header, "Message-ID", &value);
    mt_line_put(header, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    transaction->has_message = true;
}

struct content {
    struct mt_line header;
    struct mt_stretch body[2];
    uint32_t size; /* on the wire, without the final dot */
};

static void compose(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                    const struct mt_mail_choice *choice, struct content *content)
{
    uint32_t prose = choice->ring == MT_RING_BASE64 ? 600 : 0;

    content->header.size = 0;
    put_header(talk, transaction, &content->header);
    content->body[0] = mt_corpus_pick(talk->corpus, MT_RING_TEXT, prose, talk->random);
    content->body[1] = mt_corpus_pick(talk->corpus, choice->ring, choice->body_size, talk->random);
    content->size = content->header.size + content->body[0].size + content->body[1].size;
}

/* The content's bytes from..to. */
static void put_slice(struct mt_talk *talk, const struct content *content, uint32_t from, uint32_t to)
{
    uint32_t at = content->header.size;

    if (from < at)
        mt_plan_put(talk->plan, MT_PLAN_CLIENT, content->header.data + from, (to < at ? to : at) - from);
    for (int i = 0; i < 2; i++) {
        struct mt_stretch part = content->body[i];
        uint32_t low = from > at ? from : at;
        uint32_t high = to < at + part.size ? to : at + part.size;

        if (low < high) {
            part.start += low - at;
            at += part.size;
            part.size = high - low;
            mt_plan_put_stretch(talk->plan, MT_PLAN_CLIENT, part);
        } else {
            at += part.size;
        }
    }
}

uint32_t mt_mail_content(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                         const struct mt_mail_choice *choice)
{
    unsigned index = (unsigned)(transaction - talk->truth->transactions);
    uint32_t start = talk->plan->stream_size[MT_PLAN_CLIENT];
    struct content content;

    compose(talk, transaction, choice, &content);
    put_slice(talk, &content, 0, content.size);
    transaction->mode = "data";
    transaction->bytes = content.size - content.body[0].stuffed - content.body[1].stuffed;
    if (content.size > content.header.size + 6000)
        mt_plan_may_miss(talk->plan, MT_PLAN_CLIENT, start + content.header.size + 1460,
                         start + content.size - 2920, index, false);
    return start;
}

static void send_data(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                      const struct mt_mail_choice *choice)
{
    mt_mail_content(talk, transaction, choice);
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, ".\r\n", 3);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
}

static void send_chunk(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                       const struct content *content, uint32_t from, uint32_t to, bool is_last)
{
    unsigned index = (unsigned)(transaction - talk->truth->transactions);
    uint32_t safe = from > content->header.size ? from : content->header.size;
    struct mt_line line;
    uint32_t start;

    line.size = 0;
    mt_line_put(&line, "BDAT ");
    mt_line_put_number(&line, to - from);
    if (is_last)
        mt_line_put(&line, " LAST");
    mt_talk_say(talk, MT_SAID_BDAT, &line);
    start = talk->plan->stream_size[MT_PLAN_CLIENT];
    put_slice(talk, content, from, to);
    if (to > safe + 3000)
        mt_plan_may_miss(talk->plan, MT_PLAN_CLIENT, start + safe - from, start + to - from, index, true);
}

/* RFC 3030. The reply to the last chunk is the caller's. */
static void send_chunks(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                        const struct mt_mail_choice *choice)
{
    uint32_t cuts[4] = {0, 0, 0, 0};
    uint32_t chunks = mt_random_range(talk->random, 1, 3);
    bool is_flight = talk->is_pipelined && mt_random_permille(talk->random, 500);
    struct content content;

    compose(talk, transaction, choice, &content);
    transaction->mode = "bdat";
    transaction->bytes = content.size;
    /* Only accepted chunks count; a reader may or may not count the earlier
     * ones of a message that is refused at its last. */
    transaction->are_bytes_open = choice->refuses_content;
    if (chunks > 1)
        cuts[1] = 1 + mt_random_below(talk->random, content.size - 1);
    if (chunks > 2)
        cuts[2] = cuts[1] + mt_random_below(talk->random, content.size - cuts[1]);
    /* An empty last chunk is what a sender uses that does not know the end. */
    if (chunks > 1 && mt_random_permille(talk->random, 200))
        cuts[chunks - 1] = content.size;
    cuts[chunks] = content.size;
    for (uint32_t i = 0; i < chunks; i++) {
        send_chunk(talk, transaction, &content, cuts[i], cuts[i + 1], i + 1 == chunks);
        if (is_flight && i + 1 < chunks)
            continue;
        mt_talk_flush(talk, MT_PLAN_CLIENT);
        if (i + 1 < chunks) {
            mt_talk_answer(talk, 250, "2.0.0", "chunk received");
            mt_talk_flush(talk, MT_PLAN_SERVER);
        }
    }
    for (uint32_t i = 0; is_flight && i + 1 < chunks; i++)
        mt_talk_answer(talk, 250, "2.0.0", "chunk received");
}

/* --- replies ------------------------------------------------------------------- */

static void put_queued(struct mt_talk *talk, struct mt_truth_transaction *transaction, struct mt_line *text)
{
    uint64_t chance = mt_random_next(talk->random);
    uint32_t start;

    switch (talk->server->queued) {
    case MT_QUEUED_POSTFIX:
        mt_line_put(text, "Ok: queued as ");
        start = text->size;
        mt_line_put_hex(text, chance, 10);
        break;
    case MT_QUEUED_EXIM:
        mt_line_put(text, "OK id=");
        start = text->size;
        mt_line_put(text, "1sE");
        mt_line_put_hex(text, chance, 3);
        mt_line_put(text, "-00");
        mt_line_put_hex(text, chance >> 12, 4);
        mt_line_put(text, "-");
        mt_line_put_hex(text, chance >> 28, 2);
        break;
    case MT_QUEUED_EXCHANGE:
        mt_line_put_bytes(text, transaction->message_id.data, transaction->message_id.size);
        mt_line_put(text, " [InternalId=");
        start = text->size;
        mt_line_put_number(text, 1000000000 + chance % 1000000000);
        transaction->queue_id = mt_truth_text(talk->truth, text->data + start, text->size - start);
        mt_line_put(text, ", Hostname=");
        mt_line_put_bytes(text, talk->server_name.data, talk->server_name.size);
        mt_line_put(text, "] Queued mail for delivery");
        return;
    default:
        start = text->size;
        mt_line_put(text, talk->server->queued == MT_QUEUED_SENDMAIL ? "453A1B" : "");
        mt_line_put_hex(text, chance, 8);
        transaction->queue_id = mt_truth_text(talk->truth, text->data + start, text->size - start);
        mt_line_put(text, " Message accepted for delivery");
        return;
    }
    transaction->queue_id = mt_truth_text(talk->truth, text->data + start, text->size - start);
}

static void final(struct mt_talk *talk, struct mt_truth_transaction *transaction, unsigned code,
                  const char *enhanced, const struct mt_line *text)
{
    struct mt_line whole;

    whole.size = 0;
    if (talk->server->is_enhanced) {
        mt_line_put(&whole, enhanced);
        mt_line_put(&whole, " ");
    }
    mt_line_put_bytes(&whole, text->data, text->size);
    transaction->reply_text = keep(talk, &whole);
    transaction->reply = mt_talk_answered(talk, code, enhanced);
    mt_line_put_bytes(&whole, "", 1);
    transaction->end = mt_talk_answer(talk, code, NULL, whole.data);
    transaction->is_end_open = false;
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

void mt_mail_final_answer(struct mt_talk *talk, struct mt_truth_transaction *transaction,
                          const struct mt_mail_choice *choice)
{
    struct mt_line text;

    text.size = 0;
    if (choice->refuses_content) {
        bool is_lasting = mt_random_permille(talk->random, 700);

        mt_line_put(&text, is_lasting ? "Message content refused" : "Try again later");
        transaction->outcomes = is_lasting ? MT_OUTCOME_REJECTED : MT_OUTCOME_DEFERRED;
        final(talk, transaction, is_lasting ? 554 : 451, is_lasting ? "5.7.1" : "4.3.0", &text);
        return;
    }
    put_queued(talk, transaction, &text);
    transaction->outcomes = MT_OUTCOME_DELIVERED;
    final(talk, transaction, 250, talk->server->queued == MT_QUEUED_EXCHANGE ? "2.6.0" : "2.0.0", &text);
}

static void turn(struct mt_talk *talk, bool is_held)
{
    if (!is_held)
        mt_talk_flush(talk, MT_PLAN_CLIENT);
}

static void answer_recipient(struct mt_talk *talk, const struct mt_mail_choice *choice,
                             struct mt_truth_recipient *recipient, bool is_last)
{
    if (choice->refuses_all || (choice->refuses_some && is_last))
        mt_mail_rcpt_answer(talk, recipient, 550, "5.1.1", "Recipient address rejected: User unknown");
    else if (choice->defers_recipients)
        mt_mail_rcpt_answer(talk, recipient, 451, "4.7.1", "Greylisted, please try again later");
    else
        mt_mail_rcpt_answer(talk, recipient, 250, "2.1.5", talk->server->rcpt_ok);
}

static void answer_sender(struct mt_talk *talk, const struct mt_mail_choice *choice,
                          struct mt_truth_transaction *transaction)
{
    if (choice->refuses_sender)
        mt_mail_from_answer(talk, transaction, 550, "5.7.1", "Sender address rejected");
    else
        mt_mail_from_answer(talk, transaction, 250, "2.1.0", talk->server->mail_ok);
}

/* DATA that was sent in the hope of a recipient (RFC 2920 §3.1). */
static void refuse_data(struct mt_talk *talk, struct mt_truth_transaction *transaction)
{
    mt_talk_answer(talk, 554, "5.5.1", "Error: no valid recipients");
    transaction->is_reply_open = true;
    transaction->is_mode_open = true;
    transaction->is_end_open = true;
    transaction->outcomes |= MT_OUTCOME_DEFERRED;
}

/* Returns whether content is due; with DATA, 354 was given then. */
static bool send_envelope(struct mt_talk *talk, const struct mt_mail_choice *choice,
                          struct mt_truth_transaction *transaction)
{
    bool is_accepted = !choice->refuses_sender && !choice->refuses_all && !choice->defers_recipients;
    struct mt_truth_recipient *recipients = &talk->truth->recipients[transaction->recipient_first];
    struct mt_line address;
    bool is_held = talk->is_pipelined;

    turn(talk, is_held);
    if (!is_held) {
        answer_sender(talk, choice, transaction);
        mt_talk_flush(talk, MT_PLAN_SERVER);
        if (choice->refuses_sender)
            return false;
    }
    for (uint32_t i = 0; i < choice->recipients; i++) {
        mt_mail_local_address(talk, &address);
        mt_mail_rcpt(talk, transaction, &address, true);
        turn(talk, is_held);
        if (!is_held) {
            answer_recipient(talk, choice, &recipients[i], i + 1 == choice->recipients);
            mt_talk_flush(talk, MT_PLAN_SERVER);
        }
    }
    if (!talk->is_chunked && (is_held || is_accepted)) {
        mt_talk_say_text(talk, MT_SAID_DATA, "DATA");
        mt_talk_flush(talk, MT_PLAN_CLIENT);
    }
    if (is_held) {
        mt_talk_flush(talk, MT_PLAN_CLIENT);
        transaction->are_recipients_open = choice->refuses_sender;
        answer_sender(talk, choice, transaction);
        for (uint32_t i = 0; i < choice->recipients; i++) {
            if (choice->refuses_sender)
                mt_mail_rcpt_answer(talk, &recipients[i], 503, "5.5.1", "Error: need MAIL command");
            else
                answer_recipient(talk, choice, &recipients[i], i + 1 == choice->recipients);
        }
        if (!talk->is_chunked && !is_accepted)
            refuse_data(talk, transaction);
    }
    if (!talk->is_chunked && is_accepted)
        mt_talk_answer(talk, 354, NULL, talk->server->data_go);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    return is_accepted;
}

bool mt_mail_send(struct mt_talk *talk, const struct mt_mail_choice *choice)
{
    struct mt_truth_transaction *transaction = mt_mail_from(talk, choice);

    if (!send_envelope(talk, choice, transaction)) {
        if (choice->defers_recipients)
            transaction->outcomes |= MT_OUTCOME_DEFERRED;
        return false;
    }
    if (talk->is_chunked)
        send_chunks(talk, transaction, choice);
    else
        send_data(talk, transaction, choice);
    mt_mail_final_answer(talk, transaction, choice);
    return true;
}
