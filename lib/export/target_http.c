/* HTTP through libcurl: Elasticsearch and OpenSearch _bulk, Splunk HEC, ClickHouse
 * JSONEachRow, webhooks. */
#include "export/http_priv.h"

#include "base/text.h"
#include "late/late.h"

#define CURL_DISABLE_TYPECHECK /* its macros know curl_easy_setopt by that name alone */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXCERPT_MAX 120

struct calls {
#define MT_LATE(name) __typeof__(name) *name;
#include "export/curl.def"
#undef MT_LATE
};

static const char *const call_names[] = {
#define MT_LATE(name) #name,
#include "export/curl.def"
#undef MT_LATE
};

struct mt_target {
    struct calls lib;
    struct mt_json_calls json;
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
    CURL *easy;
    struct curl_slist *headers;
    char *url;
    char host[256];
    char error[CURL_ERROR_SIZE];
    struct mt_http_bytes body;
    struct mt_http_bytes packed;
    struct mt_http_bytes reply;
};

static void destroy(struct mt_target *target)
{
    target->lib.curl_easy_cleanup(target->easy);
    target->lib.curl_slist_free_all(target->headers);
    free(target->url);
    free(target->body.ptr);
    free(target->packed.ptr);
    free(target->reply.ptr);
    free(target);
}

static size_t on_reply(char *bytes, size_t one, size_t count, void *ctx)
{
    struct mt_target *target = ctx;
    size_t size = mt_min_u64(one * count, MT_HTTP_REPLY_MAX - target->reply.size);

    if (target->reply.size + size > target->reply.cap &&
        !mt_http_reserve(&target->reply, mt_max_u64(4096, 2 * (target->reply.size + size))))
        return 0;
    memcpy(target->reply.ptr + target->reply.size, bytes, size);
    target->reply.size += size;
    return one * count;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct mt_target *target = ctx;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return mt_target_is_over(target->hooks);
}

static bool add_header(struct mt_target *target, const char *name, const char *scheme, const char *value)
{
    char *line = NULL;

    if (asprintf(&line, "%s: %s%s", name, scheme, value) < 0)
        return false;
    struct curl_slist *grown = target->lib.curl_slist_append(target->headers, line);
    explicit_bzero(line, strlen(line));
    free(line);
    if (grown == NULL)
        return false;
    target->headers = grown;
    return true;
}

static bool add_headers(struct mt_target *target)
{
    static const char *const packings[] = {
        [MT_OUTPUT_COMPRESS_GZIP] = "gzip",
        [MT_OUTPUT_COMPRESS_ZSTD] = "zstd",
    };
    const struct mt_output_config *config = target->config;
    const char *type = "application/json";
    const char *scheme = "Bearer ";
    bool done = true;

    if (config->is_notice)
        type = config->format->is_json ? type : "text/plain; charset=utf-8";
    else if (config->target == MT_TARGET_ELASTICSEARCH ||
             (config->target == MT_TARGET_WEBHOOK && config->body == MT_OUTPUT_BODY_LINES))
        type = config->format->is_json ? "application/x-ndjson" : "text/plain; charset=utf-8";
    if (config->target == MT_TARGET_SPLUNK)
        scheme = "Splunk ";
    else if (config->target == MT_TARGET_ELASTICSEARCH)
        scheme = "ApiKey ";
    if (config->token != NULL)
        done = add_header(target, "Authorization", scheme, config->token);
    if (config->compress != MT_OUTPUT_COMPRESS_NONE)
        done = done && add_header(target, "Content-Encoding", "", packings[config->compress]);
    return done && add_header(target, "Content-Type", "", type) && add_header(target, "Expect", "", "");
}

/* Where documents are posted to; ClickHouse is given the rest with each batch. */
static char *make_url(const struct mt_output_config *config)
{
    const char *address = config->address;
    size_t size = strlen(address);
    const char *host = strstr(address, "://") + 3;
    const char *path = strchr(host, '/');
    char *url = NULL;
    int n = 0;

    while (size > 0 && address[size - 1] == '/')
        size--;
    if (config->target == MT_TARGET_ELASTICSEARCH)
        n = asprintf(&url,
                     "%.*s/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason",
                     (int)size, address);
    else if (config->target == MT_TARGET_SPLUNK && (path == NULL || path[1] == '\0'))
        n = asprintf(&url, "%.*s/services/collector/event", (int)size, address);
    else if (config->target == MT_TARGET_CLICKHOUSE)
        n = asprintf(
            &url,
            "%.*s/?query=INSERT%%20INTO%%20%s%%20FORMAT%%20JSONEachRow&date_time_input_format=best_effort"
            "&input_format_skip_unknown_fields=1",
            (int)(path - address), address, path + 1);
    else
        n = asprintf(&url, "%s", config->url != NULL ? config->url : address);
    return n < 0 ? NULL : url;
}

