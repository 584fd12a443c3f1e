#include "live_metrics.h"

#include "metrics/server.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_OK 200u
#define HTTP_UNAVAILABLE 503u
#define READY (MT_LIVE_OUTPUTS_OPEN | MT_LIVE_PORTS_OPEN | MT_LIVE_RULES_LOADED)

struct mt_live_metrics {
    struct mt_live_view view;  /* under mutex, as are the next two */
    uint64_t answered;         /* when all threads answered last */
    unsigned stages;           /* enum mt_live_stage */
    struct mt_live_view shown; /* of the server's thread */
    pthread_mutex_t mutex;
    struct mt_metrics_server *server;
};

const char *mt_live_metrics_url(const struct mt_live_metrics *metrics)
{
    return mt_metrics_server_url(metrics->server);
}

void mt_live_metrics_reach(struct mt_live_metrics *metrics, enum mt_live_stage stage)
{
    if (!metrics)
        return;
    pthread_mutex_lock(&metrics->mutex);
    metrics->stages |= stage;
    /* threads begin here, and have not been asked yet */
    metrics->answered = mt_live_now();
    pthread_mutex_unlock(&metrics->mutex);
}

void mt_live_metrics_show(struct mt_live_metrics *metrics, const struct mt_live_view *view, bool is_answering)
{
    if (!metrics)
        return;
    pthread_mutex_lock(&metrics->mutex);
    metrics->view = *view;
    if (is_answering)
        metrics->answered = mt_live_now();
    pthread_mutex_unlock(&metrics->mutex);
}

/* --- health and ready ------------------------------------------------------------ */

unsigned mt_live_metrics_health(FILE *file, uint64_t silence, unsigned stages)
{
    /* before it runs and while it ends there are no threads that must answer */
    bool is_running = (stages & READY) == READY && !(stages & MT_LIVE_ENDING);
    bool is_healthy = !is_running || silence < MT_LIVE_SILENCE_MAX;
    const char *status = "silent";

    if (!is_running)
        status = stages & MT_LIVE_ENDING ? "ending" : "starting";
    else if (is_healthy)
        status = "ok";
    fprintf(file, "{\"status\": \"%s\", \"threads_answered_s_ago\": %.1f}\n", status, (double)silence / 1e9);
    return is_healthy ? HTTP_OK : HTTP_UNAVAILABLE;
}

static bool are_ports_there(const struct mt_live_view *view)
{
    for (size_t i = 0; i < view->port_count; i++) {
        if (view->ports[i].is_gone)
            return false;
    }
    return true;
}

unsigned mt_live_metrics_ready(FILE *file, const struct mt_live_view *view, unsigned stages)
{
    bool is_there = are_ports_there(view);
    bool is_ready = stages == READY && is_there;
    const char *status = "starting";

    if (is_ready)
        status = "ready";
    else if (stages & MT_LIVE_ENDING)
        status = "ending";
    else if (!is_there)
        status = "a port has gone";
    fprintf(file, "{\"status\": \"%s\", \"outputs_open\": %s, \"ports_open\": %s, \"rules_loaded\": %s}\n",
            status, stages & MT_LIVE_OUTPUTS_OPEN ? "true" : "false",
            stages & MT_LIVE_PORTS_OPEN && is_there ? "true" : "false",
            stages & MT_LIVE_RULES_LOADED ? "true" : "false");
    return is_ready ? HTTP_OK : HTTP_UNAVAILABLE;
}

/* --- the server's thread --------------------------------------------------------- */

struct page {
    const char *path;
    const char *type;
    /* the HTTP status */
    unsigned (*put)(FILE *file, const struct mt_live_view *view, uint64_t silence, unsigned stages);
};

static unsigned put_metrics(FILE *file, const struct mt_live_view *view, uint64_t silence, unsigned stages)
{
    (void)silence;
    (void)stages;
    mt_live_metrics_text(file, view);
    return HTTP_OK;
}

static unsigned put_health(FILE *file, const struct mt_live_view *view, uint64_t silence, unsigned stages)
{
    (void)view;
    return mt_live_metrics_health(file, silence, stages);
}

static unsigned put_ready(FILE *file, const struct mt_live_view *view, uint64_t silence, unsigned stages)
{
    (void)silence;
    return mt_live_metrics_ready(file, view, stages);
}

static const struct page pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", put_metrics},
    {"/health", "application/json", put_health},
    {"/ready", "application/json", put_ready},
};

static const struct page *find_page(const char *path)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(pages); i++) {
        if (strcmp(pages[i].path, path) == 0)
            return &pages[i];
    }
    return NULL;
}

static bool answer(void *ctx, const char *path, struct mt_metrics_reply *ret_reply)
{
    struct mt_live_metrics *metrics = ctx;
    const struct page *page = find_page(path);
    char *text = NULL;
    size_t size = 0;

    if (!page)
        return false;
    pthread_mutex_lock(&metrics->mutex);
    metrics->shown = metrics->view;
    unsigned stages = metrics->stages;
    uint64_t answered = metrics->answered;
    pthread_mutex_unlock(&metrics->mutex);
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return true;
    ret_reply->type = page->type;
    ret_reply->status = page->put(file, &metrics->shown, mt_live_now() - answered, stages);
    bool is_whole = !ferror(file);
    if (fclose(file) != 0 || !is_whole) {
        free(text);
        return true;
    }
    ret_reply->body = text;
    ret_reply->size = size;
    return true;
}

int mt_live_metrics_open(const char *address, char *ret_reason, size_t reason_size,
                         struct mt_live_metrics **ret_metrics)
{
    char reason[512];
    struct mt_live_metrics *metrics = aligned_alloc(MT_CACHE_LINE, sizeof(*metrics));

    if (!metrics) {
        snprintf(ret_reason, reason_size, "--metrics: out of memory");
        return -ENOMEM;
    }
    memset(metrics, 0, sizeof(*metrics));
    pthread_mutex_init(&metrics->mutex, NULL);
    metrics->answered = mt_live_now();
    int rc = mt_metrics_server_create(address, answer, metrics, reason, sizeof(reason), &metrics->server);
    if (rc == 0) {
        *ret_metrics = metrics;
        return 0;
    }
    snprintf(ret_reason, reason_size, "--metrics: %s", reason);
    mt_live_metrics_close(metrics);
    return rc;
}

void mt_live_metrics_close(struct mt_live_metrics *metrics)
{
    if (!metrics)
        return;
    mt_metrics_server_destroy(metrics->server);
    pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
}
