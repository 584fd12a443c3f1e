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

static bool is_word(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) || byte >= 0x80;
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
        if (before.size < scheme.size)
            continue;
        size_t start = before.size - scheme.size;
        bool is_whole = start == 0 || !is_word(before.ptr[start - 1]);
        if (is_whole && mt_span_ieq(mt_span_from(before, start), scheme))
            return mt_span_from(before, start);
    }
    return mt_span_none();
}

/* The last octets of bytes, behind what came before. */
static void remember(struct mt_url_finder *finder, struct mt_span bytes)
{
    const size_t room = sizeof(finder->before);

    if (bytes.size >= room) {
        memcpy(finder->before, bytes.ptr + bytes.size - room, room);
        finder->before_size = (uint8_t)room;
        return;
    }
    size_t kept = finder->before_size;
    if (kept + bytes.size > room) {
        size_t gone = kept + bytes.size - room;
        memmove(finder->before, finder->before + gone, kept - gone);
        kept -= gone;
    }
    if (bytes.size > 0)
        memcpy(finder->before + kept, bytes.ptr, bytes.size);
    finder->before_size = (uint8_t)(kept + bytes.size);
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

    remember(finder, mt_span_head(bytes, colon));
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