static void set_tls(struct mt_target *target)
{
    const struct mt_output_config *config = target->config;

    target->lib.curl_easy_setopt(target->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (config->ca != NULL)
        target->lib.curl_easy_setopt(target->easy, CURLOPT_CAINFO, config->ca);
    if (config->cert != NULL) {
        target->lib.curl_easy_setopt(target->easy, CURLOPT_SSLCERT, config->cert);
        target->lib.curl_easy_setopt(target->easy, CURLOPT_SSLKEY, config->key);
    }
    if (!config->verify) {
        target->lib.curl_easy_setopt(target->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        target->lib.curl_easy_setopt(target->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_options(struct mt_target *target)
{
    const struct mt_output_config *config = target->config;
    long seconds = (long)((config->timeout + 999999999) / 1000000000);

    target->lib.curl_easy_setopt(target->easy, CURLOPT_URL, target->url);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    target->lib.curl_easy_setopt(target->easy, CURLOPT_USERAGENT, "mailtap");
    target->lib.curl_easy_setopt(target->easy, CURLOPT_HTTPHEADER, target->headers);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_NOSIGNAL, 1L);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_ERRORBUFFER, target->error);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_WRITEFUNCTION, on_reply);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_WRITEDATA, target);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_NOPROGRESS, 0L);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_XFERINFODATA, target);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(config->timeout / 1000000));
    target->lib.curl_easy_setopt(target->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_LOW_SPEED_TIME, seconds);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (config->user != NULL) {
        target->lib.curl_easy_setopt(target->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        target->lib.curl_easy_setopt(target->easy, CURLOPT_USERNAME, config->user);
        target->lib.curl_easy_setopt(target->easy, CURLOPT_PASSWORD,
                                     config->password == NULL ? "" : config->password);
    }
    set_tls(target);
}

/* It only counts after the first time, but not every build of it has a lock. */
static void init_curl(const struct calls *lib)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    (void)lib->curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_mutex_unlock(&lock);
}

static int load(const struct mt_output_config *config, struct mt_target *target, char *ret_reason,
                size_t reason_size)
{
    bool reads_replies = config->target == MT_TARGET_ELASTICSEARCH || config->target == MT_TARGET_SPLUNK;
    int error = mt_late_load(MT_LATE_CURL, call_names, MT_ARRAY_COUNT(call_names), &target->lib, ret_reason,
                             reason_size);

    if (error == 0 && reads_replies)
        error = mt_json_load(&target->json, ret_reason, reason_size);
    if (error == 0)
        init_curl(&target->lib);
    return error;
}

static int create(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target)
{
    struct mt_target *target = calloc(1, sizeof(*target));
    int error = target == NULL ? 0 : load(config, target, ret_reason, reason_size);

    if (error != 0) {
        free(target);
        return error;
    }
    if (target != NULL) {
        target->config = config;
        target->hooks = hooks;
        target->easy = target->lib.curl_easy_init();
        target->url = make_url(config);
        if (config->host != NULL)
            snprintf(target->host, sizeof(target->host), "%s", config->host);
        else
            (void)gethostname(target->host, sizeof(target->host) - 1);
        if (target->easy != NULL && target->url != NULL && add_headers(target)) {
            set_options(target);
            *ret_target = target;
            return 0;
        }
        destroy(target);
    }
    snprintf(ret_reason, reason_size, "there is no memory for it");
    return -ENOMEM;
}

/* The receiver's own words, as far as they can be shown. */
static void put_excerpt(const struct mt_target *target, char *to, size_t size)
{
    char space[EXCERPT_MAX];
    struct mt_buf b = mt_buf(space, sizeof(space));

    mt_buf_put_escaped(&b, mt_span_head(mt_span(target->reply.ptr, target->reply.size), EXCERPT_MAX));
    snprintf(to, size, "%s%.*s", b.size > 0 ? ": " : "", (int)b.size, space);
}

