#include "export/compressor_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define WAITING_MAX 64u
#define LEVEL 3

struct mt_compressor {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t something;
    const struct mt_target_hooks *hooks;
    char *waiting[WAITING_MAX];
    unsigned count;
    bool is_stopping;
};

struct streams {
    int in;
    int out;
    ZSTD_CStream *zstd;
    size_t in_cap;
    size_t out_cap;
    void *in_bytes;
    void *out_bytes;
};

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* One piece of the input, or with ZSTD_e_end its end. */
static bool squeeze(struct streams *s, size_t size, ZSTD_EndDirective directive)
{
    ZSTD_inBuffer in = {.src = s->in_bytes, .size = size};
    size_t left;

    do {
        ZSTD_outBuffer out = {.dst = s->out_bytes, .size = s->out_cap};
        left = ZSTD_compressStream2(s->zstd, &out, &in, directive);
        if (ZSTD_isError(left) || !write_all(s->out, s->out_bytes, out.pos))
            return false;
    } while (directive == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return true;
}

static bool copy(const struct mt_compressor *compressor, struct streams *s)
{
    for (;;) {
        ssize_t n = read(s->in, s->in_bytes, s->in_cap);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || mt_target_is_over(compressor->hooks))
            return false;
        if (n == 0)
            return squeeze(s, 0, ZSTD_e_end) && fsync(s->out) == 0;
        if (!squeeze(s, (size_t)n, ZSTD_e_continue))
            return false;
    }
}

static bool compress_to(const struct mt_compressor *compressor, const char *path, const char *part)
{
    struct streams s = {
        .in = open(path, O_RDONLY | O_CLOEXEC),
        .out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640),
        .zstd = ZSTD_createCStream(),
        .in_cap = ZSTD_CStreamInSize(),
        .out_cap = ZSTD_CStreamOutSize(),
        .in_bytes = malloc(ZSTD_CStreamInSize()),
        .out_bytes = malloc(ZSTD_CStreamOutSize()),
    };
    bool done = s.in >= 0 && s.out >= 0 && s.zstd != NULL && s.in_bytes != NULL && s.out_bytes != NULL;

    if (done) {
        ZSTD_CCtx_setParameter(s.zstd, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(s.zstd, ZSTD_c_checksumFlag, 1);
        done = copy(compressor, &s);
    }
    if (s.in >= 0)
        close(s.in);
    if (s.out >= 0)
        close(s.out);
    ZSTD_freeCStream(s.zstd);
    free(s.in_bytes);
    free(s.out_bytes);
    return done;
}

static void compress(const struct mt_compressor *compressor, const char *path)
{
    char *part = NULL;
    char *whole = NULL;

    if (asprintf(&part, "%s.zst.part", path) < 0)
        part = NULL;
    if (asprintf(&whole, "%s.zst", path) < 0)
        whole = NULL;
    if (part != NULL && whole != NULL && compress_to(compressor, path, part) && rename(part, whole) == 0) {
        (void)unlink(path);
    } else {
        if (part != NULL)
            (void)unlink(part);
        mt_log(MT_LOG_WARNING, "%s is not compressed, and stays as it is", path);
    }
    free(part);
    free(whole);
}

static void *run(void *ctx)
{
    struct mt_compressor *compressor = ctx;

    pthread_mutex_lock(&compressor->lock);
    for (;;) {
        while (compressor->count == 0 && !compressor->is_stopping)
            pthread_cond_wait(&compressor->something, &compressor->lock);
        if (compressor->count == 0 || mt_target_is_over(compressor->hooks))
            break;
        char *path = compressor->waiting[0];
        compressor->count--;
        memmove(&compressor->waiting[0], &compressor->waiting[1], compressor->count * sizeof(path));
        pthread_mutex_unlock(&compressor->lock);
        compress(compressor, path);
        free(path);
        pthread_mutex_lock(&compressor->lock);
    }
    pthread_mutex_unlock(&compressor->lock);
    return NULL;
}

int mt_compressor_create(const struct mt_target_hooks *hooks, struct mt_compressor **ret_compressor)
{
    struct mt_compressor *compressor = calloc(1, sizeof(*compressor));
    sigset_t all;
    sigset_t before;

    if (compressor == NULL)
        return -ENOMEM;
    compressor->hooks = hooks;
    pthread_mutex_init(&compressor->lock, NULL);
    pthread_cond_init(&compressor->something, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&compressor->thread, NULL, run, compressor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(compressor);
        return -error;
    }
    *ret_compressor = compressor;
    return 0;
}

void mt_compressor_destroy(struct mt_compressor *compressor)
{
    if (compressor == NULL)
        return;
    pthread_mutex_lock(&compressor->lock);
    compressor->is_stopping = true;
    pthread_mutex_unlock(&compressor->lock);
    pthread_cond_signal(&compressor->something);
    pthread_join(compressor->thread, NULL);
    while (compressor->count > 0)
        free(compressor->waiting[--compressor->count]);
    pthread_cond_destroy(&compressor->something);
    pthread_mutex_destroy(&compressor->lock);
    free(compressor);
}

void mt_compressor_add(struct mt_compressor *compressor, const char *path)
{
    char *copied = strdup(path);

    pthread_mutex_lock(&compressor->lock);
    bool has_room = copied != NULL && compressor->count < WAITING_MAX;
    if (has_room)
        compressor->waiting[compressor->count++] = copied;
    pthread_mutex_unlock(&compressor->lock);
    pthread_cond_signal(&compressor->something);
    if (!has_room) {
        mt_log(MT_LOG_WARNING, "%s is not compressed, because %u files wait for it already", path,
               WAITING_MAX);
        free(copied);
    }
}
