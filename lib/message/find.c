#include "message/find.h"

#include "base/scan.h"

/* --- the test marker -------------------------------------------------------- */

/* In two pieces, so that no scanner takes the program for the file. */
static const char marker[] = "$EICAR-STANDARD-ANTI"
                             "VIRUS-TEST-FILE!$H+H*";
#define MARKER_SIZE (sizeof(marker) - 1)
#define SECOND_DOLLAR 36u

MT_STATIC_ASSERT(MARKER_SIZE == 41, "as published");

/* The only octet that is there twice, and may begin it anew, is '$'. */
static uint8_t next_state(uint8_t state, uint8_t byte)
{
    if (byte == (uint8_t)marker[state])
        return (uint8_t)(state + 1);
    if (byte == '$')
        return 1;
    return state == SECOND_DOLLAR + 1 && byte == (uint8_t)marker[1] ? 2 : 0;
}

bool mt_find_marker(uint8_t *state, struct mt_span bytes)
{
    size_t at = 0;
    uint8_t now = *state;

    while (at < bytes.size && now < MARKER_SIZE) {
        if (now == 0)
            at += mt_scan_byte(mt_span_from(bytes, at), '$');
        if (at < bytes.size)
            now = next_state(now, bytes.ptr[at++]);
    }
    *state = now;
    return now == MARKER_SIZE;
}

/* --- words before a colon ----------------------------------------------------- */

static bool is_word(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) || byte >= 0x80;
}

/* Behind what is no letter or digit. */
static bool ends_in(struct mt_span before, struct mt_span word)
{
    if (before.size < word.size)
        return false;
    size_t start = before.size - word.size;
    bool is_whole = start == 0 || !is_word(before.ptr[start - 1]);
    return is_whole && mt_span_ieq(mt_span_from(before, start), word);
}

/* The last octets of bytes, behind what came before. */
static void remember(uint8_t *before, uint8_t *size, size_t room, struct mt_span bytes)
{
    if (bytes.size >= room) {
        memcpy(before, bytes.ptr + bytes.size - room, room);
        *size = (uint8_t)room;
        return;
    }
    size_t kept = *size;
    if (kept + bytes.size > room) {
        size_t gone = kept + bytes.size - room;
        memmove(before, before + gone, kept - gone);
        kept -= gone;
    }
    if (bytes.size > 0)
        memcpy(before + kept, bytes.ptr, bytes.size);
    *size = (uint8_t)(kept + bytes.size);
}

/* --- labels ------------------------------------------------------------------- */

enum {
    LABEL_COMPUTER = 1 << 0,
    LABEL_USER = 1 << 1,
    LABEL_SYSTEM = 1 << 2,
    LABEL_CPU = 1 << 3,
    LABEL_RAM = 1 << 4,
    LABEL_ADDRESS = 1 << 5,
    LABEL_COUNTRY = 1 << 6,
    LABEL_TIME = 1 << 7,
    LABEL_PLACE = 1 << 8,
    LABEL_LOGIN = 1 << 9,
    LABEL_PASSWORD = 1 << 10,
    LABEL_PROGRAM = 1 << 11,
};
#define HOST_LABELS                                                                                       \
    (LABEL_COMPUTER | LABEL_USER | LABEL_SYSTEM | LABEL_CPU | LABEL_RAM | LABEL_ADDRESS | LABEL_COUNTRY | \
     LABEL_TIME)
#define HOST_LABELS_LEAST 4

/* As Agent Tesla, Snake, HawkEye, MassLogger and tools that show passwords write them;
 * "Date and Time" ends in "Time". */
static const struct {
    const char *text;
    uint16_t bit;
} labels[] = {
    {"computer name", LABEL_COMPUTER},
    {"pc name", LABEL_COMPUTER},
    {"client name", LABEL_COMPUTER},
    {"machine name", LABEL_COMPUTER},
    {"user name", LABEL_USER},
    {"osfullname", LABEL_SYSTEM},
    {"operating system", LABEL_SYSTEM},
    {"os name", LABEL_SYSTEM},
    {"os", LABEL_SYSTEM},
    {"windows version", LABEL_SYSTEM},
    {"cpu", LABEL_CPU},
    {"processor", LABEL_CPU},
    {"ram", LABEL_RAM},
    {"ip address", LABEL_ADDRESS},
    {"ip", LABEL_ADDRESS},
    {"country name", LABEL_COUNTRY},
    {"country", LABEL_COUNTRY},
    {"time", LABEL_TIME},
    {"url", LABEL_PLACE},
    {"host", LABEL_PLACE},
    {"website", LABEL_PLACE},
    {"username", LABEL_LOGIN},
    {"usr", LABEL_LOGIN},
    {"login", LABEL_LOGIN},
    {"password", LABEL_PASSWORD},
    {"pswd", LABEL_PASSWORD},
    {"pass", LABEL_PASSWORD},
    {"application", LABEL_PROGRAM},
    {"found from", LABEL_PROGRAM},
    {"browser", LABEL_PROGRAM},
};

static uint16_t label_of(struct mt_span before)
{
    while (before.size > 0 && (before.ptr[before.size - 1] == ' ' || before.ptr[before.size - 1] == '\t'))
        before.size--;
    for (size_t i = 0; i < MT_ARRAY_COUNT(labels); i++) {
        if (ends_in(before, mt_span_cstr(labels[i].text)))
            return labels[i].bit;
    }
    return 0;
}

void mt_label_find(struct mt_label_finder *finder, struct mt_span text)
{
    while (text.size > 0) {
        size_t colon = mt_scan_byte(text, ':');
        remember(finder->before, &finder->before_size, sizeof(finder->before), mt_span_head(text, colon));
        if (colon == text.size)
            return;
        finder->seen |= label_of(mt_span(finder->before, finder->before_size));
        finder->before_size = 0; /* a colon is no word's */
        text = mt_span_from(text, colon + 1);
    }
}

