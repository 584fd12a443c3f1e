/* The octets of a part, decoded and searched, whole and in pieces: the results must
 * be the same. The first octets choose the encoding, the pieces and the room. */
#include "fuzz.h"

#include "../unit/smtp/replay.h"
#include "base/codec.h"
#include "message/decode.h"
#include "message/find.h"

#include <stdlib.h>

struct plan {
    uint8_t encoding;
    uint8_t room;      /* beyond the least */
    uint8_t is_html;   /* and the bit above: in UTF-16 */
    uint8_t pieces[5]; /* sizes less one, in turn */
};

struct result {
    struct replay_text decoded;
    struct replay_text urls;
    struct mt_url_finder finder;
    struct mt_label_finder labels;
    struct mt_wide wide;
    bool is_wide;
    uint8_t room;
    uint8_t marker;
    bool is_broken;
};

static void require(bool is_true, const char *what)
{
    if (!is_true)
        replay_broken("contract: %s", what);
}

static void on_url(void *ctx, struct mt_span url, bool is_cut)
{
    struct result *result = ctx;

    require(url.size > 0 && url.size <= MT_URL_MAX, "a URL within its limit");
    require(memchr(url.ptr, ' ', url.size) == NULL && memchr(url.ptr, '\n', url.size) == NULL, "one word");
    replay_put_bytes(&result->urls, url);
    replay_put(&result->urls, is_cut ? "!\n" : "\n");
}

static void search(struct result *result, struct mt_span text)
{
    mt_label_find(&result->labels, text);
    require(result->labels.before_size <= MT_LABEL_WINDOW, "a label within its window");
    mt_url_find(&result->finder, text, on_url, result);
}

static void find_wide(struct result *result, struct mt_span bytes)
{
    uint8_t storage[8 + UINT8_MAX];

    while (bytes.size > 0) {
        struct mt_buf text = mt_buf(storage, 8u + result->room);
        size_t taken = mt_wide_take(&result->wide, bytes, &text);
        require(taken > 0 && taken <= bytes.size && !text.overflow, "it goes on");
        require(mt_utf8_valid(mt_buf_span(&text)), "UTF-8 comes out");
        search(result, mt_buf_span(&text));
        bytes = mt_span_from(bytes, taken);
    }
}

static void take_decoded(struct result *result, const struct mt_buf *out)
{
    require(!out->overflow && out->size <= out->cap, "there was room");
    struct mt_span bytes = mt_span(out->ptr, out->size);
    if (bytes.size == 0)
        return;
    replay_put_bytes(&result->decoded, bytes);
    mt_find_marker(&result->marker, bytes);
    if (result->is_wide)
        find_wide(result, bytes);
    else
        search(result, bytes);
}

static void run(struct mt_span bytes, const struct plan *plan, bool is_whole, struct result *result)
{
    struct mt_decode decode;
    size_t room = is_whole ? 65536 : MT_DECODE_ROOM + (size_t)plan->room;
    uint8_t *storage = malloc(room);

    require(storage != NULL, "memory");
    mt_decode_start(&decode, (enum mt_mime_encoding)(plan->encoding % MT_MIME_ENCODING_COUNT));
    mt_url_start(&result->finder, plan->is_html & 1);
    result->is_wide = plan->is_html & 2;
    result->room = is_whole ? UINT8_MAX : plan->room;
    mt_wide_start(&result->wide, mt_span_cstr(plan->is_html & 4 ? "utf-16" : "utf-16le"));
    for (size_t i = 0; bytes.size > 0; i++) {
        size_t size = is_whole ? bytes.size : plan->pieces[i % sizeof(plan->pieces)] + 1u;
        struct mt_span piece = mt_span_head(bytes, size);
        uint8_t *copy = malloc(piece.size);
        require(copy != NULL, "memory");
        memcpy(copy, piece.ptr, piece.size);
        struct mt_span rest = mt_span(copy, piece.size);
        while (rest.size > 0) {
            struct mt_buf out = mt_buf(storage, room);
            size_t taken = mt_decode(&decode, rest, &out);
            require(taken > 0 && taken <= rest.size, "it goes on");
            take_decoded(result, &out);
            rest = mt_span_from(rest, taken);
        }
        free(copy);
        bytes = mt_span_from(bytes, piece.size);
    }
    struct mt_buf out = mt_buf(storage, room);
    mt_decode_finish(&decode, &out);
    take_decoded(result, &out);
    mt_url_finish(&result->finder, on_url, result);
    result->is_broken = decode.is_broken;
    free(storage);
}

static bool is_same(const struct replay_text *a, const struct replay_text *b)
{
    return mt_span_eq(mt_span(a->ptr, a->size), mt_span(b->ptr, b->size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan plan;
    struct result whole = {0}, pieces = {0};

    if (size < sizeof(plan))
        return 0;
    memcpy(&plan, data, sizeof(plan));
    struct mt_span bytes = mt_span(data + sizeof(plan), size - sizeof(plan));
    run(bytes, &plan, true, &whole);
    run(bytes, &plan, false, &pieces);
    require(is_same(&whole.decoded, &pieces.decoded), "the same octets whole and in pieces");
    require(is_same(&whole.urls, &pieces.urls), "the same URLs whole and in pieces");
    require(whole.marker == pieces.marker && whole.is_broken == pieces.is_broken, "the same findings");
    require(whole.labels.seen == pieces.labels.seen, "the same labels whole and in pieces");
    free(whole.decoded.ptr);
    free(whole.urls.ptr);
    free(pieces.decoded.ptr);
    free(pieces.urls.ptr);
    return 0;
}
