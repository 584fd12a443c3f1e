/* Outputs: texts that formats have made, brought to files, sockets, brokers and
 * HTTP receivers, at least once each, each under an id of its own.
 *
 * An output is a format, a target and a choice of what it wants:
 * FORMAT:TARGET[?key=value&...]. Several outputs whose texts are the same share
 * an encoding, so that a record is encoded once for all of them.
 *
 *   put ─► memory queue ─► spool (when there is one) ─► target
 *
 * With a spool, documents reach it before they are sent; what a killed process
 * had there is sent by the next one. What a receiver refuses goes to a
 * dead-letter file with the reason. What finds no room is shed, and counted.
 *
 * Ownership: a config owns its texts; create copies what it needs of it. Items
 * are borrowed for the call. Thread: put, flush: one (the collector); stats,
 * reopen: any; each output has threads of its own that do the rest. Limits:
 * memory_max and spool_max bytes an output, MT_OUTPUTS_MAX outputs,
 * MT_FORMAT_TEXT_MAX a text. Delivery in detail: docs/outputs.md.
 */
#ifndef MT_EXPORT_OUTPUTS_H
#define MT_EXPORT_OUTPUTS_H

#include "export/format.h"

#define MT_OUTPUTS_MAX 32u
#define MT_OUTPUT_LIST_MAX 64u  /* rules, fields, properties of one output */
#define MT_OUTPUT_NAME_MAX 256u /* longer ones are cut where they are shown */
#define MT_OUTPUT_ERROR_MAX 256u
#define MT_OUTPUT_LATENCY_COUNT 14u
#define MT_OUTPUT_ID_SIZE 32u /* of an alert's document id, in hexadecimal */

enum mt_output_target {
    MT_TARGET_FILE,
    MT_TARGET_DIR,
    MT_TARGET_STDOUT,
    MT_TARGET_UNIX,
    MT_TARGET_SYSLOG_UDP,
    MT_TARGET_SYSLOG_TCP,
    MT_TARGET_SYSLOG_TLS,
    MT_TARGET_KAFKA,
    MT_TARGET_ELASTICSEARCH,
    MT_TARGET_SPLUNK,
    MT_TARGET_CLICKHOUSE,
    MT_TARGET_WEBHOOK,
    MT_TARGET_EXEC,
    MT_TARGET_COUNT,
};

enum mt_output_only { MT_OUTPUT_ALL, MT_OUTPUT_ALERTS, MT_OUTPUT_SESSIONS };
enum mt_output_shed { MT_OUTPUT_SHED_OLDEST, MT_OUTPUT_SHED_NEWEST };
enum mt_output_fsync { MT_OUTPUT_FSYNC_NEVER, MT_OUTPUT_FSYNC_INTERVAL, MT_OUTPUT_FSYNC_ALWAYS };
enum mt_output_compress { MT_OUTPUT_COMPRESS_NONE, MT_OUTPUT_COMPRESS_GZIP, MT_OUTPUT_COMPRESS_ZSTD };
enum mt_output_body { MT_OUTPUT_BODY_LINES, MT_OUTPUT_BODY_ARRAY };
enum mt_output_kind { MT_OUTPUT_SESSION, MT_OUTPUT_ALERT };

#define MT_OUTPUT_MEMBER_TEXT(member) char *member;
#define MT_OUTPUT_MEMBER_SECRET(member) char *member;
#define MT_OUTPUT_MEMBER_LIST(member) struct mt_output_list member;
#define MT_OUTPUT_MEMBER_SIZE(member) uint64_t member;
#define MT_OUTPUT_MEMBER_TIME(member) uint64_t member;
#define MT_OUTPUT_MEMBER_COUNT(member) uint64_t member;
#define MT_OUTPUT_MEMBER_CHOICE(member) uint64_t member;
#define MT_OUTPUT_MEMBER_FLAG(member) bool member;

struct mt_output_list {
    char *items[MT_OUTPUT_LIST_MAX];
    uint32_t count;
};

/* Texts are NULL, lists empty and numbers at their defaults unless given; what
 * each key means, its unit and range stand in export/output_keys.def. */
struct mt_output_config {
    char name[MT_OUTPUT_NAME_MAX]; /* FORMAT:TARGET without its keys: for messages and metrics */
    const struct mt_format_ops *format;
    enum mt_output_target target;
    bool is_notice;      /* alerts as messages that a person reads: --notify */
    bool is_events;      /* what correlations need, for mailtap correlate: --correlate-to */
    bool is_held;        /* begins with mt_delivery_begin */
    uint32_t owner_user; /* who this process will be by then: spools are theirs; 0: it stays */
    uint32_t owner_group;
    struct mt_output_list secret_files; /* KEY_file=PATH, as given: to be read again */
    char *address;                      /* path, host:port, brokers/topic or URL, as the target wants it */
#define MT_OUTPUT_KEY(type, member, key, targets, low, high, words, fallback, meaning) \
    MT_OUTPUT_MEMBER_##type(member)
#include "export/output_keys.def"
};

/* The config that spec says; defaults for the rest. -EINVAL and one sentence
 * that names the spec, what is wrong with it and the nearest thing that would
 * be right. On failure there is nothing to fini. */
int mt_output_config_parse(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config);

/* The same in steps, for configuration files: what spec says, then one key more
 * (where secrets may stand), then whether all of it makes sense. */
int mt_output_config_init(const char *spec, char *ret_reason, size_t reason_size,
                          struct mt_output_config *ret_config);
int mt_output_config_set(struct mt_output_config *config, const char *key, const char *value,
                         char *ret_reason, size_t reason_size);
