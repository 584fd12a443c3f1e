/* Syslog: RFC 5424, or 3164, by UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425). */
#include "export/target_priv.h"

#include "export/link_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 12u /* "1048576 " */
/* The number that RFC 5612 sets aside: this project has none of its own. */
#define ELEMENT "mailtap@32473"
#define RFC_3164 1u

struct piece {
    uint8_t *ptr;
    size_t size;
    size_t cap;
};

/* A receiver's kernel acknowledges what its program has not read yet, and drops
 * it when the connection breaks. So what was written last is kept, in two halves
 * of which the older one gives way, and written again after a break. */
struct mt_target {
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
    struct mt_link link;
    char host[256];
    long pid;
    uint8_t *bytes;
    size_t cap;
    struct piece older;
    struct piece newer;
    bool is_broken; /* both are to be written again */
};

static void destroy(struct mt_target *target)
{
    mt_link_fini(&target->link);
    free(target->bytes);
    free(target->older.ptr);
    free(target->newer.ptr);
    free(target);
}

/* RFC 5424: printable ASCII without spaces; "-" is no name. */
static void set_host(struct mt_target *target)
{
    if (target->config->host != NULL)
        snprintf(target->host, sizeof(target->host), "%s", target->config->host);
    else if (gethostname(target->host, sizeof(target->host) - 1) != 0)
        target->host[0] = '\0';
    for (char *at = target->host; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            *at = '_';
    }
    if (target->host[0] == '\0')
        snprintf(target->host, sizeof(target->host), "-");
}

static int create(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target)
{
    struct mt_target *target = calloc(1, sizeof(*target));

    if (target == NULL) {
        snprintf(ret_reason, reason_size, "there is no memory for it");
        return -ENOMEM;
    }
    target->config = config;
    target->hooks = hooks;
    target->pid = (long)getpid();
    set_host(target);
    int error = mt_link_init(&target->link, config, hooks, ret_reason, reason_size);
    if (error != 0) {
        destroy(target);
        return error;
    }
    *ret_target = target;
    return 0;
}

/* Informational 6, notice 5, warning 4, error 3, critical 2. */
static unsigned priority(const struct mt_target *target, const struct mt_document *document)
{
    unsigned severity =
        document->kind == MT_OUTPUT_ALERT ? 6u - (unsigned)mt_min_u64(document->level, 4) : 6u;

    return (unsigned)target->config->facility * 8 + severity;
}

static void put_parameter(struct mt_buf *b, const char *name, struct mt_span value)
{
    if (value.size == 0)
        return;
    mt_buf_put_byte(b, ' ');
    mt_buf_put_cstr(b, name);
    mt_buf_put_cstr(b, "=\"");
    for (size_t i = 0; i < value.size; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\' || value.ptr[i] == ']')
            mt_buf_put_byte(b, '\\');
        mt_buf_put_byte(b, value.ptr[i]);
    }
    mt_buf_put_byte(b, '"');
}

/* RFC 5424 allows six decimals of a second. */
static void put_time(struct mt_buf *b, uint64_t time)
{
    char space[40];
    struct mt_buf text = mt_buf(space, sizeof(space));

    mt_buf_put_time(&text, time);
    mt_buf_put(b, space, text.size - 4);
    mt_buf_put_byte(b, 'Z');
}

