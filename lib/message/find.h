/* What is looked for in the decoded octets of a part, in pieces: the test marker
 * of virus scanners, labels as stealers of passwords write them, and URLs; for both
 * UTF-16 is made UTF-8. One pass each, linear whatever stands there.
 *
 * Ownership: state is the caller's; spans live for the call. Thread: one a state.
 * Limits: MT_URL_MAX octets of a URL; what is behind them is left out.
 */
#ifndef MT_MESSAGE_FIND_H
#define MT_MESSAGE_FIND_H

#include "base/buf.h"

/* Looks for the marker of the EICAR test file from its dollar sign on: variants of
 * the file differ in what stands before. state starts as 0. True: it has been found,
 * and nothing more need be asked. */
bool mt_find_marker(uint8_t *state, struct mt_span bytes);

#define MT_LABEL_WINDOW 24u /* octets before a colon that are looked at */

/* Labels are words before a colon: "Computer Name: PC-7". Zeros to begin with. */
struct mt_label_finder {
    uint16_t seen;
    uint8_t before_size;
    uint8_t before[MT_LABEL_WINDOW];
};

void mt_label_find(struct mt_label_finder *finder, struct mt_span text);
/* Four labels of a machine, its name among them: who uses it, its system, processor,
 * memory, address, country, clock. */
bool mt_label_is_host_report(const struct mt_label_finder *finder);
/* Where to log in, as whom, with which password, and the program that knew it. */
bool mt_label_is_credentials(const struct mt_label_finder *finder);

#define MT_URL_MAX 480u
#define MT_URL_SCHEME_MAX 5u

struct mt_url_finder {
    uint16_t size; /* of url[] in use */
    uint8_t state;
    uint8_t before_size; /* octets before a piece that may be a scheme */
    uint8_t before[MT_URL_SCHEME_MAX + 1];
    bool is_html;
    bool is_cut; /* the URL is longer than its room */
    uint8_t url[MT_URL_MAX];
};

/* A URL as it stands there: nothing is decoded or made safe. */
typedef void mt_url_found(void *ctx, struct mt_span url, bool is_cut);

/* is_html: an apostrophe ends a URL, as it may be an attribute's. */
void mt_url_start(struct mt_url_finder *finder, bool is_html);

/* http, https and ftp, in any case, behind what is no letter or digit; up to what
 * no URL holds: blanks, controls, angle brackets, quotes. Of what stands in a
 * sentence its punctuation at the end is left out. */
void mt_url_find(struct mt_url_finder *finder, struct mt_span bytes, mt_url_found *found, void *ctx);

/* Text in UTF-16 (RFC 2781). */
struct mt_wide {
    uint16_t high; /* of a surrogate pair, 0: none */
    uint8_t order;
    uint8_t first; /* octet of a unit */
    bool has_first;
};

/* False: the charset is another. */
bool mt_wide_start(struct mt_wide *wide, struct mt_span charset);
/* Appends; returns how many octets were taken, all of them or until ret_utf8 has less
 * than 8 octets left. Marks of order are left out; what is no text is U+FFFD. */
size_t mt_wide_take(struct mt_wide *wide, struct mt_span bytes, struct mt_buf *ret_utf8);

/* The part has ended. */
void mt_url_finish(struct mt_url_finder *finder, mt_url_found *found, void *ctx);

#endif
