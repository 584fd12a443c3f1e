/* What the files of the correlator share: groups (groups.c), their windows
 * (window.c), and feeds that wait (correlate.c).
 *
 * Ownership: the correlator owns groups and feeds; all count against memory_max.
 * Thread: one. Limits: memory_max.
 */
#ifndef MT_SIGMA_CORRELATE_PRIV_H
#define MT_SIGMA_CORRELATE_PRIV_H

#include "sigma/feed_priv.h"
#include "sigma/sketch_priv.h"

#define MT_SIGMA_SHOWN_VALUES 8u
/* What most groups have no more of lies in the group. */
#define MT_SIGMA_OWN_ENTRIES 2u
#define MT_SIGMA_OWN_VALUES 40u /* bytes */
/* Groups fed within one step may give way in any order: to keep the list exact would
 * fetch two more of them for each event. */
#define MT_SIGMA_AGE_STEP UINT64_C(1000000000) /* ns */

/* An event in a window, by type: of event_count its time; of value_count a value and
 * when it came last; of value_sum an event and its sum; of value_percentile a value;
 * of temporal, one for each rule, when it matched last; of temporal_ordered, one for
 * each rule, when the newest chain up to it ended, and (value) began. */
struct mt_sigma_entry {
    uint64_t time;
    uint64_t value;
};

struct mt_sigma_seen {
    uint64_t time;
    struct mt_ip source_ip;
    struct mt_ip destination_ip;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t event_id_size;
    uint8_t event_id[32];
};

struct mt_sigma_group {
    struct mt_sigma_group *next; /* of the same bucket */
    struct mt_sigma_group *newer;
    struct mt_sigma_group *older;
    struct mt_sigma_loaded *of;
    struct mt_hash128 key;
    /* the timer: lies in the heap by heap_time, which may be earlier */
    uint64_t timer;
    uint64_t heap_time;
    uint32_t heap_at;
    bool is_standing; /* the window no longer slides: [start, start + timespan) */
    bool has_fired;
    uint64_t start;
    uint64_t newest; /* latest time of an event in it */
    uint64_t latest; /* order of the event that came last */
    uint64_t events; /* in a standing window */
    uint64_t sum;
    uint64_t mask;                  /* rules that matched */
    uint64_t said;                  /* measure at the latest alert */
    struct mt_sigma_entry *entries; /* own_entries, or memory */
    uint32_t entry_count;
    uint32_t entry_cap;
    uint8_t *sketch;
    uint8_t *values; /* texts of the first values, each behind its size; own_values, or memory */
    uint32_t values_size;
    uint32_t value_count;
    uint8_t *feed; /* the one that came last, of a window that will speak without one */
    uint32_t feed_size;
    uint32_t frame; /* of it */
    uint32_t group_in_frame;
    uint32_t aged; /* when it was put among the newest, in MT_SIGMA_AGE_STEPs */
    struct mt_sigma_seen first;
    struct mt_sigma_entry own_entries[MT_SIGMA_OWN_ENTRIES];
    uint8_t own_values[MT_SIGMA_OWN_VALUES];
};

/* Feeds lie behind each other; a bin goes with the last of them. They come and go
 * by the thousand, nearly in the same order. */
struct mt_sigma_bin {
    uint32_t cap;
    uint32_t used;
    uint32_t live;
    _Alignas(8) uint8_t bytes[];
};

/* Lies before its feed. */

struct mt_sigma_waiting {
    uint64_t order;
    uint64_t time;
    struct mt_sigma_bin *bin;
    const uint8_t *feed;
    uint32_t size;
    uint32_t sequence;
};

/* In the heap. */
struct mt_sigma_turn {
    uint64_t order;
    const struct mt_sigma_waiting *one;
};

struct mt_sigma_correlator {
    const struct mt_sigma *sigma;
    mt_sigma_alarm_fn *alarm;
    void *ctx;
    size_t memory_max;
    struct mt_sigma_correlator_counts counts;
    struct mt_sigma_group **buckets; /* a power of two */
    uint32_t bucket_mask;
    uint64_t bucket_seed; /* keys are the same everywhere, so nobody may know which share a bucket */
    struct mt_sigma_group *newest;
    struct mt_sigma_group *oldest;
    struct mt_sigma_group **timers; /* a heap */
    uint32_t timer_count;
    uint32_t timer_cap;
    struct mt_sigma_turn *waiting; /* a heap */
    uint32_t waiting_count;
    uint32_t waiting_cap;
    struct mt_sigma_bin *bin; /* that is being filled */
    size_t bin_size;          /* of all */
    uint64_t advanced;        /* to this time of the workers */
    uint64_t judged;          /* order of the latest feed that was */
    bool drops_repeats;
    bool is_loading;              /* state.h */
    struct mt_sigma_waiting last; /* that was judged, without its bytes */
    uint8_t last_id[64];
    size_t last_id_size;
    unsigned depth; /* of correlations of correlations, in hand */
    uint8_t lines[MT_SIGMA_ALARM_LINES_MAX][512];
    uint8_t message[512];
};

