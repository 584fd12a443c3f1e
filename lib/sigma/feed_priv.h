/* A feed: what one match means for correlations, packed. A head, texts (event.id,
 * lines), then frames; a frame is what one correlation gets: keys, a group each,
 * and values.
 *
 * Ownership: readers point into the bytes. Thread: any. Limits: the constants.
 */
#ifndef MT_SIGMA_FEED_PRIV_H
#define MT_SIGMA_FEED_PRIV_H

#include "base/hash.h"
#include "sigma/correlate.h"
#include "sigma/rule_priv.h"

#define MT_SIGMA_GROUPS_MAX 16u /* of one event: combinations of values of its lists */
#define MT_SIGMA_VALUES_SENT_MAX 64u
#define MT_SIGMA_KEY_TEXT_MAX 96u
#define MT_SIGMA_VALUE_TEXT_MAX 48u

struct mt_sigma_feed_head {
    uint64_t time;
    uint64_t completed;
    struct mt_ip source_ip;
    struct mt_ip destination_ip;
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t sequence;
    uint8_t line_count;
    uint8_t frame_count;
    uint8_t event_id_size;
};

struct mt_sigma_frame_head {
    uint64_t identity;
    uint32_t size; /* of the frame with this head */
    uint8_t ref;
    uint8_t parent;
    uint8_t group_count;
    uint8_t key_count;
    uint8_t value_count;
};

/* In a frame: the paths of the keys (a byte of size, text), then groups, each a hash
 * and texts of its keys, then values, each a number or hash and a text. */
struct mt_sigma_frame {
    struct mt_sigma_frame_head head;
    struct mt_span paths;
    struct mt_span groups;
    struct mt_span values;
};

struct mt_sigma_feed {
    struct mt_sigma_feed_head head;
    struct mt_span bytes;
    struct mt_span event_id;
    struct mt_span lines[MT_SIGMA_FEED_LINES_MAX];
    uint32_t frame_off[MT_SIGMA_ROUTES_MAX];
};

void mt_sigma_feed_open(struct mt_span bytes, struct mt_sigma_feed *ret_feed);
void mt_sigma_frame_open(const struct mt_sigma_feed *feed, uint32_t frame, struct mt_sigma_frame *ret_frame);

/* The next group: its hash, and its texts, one for each key. */
struct mt_hash128 mt_sigma_frame_next_group(struct mt_span *rest, uint32_t key_count,
                                            struct mt_span ret_texts[MT_SIGMA_KEYS_MAX]);
uint64_t mt_sigma_frame_next_value(struct mt_span *rest, struct mt_span *ret_text);
struct mt_span mt_sigma_take_text(struct mt_span *rest);

#endif
