/* Correlations: matches of single events, from any number of workers, to alerts
 * about many.
 *
 * A worker packs what a match means for correlations (mt_sigma_feed_pack), and a
 * correlator takes it: it puts feeds in the order of time, judges windows, and
 * hands out alarms. What it says depends on the feeds and not on the order in
 * which they come, as long as mt_sigma_correlator_advance keeps its promise.
 *
 * A window slides with the events of one group until the condition holds, or until
 * MT_SIGMA_EXACT_MAX events or values are in it; from then on it stands still. A
 * window that has alerted alerts again when what it measures has doubled, and once
 * more, with level informational, when it is over and has grown since.
 *
 * Ownership: a correlator owns its tables; the set of rules must outlive it, or be
 * replaced by mt_sigma_correlator_reload. Alarms are lent for the call. Thread: a
 * correlator is one thread's, packing is the evaluator's. Limits: memory_max bytes
 * for feeds that wait and groups; the group that was fed longest ago gives way.
 */
#ifndef MT_SIGMA_CORRELATE_H
#define MT_SIGMA_CORRELATE_H

#include "sigma/sigma.h"

#define MT_SIGMA_FEED_MAX 8192u       /* bytes */
#define MT_SIGMA_FEED_EVIDENCE_MAX 4u /* lines */
#define MT_SIGMA_FEED_SHOWN_MAX 4u    /* of what the rule wants to be shown */
#define MT_SIGMA_FEED_LINES_MAX (MT_SIGMA_FEED_EVIDENCE_MAX + MT_SIGMA_FEED_SHOWN_MAX)
#define MT_SIGMA_EXACT_MAX 1024u
#define MT_SIGMA_CORRELATION_MEMORY ((size_t)64 << 20)

/* Events of a session that are older than this at its end are judged behind
 * younger ones of other sessions: at their own time where a window still has it. */
#define MT_SIGMA_REORDER ((uint64_t)10 * 1000000000)
/* How long behind its end a session's record may come: linger and the wheel. */
#define MT_SIGMA_SLACK ((uint64_t)4 * 1000000000)

/* Evidence as it is: "TIME path: value" is made of it when an alert needs it.
 * path empty: value is the line, escaped. value.ptr NULL: it may not be shown. */
struct mt_sigma_feed_line {
    struct mt_span path;
    struct mt_span value;
};

/* Feeds of one session that have the same time are told apart, and put in order, by
 * their sequence: a record's come behind findings, and these behind commands and
 * replies. */
#define MT_SIGMA_SEQUENCE_FINDING (UINT32_C(1) << 30)
#define MT_SIGMA_SEQUENCE_RECORD (UINT32_C(1) << 31)
#define MT_SIGMA_SEQUENCE_KINDS (UINT32_C(3) << 30)

struct mt_sigma_feed_more {
    uint64_t time;      /* of the event */
    uint64_t completed; /* when its session was over */
    uint32_t sequence;  /* among the feeds of the session; see below */
    uint32_t line_count;
    const struct mt_sigma_feed_line *lines;
    /* May a value of the field be shown? NULL: any may. */
    bool (*may_show)(const struct mt_field_group *group, const struct mt_field *field);
};

/* match->feeds holds. False: there is nothing to say, because the event has none of
 * a field that is grouped by; or the buffer is too small (ret_feed->overflow). Lines
 * and texts of values, which are evidence, are left out where all would not fit. */
bool mt_sigma_feed_pack(const struct mt_sigma_match *match, const struct mt_sigma_feed_more *more,
                        struct mt_buf *ret_feed);

/* Matches of one rule on several recipients of one transaction, which have one time
 * and mostly the same groups, are one feed that stands for as many events.
 *
 * Limits: four rules at once, and a feed of MT_SIGMA_FEED_MAX bytes, 255 matches or 64
 * values; what is more begins another feed. */
struct mt_sigma_joiner;

typedef void mt_sigma_feed_out_fn(void *ctx, struct mt_span feed);

int mt_sigma_joiner_create(struct mt_sigma_joiner **ret_joiner);
void mt_sigma_joiner_destroy(struct mt_sigma_joiner *joiner);