/* Is there such a key for this target? 0, or -EINVAL and a sentence with the nearest. */
int mt_output_config_has(const struct mt_output_config *config, const char *key, char *ret_reason,
                         size_t reason_size);
/* May it be set again and again, each adding to it? */
bool mt_output_config_is_list(const struct mt_output_config *config, const char *key);
int mt_output_config_check(const struct mt_output_config *config, char *ret_reason, size_t reason_size);
void mt_output_config_fini(struct mt_output_config *config);

/* The same for --notify: FORM:TARGET[?key=value&...], messages for people. Only
 * alerts, one a message, and within the limits of period, each_max and all_max. */
int mt_notice_config_parse(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config);
int mt_notice_config_init(const char *spec, char *ret_reason, size_t reason_size,
                          struct mt_output_config *ret_config);

/* The same for --correlate-to: kafka://BROKERS/TOPIC[?key=value&...]. What is put is
 * bytes (sigma/wire.h). An item goes to the partition that its key, hexadecimal
 * digits of a hash, says; one without a key to every partition, once all before it
 * are delivered. Put with kind MT_OUTPUT_ALERT. */
int mt_events_config_parse(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config);

/* Keys in their order; NULL behind the last: for --help and the man page. */
const char *mt_output_key_at(size_t index, const char **ret_meaning);

/* Can this output be reached now? For --require-outputs. 0, or -errno and one
 * sentence. Takes config->timeout at most. */
int mt_output_check(const struct mt_output_config *config, char *ret_reason, size_t reason_size);

/* An alert's document id: event id, rule, time and what was counted by. */
void mt_output_alert_id(const struct mt_record_alert *alert, char ret_id[MT_OUTPUT_ID_SIZE]);

/* What is put: the texts of one record or alert in one encoding. */
struct mt_output_item {
    const struct mt_format_text *texts; /* the first has document_id, the others document_id.N */
    size_t text_count;
    uint64_t time;       /* of the record, ns since the epoch */
    struct mt_span id;   /* document id: event.id, or mt_output_alert_id */
    struct mt_span key;  /* client address, as text */
    struct mt_span rule; /* alerts: its name */
    uint8_t kind;        /* enum mt_output_kind */
    uint8_t level;       /* alerts */
};

/* Gauges are of now, the rest counts from create on. Always:
 * accepted + found = queued + spooled + sent + rejected + shed + damaged, where
 * spooled counts what is not yet acknowledged. */
struct mt_output_stats {
    uint64_t accepted; /* documents put and wanted */
    uint64_t found;    /* in the spool at start */
    uint64_t queued;   /* gauge: in memory */
    uint64_t queued_bytes;
    uint64_t memory_max; /* as configured */
    uint64_t spooled;    /* gauge: in the spool */
    uint64_t spool_bytes;
    uint64_t spool_max; /* as configured; 0: there is no spool */
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t retried;   /* documents sent again */
    uint64_t rejected;  /* refused by the receiver: in the dead-letter file */
    uint64_t shed;      /* lost for want of room or time */
    uint64_t damaged;   /* documents of the spool that could not be read again */
    uint64_t damages;   /* places where the spool was damaged */
    uint64_t forgotten; /* of rejected: not, or no longer, in a dead-letter file */
    uint64_t limited;   /* alerts that --notify told in a sum only; they are not among accepted */
    uint64_t failures;  /* attempts that failed */
    /* Put to acknowledged, of this run's documents: at most bound[i], the last one: longer. */
    uint64_t latency[MT_OUTPUT_LATENCY_COUNT];
    uint64_t latency_sum;            /* ns */
    bool is_up;                      /* the last attempt succeeded */
    char error[MT_OUTPUT_ERROR_MAX]; /* of the last failure, or empty */
};

extern const uint64_t mt_output_latency_bounds[MT_OUTPUT_LATENCY_COUNT - 1]; /* ns */

struct mt_delivery;

/* Starts the outputs. A receiver that is away is no failure; a spool that is in
 * use or can't be made is. */
int mt_delivery_create(const struct mt_output_config *configs, size_t count, char *ret_reason,
                       size_t reason_size, struct mt_delivery **ret_delivery);

/* Encodings: the distinct pairs of format and fields. */
size_t mt_delivery_encodings(const struct mt_delivery *delivery);
const struct mt_output_config *mt_delivery_encoding(const struct mt_delivery *delivery, size_t encoding);

/* Would any output of this encoding take it? rule: alerts. */
bool mt_delivery_wants(const struct mt_delivery *delivery, size_t encoding, enum mt_output_kind kind,
                       uint8_t level, struct mt_span rule);

/* Never blocks. */
void mt_delivery_put(struct mt_delivery *delivery, size_t encoding, const struct mt_output_item *item);

/* Outputs that are held begin: until then what is put waits in memory, and nothing
 * is sent, opened or run. For who gives up rights once outputs are made. */
void mt_delivery_begin(struct mt_delivery *delivery);

size_t mt_delivery_outputs(const struct mt_delivery *delivery);
const char *mt_delivery_name(const struct mt_delivery *delivery, size_t output);
void mt_delivery_stats(const struct mt_delivery *delivery, size_t output, struct mt_output_stats *ret_stats);

/* Files are closed and opened again by their path, soon (SIGHUP); with rotate
 * they are rotated first. Secrets of files and certificates are read again. */
void mt_delivery_reopen(struct mt_delivery *delivery, bool rotate);

/* Sends what it can in grace_ms; the rest is in the spool, or shed. ret_stats
 * (count of outputs, or NULL) is what each came to. */
void mt_delivery_close(struct mt_delivery *delivery, uint32_t grace_ms, struct mt_output_stats *ret_stats);

#endif
