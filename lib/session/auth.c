/* AUTH (RFC 4954): mechanism, user, outcome. Responses are decoded in a stack
 * buffer for the user name alone, and the buffer is wiped; nothing else of them
 * is kept or shown (DESIGN rule 10). */
#include "base/codec.h"
#include "base/endian.h"
#include "session/parts_priv.h"

/* RFC 4422 §3.1: at most 20 letters, digits, '-' and '_'. */
#define MECHANISM_MAX 20u
/* Longer responses (Kerberos tickets) are not decoded. */
#define DECODED_MAX 4096u
#define USER_MAX 512u

enum mechanism {
    MECHANISM_OTHER,
    MECHANISM_PLAIN,
    MECHANISM_LOGIN,
    MECHANISM_CRAM_MD5,
    MECHANISM_XOAUTH2,
    MECHANISM_OAUTHBEARER,
    MECHANISM_NTLM,
};

/* mt_extra.auth_flags */
enum {
    AUTH_ABORTED = 1 << 0,
    AUTH_HAS_USER = 1 << 1,
    AUTH_ASKED_SECRET = 1 << 2, /* the last challenge of LOGIN asked for a password */
    AUTH_ASKED_USER = 1 << 3,   /* ... for a name */
    AUTH_ANSWERED = 1 << 4,     /* there was a response */
};

void mt_wipe(void *bytes, size_t size)
{
    memset(bytes, 0, size);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* --- what the command names ------------------------------------------------- */

static bool is_mechanism_byte(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) || byte == '-' || byte == '_';
}

struct mt_span mt_auth_mechanism(struct mt_span argument)
{
    size_t size = 0;

    while (size < argument.size && is_mechanism_byte(argument.ptr[size]))
        size++;
    bool ends = size == argument.size || argument.ptr[size] == ' ' || argument.ptr[size] == '\t';
    return size > 0 && size <= MECHANISM_MAX && ends ? mt_span_head(argument, size) : mt_span_none();
}

static enum mechanism mechanism_of(struct mt_span name)
{
    static const char *const names[] = {
        [MECHANISM_PLAIN] = "PLAIN",
        [MECHANISM_LOGIN] = "LOGIN",
        [MECHANISM_CRAM_MD5] = "CRAM-MD5",
        [MECHANISM_XOAUTH2] = "XOAUTH2",
        [MECHANISM_OAUTHBEARER] = "OAUTHBEARER",
        [MECHANISM_NTLM] = "NTLM",
    };

    for (unsigned i = MECHANISM_PLAIN; i < MT_ARRAY_COUNT(names); i++) {
        if (mt_span_ieq_cstr(name, names[i]))
            return (enum mechanism)i;
    }
    return MECHANISM_OTHER;
}

/* Single words where an AUTH exchange may have gone another way than it seems:
 * nobody's business. */
bool mt_auth_may_be_secret(const struct mt_session *session, const struct mt_smtp_command *command)
{
    const struct mt_extra *extra = session->extra;
    bool is_lacking = extra != NULL && (extra->missing[MT_CLIENT] > 0 || extra->missing[MT_SERVER] > 0);
    bool is_uncertain =
        is_lacking || (session->flags & (MT_S_MIDSTREAM | MT_S_AUTH_SEEN)) || mt_is_one_way(session);

    return (session->flags & MT_S_AUTH_OPEN) || (is_uncertain && command->argument.size == 0);
}

/* --- user names ------------------------------------------------------------- */

static void keep_user(struct mt_run *run, struct mt_span user)
{
    struct mt_extra *extra = run->session->extra;
    struct mt_entry_user *entry;

    if (extra->auth == NULL || user.size == 0)
        return;
    extra->auth_flags |= AUTH_HAS_USER;
    user = mt_keep(run, user, mt_min_u64(USER_MAX, run->engine->limits.text_max), MT_CUT_AUTH_USER);
    entry = mt_store_put(run, MT_TAG_USER, sizeof(*entry), user, false);
    if (entry == NULL)
        mt_cut(run, MT_CUT_AUTH_USER);
}

/* RFC 4616: [authzid] NUL authcid NUL passwd */
static struct mt_span user_of_plain(struct mt_span decoded)
{
    const uint8_t *first = decoded.size > 0 ? memchr(decoded.ptr, 0, decoded.size) : NULL;

    if (first == NULL)
        return mt_span_none();
    struct mt_span rest = mt_span_from(decoded, (size_t)(first - decoded.ptr) + 1);
    const uint8_t *second = rest.size > 0 ? memchr(rest.ptr, 0, rest.size) : NULL;
    return second == NULL ? mt_span_none() : mt_span_head(rest, (size_t)(second - rest.ptr));
}

/* RFC 2195: user SP digest */
static struct mt_span user_of_cram(struct mt_span decoded)
{
    size_t size = decoded.size;

    while (size > 0 && decoded.ptr[size - 1] != ' ')
        size--;
    return size == 0 ? mt_span_none() : mt_span_head(decoded, size - 1);
}

