/* Commands and replies as they come, for whoever asks for them: nobody, as a
 * rule, and then nothing here is called. */
#include "session/build_priv.h"
#include "session/events_priv.h"

/* How far behind the start the only greeting is looked for. */
#define HELO_ENTRIES_MAX 64u

/* --- what is known of the session --------------------------------------------- */

/* Room for what points into no entry. */
struct early {
    struct mt_record_session record;
    uint8_t vlan[8];
};

static const struct mt_entry_helo *helo_of(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    struct mt_entry *entry = session->flags & MT_S_HELO_SENT ? mt_store_next(&cursor) : NULL;

    if (session->extra != NULL && session->extra->helo != NULL)
        return session->extra->helo;
    for (unsigned i = 0; entry != NULL && entry->tag != MT_TAG_HELO; i++)
        entry = i < HELO_ENTRIES_MAX ? mt_store_next(&cursor) : NULL;
    return (const struct mt_entry_helo *)entry;
}

static void fill_helo(const struct mt_session *session, struct mt_record_session *record)
{
    const struct mt_entry_helo *helo = helo_of(session);

    if (helo != NULL)
        mt_build_greeting(helo, record);
}

/* Members: sigma/early.def. */
static void fill_early(const struct mt_run *run, struct early *early)
{
    const struct mt_session *session = run->session;
    struct mt_record_session *record = &early->record;
    struct mt_tuple tuple;

    mt_session_tuple(session, &tuple);
    *record = (struct mt_record_session){
        .timestamp = session->first,
        .ecs_version = MT_ECS_VERSION,
        .event_end = run->mark->time, /* of the event */
        .event_id = mt_session_event_id(session),
        .event_start = session->first,
        .observer_name = run->engine->observer_name,
        .observer_type = "sensor",
        .observer_version = run->engine->observer_version,
        .source_ip = tuple.src,
        .source_mac = session->flags >> MT_S_MAC_SHIFT & 1 ? session->mac[MT_CLIENT] : NULL,
        .source_port = tuple.src_port,
        .destination_ip = tuple.dst,
        .destination_mac = session->flags >> MT_S_MAC_SHIFT & 2 ? session->mac[MT_SERVER] : NULL,
        .destination_port = tuple.dst_port,
        .network_transport = "tcp",
        .network_type = session->family == 4   ? "ipv4"
                        : session->family == 6 ? "ipv6"
                                               : NULL,
        .pickup = session->flags & MT_S_MIDSTREAM ? "midstream" : "syn",
    };
    if (session->vlan != UINT16_MAX) {
        struct mt_buf b = mt_buf(early->vlan, sizeof(early->vlan));
        mt_buf_put_u64(&b, session->vlan);
        record->network_vlan_id = mt_buf_span(&b);
    }
    fill_helo(session, record);
    mt_build_starttls(session, record);
}

/* --- commands ------------------------------------------------------------------ */

static const char *const state_names[] = {
    [MT_STATE_CONNECTED] = "connected", [MT_STATE_GREETED] = "greeted", [MT_STATE_REFUSED] = "refused",
    [MT_STATE_READY] = "ready",         [MT_STATE_MAIL] = "mail",       [MT_STATE_RCPT] = "rcpt",
    [MT_STATE_DATA] = "data",           [MT_STATE_BDAT] = "bdat",       [MT_STATE_QUIT] = "quit",
    [MT_STATE_LOST] = "lost",
};
MT_STATIC_ASSERT(MT_ARRAY_COUNT(state_names) == MT_STATE_COUNT, "each state has a name");

/* Of slips and of other protocols: AUTHPLAIN, Authorization:, PASS, a1 LOGIN. */
static bool announces_secret(const struct mt_smtp_command *command)
{
    static const char *const words[] = {"AUTH", "PASS", "LOGIN", "PROXY-AUTH", "COOKIE"};

    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        if (mt_span_istarts(command->word, words[i]) || mt_span_istarts(command->argument, words[i]))
            return true;
    }
    return false;
}

MT_COLD void mt_event_command(struct mt_run *run, const struct mt_smtp_command *command)
{
    const struct mt_session *session = run->session;
    bool is_auth = command->verb == MT_VERB_AUTH || command->verb == MT_VERB_X_EXPS;
    bool is_secret = command->verb == MT_VERB_UNKNOWN && mt_auth_may_be_secret(session, command);
    bool hides = is_secret || (command->verb == MT_VERB_UNKNOWN && announces_secret(command));
    struct mt_span argument = is_auth ? mt_auth_mechanism(command->argument) : command->argument;
    const struct mt_record_command event = {
        .time = run->mark->time,
        .verb = mt_smtp_verb_field(command->verb),
        .word = is_secret ? mt_span_none() : command->word,
        .argument = hides || argument.size == 0 ? mt_span_none() : argument,
        .size = command->octets,
        .outstanding = session->expected,
        .state = state_names[session->state],
    };
    struct early early;

    fill_early(run, &early);
    run->engine->events.command(run->engine->ctx, session, &early.record, &event);
}

