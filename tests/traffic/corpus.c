#include "corpus.h"

#include <stdlib.h>
#include <string.h>

#define RING_SIZE 262144u
#define LINES_MAX (RING_SIZE / 3)
#define CORPUS_SEED UINT64_C(0x6d61696c746170)

struct ring {
    uint32_t size;
    uint32_t line_count;
    uint32_t *line_start;   /* line_count + 1 entries, the last is size */
    uint32_t *stuffed_upto; /* stuffing dots in the lines before this one */
    uint8_t *bytes;
};

struct mt_corpus {
    struct ring ring[MT_RING_COUNT];
};

static const char *const words[] = {
    "the",     "report",  "of",    "last",    "week", "is",      "attached",  "please",  "read",     "it",
    "before",  "our",     "next",  "meeting", "and",  "send",    "remarks",   "to",      "everyone", "on",
    "list",    "we",      "moved", "servers", "in",   "second",  "building",  "so",      "cables",   "have",
    "changed", "numbers", "from",  "store",   "look", "better",  "than",      "thought", "but",      "two",
    "orders",  "are",     "still", "open",    "with", "regards", "questions", "answer",  "without",  "delay",
};

static const char *const dotted[] = {
    "..",  "...",   "....", "..x", "x.",      "x",      "",
    ".. ", "..\t.", "a.b",  "x..", "...QUIT", "..RSET", "MAIL FROM:<x@y>",
};

static void line_ends(struct ring *ring, bool is_stuffed)
{
    uint32_t n = ring->line_count;

    memcpy(ring->bytes + ring->size, "\r\n", 2);
    ring->size += 2;
    ring->stuffed_upto[n + 1] = ring->stuffed_upto[n] + is_stuffed;
    ring->line_start[n + 1] = ring->size;
    ring->line_count = n + 1;
}

static void put(struct ring *ring, const char *text)
{
    size_t size = strlen(text);

    memcpy(ring->bytes + ring->size, text, size);
    ring->size += (uint32_t)size;
}

static void fill_text(struct ring *ring, struct mt_random *random)
{
    while (ring->size < RING_SIZE - 128) {
        uint32_t start = ring->size;
        uint32_t columns = mt_random_range(random, 30, 72);
        bool is_stuffed = mt_random_permille(random, 15);

        if (mt_random_permille(random, 60)) {
            line_ends(ring, false);
            continue;
        }
        if (is_stuffed)
            put(ring, "..");
        while (ring->size - start < columns) {
            put(ring, words[mt_random_below(random, sizeof(words) / sizeof(words[0]))]);
            ring->bytes[ring->size++] = ' ';
        }
        line_ends(ring, is_stuffed);
    }
}

static void fill_base64(struct ring *ring, struct mt_random *random)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    while (ring->size < RING_SIZE - 128) {
        for (int i = 0; i < 76; i++)
            ring->bytes[ring->size++] = (uint8_t)digits[mt_random_below(random, 64)];
        line_ends(ring, false);
    }
}

static void fill_dots(struct ring *ring, struct mt_random *random)
{
    while (ring->size < RING_SIZE - 128) {
        const char *text = dotted[mt_random_below(random, sizeof(dotted) / sizeof(dotted[0]))];

        put(ring, text);
        line_ends(ring, text[0] == '.');
    }
}

static void fill_random(struct ring *ring, struct mt_random *random)
{
    for (; ring->size < RING_SIZE; ring->size += 8) {
        uint64_t x = mt_random_next(random);

        for (int i = 0; i < 8; i++)
            ring->bytes[ring->size + i] = (uint8_t)(x >> 8 * i);
    }
}

struct mt_corpus *mt_corpus_create(void)
{
    struct mt_corpus *corpus = calloc(1, sizeof(*corpus));
    struct mt_random random;

    if (!corpus)
        return NULL;
    for (int i = 0; i < MT_RING_COUNT; i++) {
        struct ring *ring = &corpus->ring[i];

        ring->bytes = malloc(RING_SIZE);
        ring->line_start = calloc(LINES_MAX, sizeof(uint32_t));
        ring->stuffed_upto = calloc(LINES_MAX, sizeof(uint32_t));
        if (!ring->bytes || !ring->line_start || !ring->stuffed_upto) {
            mt_corpus_destroy(corpus);
            return NULL;
        }
    }
    mt_random_init(&random, CORPUS_SEED, 0);
    fill_text(&corpus->ring[MT_RING_TEXT], &random);
    fill_base64(&corpus->ring[MT_RING_BASE64], &random);
    fill_dots(&corpus->ring[MT_RING_DOTS], &random);
    fill_random(&corpus->ring[MT_RING_RANDOM], &random);
    return corpus;
}

void mt_corpus_destroy(struct mt_corpus *corpus)
{
    if (!corpus)
        return;
    for (int i = 0; i < MT_RING_COUNT; i++) {
        free(corpus->ring[i].bytes);
        free(corpus->ring[i].line_start);
        free(corpus->ring[i].stuffed_upto);
    }
    free(corpus);
}

/* The first line that starts at or behind off. */
static uint32_t line_at(const struct ring *ring, uint32_t off)
{
    uint32_t low = 0;
    uint32_t high = ring->line_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (ring->line_start[middle] < off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct mt_stretch mt_corpus_pick(const struct mt_corpus *corpus, enum mt_ring which, uint32_t want,
                                 struct mt_random *random)
{
    const struct ring *ring = &corpus->ring[which];
    struct mt_stretch stretch = {.ring = which, .size = want};
    uint32_t first, last, rounds;

    if (!ring->line_count) {
        stretch.start = mt_random_below(random, ring->size);
        return stretch;
    }
    /* Upper half excluded, so that `first` never needs to wrap. */
    first = mt_random_below(random, ring->line_count / 2);
    stretch.start = ring->line_start[first];
    rounds = (stretch.start + want) / ring->size;
    last = line_at(ring, (stretch.start + want) % ring->size);
    stretch.size = rounds * ring->size + ring->line_start[last] - stretch.start;
    stretch.stuffed =
        rounds * ring->stuffed_upto[ring->line_count] + ring->stuffed_upto[last] - ring->stuffed_upto[first];
    return stretch;
}

void mt_corpus_copy(const struct mt_corpus *corpus, enum mt_ring which, uint32_t start, uint8_t *ret_bytes,
                    size_t size)
{
    const struct ring *ring = &corpus->ring[which];
    uint32_t off = start % ring->size;

    while (size) {
        size_t part = ring->size - off < size ? ring->size - off : size;

        memcpy(ret_bytes, ring->bytes + off, part);
        ret_bytes += part;
        size -= part;
        off = 0;
    }
}