bool mt_label_is_host_report(const struct mt_label_finder *finder)
{
    unsigned count = 0;

    for (unsigned host = finder->seen & HOST_LABELS; host != 0; host &= host - 1)
        count++;
    return (finder->seen & LABEL_COMPUTER) && count >= HOST_LABELS_LEAST;
}

bool mt_label_is_credentials(const struct mt_label_finder *finder)
{
    unsigned seen = finder->seen;
    return (seen & LABEL_PLACE) && (seen & (LABEL_LOGIN | LABEL_USER)) && (seen & LABEL_PASSWORD) &&
           (seen & LABEL_PROGRAM);
}

/* --- URLs ------------------------------------------------------------------- */

enum url_state {
    URL_SEEK,    /* no colon that could be a scheme's */
    URL_SLASHES, /* behind the colon: url[] holds what came so far */
    URL_INSIDE,
};

static const char *const schemes[] = {"https", "http", "ftp"};

void mt_url_start(struct mt_url_finder *finder, bool is_html)
{
    memset(finder, 0, offsetof(struct mt_url_finder, url));
    finder->is_html = is_html;
}

static bool ends_url(const struct mt_url_finder *finder, uint8_t byte)
{
    return byte <= ' ' || byte == 0x7f || byte == '<' || byte == '>' || byte == '"' ||
           (byte == '\'' && finder->is_html);
}

/* The scheme that before[] ends in, absent if none. */
static struct mt_span scheme_of(const struct mt_url_finder *finder)
{
    struct mt_span before = mt_span(finder->before, finder->before_size);

    for (size_t i = 0; i < MT_ARRAY_COUNT(schemes); i++) {
        struct mt_span scheme = mt_span_cstr(schemes[i]);
        if (ends_in(before, scheme))
            return mt_span_from(before, before.size - scheme.size);
    }
    return mt_span_none();
}

static void put(struct mt_url_finder *finder, struct mt_span bytes)
{
    struct mt_span kept = mt_span_head(bytes, MT_URL_MAX - finder->size);

    if (kept.size > 0)
        memcpy(finder->url + finder->size, kept.ptr, kept.size);
    finder->size = (uint16_t)(finder->size + kept.size);
    finder->is_cut |= kept.size < bytes.size;
}

static void restart(struct mt_url_finder *finder)
{
    finder->state = URL_SEEK;
    finder->size = 0;
    finder->is_cut = false;
    finder->before_size = 0;
}

/* Up to a colon behind a scheme. Returns how many octets are done with. */
static size_t seek(struct mt_url_finder *finder, struct mt_span bytes)
{
    size_t colon = mt_scan_byte(bytes, ':');

    remember(finder->before, &finder->before_size, sizeof(finder->before), mt_span_head(bytes, colon));
    if (colon == bytes.size)
        return bytes.size;
    struct mt_span scheme = scheme_of(finder);
    if (scheme.ptr == NULL) {
        finder->before_size = 0; /* a colon is no word's */
        return colon + 1;
    }
    put(finder, scheme);
    put(finder, mt_span(":", 1));
    finder->state = URL_SLASHES;
    return colon + 1;
}

static size_t take_slash(struct mt_url_finder *finder, uint8_t byte)
{
    if (byte != '/') {
        restart(finder);
        return 0;
    }
    put(finder, mt_span("/", 1));
    if (finder->url[finder->size - 2] == '/')
        finder->state = URL_INSIDE;
    return 1;
}

/* A sentence's, not the URL's. A bracket that the URL opened is its own. */
static struct mt_span without_punctuation(struct mt_span url)
{
    static const char punctuation[] = ".,;:!?]}'"; /* and its zero, which no URL holds */
    bool has_bracket = memchr(url.ptr, '(', url.size) != NULL;

    while (url.size > 0) {
        uint8_t last = url.ptr[url.size - 1];
        bool is_bracket = last == ')' && !has_bracket;
        if (!is_bracket && memchr(punctuation, last, sizeof(punctuation)) == NULL)
            break;
        url.size--;
    }
    return url;
}

static void give(struct mt_url_finder *finder, mt_url_found *found, void *ctx)
{
    struct mt_span url = mt_span(finder->url, finder->size);
    size_t slash = mt_scan_byte(url, '/');

    if (!finder->is_cut)
        url = without_punctuation(url);
    if (url.size > slash + 2) /* more than a scheme and its slashes */
        found(ctx, url, finder->is_cut);
    restart(finder);
}

static size_t take_url(struct mt_url_finder *finder, struct mt_span bytes, mt_url_found *found, void *ctx)
{
    size_t size = 0;

    while (size < bytes.size && !ends_url(finder, bytes.ptr[size]))
        size++;
    put(finder, mt_span_head(bytes, size));
    if (size < bytes.size)
        give(finder, found, ctx);
    return size;
}

void mt_url_find(struct mt_url_finder *finder, struct mt_span bytes, mt_url_found *found, void *ctx)
{
    size_t at = 0;

    while (at < bytes.size) {
        struct mt_span rest = mt_span_from(bytes, at);
        if (finder->state == URL_SEEK)
            at += seek(finder, rest);
        else if (finder->state == URL_SLASHES)
            at += take_slash(finder, rest.ptr[0]);
        else
            at += take_url(finder, rest, found, ctx);
    }
}

void mt_url_finish(struct mt_url_finder *finder, mt_url_found *found, void *ctx)
{
    if (finder->state == URL_INSIDE)
        give(finder, found, ctx);
}