static int post(struct mt_target *target, const struct mt_http_bytes *body, long *ret_status,
                char *ret_reason, size_t size)
{
    target->reply.size = 0;
    target->error[0] = '\0';
    target->lib.curl_easy_setopt(target->easy, CURLOPT_POSTFIELDS, body->ptr);
    target->lib.curl_easy_setopt(target->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
    CURLcode code = target->lib.curl_easy_perform(target->easy);
    if (code == CURLE_OK) {
        target->lib.curl_easy_getinfo(target->easy, CURLINFO_RESPONSE_CODE, ret_status);
        return 0;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK)
        snprintf(ret_reason, size, "there was no time left for it");
    else
        snprintf(ret_reason, size, "%s",
                 target->error[0] != '\0' ? target->error : target->lib.curl_easy_strerror(code));
    return -EIO;
}

/* The same documents again under the same token are one insertion. */
static bool set_batch_url(struct mt_target *target, const struct mt_batch *batch, size_t from, size_t to)
{
    char *url = NULL;

    if (target->config->target != MT_TARGET_CLICKHOUSE)
        return true;
    if (asprintf(&url, "%s&insert_deduplication_token=%016llx", target->url,
                 (unsigned long long)mt_http_batch_hash(batch, from, to)) < 0)
        return false;
    target->lib.curl_easy_setopt(target->easy, CURLOPT_URL, url);
    free(url);
    return true;
}

static bool build(struct mt_target *target, const struct mt_batch *batch, size_t from, size_t to)
{
    return set_batch_url(target, batch, from, to) &&
           mt_http_build(target->config, batch, from, to, target->host, &target->body) &&
           (target->config->compress == MT_OUTPUT_COMPRESS_NONE ||
            mt_http_pack(target->config, &target->body, &target->packed));
}

/* The body is at fault, not the time, the place or the right to send. */
static bool is_refusal(long status)
{
    return status == 400 || status == 406 || status == 411 || status == 413 || status == 415 || status == 422;
}

static int try_later(struct mt_target *target, struct mt_batch *batch, long status)
{
    char excerpt[EXCERPT_MAX + 4];
    curl_off_t seconds = 0;

    target->lib.curl_easy_getinfo(target->easy, CURLINFO_RETRY_AFTER, &seconds);
    batch->wait_ns = seconds > 0 ? (uint64_t)mt_min_u64((uint64_t)seconds, 86400) * UINT64_C(1000000000) : 0;
    put_excerpt(target, excerpt, sizeof(excerpt));
    snprintf(batch->reason, sizeof(batch->reason), "the receiver answers with status %ld%s", status, excerpt);
    return -EAGAIN;
}

static int send_range(struct mt_target *target, struct mt_batch *batch, size_t from, size_t to);

static int send_halves(struct mt_target *target, struct mt_batch *batch, size_t from, size_t to)
{
    size_t middle = from + (to - from) / 2;
    int error = send_range(target, batch, from, middle);

    return error != 0 ? error : send_range(target, batch, middle, to);
}

/* Something in the body will never be taken: it is looked for by halving. */
static int find_refused(struct mt_target *target, struct mt_batch *batch, size_t from, size_t to, long status)
{
    char reason[MT_REASON_MAX];
    char excerpt[EXCERPT_MAX + 4];
    struct mt_span reply = mt_span(target->reply.ptr, target->reply.size);
    size_t culprit =
        to - from == 1 ? from : mt_http_culprit(&target->json, target->config, batch, from, to, reply);

    if (culprit == to)
        return send_halves(target, batch, from, to);
    put_excerpt(target, excerpt, sizeof(excerpt));
    snprintf(reason, sizeof(reason), "status %ld%s", status, excerpt);
    target->hooks->refuse(target->hooks->ctx, batch, culprit, reason);
    return send_range(target, batch, from, to);
}

static int send_range(struct mt_target *target, struct mt_batch *batch, size_t from, size_t to)
{
    long status = 0;
    size_t pending = 0;

    for (size_t i = from; i < to; i++)
        pending += batch->states[i] == MT_DOCUMENT_PENDING;
    if (pending == 0)
        return 0;
    if (!build(target, batch, from, to))
        return -ENOMEM;
    const struct mt_http_bytes *body =
        target->config->compress == MT_OUTPUT_COMPRESS_NONE ? &target->body : &target->packed;
    int error = post(target, body, &status, batch->reason, sizeof(batch->reason));
    if (error != 0)
        return error;
    if (status >= 200 && status < 300)
        return mt_http_judge(&target->json, target->config, target->hooks, batch, from, to,
                             mt_span(target->reply.ptr, target->reply.size));
    return is_refusal(status) ? find_refused(target, batch, from, to, status)
                              : try_later(target, batch, status);
}

static int send_batch(struct mt_target *target, struct mt_batch *batch)
{
    return send_range(target, batch, 0, batch->count);
}

/* Any answer will do: what it says is for the documents. */
static int check(struct mt_target *target, char *ret_reason, size_t reason_size)
{
    long status = 0;
    struct mt_http_bytes nothing = {.ptr = (uint8_t *)(uintptr_t) "", .size = 0};

    int error = post(target, &nothing, &status, ret_reason, reason_size);
    if (error == 0 && (status == 401 || status == 403)) {
        snprintf(ret_reason, reason_size,
                 "the receiver answers with status %ld: token, user or password are not right", status);
        error = -EACCES;
    }
    return error;
}

const struct mt_target_ops mt_target_http = {
    .create = create,
    .destroy = destroy,
    .send = send_batch,
    .check = check,
};
