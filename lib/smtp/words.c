/* Verbs and EHLO keywords: the two lists, and the way from a word on the wire
 * to its code. */
#include "smtp/client_priv.h"

/* Room for the longest wire form and at least one zero behind it, in words that
 * are compared at once. */
#define VERB_WORDS 2
#define KEYWORD_WORDS 3

struct verb {
    union {
        char wire[8 * VERB_WORDS];
        uint64_t word[VERB_WORDS];
    };
    const char *field;
    uint8_t size;
    uint8_t flags;
};

struct keyword {
    union {
        char wire[8 * KEYWORD_WORDS];
        uint64_t word[KEYWORD_WORDS];
    };
    uint8_t size;
};

#define ARG_NEEDED MT_VERB_ARG_NEEDED
#define ARG_NONE MT_VERB_ARG_NONE
#define OBSOLETE MT_VERB_OBSOLETE
#define GROUP_END MT_VERB_GROUP_END

static const struct verb verbs[] = {
#define MT_VERB(name, text, member, bits) \
    {.wire = text, .field = member, .size = sizeof(text) - 1, .flags = bits},
#include "smtp/verbs.def"
#undef MT_VERB
};

static const struct keyword keywords[] = {
    {.wire = "", .size = 0},
#define MT_KEYWORD(name, text) {.wire = text, .size = sizeof(text) - 1},
#include "smtp/keywords.def"
#undef MT_KEYWORD
};

#define MT_VERB(name, text, member, bits) \
    MT_STATIC_ASSERT(sizeof(text) <= 8 * VERB_WORDS, "verb " text " needs a wider table");
#include "smtp/verbs.def"
#undef MT_VERB
#define MT_KEYWORD(name, text) \
    MT_STATIC_ASSERT(sizeof(text) <= 8 * KEYWORD_WORDS, "keyword " text " needs a wider table");
#include "smtp/keywords.def"
#undef MT_KEYWORD
MT_STATIC_ASSERT(MT_VERB_UNKNOWN == MT_VERB_COUNT - 1, "UNKNOWN ends the list: it is what no other verb is");
MT_STATIC_ASSERT(MT_KEYWORD_COUNT <= 64, "a session keeps its keywords in one 64-bit word");

unsigned mt_smtp_verb_flags(enum mt_smtp_verb verb)
{
    return verbs[verb].flags;
}

const char *mt_smtp_verb_wire(enum mt_smtp_verb verb)
{
    return verbs[verb].wire;
}

const char *mt_smtp_verb_field(enum mt_smtp_verb verb)
{
    return verbs[verb].field;
}

const char *mt_smtp_keyword_wire(enum mt_smtp_keyword keyword)
{
    return keywords[keyword].wire;
}

/* The word in capitals, zero-padded, as the tables hold theirs. A NUL inside
 * the word can't pass for padding: sizes are compared too. */
static void fold_word(struct mt_span word, uint8_t *folded)
{
    mt_ascii_put_upper(folded, word.ptr, word.size);
}

/* The list is short and its common verbs stand first: two or three compares of
 * 16 bytes are cheaper than any hash of the word. */
enum mt_smtp_verb mt_smtp_verb_of_four(const uint8_t word[4])
{
    uint64_t folded = 0;

    for (unsigned i = 0; i < 4; i++) /* only letters become capitals so */
        ((uint8_t *)&folded)[i] = word[i] & 0xdf;
    for (unsigned verb = 0; verb < MT_VERB_UNKNOWN; verb++) {
        if (verbs[verb].word[0] == folded && verbs[verb].size == 4)
            return (enum mt_smtp_verb)verb;
    }
    return MT_VERB_UNKNOWN;
}

enum mt_smtp_verb mt_smtp_verb_of(struct mt_span word)
{
    uint64_t folded[VERB_WORDS] = {0};

    if (word.size == 0 || word.size >= sizeof(folded))
        return MT_VERB_UNKNOWN;
    fold_word(word, (uint8_t *)folded);
    for (unsigned verb = 0; verb < MT_VERB_UNKNOWN; verb++) {
        const struct verb *v = &verbs[verb];
        if (v->word[0] == folded[0] && v->word[1] == folded[1] && v->size == word.size)
            return (enum mt_smtp_verb)verb;
    }
    return MT_VERB_UNKNOWN;
}

enum mt_smtp_keyword mt_smtp_keyword_of(struct mt_span word)
{
    uint64_t folded[KEYWORD_WORDS] = {0};

    if (word.size == 0 || word.size >= sizeof(folded))
        return MT_KEYWORD_OTHER;
    fold_word(word, (uint8_t *)folded);
    for (unsigned keyword = 1; keyword < MT_KEYWORD_COUNT; keyword++) {
        const struct keyword *k = &keywords[keyword];
        if (k->word[0] == folded[0] && k->word[1] == folded[1] && k->word[2] == folded[2] &&
            k->size == word.size)
            return (enum mt_smtp_keyword)keyword;
    }
    return MT_KEYWORD_OTHER;
}

const char *mt_smtp_look_alike_name(enum mt_smtp_look_alike look_alike)
{
    static const char *const names[] = {
#define MT_LOOK_ALIKE(NAME, name) [MT_LOOK_ALIKE_##NAME] = name,
#include "smtp/look_alikes.def"
#undef MT_LOOK_ALIKE
    };
    return names[look_alike];
}
