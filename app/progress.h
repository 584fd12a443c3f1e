/* A progress line on standard error while a capture is read, when that is a
 * terminal: bytes, rate, time left. A thread of its own, so that it also moves
 * while the reader is busy.
 *
 * Ownership: borrows the capture until stop. Thread: start and stop from main.
 * Limits: ten updates a second.
 */
#ifndef MT_APP_PROGRESS_H
#define MT_APP_PROGRESS_H

#include "capture/capture.h"

#include <pthread.h>

struct mt_progress {
    const struct mt_capture *capture;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_running;
    bool is_stopping; /* under mutex */
};

/* Does nothing unless standard error is a terminal and is_wanted. */
void mt_progress_start(struct mt_progress *progress, const struct mt_capture *capture, bool is_wanted);
void mt_progress_stop(struct mt_progress *progress);

#endif
