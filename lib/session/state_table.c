/* What a command may do in which state. Everything that is not opened here is
 * command_out_of_order, or the more telling name that stands in its cell. */
#include "session/parts_priv.h"

enum {
    DENIED = 0, /* command_out_of_order */
    OK = 1,
    ANOMALY = 2, /* and above: that anomaly */
};
#define NAMED(anomaly) (ANOMALY + MT_ANOMALY_##anomaly)

MT_STATIC_ASSERT(ANOMALY + MT_ANOMALY_COUNT <= UINT8_MAX, "a cell is a byte");

/* Columns, in the order of enum mt_state: CONNECTED is judged by who spoke
 * first (early_talker, in replies.c), QUIT and LOST are the same in all rows. */
struct row {
    uint8_t greeted;
    uint8_t refused;
    uint8_t ready;
    uint8_t mail;
    uint8_t rcpt;
    uint8_t data;
    uint8_t bdat;
};

static const struct row rows[MT_VERB_COUNT] = {
    /* RFC 5321 §4.1.4: a session begins with EHLO or HELO; a later one resets.
     * §3.1: behind a refusal only QUIT. RFC 3030 §2: a chunk sequence that is
     * left without LAST was not finished. */
    [MT_VERB_EHLO] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = NAMED(BDAT_INCOMPLETE)},
    [MT_VERB_HELO] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = NAMED(BDAT_INCOMPLETE)},
    /* RFC 2033 §4.1 */
    [MT_VERB_LHLO] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = NAMED(BDAT_INCOMPLETE)},

    /* RFC 5321 §4.1.4: MAIL needs a greeting and no transaction. */
    [MT_VERB_MAIL] = {.greeted = NAMED(MAIL_BEFORE_GREETING),
                      .ready = OK,
                      .mail = NAMED(NESTED_MAIL),
                      .rcpt = NAMED(NESTED_MAIL),
                      .bdat = NAMED(NESTED_MAIL)},
    /* RFC 821 §3.4: in the place of MAIL */
    [MT_VERB_SEND] = {.greeted = NAMED(MAIL_BEFORE_GREETING),
                      .ready = OK,
                      .mail = NAMED(NESTED_MAIL),
                      .rcpt = NAMED(NESTED_MAIL),
                      .bdat = NAMED(NESTED_MAIL)},
    [MT_VERB_SOML] = {.greeted = NAMED(MAIL_BEFORE_GREETING),
                      .ready = OK,
                      .mail = NAMED(NESTED_MAIL),
                      .rcpt = NAMED(NESTED_MAIL),
                      .bdat = NAMED(NESTED_MAIL)},
    [MT_VERB_SAML] = {.greeted = NAMED(MAIL_BEFORE_GREETING),
                      .ready = OK,
                      .mail = NAMED(NESTED_MAIL),
                      .rcpt = NAMED(NESTED_MAIL),
                      .bdat = NAMED(NESTED_MAIL)},
    /* RFC 5321 §3.3: one or more RCPT behind MAIL. RFC 3030 §2: none behind BDAT. */
    [MT_VERB_RCPT] = {.greeted = NAMED(RCPT_BEFORE_MAIL),
                      .ready = NAMED(RCPT_BEFORE_MAIL),
                      .mail = OK,
                      .rcpt = OK},
    /* RFC 5321 §3.3: DATA behind RCPT. RFC 3030 §3: not behind BDAT. */
    [MT_VERB_DATA] = {.greeted = NAMED(DATA_BEFORE_RCPT),
                      .ready = NAMED(DATA_BEFORE_RCPT),
                      .mail = NAMED(DATA_BEFORE_RCPT),
                      .rcpt = OK,
                      .bdat = NAMED(DATA_AFTER_BDAT)},
    /* RFC 3030 §2 */
    [MT_VERB_BDAT] = {.greeted = NAMED(DATA_BEFORE_RCPT),
                      .ready = NAMED(DATA_BEFORE_RCPT),
                      .mail = NAMED(DATA_BEFORE_RCPT),
                      .rcpt = OK,
                      .bdat = OK},
    /* RFC 4468 §3.3 */
    [MT_VERB_BURL] = {.greeted = NAMED(DATA_BEFORE_RCPT),
                      .ready = NAMED(DATA_BEFORE_RCPT),
                      .mail = NAMED(DATA_BEFORE_RCPT),
                      .rcpt = OK,
                      .bdat = OK},

    /* RFC 5321 §4.1.4: NOOP, HELP, EXPN, VRFY and RSET at any time, also before
     * EHLO; §4.1.1.10: QUIT at any time. RFC 3030 §2: RSET ends a chunk sequence. */
    [MT_VERB_RSET] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = OK},
    [MT_VERB_NOOP] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = OK},
    [MT_VERB_HELP] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = OK},
    [MT_VERB_VRFY] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = OK},
    [MT_VERB_EXPN] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = OK},
    [MT_VERB_QUIT] =
        {.greeted = OK, .refused = OK, .ready = OK, .mail = OK, .rcpt = OK, .bdat = NAMED(BDAT_INCOMPLETE)},

    /* RFC 4954 §4: not inside a transaction */
    [MT_VERB_AUTH] = {.ready = OK,
                      .mail = NAMED(AUTH_IN_TRANSACTION),
                      .rcpt = NAMED(AUTH_IN_TRANSACTION),
                      .bdat = NAMED(AUTH_IN_TRANSACTION)},
    [MT_VERB_X_EXPS] = {.ready = OK,
                        .mail = NAMED(AUTH_IN_TRANSACTION),
                        .rcpt = NAMED(AUTH_IN_TRANSACTION),
                        .bdat = NAMED(AUTH_IN_TRANSACTION)},
    /* RFC 3207 §4 */
    [MT_VERB_STARTTLS] = {.ready = OK,
                          .mail = NAMED(STARTTLS_IN_TRANSACTION),
                          .rcpt = NAMED(STARTTLS_IN_TRANSACTION),
                          .bdat = NAMED(STARTTLS_IN_TRANSACTION)},
    [MT_VERB_X_ANONYMOUSTLS] = {.ready = OK,
                                .mail = NAMED(STARTTLS_IN_TRANSACTION),
                                .rcpt = NAMED(STARTTLS_IN_TRANSACTION),
                                .bdat = NAMED(STARTTLS_IN_TRANSACTION)},

    /* RFC 1985 §5: not while a transaction goes on. RFC 2645 §4.1, RFC 821 §3.8 */
    [MT_VERB_ETRN] = {.ready = OK},
    [MT_VERB_ATRN] = {.ready = OK},
    [MT_VERB_TURN] = {.ready = OK},
    /* Postfix XCLIENT_README and XFORWARD_README: behind EHLO, outside a transaction */
    [MT_VERB_XCLIENT] = {.ready = OK},
    [MT_VERB_XFORWARD] = {.ready = OK},
    /* sendmail: VERB and ONEX as soon as there is a session. MS-OXSMTP and its kin. */
    [MT_VERB_VERB] = {.greeted = OK, .ready = OK},
    [MT_VERB_ONEX] = {.greeted = OK, .ready = OK},
    [MT_VERB_X_LINK2STATE] = {.ready = OK},
    [MT_VERB_XEXCH50] = {.ready = OK, .rcpt = OK},

    /* These have names of their own, whatever the state (the parser gives them). */
    [MT_VERB_DEBUG] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .data = OK, .bdat = OK},
    [MT_VERB_WIZ] = {.greeted = OK, .ready = OK, .mail = OK, .rcpt = OK, .data = OK, .bdat = OK},
    [MT_VERB_UNKNOWN] =
        {.greeted = OK, .refused = OK, .ready = OK, .mail = OK, .rcpt = OK, .data = OK, .bdat = OK},
};