/* "user=" name ^A "auth=Bearer " token ^A ^A */
static struct mt_span user_of_xoauth2(struct mt_span decoded)
{
    if (!mt_span_istarts(decoded, "user="))
        return mt_span_none();
    struct mt_span rest = mt_span_from(decoded, 5);
    const uint8_t *end = rest.size > 0 ? memchr(rest.ptr, 1, rest.size) : NULL;
    return end == NULL ? mt_span_none() : mt_span_head(rest, (size_t)(end - rest.ptr));
}

/* RFC 7628 §3.1: gs2-header "n,a=" name "," ... */
static struct mt_span user_of_oauthbearer(struct mt_span decoded)
{
    if (!mt_span_istarts(decoded, "n,a="))
        return mt_span_none();
    struct mt_span rest = mt_span_from(decoded, 4);
    const uint8_t *end = rest.size > 0 ? memchr(rest.ptr, ',', rest.size) : NULL;
    return end == NULL ? mt_span_none() : mt_span_head(rest, (size_t)(end - rest.ptr));
}

static struct mt_span ntlm_field(struct mt_span message, size_t at)
{
    size_t size = mt_load_le16(message.ptr + at);
    size_t off = mt_load_le32(message.ptr + at + 4);

    if (off > message.size || size > message.size - off)
        return mt_span_none();
    return mt_span(message.ptr + off, size);
}

static void put_utf16(struct mt_buf *b, struct mt_span text)
{
    for (size_t i = 0; i + 1 < text.size; i += 2) {
        uint32_t unit = mt_load_le16(text.ptr + i);
        bool is_pair = unit >= 0xd800 && unit < 0xdc00 && i + 3 < text.size;
        uint32_t low = is_pair ? mt_load_le16(text.ptr + i + 2) : 0;
        if (low >= 0xdc00 && low < 0xe000) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        }
        mt_utf8_put(b, unit);
    }
}

/* MS-NLMP §2.2.1.3, the AUTHENTICATE message: domain and user as they stand in
 * it, in UTF-16LE when bit 0 of its flags says so. */
static struct mt_span user_of_ntlm(struct mt_span message, struct mt_buf *text)
{
    if (message.size < 64 || memcmp(message.ptr, "NTLMSSP", 8) != 0 || mt_load_le32(message.ptr + 8) != 3)
        return mt_span_none();
    bool is_unicode = mt_load_le32(message.ptr + 60) & 1;
    struct mt_span parts[2] = {ntlm_field(message, 28), ntlm_field(message, 36)};
    if (parts[1].size == 0)
        return mt_span_none();
    for (int i = 0; i < 2; i++) {
        if (is_unicode)
            put_utf16(text, mt_span_head(parts[i], USER_MAX));
        else
            mt_buf_put_head(text, mt_span_head(parts[i], USER_MAX));
        if (i == 0 && parts[0].size > 0)
            mt_buf_put_byte(text, '\\');
    }
    return mt_buf_span(text);
}

/* LOGIN sends the name first, or when it is asked for; anything else may be the
 * password. */
static bool may_name_user(struct mt_extra *extra)
{
    bool is_first = !(extra->auth_flags & AUTH_ANSWERED);
    bool is_asked = extra->auth_flags & AUTH_ASKED_USER;

    extra->auth_flags |= AUTH_ANSWERED;
    if (extra->auth_flags & AUTH_HAS_USER)
        return false;
    if (extra->auth_mechanism != MECHANISM_LOGIN)
        return true;
    return (is_first || is_asked) && !(extra->auth_flags & AUTH_ASKED_SECRET);
}

static void take_user(struct mt_run *run, struct mt_span response)
{
    struct mt_extra *extra = run->session->extra;
    uint8_t bytes[DECODED_MAX];
    uint8_t name[4 * USER_MAX];
    struct mt_buf decoded = mt_buf(bytes, sizeof(bytes));
    struct mt_buf text = mt_buf(name, sizeof(name));
    struct mt_span user = mt_span_none();

    if (!may_name_user(extra))
        return;
    if (mt_base64_decode(response, &decoded)) {
        switch (extra->auth_mechanism) {
        case MECHANISM_PLAIN:
            user = user_of_plain(mt_buf_span(&decoded));
            break;
        case MECHANISM_LOGIN:
            user = mt_buf_span(&decoded);
            break;
        case MECHANISM_CRAM_MD5:
            user = user_of_cram(mt_buf_span(&decoded));
            break;
        case MECHANISM_XOAUTH2:
            user = user_of_xoauth2(mt_buf_span(&decoded));
            break;
        case MECHANISM_OAUTHBEARER:
            user = user_of_oauthbearer(mt_buf_span(&decoded));
            break;
        case MECHANISM_NTLM:
            user = user_of_ntlm(mt_buf_span(&decoded), &text);
            break;
        default:
            break;
        }
    }
    keep_user(run, user);
    mt_wipe(bytes, sizeof(bytes));
    mt_wipe(name, sizeof(name));
}

