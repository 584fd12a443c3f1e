/* Regular expressions before they are compiled: how large they are, and how long
 * they may take.
 *
 * Ownership: none. Thread: any, while loading. Limits: the constants. An expression
 * that is larger is refused; what Hyperscan gets is bounded, too, for it takes up to
 * milliseconds for a hundred of the size.
 */
#ifndef MT_SIGMA_REGEX_PRIV_H
#define MT_SIGMA_REGEX_PRIV_H

#include "sigma/rule_priv.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>

/* Characters and ways between them, once repetitions are written out. */
#define MT_SIGMA_REGEX_SIZE_MAX 16384u
#define MT_SIGMA_REGEX_SCAN_MAX 4096u  /* for Hyperscan; larger ones are PCRE2's */
#define MT_SIGMA_REGEX_SMALL 256u      /* so many are not counted */
#define MT_SIGMA_REGEX_SCAN_ALL 65536u /* of a set, but the small ones */
#define MT_SIGMA_REGEX_SHORT_TEXT 256u /* expressions of which not even these are short go to Hyperscan */

/* Backtracking over one text, from all places together, and from each at least; what
 * needs more is no match, and counted. A JIT counts few of its steps: jit_text_max
 * bounds them. */
#define MT_SIGMA_REGEX_STEPS_MAX (UINT32_C(1) << 18)
#define MT_SIGMA_REGEX_STEPS_MIN 256u
#define MT_SIGMA_REGEX_JIT_STEPS_MAX (UINT32_C(1) << 24)

/* is_known: else it holds what is not read here, and may take any time. is_anchored:
 * a match begins where the text does. jit_text_max: longer texts may take
 * backtracking too long to be left to a JIT, which does not count its steps. */
struct mt_sigma_regex_size {
    uint64_t size;
    uint32_t jit_text_max;
    bool is_known;
    bool is_anchored;
};

/* Of an expression that PCRE2 takes. */
struct mt_sigma_regex_size mt_sigma_regex_measure(struct mt_span regex, uint8_t flags);

/* One that PCRE2 takes, and that is not too large: 0, or -EINVAL with a sentence. */
int mt_sigma_regex_check(struct mt_span regex, uint8_t flags, char *ret_error, size_t error_size);
pcre2_code *mt_sigma_regex_compile(struct mt_span regex, uint8_t flags, int *ret_error, size_t *ret_off);

#endif