static void put_5424(const struct mt_target *target, struct mt_buf *b, const struct mt_document *document)
{
    static const char *const levels[] = {"informational", "low", "medium", "high", "critical"};
    const char *kind = document->kind == MT_OUTPUT_ALERT ? "alert" : "session";
    const char *stream = target->config->format->streams[document->stream % MT_FORMAT_STREAMS_MAX];

    mt_buf_put_byte(b, '<');
    mt_buf_put_u64(b, priority(target, document));
    mt_buf_put_cstr(b, ">1 ");
    put_time(b, document->time);
    mt_buf_put_byte(b, ' ');
    mt_buf_put_cstr(b, target->host);
    mt_buf_put_cstr(b, " mailtap ");
    mt_buf_put_u64(b, (uint64_t)target->pid);
    mt_buf_put_byte(b, ' ');
    mt_buf_put_cstr(b, kind);
    mt_buf_put_cstr(b, " [" ELEMENT);
    put_parameter(b, "id", document->id);
    put_parameter(b, "kind", mt_span_cstr(kind));
    put_parameter(b, "stream", stream == NULL ? mt_span_none() : mt_span_cstr(stream));
    put_parameter(b, "client", document->key);
    if (document->kind == MT_OUTPUT_ALERT) {
        put_parameter(b, "rule", document->rule);
        put_parameter(b, "level", mt_span_cstr(levels[mt_min_u64(document->level, 4)]));
    }
    mt_buf_put_cstr(b, "] ");
    mt_buf_put_span(b, document->text);
}

/* Local time, and a day that is padded with a blank. */
static void put_3164(const struct mt_target *target, struct mt_buf *b, const struct mt_document *document)
{
    time_t seconds = (time_t)(document->time / UINT64_C(1000000000));
    struct tm tm;
    char when[32];
    char head[400];

    localtime_r(&seconds, &tm);
    strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
    snprintf(head, sizeof(head), "<%u>%s %s mailtap[%ld]: ", priority(target, document), when, target->host,
             target->pid);
    mt_buf_put_cstr(b, head);
    mt_buf_put_span(b, document->text);
}

static void put_message(const struct mt_target *target, struct mt_buf *b, const struct mt_document *document)
{
    if (target->config->rfc == RFC_3164)
        put_3164(target, b, document);
    else
        put_5424(target, b, document);
}

/* Octet counting; messages of the old form end with LF, as their receivers expect. */
static void put_framed(const struct mt_target *target, struct mt_buf *b, const struct mt_document *document)
{
    char digits[COUNT_MAX + 1];
    size_t start = b->size;

    if (target->config->rfc == RFC_3164) {
        put_message(target, b, document);
        mt_buf_put_byte(b, '\n');
        return;
    }
    b->size += COUNT_MAX; /* written behind the room for its own size, then moved up */
    put_message(target, b, document);
    size_t size = b->size - start - COUNT_MAX;
    int n = snprintf(digits, sizeof(digits), "%zu ", size);
    memcpy(b->ptr + start, digits, (size_t)n);
    memmove(b->ptr + start + n, b->ptr + start + COUNT_MAX, size);
    b->size = start + (size_t)n + size;
}

static bool reserve(struct mt_target *target, const struct mt_batch *batch)
{
    size_t size = 0;

    for (size_t i = 0; i < batch->count; i++) {
        const struct mt_document *document = &batch->documents[i];
        size += 512 + COUNT_MAX + sizeof(target->host) + document->text.size +
                2 * (document->id.size + document->key.size + document->rule.size);
    }
    if (size <= target->cap)
        return true;
    uint8_t *grown = realloc(target->bytes, size);
    if (grown == NULL)
        return false;
    target->bytes = grown;
    target->cap = size;
    return true;
}

static int send_datagrams(struct mt_target *target, struct mt_batch *batch)
{
    char reason[MT_REASON_MAX];

    for (size_t i = 0; i < batch->count; i++) {
        struct mt_buf b = mt_buf(target->bytes, target->cap);
        put_message(target, &b, &batch->documents[i]);
        int error = b.size > target->config->datagram_max ? -EMSGSIZE : 0;
        if (error == 0)
            error = mt_link_send(&target->link, mt_buf_span(&b), batch->reason, sizeof(batch->reason));
        if (error == -EMSGSIZE) {
            snprintf(reason, sizeof(reason),
                     "the message has %zu bytes, a datagram may have %llu (datagram_max)", b.size,
                     (unsigned long long)target->config->datagram_max);
            target->hooks->refuse(target->hooks->ctx, batch, i, reason);
        } else if (error != 0) {
            return error;
        } else {
            batch->states[i] = MT_DOCUMENT_SENT;
        }
    }
    return 0;
}