/* The feed in hand, and where in it. */
struct mt_sigma_judging {
    struct mt_sigma_correlator *correlator;
    const struct mt_sigma_feed *feed;
    uint64_t order;
    uint64_t time; /* of the event, which may be another correlation */
};

/* --- groups.c ------------------------------------------------------------------ */

/* Memory that counts; NULL: out of memory. Groups give way, but not keep. */
void *mt_sigma_group_alloc(struct mt_sigma_correlator *correlator, const struct mt_sigma_group *keep,
                           void *old, size_t old_size, size_t size);
void mt_sigma_group_release(struct mt_sigma_correlator *correlator, void *memory, size_t size);

/* NULL: it isn't there. */
struct mt_sigma_group *mt_sigma_group_find(struct mt_sigma_correlator *correlator,
                                           const struct mt_sigma_loaded *of, struct mt_hash128 key);
/* The group, made if it isn't there; NULL: out of memory. Is the newest then. */
struct mt_sigma_group *mt_sigma_group_get(struct mt_sigma_correlator *correlator, struct mt_sigma_loaded *of,
                                          struct mt_hash128 key, bool *ret_is_new);
void mt_sigma_group_free(struct mt_sigma_correlator *correlator, struct mt_sigma_group *group);
/* A group will be got soon: asks the memory for where it is found, then for itself. */
void mt_sigma_group_expect(const struct mt_sigma_correlator *correlator, struct mt_hash128 key);
void mt_sigma_group_prefetch(const struct mt_sigma_correlator *correlator, struct mt_hash128 key);
/* What it has gathered goes, it stays. */
void mt_sigma_group_clear(struct mt_sigma_correlator *correlator, struct mt_sigma_group *group);
/* The entries go; and the texts of values. */
void mt_sigma_group_drop_entries(struct mt_sigma_correlator *correlator, struct mt_sigma_group *group);
void mt_sigma_group_drop_values(struct mt_sigma_correlator *correlator, struct mt_sigma_group *group);
/* Groups that have nothing to say when their windows end go at once; all events have
 * been judged. */
void mt_sigma_groups_drop_silent(struct mt_sigma_correlator *correlator);
void mt_sigma_groups_fini(struct mt_sigma_correlator *correlator);

void mt_sigma_timer_set(struct mt_sigma_correlator *correlator, struct mt_sigma_group *group, uint64_t time);

/* The group whose timer is the first; NULL: there is none before the limit. */
struct mt_sigma_group *mt_sigma_timer_first(struct mt_sigma_correlator *correlator, uint64_t limit);

/* --- window.c ------------------------------------------------------------------- */

/* An event of a group: frame and group_in_frame say which of the feed. */
void mt_sigma_window_take(struct mt_sigma_judging *judging, struct mt_sigma_loaded *of,
                          const struct mt_sigma_frame *opened, uint32_t frame, uint32_t group_in_frame,
                          struct mt_hash128 key);
/* Its time is over. Frees the group. */
void mt_sigma_window_end(struct mt_sigma_correlator *correlator, struct mt_sigma_group *group);

/* --- correlate.c ------------------------------------------------------------------ */

/* Correlations that name the one that has just been met. */
void mt_sigma_feed_parents(struct mt_sigma_judging *judging, uint32_t frame);
/* Takes a copy of a feed that is judged at its order. */
void mt_sigma_feed_wait(struct mt_sigma_correlator *correlator, struct mt_span feed, uint64_t order,
                        uint64_t time, uint32_t sequence);
struct mt_sigma_loaded *mt_sigma_of_identity(const struct mt_sigma *sigma, uint64_t identity);

/* --- alarm.c ---------------------------------------------------------------------- */

enum mt_sigma_occasion {
    MT_SIGMA_OCCASION_MET,
    MT_SIGMA_OCCASION_STEP,
    MT_SIGMA_OCCASION_OVER,
};

/* feed: with the latest event. */
void mt_sigma_alarm_raise(struct mt_sigma_correlator *correlator, const struct mt_sigma_group *group,
                          const struct mt_sigma_feed *feed, uint32_t frame, uint32_t group_in_frame,
                          uint64_t measure, enum mt_sigma_occasion occasion);

#endif
