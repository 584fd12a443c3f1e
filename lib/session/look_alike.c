/* Sequences in content that another server may take for its end (SMTP smuggling),
 * and what stands behind them: one a message is kept, the first that a command
 * follows, else the last. */
#include "session/look_alike_priv.h"

static const struct {
    const char *start;
    uint8_t verb;
} commands[] = {
    {"MAIL FROM:", MT_VERB_MAIL}, {"RCPT TO:", MT_VERB_RCPT},    {"EHLO ", MT_VERB_EHLO},
    {"HELO ", MT_VERB_HELO},      {"DATA\r", MT_VERB_DATA},      {"DATA\n", MT_VERB_DATA},
    {"BDAT ", MT_VERB_BDAT},      {"XCLIENT ", MT_VERB_XCLIENT},
};

/* Behind the line end that belongs to the sequence. */
struct mt_span mt_look_alike_follows(const struct mt_entry_look_alike *entry)
{
    struct mt_span text = mt_span(entry->bytes, entry->used);

    for (unsigned i = 0; i < 2 && text.size > 0 && (text.ptr[0] == '\r' || text.ptr[0] == '\n'); i++)
        text = mt_span_from(text, 1);
    return text;
}

enum mt_smtp_verb mt_look_alike_command(const struct mt_entry_look_alike *entry)
{
    struct mt_span rest = mt_look_alike_follows(entry);

    while (rest.size > 0) {
        for (size_t i = 0; i < MT_ARRAY_COUNT(commands); i++) {
            if (mt_span_istarts(rest, commands[i].start))
                return (enum mt_smtp_verb)commands[i].verb;
        }
        size_t size = 0;
        while (size < rest.size && rest.ptr[size] != '\n' && rest.ptr[size] != '\r')
            size++;
        rest = mt_span_from(rest, size + 1);
    }
    return MT_VERB_UNKNOWN;
}

/* The sequences in which known servers saw the end come first in their list. */
static bool is_known(uint8_t look_alike)
{
    return look_alike <= MT_LOOK_ALIKE_CR_CR;
}

MT_COLD void mt_look_alike_take(void *ctx, enum mt_smtp_look_alike look_alike, uint64_t off)
{
    struct mt_run *run = ctx;
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->tx != NULL ? mt_extra(run) : NULL;

    if (extra == NULL)
        return;
    struct mt_entry_look_alike *entry = extra->look_alike;
    if (entry == NULL)
        entry = mt_store_put(run, MT_TAG_LOOK_ALIKE, sizeof(*entry), mt_span_none(), false);
    else if (mt_look_alike_command(entry) != MT_VERB_UNKNOWN)
        return;
    if (entry == NULL) {
        mt_cut(run, MT_CUT_MESSAGE);
        return;
    }
    entry->back = extra->back;
    entry->look_alike = (uint8_t)look_alike;
    entry->off = off;
    if (extra->look_alike == NULL || is_known(entry->look_alike) || !is_known(entry->gravest)) {
        entry->gravest = entry->look_alike;
        entry->gravest_off = off;
    }
    entry->used = 0;
    extra->look_alike = entry;
    session->flags |= MT_S_LOOK_ALIKE;
}

MT_COLD void mt_look_alike_feed(struct mt_run *run, struct mt_span bytes)
{
    struct mt_entry_look_alike *entry = run->session->extra->look_alike;
    size_t room = sizeof(entry->bytes) - entry->used;

    bytes = mt_span_head(bytes, room);
    memcpy(entry->bytes + entry->used, bytes.ptr, bytes.size);
    entry->used = (uint16_t)(entry->used + bytes.size);
    if (bytes.size == room)
        run->session->flags &= ~MT_S_LOOK_ALIKE;
}

void mt_look_alike_end(struct mt_session *session)
{
    session->flags &= ~MT_S_LOOK_ALIKE;
    if (session->extra != NULL)
        session->extra->look_alike = NULL;
}
