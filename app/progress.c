#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS 30

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void draw(const struct mt_capture *capture, double elapsed)
{
    double done = (double)atomic_load_explicit(&capture->bytes_done, memory_order_relaxed);
    double total = (double)atomic_load_explicit(&capture->bytes_total, memory_order_relaxed);
    double rate = elapsed > 0 ? done / elapsed : 0;
    if (total <= 0) {
        fprintf(stderr, "\r\033[K%.1f MB read, %.0f MB/s", done / 1e6, rate / 1e6);
        return;
    }
    int cells = (int)(done / total * BAR_CELLS);
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < cells ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f %% of %.1f MB, %.0f MB/s, %.0f s left", bar, done / total * 100,
            total / 1e6, rate / 1e6, rate > 0 ? (total - done) / rate : 0);
}

static void *progress_main(void *arg)
{
    struct mt_progress *progress = arg;
    double start = seconds_now();
    pthread_mutex_lock(&progress->mutex);
    while (!progress->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&progress->wake, &progress->mutex, &until);
        double elapsed = seconds_now() - start;
        /* what is done at once needs no bar */
        if (!progress->is_stopping && elapsed > 0.4)
            draw(progress->capture, elapsed);
    }
    pthread_mutex_unlock(&progress->mutex);
    fputs("\r\033[K", stderr);
    return NULL;
}

void mt_progress_start(struct mt_progress *progress, const struct mt_capture *capture, bool is_wanted)
{
    memset(progress, 0, sizeof(*progress));
    if (!is_wanted || !isatty(STDERR_FILENO))
        return;
    progress->capture = capture;
    pthread_mutex_init(&progress->mutex, NULL);
    pthread_cond_init(&progress->wake, NULL);
    progress->is_running = pthread_create(&progress->thread, NULL, progress_main, progress) == 0;
}

void mt_progress_stop(struct mt_progress *progress)
{
    if (!progress->is_running)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->is_stopping = true;
    pthread_cond_signal(&progress->wake);
    pthread_mutex_unlock(&progress->mutex);
    pthread_join(progress->thread, NULL);
    progress->is_running = false;
}
