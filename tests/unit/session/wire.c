#include "wire.h"

#include "base/check.h"
#include "dump.h"

#include <stdlib.h>

/* --- the site --------------------------------------------------------------- */

struct mt_ip wire_ip(const char *text)
{
    struct mt_ip ip;

    MT_BUG_ON(!mt_ip_parse(mt_span_cstr(text), &ip));
    return ip;
}

void wire_site_init(struct wire_site *site)
{
    memset(site, 0, sizeof(*site));
    site->site.given = true;
    site->site.home_networks = site->home;
    site->site.allowed_relays = site->relays;
    site->site.local_domains = site->domains;
    site->site.protected_names = site->persons;
}

void wire_site_home(struct wire_site *site, const char *prefix)
{
    MT_BUG_ON(!mt_prefix_parse(mt_span_cstr(prefix), &site->home[site->site.home_network_count++]));
}

void wire_site_relay(struct wire_site *site, const char *prefix)
{
    MT_BUG_ON(!mt_prefix_parse(mt_span_cstr(prefix), &site->relays[site->site.allowed_relay_count++]));
}

void wire_site_domain(struct wire_site *site, const char *domain)
{
    site->domains[site->site.local_domain_count++] = mt_span_cstr(domain);
}

void wire_site_person(struct wire_site *site, const char *name)
{
    MT_BUG_ON(site->site.protected_name_count == MT_ARRAY_COUNT(site->persons));
    site->persons[site->site.protected_name_count++] = mt_span_cstr(name);
}

/* --- what comes out --------------------------------------------------------- */

static void keep_digits(char *to, struct mt_span digits)
{
    MT_BUG_ON(digits.ptr != NULL && digits.size != 16);
    memcpy(to, digits.ptr != NULL ? (const char *)digits.ptr : "", digits.size);
    to[digits.size] = '\0';
}

static void keep_times(struct wire_times *times, const struct mt_record_session *record)
{
    *times = (struct wire_times){.greeting = record->latency_greeting,
                                 .octets_greeting = record->bytes_greeting,
                                 .opening_commands = record->bytes_opening_commands,
                                 .opening_replies = record->bytes_opening_replies,
                                 .commands = record->bytes_commands,
                                 .replies = record->bytes_replies,
                                 .helo = record->latency_helo,
                                 .mail = record->latency_mail,
                                 .rcpt = record->latency_rcpt,
                                 .silence = record->silence};
    if (record->transactions.count > 0) {
        times->data = record->transactions.items[0].latency_data;
        times->content = record->transactions.items[0].latency_content;
    }
    keep_digits(times->client, record->fingerprint_client);
    keep_digits(times->server, record->fingerprint_server);
}

static void on_record(void *ctx, struct mt_record_session *record)
{
    struct wire *wire = ctx;

    wire->records++;
    keep_times(&wire->times, record);
    dump_session(&wire->dump, record);
}

static void on_observation(void *ctx, const struct mt_observation *observation)
{
    struct wire *wire = ctx;

    wire->observed++;
    dump_observation(&wire->observations, observation);
}

static void on_command(void *ctx, const struct mt_session *session, const struct mt_record_session *known,
                       const struct mt_record_command *command)
{
    struct wire *wire = ctx;

    (void)session;
    MT_BUG_ON(command->time != wire->mark.time || known->event_end != command->time);
    dump_command(&wire->events, known, command);
}

static void on_reply(void *ctx, const struct mt_session *session, const struct mt_record_session *known,
                     const struct mt_record_reply *reply)
{
    struct wire *wire = ctx;

    (void)session;
    MT_BUG_ON(reply->latency > wire->mark.time - known->timestamp);
    wire->latency = reply->latency;
    dump_reply(&wire->events, known, reply);
}

static void on_transcript(void *ctx, const struct mt_session *session, enum mt_transcript_kind kind,
                          enum mt_side side, struct mt_span text, uint64_t count, const struct mt_mark *mark)
{
    static const char *const kinds[] = {"", "(secret)", "(content)", "(gap)", "(tls)", "(anomaly) "};
    struct wire *wire = ctx;

    (void)session;
    (void)mark;
    text_put(&wire->shown, "%c: %s", side == MT_CLIENT ? 'C' : 'S', kinds[kind]);
    if (text.ptr != NULL)
        text_put_quoted(&wire->shown, text);
    if (kind == MT_TRANSCRIPT_CONTENT || kind == MT_TRANSCRIPT_GAP)
        text_put(&wire->shown, " %llu", (unsigned long long)count);
    text_put(&wire->shown, "\n");
}

/* --- the connection --------------------------------------------------------- */

void wire_init(struct wire *wire, const struct wire_site *site, const struct mt_session_limits *limits)
{
    struct mt_session_config config = {
        .site = site != NULL ? &site->site : NULL,
        .observer_name = mt_span_cstr("test"),
        .observer_version = "0",
        .sessions_max = 4,
    };
    struct mt_session_events events = {
        .record = on_record,
        .observation = on_observation,
        .command = on_command,
        .reply = on_reply,
        .transcript = on_transcript,
    };

    memset(wire, 0, sizeof(*wire));
    if (limits != NULL)
        config.limits = *limits;
    wire->stats = aligned_alloc(MT_CACHE_LINE, sizeof(*wire->stats));
    memset(wire->stats, 0, sizeof(*wire->stats));
    wire->mark = (struct mt_mark){.time = 1000 * MT_SEC, .number = 1};
    wire->open = (struct mt_session_open){
        .tuple = {.src = wire_ip("203.0.113.5"),
                  .dst = wire_ip("192.0.2.25"),
                  .src_port = 40000,
                  .dst_port = 25},
        .vlan = UINT16_MAX,
    };
    MT_BUG_ON(mt_arena_create(16 << 20, &wire->arena) != 0);
    MT_BUG_ON(mt_offers_board_create(1, &wire->board) != 0);
    wire->offers = mt_offers_open_desk(wire->board, wire->stats);
    config.offers = wire->offers;
    MT_BUG_ON(mt_session_engine_create(&config, wire->arena, &events, wire, wire->stats, &wire->engine) != 0);
}

