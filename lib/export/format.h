/* Formats: a record or an alert to the texts that a receiver expects. What is sent
 * where is the outputs' business (export/outputs.h).
 *
 * A format may write several texts for one record (Zeek: a line of conn.log, and
 * one of smtp.log for each transaction), each into one of its streams.
 *
 * Ownership: a format owns what its create made; records are borrowed for the
 * call, texts for the emit. Thread: one at a time for each created format (every
 * worker has its own). Limits: MT_FORMAT_TEXT_MAX a text; longer ones are not
 * emitted and counted as shed by the caller, who is told by the return value.
 */
#ifndef MT_EXPORT_FORMAT_H
#define MT_EXPORT_FORMAT_H

#include "record/record.h"

#define MT_FORMAT_TEXT_MAX ((size_t)1 << 20)
#define MT_FORMAT_STREAMS_MAX 8u

struct mt_format_text {
    unsigned stream;
    struct mt_span text; /* one line, without its end */
};

typedef void mt_format_emit(void *ctx, const struct mt_format_text *text);

struct mt_format_options {
    const char *const *fields; /* csv, tsv, ecs: paths of record/fields.def; NULL: all (csv: a default set) */
    size_t field_count;
    struct mt_span observer_name;
    const char *observer_version;
};

struct mt_format;

struct mt_format_ops {
    const char
        *name; /* as in --output: "ecs", "zeek", "zeek-json", "eve", "cef", "leef", "ocsf", "csv", "tsv" */
    const char *meaning; /* one line for --help */
    bool is_json;        /* texts are JSON objects: what bulk targets want */
    /* Names of the streams, as files are named after them: {"conn", "smtp", "ssl", "notice"}; a format
     * with one stream names it "". */
    const char *streams[MT_FORMAT_STREAMS_MAX];
    /* 0; or -EINVAL and a sentence: an unknown field and the nearest known one. */
    int (*create)(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                  struct mt_format **ret_format);
    void (*destroy)(struct mt_format *format);
    /* What stands at the head of a new file of this stream (whole lines; empty: nothing). */
    struct mt_span (*head)(const struct mt_format *format, unsigned stream);
    /* False: a text was too long and was left out. */
    bool (*session)(struct mt_format *format, const struct mt_record_session *record, mt_format_emit *emit,
                    void *ctx);
    bool (*alert)(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                  void *ctx);
};

/* NULL when there is none of this name. */
const struct mt_format_ops *mt_format_find(struct mt_span name);

/* All of them, in the order of --help; NULL behind the last. */
const struct mt_format_ops *mt_format_at(size_t index);

#endif