/* --- replies ------------------------------------------------------------------- */

/* Text of the lines of a reply that has several, behind the first of them. */
struct joined {
    uint16_t size;
    uint8_t text[];
};
#define JOINED_MAX 700u
MT_STATIC_ASSERT(MT_FIRST_SIZE + sizeof(struct joined) + JOINED_MAX <= MT_JOINED_SIZE, "in one block");

static struct joined *joined_of(struct mt_extra *extra)
{
    return (struct joined *)(void *)((uint8_t *)extra->first + MT_FIRST_SIZE);
}

static bool has_joined(const struct mt_extra *extra)
{
    return extra != NULL && extra->first != NULL && extra->first->head.tag == MT_FIRST_JOINED;
}

static bool make_joined(struct mt_run *run)
{
    struct mt_extra *extra = mt_extra(run);
    struct mt_entry_line *first = extra != NULL ? mt_arena_get(run->engine->arena, MT_JOINED_SIZE) : NULL;

    if (first == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, extra != NULL);
        return false;
    }
    memset(first, 0, MT_JOINED_SIZE);
    if (extra->first != NULL) {
        memcpy(first, extra->first, MT_FIRST_SIZE);
        mt_arena_put(run->engine->arena, extra->first, MT_FIRST_SIZE);
    }
    first->head.tag = MT_FIRST_JOINED;
    extra->first = first;
    return true;
}

MT_COLD void mt_event_line(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    if (line->index == 0 && line->is_last)
        return;
    if (!has_joined(run->session->extra) && !make_joined(run))
        return;
    struct joined *joined = joined_of(run->session->extra);
    joined->size = line->index == 0 ? 0 : joined->size;
    struct mt_buf b = mt_buf(joined->text, JOINED_MAX);
    b.size = joined->size;
    if (line->index > 0)
        mt_buf_put_head(&b, mt_span_cstr("\n"));
    mt_buf_put_head(&b, line->text);
    joined->size = (uint16_t)b.size;
}

static const char *what_name(unsigned what)
{
    switch (what) {
    case MT_WHAT_GREETING:
        return "greeting";
    case MT_WHAT_CONTENT_END:
        return "content";
    case MT_WHAT_AUTH_STEP:
        return "auth_response";
    default:
        return mt_smtp_verb_field((enum mt_smtp_verb)what);
    }
}

static struct mt_span argument_of(const struct mt_expect *expect)
{
    const void *entry = expect->entry;

    if (entry == NULL)
        return mt_span_none();
    switch ((unsigned)expect->what) {
    case MT_VERB_MAIL:
    case MT_VERB_SEND:
    case MT_VERB_SOML:
    case MT_VERB_SAML: {
        const struct mt_entry_mail *mail = entry;
        return mt_place_address(&mail->place, mt_entry_text(mail));
    }
    case MT_VERB_RCPT: {
        const struct mt_entry_rcpt *rcpt = entry;
        return expect->flags & MT_EXPECT_UNKEPT ? mt_span_none()
                                                : mt_place_address(&rcpt->place, mt_entry_text(rcpt));
    }
    case MT_VERB_VRFY:
    case MT_VERB_EXPN:
        return mt_probe_argument(entry);
    default:
        return mt_span_none();
    }
}

MT_COLD void mt_event_reply(struct mt_run *run, const struct mt_expect *expect,
                            const struct mt_smtp_reply_line *line)
{
    uint8_t enhanced[16];
    struct mt_buf b = mt_buf(enhanced, sizeof(enhanced));
    struct early early;
    struct mt_record_reply event = {
        .time = run->mark->time,
        .code = line->code,
        .text = line->text,
        .lines = line->index + 1,
    };

    mt_reply_put_enhanced(&b, mt_reply_pack(line->code, line->enhanced));
    if (b.size > 0)
        event.enhanced = mt_buf_span(&b);
    if (line->index > 0 && has_joined(run->session->extra)) {
        const struct joined *joined = joined_of(run->session->extra);
        event.text = mt_span(joined->text, joined->size);
    }
    if (expect != NULL) {
        event.verb = what_name(expect->what);
        event.argument = argument_of(expect);
        event.latency = mt_latency_of(run, expect) * 1000;
    }
    fill_early(run, &early);
    run->engine->events.reply(run->engine->ctx, run->session, &early.record, &event);
}
