/* A feed: what one match means for correlations, packed. A head, event.id, lines,
 * then frames; a frame is what one correlation gets: groups, each of values of its
 * keys, and values. Most feeds are never told of, so what only an alert says is left
 * raw (lines), or found by the correlation then (names of keys).
 *
 * Ownership: readers point into the bytes. Thread: any. Limits: the constants.
 */
#ifndef MT_SIGMA_FEED_PRIV_H
#define MT_SIGMA_FEED_PRIV_H

#include "base/hash.h"
#include "sigma/correlate.h"
#include "sigma/rule_priv.h"

#define MT_SIGMA_FEED_FIELDS 8u /* of all routes of a rule: as many are looked at once an event */
#define MT_SIGMA_GROUPS_MAX 16u /* of one event: combinations of values of its lists */
#define MT_SIGMA_VALUES_SENT_MAX 64u
#define MT_SIGMA_KEY_TEXT_MAX 96u
#define MT_SIGMA_VALUE_TEXT_MAX 48u
#define MT_SIGMA_LINE_TEXT_MAX 160u /* bytes of a path and of a value, of which each may become four */
#define MT_SIGMA_LINE_HIDDEN 255u   /* for the size of a value */
#define MT_SIGMA_LINE_SIZE 255u     /* once it is text */

struct mt_sigma_feed_head {
    uint64_t time;
    uint64_t completed;
    struct mt_ip source_ip;
    struct mt_ip destination_ip;
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t sequence;
    uint16_t frames_off;
    uint8_t line_count;
    uint8_t frame_count;
    uint8_t event_id_size;
    uint8_t events; /* matches that it stands for: mt_sigma_feed_join */
};

struct mt_sigma_frame_head {
    uint64_t identity;
    uint16_t size; /* of the frame with this head */
    uint16_t groups_size;
    uint16_t place; /* where the correlation stands in the set, most likely */
    uint8_t ref;
    uint8_t parent;
    uint8_t group_count;
    uint8_t key_count;
    uint8_t value_count;
    uint8_t unused[5];
};

/* In a frame: groups, each a hash and texts of its keys (a byte of size, text), then
 * values, each a number or hash and a text. */
struct mt_sigma_frame {
    struct mt_sigma_frame_head head;
    struct mt_span groups;
    struct mt_span values;
};

struct mt_sigma_feed {
    struct mt_sigma_feed_head head;
    struct mt_span bytes;
    struct mt_span event_id;
    struct mt_span lines; /* each a path and a value */
    uint32_t frame_off[MT_SIGMA_ROUTES_MAX];
};

/* The feed with one match more of its rule, at the same time and with the same
 * groups; false: no room. */
bool mt_sigma_feed_join(const struct mt_sigma_match *match, const struct mt_sigma_feed_more *more,
                        struct mt_span feed, struct mt_buf *ret_feed);

/* What a correlation groups by, of events that come by this reference. */
const char *mt_sigma_key_path(const struct mt_sigma_loaded *of, uint32_t ref, uint32_t key);

void mt_sigma_feed_open(struct mt_span bytes, struct mt_sigma_feed *ret_feed);
/* The head of a frame alone. */
struct mt_sigma_frame_head mt_sigma_frame_head(const struct mt_sigma_feed *feed, uint32_t frame);
void mt_sigma_frame_open(const struct mt_sigma_feed *feed, uint32_t frame, struct mt_sigma_frame *ret_frame);

/* The next group: its hash, and its texts, one for each key. */
struct mt_hash128 mt_sigma_frame_next_group(struct mt_span *rest, uint32_t key_count,
                                            struct mt_span ret_texts[MT_SIGMA_KEYS_MAX]);
uint64_t mt_sigma_frame_next_value(struct mt_span *rest, struct mt_span *ret_text);
struct mt_span mt_sigma_take_text(struct mt_span *rest);
/* A line for feed->lines; and the next of them, as text. */
void mt_sigma_line_put(struct mt_buf *b, const struct mt_sigma_feed_line *line);
void mt_sigma_line_next(const struct mt_sigma_feed *feed, struct mt_span *rest, struct mt_buf *ret_text);

#endif
