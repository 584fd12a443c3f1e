/* The first words of a connection that does not begin like mail, kept until its
 * record is made: then nDPI is asked what they are. They are never written. */
#include "session/other_priv.h"

#include "base/hash.h"

/* --- does it begin like mail? ----------------------------------------------------- */

enum start {
    START_MAIL,
    START_OTHER,
    START_SHORT, /* the rest decides */
};

static enum start start_of_server(struct mt_span bytes)
{
    for (size_t i = 0; i < 3; i++) {
        if (i == bytes.size)
            return START_SHORT;
        if (!mt_ascii_is_digit(bytes.ptr[i]))
            return START_OTHER;
    }
    return START_MAIL;
}

#define WORD_MAX 10u

/* With a verb of SMTP. AUTH is none: FTP has it too, and in SMTP a greeting comes
 * before. */
static enum start start_of_client(struct mt_span bytes)
{
    size_t size = 0;

    while (size < bytes.size && size < WORD_MAX && mt_ascii_is_alpha(bytes.ptr[size]))
        size++;
    if (size == bytes.size && size < WORD_MAX)
        return START_SHORT;
    enum mt_smtp_verb verb = mt_smtp_verb_of(mt_span_head(bytes, size));
    return verb != MT_VERB_UNKNOWN && verb != MT_VERB_AUTH ? START_MAIL : START_OTHER;
}

/* TLS (RFC 8446 §5.1) we read ourselves. */
static enum start start_of(enum mt_side side, struct mt_span bytes)
{
    if (bytes.ptr[0] == 0x16 && bytes.size < 2)
        return START_SHORT;
    if (bytes.ptr[0] == 0x16 && bytes.ptr[1] == 0x03)
        return START_MAIL;
    return side == MT_CLIENT ? start_of_client(bytes) : start_of_server(bytes);
}

/* --- keeping ------------------------------------------------------------------------ */

/* The words of this owner; NULL as owner: a free place of the session's set. */
static struct mt_words *find_words(const struct mt_run *run, const struct mt_session *owner)
{
    uint64_t hash = mt_hash_pair(0, (uint64_t)(uintptr_t)run->session, 0);
    struct mt_words *set =
        &run->engine->others->words[hash % (MT_OTHERS_MAX / MT_OTHERS_SET) * MT_OTHERS_SET];

    for (unsigned i = 0; i < MT_OTHERS_SET; i++) {
        if (set[i].owner == owner)
            return &set[i];
    }
    return NULL;
}

static bool begin_words(struct mt_run *run)
{
    struct mt_words *words = find_words(run, NULL);

    if (words == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_DPI_FULL, 1);
        return false;
    }
    words->owner = run->session;
    words->count = 0;
    return true;
}

void mt_other_free(struct mt_session_engine *engine, const struct mt_session *session)
{
    struct mt_run run = {.engine = engine, .session = (struct mt_session *)(uintptr_t)session};
    struct mt_words *words = find_words(&run, session);

    if (words != NULL)
        words->owner = NULL;
}

static void keep(struct mt_run *run, enum mt_side side, struct mt_span bytes)
{
    struct mt_words *words = find_words(run, run->session);

    if (words == NULL)
        return;
    struct mt_piece *piece = words->count > 0 ? &words->pieces[words->count - 1] : NULL;
    if (piece == NULL || piece->side != side) {
        if (words->count == MT_OTHER_PIECES) {
            run->session->flags &= ~MT_S_OTHER;
            return;
        }
        piece = &words->pieces[words->count++];
        piece->side = (uint8_t)side;
        piece->size = 0;
    }
    bytes = mt_span_head(bytes, MT_OTHER_PIECE_MAX - piece->size);
    if (bytes.size > 0)
        memcpy(piece->bytes + piece->size, bytes.ptr, bytes.size);
    piece->size = (uint8_t)(piece->size + bytes.size);
}

/* What the server has said before. */
static void keep_banner(struct mt_run *run)
{
    struct mt_cursor cursor = mt_store_begin(run->session);
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL && entry->tag != MT_TAG_BANNER) {
    }
    if (entry == NULL)
        return;
    const struct mt_entry_banner *banner = (const struct mt_entry_banner *)entry;
    uint8_t line[MT_OTHER_PIECE_MAX];
    struct mt_buf b = mt_buf(line, sizeof(line));
    mt_buf_put_u64(&b, banner->code);
    mt_buf_put_byte(&b, ' ');
    mt_buf_put_head(&b, mt_span_head(mt_entry_text(banner), sizeof(line) - 8));
    mt_buf_put(&b, "\r\n", 2);
    keep(run, MT_SERVER, mt_buf_span(&b));
}