static uint8_t cell(enum mt_smtp_verb verb, enum mt_state state)
{
    const struct row *row = &rows[verb];

    switch (state) {
    case MT_STATE_CONNECTED: /* as soon as the greeting comes it was too early; else it is missing */
    case MT_STATE_GREETED:
        return row->greeted;
    case MT_STATE_REFUSED:
        return row->refused;
    case MT_STATE_READY:
        return row->ready;
    case MT_STATE_MAIL:
        return row->mail;
    case MT_STATE_RCPT:
        return row->rcpt;
    case MT_STATE_DATA:
        return row->data;
    case MT_STATE_BDAT:
        return row->bdat;
    case MT_STATE_QUIT:
        return NAMED(COMMAND_AFTER_QUIT);
    case MT_STATE_LOST:
    case MT_STATE_COUNT:
        break;
    }
    return OK;
}

/* Whether a transaction is open depends on replies; that there was no RCPT, and
 * before it no MAIL, does not. */
static bool needs_replies(const struct mt_session *session, uint8_t verdict)
{
    bool is_inside = session->state == MT_STATE_MAIL || session->state == MT_STATE_RCPT ||
                     session->state == MT_STATE_BDAT || session->state == MT_STATE_DATA;

    return is_inside && verdict != NAMED(DATA_BEFORE_RCPT);
}

void mt_state_judge(struct mt_run *run, enum mt_smtp_verb verb)
{
    const struct mt_session *session = run->session;
    uint8_t verdict = cell(verb, session->state);

    if (MT_LIKELY(verdict == OK))
        return;
    if (mt_is_one_way(session) && needs_replies(session, verdict))
        return;
    mt_anomaly(run,
               verdict == DENIED ? MT_ANOMALY_COMMAND_OUT_OF_ORDER : (enum mt_anomaly)(verdict - ANOMALY));
}
