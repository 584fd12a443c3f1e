/* What HTTP receivers want as a body, and what they mean by an answer.
 *
 * Ownership: the caller's. Thread: one at a time. Limits: MT_HTTP_REPLY_MAX bytes
 * of an answer are read.
 */
#ifndef MT_EXPORT_HTTP_PRIV_H
#define MT_EXPORT_HTTP_PRIV_H

#include "export/target_priv.h"

#include <jansson.h>

#define MT_HTTP_REPLY_MAX ((size_t)16 << 20)

struct mt_http_bytes {
    uint8_t *ptr;
    size_t size;
    size_t cap;
};

/* Loaded for the targets whose answers are JSON that is read: Elasticsearch, Splunk. */
struct mt_json_calls {
#define MT_LATE(name) __typeof__(name) *name;
#include "export/jansson.def"
#undef MT_LATE
};
int mt_json_load(struct mt_json_calls *ret_calls, char *ret_reason, size_t reason_size);

/* Room for size bytes in all; false: no memory. */
bool mt_http_reserve(struct mt_http_bytes *bytes, size_t size);

/* The body for the documents from..to that are pending. */
bool mt_http_build(const struct mt_output_config *config, const struct mt_batch *batch, size_t from,
                   size_t to, const char *host, struct mt_http_bytes *ret_body);

/* Compressed as config says; false: no memory. */
bool mt_http_pack(const struct mt_output_config *config, const struct mt_http_bytes *body,
                  struct mt_http_bytes *ret_packed);

/* A number over the ids of what is pending: the same for the same documents. */
uint64_t mt_http_batch_hash(const struct mt_batch *batch, size_t from, size_t to);

/* An answer of 2xx: what became of each document. -EAGAIN when some are still
 * pending, with batch->reason; -EBADMSG when the answer can't be read. */
int mt_http_judge(const struct mt_json_calls *json, const struct mt_output_config *config,
                  const struct mt_target_hooks *hooks, struct mt_batch *batch, size_t from, size_t to,
                  struct mt_span reply);

/* An answer that says which document is at fault (Splunk): its index in the
 * batch, or to. */
size_t mt_http_culprit(const struct mt_json_calls *json, const struct mt_output_config *config,
                       const struct mt_batch *batch, size_t from, size_t to, struct mt_span reply);

#endif