void wire_history(struct wire *wire, struct mt_ip server, unsigned answers, unsigned offered)
{
    uint64_t round = mt_offers_round_of(wire->mark.time);

    mt_offers_enter(wire->offers, round - 2);
    for (unsigned i = 0; i < answers; i++)
        mt_offers_note(wire->offers, &server, 25, i < offered);
    mt_offers_enter(wire->offers, round);
}

void wire_want_events(struct wire *wire)
{
    mt_session_engine_want(wire->engine, MT_SESSION_WANTS_COMMANDS | MT_SESSION_WANTS_REPLIES);
}

void wire_fini(struct wire *wire)
{
    mt_session_engine_destroy(wire->engine);
    mt_arena_destroy(wire->arena);
    mt_offers_board_destroy(wire->board);
    free(wire->stats);
    text_free(&wire->waiting[MT_CLIENT]);
    text_free(&wire->waiting[MT_SERVER]);
    text_free(&wire->dump);
    text_free(&wire->observations);
    text_free(&wire->events);
    text_free(&wire->shown);
}

void wire_clear(struct wire *wire)
{
    text_clear(&wire->dump);
    text_clear(&wire->observations);
    text_clear(&wire->events);
    text_clear(&wire->shown);
    wire->records = 0;
    wire->observed = 0;
    wire->used_max = 0;
}

void wire_open(struct wire *wire, const struct mt_session_open *open)
{
    if (open != NULL)
        wire->open = *open;
    wire->open.first = wire->mark;
    wire->session = mt_session_open(wire->engine, &wire->open);
    MT_BUG_ON(wire->session == NULL);
}

void wire_frame(struct wire *wire, enum mt_side side)
{
    wire->mark.time += MT_MSEC;
    wire->mark.number++;
    mt_session_count(wire->session, side, 1, 54, &wire->mark);
}

/* The bytes lie in a block of their exact size, for AddressSanitizer. */
static size_t offer(struct wire *wire, enum mt_side side, struct mt_span bytes, bool is_forced,
                    bool is_queued)
{
    uint8_t *exact = malloc(bytes.size);

    memcpy(exact, bytes.ptr, bytes.size);
    size_t taken = mt_session_data(wire->engine, wire->session, side, mt_span(exact, bytes.size), &wire->mark,
                                   is_forced, is_queued);
    memset(exact, 0xee, bytes.size);
    free(exact);
    MT_BUG_ON(taken > bytes.size || (is_forced && taken < bytes.size));
    size_t used = mt_arena_used(wire->arena);
    wire->used_max = used > wire->used_max ? used : wire->used_max;
    return taken;
}

static bool offer_waiting(struct wire *wire, enum mt_side side, bool is_forced)
{
    struct text *waiting = &wire->waiting[side];

    if (waiting->size == 0)
        return false;
    size_t taken = offer(wire, side, mt_span(waiting->ptr, waiting->size), is_forced, true);
    memmove(waiting->ptr, waiting->ptr + taken, waiting->size - taken);
    waiting->size -= taken;
    return taken > 0;
}

/* side has moved: what waits on the other side may go on now. */
static void settle(struct wire *wire, enum mt_side side)
{
    while (offer_waiting(wire, mt_side_other(side), false))
        side = mt_side_other(side);
}

void wire_segment(struct wire *wire, enum mt_side side, struct mt_span bytes)
{
    wire->mark.time += MT_MSEC;
    wire->mark.number++;
    mt_session_count(wire->session, side, 1, 54 + bytes.size, &wire->mark);
    if (bytes.size == 0)
        return;
    if (wire->waiting[side].size > 0) {
        text_put_bytes(&wire->waiting[side], bytes);
        return;
    }
    size_t taken = offer(wire, side, bytes, false, false);
    text_put_bytes(&wire->waiting[side], mt_span_from(bytes, taken));
    settle(wire, side);
}

void wire_line(struct wire *wire, const char *line)
{
    struct text whole = {0};

    MT_BUG_ON(line[0] != 'C' && line[0] != 'S');
    text_put(&whole, "%s\r\n", line + 3);
    wire_segment(wire, line[0] == 'C' ? MT_CLIENT : MT_SERVER, mt_span(whole.ptr, whole.size));
    text_free(&whole);
}

void wire_lines(struct wire *wire, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        wire_line(wire, *lines);
}

void wire_handshake(struct wire *wire)
{
    wire_frame(wire, MT_CLIENT);
    wire_frame(wire, MT_SERVER);
    wire_frame(wire, MT_CLIENT);
}

void wire_gap(struct wire *wire, enum mt_side side, uint64_t size)
{
    offer_waiting(wire, side, true);
    mt_session_gap(wire->engine, wire->session, side, size, &wire->mark);
    settle(wire, side);
}

void wire_close(struct wire *wire, enum mt_session_end end)
{
    while (offer_waiting(wire, MT_CLIENT, true) || offer_waiting(wire, MT_SERVER, true))
        continue;
    mt_session_close(wire->engine, wire->session, end);
    wire->session = NULL;
    MT_BUG_ON(mt_arena_used(wire->arena) != 0);
}
