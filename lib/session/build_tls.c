/* What a handshake showed, to the record's tls.* fields. */
#include "session/build_priv.h"

static struct mt_span put_hex(struct mt_build *build, struct mt_span bytes, bool is_upper)
{
    struct mt_buf *b = &build->b;
    size_t start = b->size;

    mt_buf_put_hex(b, bytes);
    for (size_t i = start; is_upper && i < b->size; i++)
        b->ptr[i] = mt_ascii_upper(b->ptr[i]);
    return mt_span(b->ptr + start, b->size - start);
}

/* 0x1301 where it has no name. */
static struct mt_span cipher_name(struct mt_build *build, uint16_t cipher)
{
    const uint8_t bytes[2] = {(uint8_t)(cipher >> 8), (uint8_t)cipher};
    const char *name = mt_tls_cipher_name(cipher);
    struct mt_buf *b = &build->b;
    size_t start = b->size;

    if (name != NULL)
        return mt_span_cstr(name);
    mt_buf_put(b, "0x", 2);
    mt_buf_put_hex(b, mt_span(bytes, sizeof(bytes)));
    return mt_span(b->ptr + start, b->size - start);
}

static void add_text(struct mt_run *run, struct mt_texts *texts, struct mt_span text)
{
    struct mt_build *build = run->engine->build;

    if (texts->count == 0)
        texts->items = &build->texts[build->texts_used];
    if (build->texts_used == build->texts_cap) {
        mt_cut(run, MT_CUT_TLS_CLIENT);
        return;
    }
    build->texts[build->texts_used++] = text;
    texts->count++;
}

/* Texts each behind a byte with its size. */
static void add_texts(struct mt_run *run, struct mt_texts *texts, struct mt_span packed)
{
    while (packed.size > 0) {
        struct mt_span text = mt_span_head(mt_span_from(packed, 1), packed.ptr[0]);
        packed = mt_span_from(packed, 1 + text.size);
        if (text.size > 0)
            add_text(run, texts, text);
    }
}

static struct mt_span take(struct mt_span *packed, size_t size)
{
    struct mt_span taken = mt_span_head(*packed, size);

    *packed = mt_span_from(*packed, size);
    return taken.size > 0 ? taken : mt_span_none();
}

void mt_build_tls_client(struct mt_run *run, const struct mt_entry_tls_client *entry,
                         struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    struct mt_span text = mt_entry_text(entry);

    record->tls_client_version = mt_tls_version_name(entry->version);
    record->tls_server_name = take(&text, entry->sni_size);
    add_texts(run, &record->tls_client_protocols, take(&text, entry->alpn_size));
    for (; text.size >= 2; text = mt_span_from(text, 2)) {
        uint16_t cipher = (uint16_t)(text.ptr[0] << 8 | text.ptr[1]);
        if (!mt_tls_is_grease(cipher))
            add_text(run, &record->tls_client_ciphers, cipher_name(build, cipher));
    }
    if (!entry->has_prints)
        return;
    record->tls_client_ja3 = put_hex(build, mt_span(entry->ja3, sizeof(entry->ja3)), false);
    record->tls_client_ja4 = mt_span(entry->ja4, sizeof(entry->ja4));
}

/* Behind a HelloRetryRequest the server says hello again: the last one counts. */
void mt_build_tls_server(struct mt_run *run, const struct mt_entry_tls_server *entry,
                         struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    struct mt_span protocol = mt_entry_text(entry);

    record->tls_version = mt_tls_version_name(entry->version);
    record->tls_version_protocol = mt_tls_version_protocol(entry->version);
    record->tls_cipher = cipher_name(build, entry->cipher);
    if (entry->knows_resumed)
        record->tls_resumed = entry->is_resumed ? MT_FLAG_TRUE : MT_FLAG_FALSE;
    record->tls_next_protocol = protocol.size > 0 ? protocol : mt_span_none();
    record->tls_server_ja3s =
        entry->has_print ? put_hex(build, mt_span(entry->ja3s, sizeof(entry->ja3s)), false) : mt_span_none();
}

static void fill_certificate(struct mt_build *build, const struct mt_entry_tls_certificate *entry,
                             struct mt_record_certificate *ret_certificate, struct mt_span *ret_rest)
{
    struct mt_span text = mt_entry_text(entry);