static uint64_t short_flag(enum mt_side side)
{
    return side == MT_CLIENT ? MT_S_SHORT_CLIENT : MT_S_SHORT_SERVER;
}

/* How the side begins: its first bytes, or these and more. */
static void judge(struct mt_run *run, struct mt_span bytes)
{
    struct mt_session *session = run->session;
    enum start start = start_of(run->side, bytes);

    session->flags &= ~(MT_S_OTHER | short_flag(run->side));
    if (start == START_SHORT)
        session->flags |= short_flag(run->side);
    if (session->flags & (MT_S_SHORT_CLIENT | MT_S_SHORT_SERVER))
        session->flags |= MT_S_OTHER;
    if (start != START_OTHER)
        return;
    session->flags |= MT_S_OTHER | MT_S_OTHER_SEEN;
    if (begin_words(run) && run->side == MT_CLIENT)
        keep_banner(run);
}

static void look(struct mt_run *run, struct mt_span bytes)
{
    struct mt_session *session = run->session;

    if (!(session->flags & MT_S_OTHER_SEEN))
        judge(run, bytes);
    if (!(session->flags & MT_S_OTHER_SEEN))
        return;
    session->flags &= ~short_flag(run->side);
    if (session->flags & MT_S_OTHER)
        keep(run, run->side, bytes);
}

/* A first word that a segment cut lies where lines do that are not whole yet. */
static void put_first_word(const struct mt_run *run, struct mt_buf *b)
{
    const struct mt_session *session = run->session;
    uint64_t flag = run->side == MT_CLIENT ? MT_S_CARRY_CLIENT : MT_S_CARRY_SERVER;

    if (!(session->flags & short_flag(run->side)) || !(session->flags & flag))
        return;
    const struct mt_carry *carry = session->extra->carry[run->side];
    mt_buf_put_head(b, mt_span_head(mt_span(carry->bytes, carry->size), WORD_MAX));
}

size_t mt_other_feed(struct mt_run *run, struct mt_span bytes, bool is_first)
{
    const struct mt_session *session = run->session;
    bool is_looked_at = is_first || (session->flags & (MT_S_OTHER_SEEN | short_flag(run->side))) != 0;
    uint8_t text[MT_OTHER_PIECE_MAX];
    struct mt_buf b = mt_buf(text, sizeof(text));
    size_t before = 0;

    is_looked_at &= !(session->flags & MT_S_MIDSTREAM);
    if (is_looked_at) { /* the carry is gone when the line is fed */
        put_first_word(run, &b);
        before = b.size;
        mt_buf_put_head(&b, bytes);
    }
    size_t taken = run->side == MT_CLIENT ? mt_feed_client(run, bytes) : mt_feed_server(run, bytes);
    if (is_looked_at && taken > 0)
        look(run, mt_span_head(mt_buf_span(&b), before + taken));
    return taken;
}

/* --- asking -------------------------------------------------------------------------- */

/* One side at least does not begin like mail. */
static bool is_odd(const struct mt_other_piece *pieces, size_t count)
{
    bool is_seen[MT_SIDE_COUNT] = {false};

    for (size_t i = 0; i < count; i++) {
        if (!is_seen[pieces[i].side] && start_of(pieces[i].side, pieces[i].bytes) == START_OTHER)
            return true;
        is_seen[pieces[i].side] = true;
    }
    return false;
}

const char *mt_other_name(struct mt_run *run)
{
    struct mt_session_engine *engine = run->engine;
    struct mt_other_piece pieces[MT_OTHER_PIECES];
    const struct mt_words *words = find_words(run, run->session);
    size_t count = words != NULL ? words->count : 0;

    for (size_t i = 0; i < count; i++) {
        const struct mt_piece *piece = &words->pieces[i];
        pieces[i] = (struct mt_other_piece){.side = (enum mt_side)piece->side,
                                            .bytes = mt_span(piece->bytes, piece->size)};
    }
    if (!is_odd(pieces, count) || (engine->other == NULL && mt_other_create(&engine->other) != 0))
        return NULL;
    mt_stats_add(engine->stats, MT_COUNTER_DPI_ASKED, 1);
    const char *name = mt_other_ask(engine->other, pieces, count);
    mt_stats_add(engine->stats, MT_COUNTER_DPI_KNOWN, name != NULL);
    return name;
}
