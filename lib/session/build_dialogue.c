/* The record's facts about how the two sides talk: times, fingerprints, what a
 * proxy said. */
#include "base/hash.h"
#include "session/build_priv.h"
#include "session/latency_priv.h"

#define FINGERPRINT_TEXT_MAX 1024u
#define FINGERPRINT_DIGITS 16u

/* --- fingerprints ----------------------------------------------------------- */

static struct mt_span digits_of(struct mt_build *build, const struct mt_buf *text)
{
    uint64_t hash = mt_hash_bytes(0, mt_buf_span(text));
    uint8_t bytes[FINGERPRINT_DIGITS / 2];
    size_t start = build->b.size;

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(hash >> (56 - 8 * i));
    mt_buf_put_hex(&build->b, mt_span(bytes, sizeof(bytes)));
    return build->b.size - start == FINGERPRINT_DIGITS ? mt_span(build->b.ptr + start, FINGERPRINT_DIGITS)
                                                       : mt_span_none();
}

static void put_upper(struct mt_buf *b, struct mt_span text)
{
    text = mt_span_head(text, b->cap - b->size);
    mt_ascii_put_upper(b->ptr + b->size, text.ptr, text.size);
    b->size += text.size;
}

/* The keywords without their parameters: "PIPELINING,SIZE,8BITMIME". */
static void build_server(struct mt_build *build, struct mt_record_session *record)
{
    uint8_t bytes[FINGERPRINT_TEXT_MAX];
    struct mt_buf b = mt_buf(bytes, sizeof(bytes));

    if (record->extensions.count == 0)
        return;
    for (uint32_t i = 0; i < record->extensions.count; i++) {
        struct mt_span line = record->extensions.items[i];
        const uint8_t *blank = line.size > 0 ? memchr(line.ptr, ' ', line.size) : NULL;
        if (i > 0)
            mt_buf_put_byte(&b, ',');
        put_upper(&b, mt_span_head(line, blank != NULL ? (size_t)(blank - line.ptr) : line.size));
    }
    record->fingerprint_server = digits_of(build, &b);
}

static void put_parameters(struct mt_buf *b, const char *verb, const struct mt_parameters *parameters)
{
    mt_buf_put_byte(b, '|');
    mt_buf_put_cstr(b, verb);
    for (uint32_t i = 0; i < parameters->count; i++) {
        mt_buf_put_byte(b, i == 0 ? ' ' : ',');
        mt_buf_put_span(b, parameters->items[i].keyword);
    }
}

/* "EHLO fqdn|STARTTLS|AUTH PLAIN|MAIL SIZE,BODY|RCPT|DATA|QUIT": what one program
 * does in every session, without names and numbers. */
static void build_client(struct mt_run *run, struct mt_record_session *record)
{
    const struct mt_session *session = run->session;
    uint8_t bytes[FINGERPRINT_TEXT_MAX];
    struct mt_buf b = mt_buf(bytes, sizeof(bytes));

    if (record->helo_verb == NULL || (session->flags & MT_S_MIDSTREAM))
        return;
    mt_buf_put_cstr(&b, record->helo_verb);
    mt_buf_put_byte(&b, ' ');
    mt_buf_put_cstr(&b, record->helo_kind);
    if (session->flags & MT_S_STARTTLS)
        mt_buf_put_cstr(&b, "|STARTTLS");
    for (uint32_t i = 0; i < record->auth.count; i++) {
        mt_buf_put_cstr(&b, "|AUTH ");
        mt_buf_put_span(&b, record->auth.items[i].mechanism);
    }
    if (record->transactions.count > 0) {
        const struct mt_record_transaction *first = record->transactions.items;
        put_parameters(&b, "MAIL", &first->from_params);
        if (first->recipients.count > 0)
            put_parameters(&b, "RCPT", &first->recipients.items[0].params);
        if (first->mode != NULL)
            mt_buf_put_cstr(&b, first->mode[0] == 'b' ? "|BDAT" : "|DATA");
    }
    if (session->flags & MT_S_QUIT_OK)
        mt_buf_put_cstr(&b, "|QUIT");
    record->fingerprint_client = digits_of(run->engine->build, &b);
}

/* --- proxies ---------------------------------------------------------------- */

static struct mt_span next_word(struct mt_span *rest)
{
    size_t size = 0;

    *rest = mt_span_trim(*rest);
    while (size < rest->size && rest->ptr[size] != ' ' && rest->ptr[size] != '\t')
        size++;
    struct mt_span word = mt_span_head(*rest, size);
    *rest = mt_span_from(*rest, size);
    return word;
}

static void add_attributes(struct mt_run *run, struct mt_span text, struct mt_parameters *list)
{
    struct mt_build *build = run->engine->build;

    for (struct mt_span word = next_word(&text); word.size > 0; word = next_word(&text)) {
        const uint8_t *equals = memchr(word.ptr, '=', word.size);
        size_t size = equals != NULL ? (size_t)(equals - word.ptr) : word.size;
        struct mt_span keyword = mt_build_upper(build, mt_span_head(word, size));
        if (keyword.ptr == NULL || build->parameters_used == build->parameters_cap) {
            mt_cut(run, MT_CUT_PROXY);
            return;
        }
        build->parameters[build->parameters_used++] = (struct mt_record_parameter){
            .keyword = keyword,
            .value = equals != NULL ? mt_span_from(word, size + 1) : mt_span("", 0),
        };
        list->count++;
    }
}

static struct mt_parameters build_proxy(struct mt_run *run, enum mt_smtp_verb verb)
{
    struct mt_build *build = run->engine->build;
    struct mt_parameters list = {.items = &build->parameters[build->parameters_used]};
    struct mt_cursor cursor = mt_store_begin(run->session);
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        const struct mt_entry_proxy *proxy = (const struct mt_entry_proxy *)entry;
        if (entry->tag == MT_TAG_PROXY && proxy->verb == verb)
            add_attributes(run, mt_entry_text(proxy), &list);
    }
    return list;
}

/* --- all -------------------------------------------------------------------- */

static uint64_t ns_of(const struct mt_session *session, enum mt_owner_byte byte)
{
    return mt_time_unpack(session->client.owner[byte]) * 1000;
}

void mt_build_dialogue(struct mt_run *run, bool has_proxy, struct mt_record_session *record)
{
    const struct mt_session *session = run->session;

    record->latency_greeting = ns_of(session, MT_OWNER_GREETING);
    record->latency_helo = ns_of(session, MT_OWNER_HELO);
    record->latency_mail = ns_of(session, MT_OWNER_MAIL);
    record->latency_rcpt = ns_of(session, MT_OWNER_RCPT);
    record->silence = ns_of(session, MT_OWNER_SILENCE);
    if (session->extra != NULL && !mt_is_one_way(session))
        record->pipelined = session->extra->pipelined;
    record->bytes_commands = mt_text_octets(session, MT_CLIENT);
    record->bytes_replies = mt_text_octets(session, MT_SERVER);
    build_server(run->engine->build, record);
    build_client(run, record);
    if (!has_proxy)
        return;
    record->xclient = build_proxy(run, MT_VERB_XCLIENT);
    record->xforward = build_proxy(run, MT_VERB_XFORWARD);
}
