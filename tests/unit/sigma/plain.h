/* Parts of the second evaluator of test_random.c: values to the texts that they
 * stand for, and texts against patterns, as slowly and obviously as can be. */
#ifndef TEST_SIGMA_PLAIN_H
#define TEST_SIGMA_PLAIN_H

#include "base/span.h"

#define TEXT_MAX 48u
#define FORMS_MAX 8u /* that one value becomes */

/* What an item asks of a field. */
enum how {
    PLAIN,
    CONTAINS,
    STARTS,
    ENDS,
    WILD,
    REGEX,
    BASE64,
    OFFSET,      /* base64offset|contains */
    WIDE_BASE64, /* wide|base64 */
    BIG_BASE64,  /* utf16be|base64 */
    MARK_OFFSET, /* utf16|base64offset|contains */
    DASHED,      /* windash|contains */
    EXPANDED,
    EXPANDED_ENDS, /* expand|endswith */
    SAME,          /* as another field */
    EXISTS,
    ABSENT,
    MISSING, /* exists: false */
    LESS,
    MORE,
    AT_MOST,
    AT_LEAST,
    NUMBER,
    NETWORK,
    HOW_COUNT
};

/* What %local_domains% stands for. */
#define DOMAINS 2u
extern const char *const domains[DOMAINS];

/* What a wanted value becomes: as many texts, of which any will do. */
struct forms {
    char text[FORMS_MAX][TEXT_MAX * 2];
    unsigned count;
};

void make_forms(struct forms *forms, enum how how, const char *wanted);
/* As base64; skipped: only the characters that follow from bytes behind so many, and
 * UINT32_MAX: all, and what fills it up. */
void add_base64(struct forms *forms, const uint8_t *bytes, unsigned size, unsigned skipped);
bool glob(const char *pattern, const char *text, bool is_cased);
bool is_in_network(const char *network, const char *text);

#endif