/* --- the exchange ----------------------------------------------------------- */

static struct mt_entry_auth *keep_auth(struct mt_run *run, struct mt_extra *extra, struct mt_span mechanism)
{
    uint8_t name[MECHANISM_MAX];
    struct mt_entry_auth *entry = NULL;

    for (size_t i = 0; i < mechanism.size; i++)
        name[i] = mt_ascii_upper(mechanism.ptr[i]);
    if (extra->auths < run->engine->limits.auths_max)
        entry = mt_store_put(run, MT_TAG_AUTH, sizeof(*entry), mt_span(name, mechanism.size), false);
    if (entry == NULL)
        mt_cut(run, MT_CUT_AUTH);
    else
        extra->auths++;
    return entry;
}

void mt_auth_command(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = mt_extra(run);
    struct mt_span mechanism = mt_auth_mechanism(command->argument);
    struct mt_span initial = mt_span_trim(mt_span_from(command->argument, mechanism.size));

    if (session->flags & MT_S_AUTHED)
        mt_anomaly(run, MT_ANOMALY_AUTH_TWICE);
    if (session->transactions == 0 && !(session->flags & MT_S_AUTH_SEEN))
        mt_starttls_clear(run);
    session->flags |= MT_S_AUTH_OPEN | MT_S_AUTH_SEEN;
    if (extra != NULL) {
        extra->auth = keep_auth(run, extra, mechanism);
        extra->auth_mechanism = (uint8_t)mechanism_of(mechanism);
        extra->auth_flags = 0;
    }
    mt_expect_push(run, MT_VERB_AUTH, extra != NULL ? extra->auth : NULL, 0, 0);
    /* What the next line is depends on the reply: a response, or a command. */
    mt_hold(session, MT_VERB_AUTH);
    /* "=" is an empty initial response (RFC 4954 §4). */
    if (extra != NULL && mechanism.size > 0 && initial.size > 0)
        take_user(run, initial);
}

static void abort_exchange(struct mt_extra *extra)
{
    extra->auth_flags |= AUTH_ABORTED;
    if (extra->auth != NULL)
        extra->auth->outcome = MT_AUTH_ABORTED;
}

void mt_auth_response(void *ctx, struct mt_span line, uint32_t octets)
{
    struct mt_run *run = ctx;
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;
    struct mt_span response = mt_span_trim(line);

    mt_text_count(run, octets);
    mt_transcript(run, MT_TRANSCRIPT_SECRET, mt_span_none(), 0);
    if (extra != NULL && response.size == 1 && response.ptr[0] == '*')
        abort_exchange(extra);
    else if (extra != NULL)
        take_user(run, response);
    mt_expect_push(run, MT_WHAT_AUTH_STEP, extra != NULL ? extra->auth : NULL, 0, 0);
    mt_hold(session, MT_VERB_AUTH);
}

/* What LOGIN asks for stands in its challenge, "Username:" or "Password:" as a
 * rule. */
static void read_challenge(struct mt_extra *extra, struct mt_span text)
{
    uint8_t bytes[128];
    struct mt_buf decoded = mt_buf(bytes, sizeof(bytes));

    extra->auth_flags &= (uint8_t) ~(AUTH_ASKED_SECRET | AUTH_ASKED_USER);
    if (!mt_base64_decode(mt_span_trim(text), &decoded))
        return;
    if (mt_span_icontains(mt_buf_span(&decoded), "pass"))
        extra->auth_flags |= AUTH_ASKED_SECRET;
    else if (mt_span_icontains(mt_buf_span(&decoded), "user"))
        extra->auth_flags |= AUTH_ASKED_USER;
}

void mt_auth_reply(struct mt_run *run, struct mt_entry_auth *auth, const struct mt_smtp_reply_line *line,
                   uint32_t reply)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;
    bool is_waiting = session->client.mode == MT_SMTP_HOLD && session->hold == MT_VERB_AUTH;
    bool is_aborted = extra != NULL && (extra->auth_flags & AUTH_ABORTED);

    if (line->code / 100 == 3) {
        if (extra != NULL)
            read_challenge(extra, line->text);
        if (is_waiting)
            mt_resume(run, MT_SMTP_AUTH);
        return;
    }
    session->flags &= ~MT_S_AUTH_OPEN;
    if (auth != NULL) {
        auth->reply = reply;
        auth->outcome = line->code / 100 == 2 ? MT_AUTH_SUCCESS
                        : is_aborted          ? MT_AUTH_ABORTED
                                              : MT_AUTH_FAILURE;
    }
    if (extra != NULL)
        extra->auth = NULL;
    if (line->code / 100 == 2) {
        session->flags |= MT_S_AUTHED;
        session->flags &= ~MT_S_EHLO_OK; /* a security layer asks for EHLO again (RFC 4954 §4) */
    }
    if (is_waiting || session->client.mode == MT_SMTP_AUTH)
        mt_resume(run, MT_SMTP_COMMAND);
}