    struct mt_span serial = take(&text, entry->serial_size);
    *ret_certificate = (struct mt_record_certificate){
        .subject = take(&text, entry->subject_size),
        .issuer = take(&text, entry->issuer_size),
        .not_before = entry->not_before,
        .not_after = entry->not_after,
        .serial_number = serial.ptr != NULL ? put_hex(build, serial, true) : serial,
        .sha256 = put_hex(build, mt_span(entry->sha256, sizeof(entry->sha256)), true),
    };
    *ret_rest = text;
}

static void fill_server(struct mt_run *run, const struct mt_record_certificate *certificate,
                        struct mt_span alternatives, struct mt_record_session *record)
{
    record->tls_server_sha256 = certificate->sha256;
    record->tls_not_before = certificate->not_before;
    record->tls_not_after = certificate->not_after;
    record->tls_serial_number = certificate->serial_number;
    record->tls_subject_name = certificate->subject;
    record->tls_issuer_name = certificate->issuer;
    record->tls_alternative_names = (struct mt_texts){0};
    add_texts(run, &record->tls_alternative_names, alternatives);
}

static void fill_client(struct mt_run *run, const struct mt_record_certificate *certificate,
                        struct mt_span alternatives, struct mt_record_session *record)
{
    record->tls_client_sha256 = certificate->sha256;
    record->tls_client_not_before = certificate->not_before;
    record->tls_client_not_after = certificate->not_after;
    record->tls_client_serial_number = certificate->serial_number;
    record->tls_client_subject = certificate->subject;
    record->tls_client_issuer = certificate->issuer;
    record->tls_client_alternative_names = (struct mt_texts){0};
    add_texts(run, &record->tls_client_alternative_names, alternatives);
}

void mt_build_tls_certificate(struct mt_run *run, const struct mt_entry_tls_certificate *entry,
                              struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    bool is_client = entry->side == MT_CLIENT;
    struct mt_certificates *chain = is_client ? &record->tls_client_chain : &record->tls_server_chain;
    struct mt_record_certificate certificate;
    struct mt_span alternatives;

    fill_certificate(build, entry, &certificate, &alternatives);
    if (entry->index == 0) /* gaps may show another handshake: the last counts */
        chain->count = 0;
    if (entry->index > 0 && chain->count == MT_ARRAY_COUNT(build->chains[0])) {
        mt_cut(run, is_client ? MT_CUT_TLS_CLIENT : MT_CUT_TLS_SERVER);
    } else if (entry->index > 0) {
        chain->items = build->chains[is_client];
        build->chains[is_client][chain->count++] = certificate;
    } else if (is_client) {
        fill_client(run, &certificate, alternatives, record);
    } else {
        fill_server(run, &certificate, alternatives, record);
    }
}

void mt_build_tls_alert(const struct mt_entry_tls_alert *entry, struct mt_record_session *record)
{
    record->tls_alert_description = mt_tls_alert_name(entry->description);
    record->tls_alert_code = entry->description;
    record->tls_alert_level = entry->level == 2 ? "fatal" : entry->level == 1 ? "warning" : NULL;
    record->tls_alert_sender = entry->side == MT_CLIENT ? "client" : "server";
}

void mt_build_tls(struct mt_run *run, struct mt_record_session *record)
{
    uint64_t flags = run->session->flags;

    if (flags & MT_S_TLS_ESTABLISHED)
        record->tls_established = MT_FLAG_TRUE;
    else if (flags & MT_S_TLS_FAILED)
        record->tls_established = MT_FLAG_FALSE;
    if (record->tls_version_protocol == NULL && record->tls_client_version != NULL) /* no answer */
        record->tls_version_protocol = record->tls_client_version[0] > '1' ? "ssl" : "tls";
}

void mt_build_history(const struct mt_entry_history *entry, struct mt_record_session *record)
{
    record->starttls_history_answers = entry->answers;
    record->starttls_history_offered = entry->offered;
    record->starttls_history_share = (uint64_t)entry->offered * 100 / entry->answers;
    record->starttls_history_last = entry->last;
}

void mt_build_pair(const struct mt_entry_history *entry, struct mt_record_session *record)
{
    record->starttls_pair_tls = entry->offered;
    record->starttls_pair_share = (uint64_t)entry->offered * 100 / entry->answers;
    record->starttls_pair_last = entry->last;
}