/* Takes what the match means; may hand out feeds that had to make room, which are
 * lent. False: it joins no others, or has nothing to say; then it is for
 * mt_sigma_feed_pack. */
bool mt_sigma_joiner_take(struct mt_sigma_joiner *joiner, const struct mt_sigma_match *match,
                          const struct mt_sigma_feed_more *more, mt_sigma_feed_out_fn *out, void *ctx);
/* Hands out all that it holds. To be called before the record goes. */
void mt_sigma_joiner_flush(struct mt_sigma_joiner *joiner, mt_sigma_feed_out_fn *out, void *ctx);

#define MT_SIGMA_ALARM_KEYS_MAX 8u
#define MT_SIGMA_ALARM_LINES_MAX 12u

struct mt_sigma_alarm {
    const struct mt_sigma_rule *rule;
    enum mt_level level;    /* of a closing summary: informational */
    uint64_t time;          /* of the event that completed it; of a late one: the end of the window */
    struct mt_ip source_ip; /* of the latest event */
    struct mt_ip destination_ip;
    uint16_t source_port;
    uint16_t destination_port;
    struct mt_span event_id;
    uint64_t count;  /* events, or distinct values where these are counted */
    uint64_t window; /* seconds */
    struct mt_span message;
    uint32_t key_count;
    uint32_t line_count;
    struct mt_record_groupby keys[MT_SIGMA_ALARM_KEYS_MAX];
    struct mt_span lines[MT_SIGMA_ALARM_LINES_MAX];
};

typedef void mt_sigma_alarm_fn(void *ctx, const struct mt_sigma_alarm *alarm);

struct mt_sigma_correlator_counts {
    uint64_t feeds;    /* taken */
    uint64_t late;     /* came behind what had been judged, or older than a window: see docs/rules.md */
    uint64_t early;    /* judged before their time: no room to wait */
    uint64_t repeated; /* left out: mt_sigma_correlator_drop_repeats */
    uint64_t stale;    /* of a correlation that a reload took away */
    uint64_t evicted;  /* groups given up: no room */
    uint64_t held;     /* events of windows that had alerted, and did not again */
    uint64_t lost;     /* feeds and values: out of memory */
    uint64_t groups;   /* now */
    uint64_t memory;   /* bytes now */
    uint64_t alarms;
};

struct mt_sigma_correlator;

/* memory_max 0: MT_SIGMA_CORRELATION_MEMORY. sigma NULL: no correlations yet. */
int mt_sigma_correlator_create(const struct mt_sigma *sigma, size_t memory_max, mt_sigma_alarm_fn *alarm,
                               void *ctx, struct mt_sigma_correlator **ret_correlator);
void mt_sigma_correlator_destroy(struct mt_sigma_correlator *correlator);

/* Feeds may come twice: one with the time, the event.id and the sequence of the one
 * judged before it is left out. Feeds that wait together stand side by side then, so
 * none is judged twice as long as both come in time. */
void mt_sigma_correlator_drop_repeats(struct mt_sigma_correlator *correlator);

/* Other rules from here on. Groups of correlations that say the same stay. */
void mt_sigma_correlator_reload(struct mt_sigma_correlator *correlator, const struct mt_sigma *sigma);

/* Takes a copy. */
void mt_sigma_correlator_feed(struct mt_sigma_correlator *correlator, struct mt_span feed);

/* Every session that was over MT_SIGMA_SLACK before has been fed: all workers have
 * come to this time. Judges what can be. */
void mt_sigma_correlator_advance(struct mt_sigma_correlator *correlator, uint64_t time);

/* Is anything waiting to be judged, or to end? */
bool mt_sigma_correlator_has_work(const struct mt_sigma_correlator *correlator);

/* Everything has been fed: judges it, and ends all windows. */
void mt_sigma_correlator_finish(struct mt_sigma_correlator *correlator);

const struct mt_sigma_correlator_counts *
mt_sigma_correlator_counts(const struct mt_sigma_correlator *correlator);

#endif