static bool grow(struct piece *piece, size_t size)
{
    if (size <= piece->cap)
        return true;
    uint8_t *grown = realloc(piece->ptr, size);
    if (grown == NULL)
        return false;
    piece->ptr = grown;
    piece->cap = size;
    return true;
}

static void keep(struct mt_target *target, struct mt_span bytes)
{
    struct piece *newer = &target->newer;

    if (newer->size + bytes.size > target->config->resend / 2) {
        struct piece freed = target->older;
        target->older = *newer;
        *newer = freed;
        newer->size = 0;
    }
    if (bytes.size > target->config->resend || !grow(newer, newer->size + bytes.size))
        return;
    memcpy(newer->ptr + newer->size, bytes.ptr, bytes.size);
    newer->size += bytes.size;
}

static int write_bytes(struct mt_target *target, struct mt_span bytes, struct mt_batch *batch)
{
    return bytes.size == 0 ? 0 : mt_link_write(&target->link, bytes, batch->reason, sizeof(batch->reason));
}

static int write_stream(struct mt_target *target, struct mt_batch *batch)
{
    struct mt_buf b = mt_buf(target->bytes, target->cap);
    int error = 0;

    for (size_t i = 0; i < batch->count; i++)
        put_framed(target, &b, &batch->documents[i]);
    if (target->is_broken)
        error = write_bytes(target, mt_span(target->older.ptr, target->older.size), batch);
    if (target->is_broken && error == 0)
        error = write_bytes(target, mt_span(target->newer.ptr, target->newer.size), batch);
    if (error == 0)
        error = write_bytes(target, mt_buf_span(&b), batch);
    if (error == 0)
        error = mt_link_confirm(&target->link, batch->reason, sizeof(batch->reason));
    if (error == 0) {
        target->is_broken = false;
        keep(target, mt_buf_span(&b));
        mt_batch_sent(batch, 0, batch->count);
    } else if (error != -ESHUTDOWN) {
        target->is_broken = true;
    }
    return error;
}

static int send_batch(struct mt_target *target, struct mt_batch *batch)
{
    if (!reserve(target, batch))
        return -ENOMEM;
    int error = mt_link_open(&target->link, batch->reason, sizeof(batch->reason));
    if (error != 0)
        return error;
    return target->config->target == MT_TARGET_SYSLOG_UDP ? send_datagrams(target, batch)
                                                          : write_stream(target, batch);
}

/* An idle connection that has ended is noticed, and in which way. */
static void tick(struct mt_target *target)
{
    char reason[MT_REASON_MAX];
    static const uint8_t nothing;

    if (target->link.fd < 0 || target->config->target == MT_TARGET_SYSLOG_UDP)
        return;
    int error = mt_link_write(&target->link, mt_span(&nothing, 0), reason, sizeof(reason));
    if (error != 0 && error != -ESHUTDOWN)
        target->is_broken = true;
}

static void reopen(struct mt_target *target, bool rotate)
{
    (void)rotate;
    mt_link_close(&target->link);
}

static int check(struct mt_target *target, char *ret_reason, size_t reason_size)
{
    return mt_link_open(&target->link, ret_reason, reason_size);
}

static void move_piece(struct piece *to, struct piece *from)
{
    free(to->ptr);
    *to = *from;
    *from = (struct piece){.ptr = NULL};
}

static void inherit(struct mt_target *target, struct mt_target *from)
{
    move_piece(&target->older, &from->older);
    move_piece(&target->newer, &from->newer);
    target->is_broken = from->is_broken;
}

const struct mt_target_ops mt_target_syslog = {
    .create = create,
    .destroy = destroy,
    .inherit = inherit,
    .send = send_batch,
    .tick = tick,
    .reopen = reopen,
    .check = check,
};
