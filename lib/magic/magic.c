#include "magic/magic.h"

#include "base/compiler.h"

#include <errno.h>
#include <magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TYPE_SIZE 80u
#define NAP_NS 1000000

struct question {
    uint32_t ticket;
    uint32_t size;
    uint8_t head[MT_MAGIC_HEAD_MAX];
};

/* The names that libmagic gave, each once; what is in use does not change. */
struct types {
    _Atomic uint32_t count;
    char names[MT_MAGIC_TYPES_MAX][TYPE_SIZE];
};

struct mt_magic_desk {
    struct mt_magic *magic;
    magic_t cookie; /* without a thread: its own */
    struct types *types;
    uint32_t last_ticket;
    struct question *questions; /* with one: a ring */
    _Atomic uint64_t *answers;  /* ticket and type, by ticket */
    _Alignas(MT_CACHE_LINE) _Atomic uint32_t asked;
    _Alignas(MT_CACHE_LINE) _Atomic uint32_t answered;
};

struct mt_magic {
    bool is_threaded;
    bool is_started;
    pthread_t thread;
    _Atomic bool is_ending;
    magic_t cookie;
    struct types types;
    _Atomic uint32_t desk_count;
    struct mt_magic_desk *desks[MT_MAGIC_DESKS_MAX];
};

/* --- libmagic --------------------------------------------------------------- */

static magic_t open_cookie(char *ret_reason, size_t reason_size)
{
    magic_t cookie = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_COMPRESS);

    if (cookie == NULL) {
        snprintf(ret_reason, reason_size, "libmagic could not be opened");
        return NULL;
    }
    if (magic_load(cookie, NULL) == 0)
        return cookie;
    const char *why = magic_error(cookie);
    snprintf(ret_reason, reason_size, "libmagic's database can't be read: %s", why != NULL ? why : "unknown");
    magic_close(cookie);
    return NULL;
}

/* Number of the type, counted from 1; 0: unknown. */
static uint32_t type_of(magic_t cookie, struct types *types, struct mt_span head)
{
    const char *name = magic_buffer(cookie, head.ptr, head.size);
    uint32_t count = atomic_load_explicit(&types->count, memory_order_relaxed);

    if (name == NULL || name[0] == 0 || strlen(name) >= TYPE_SIZE || strchr(name, '/') == NULL)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(types->names[i], name) == 0)
            return i + 1;
    }
    if (count == MT_MAGIC_TYPES_MAX)
        return 0;
    memcpy(types->names[count], name, strlen(name) + 1);
    atomic_store_explicit(&types->count, count + 1, memory_order_release);
    return count + 1;
}

static const char *name_of(struct types *types, uint32_t type)
{
    uint32_t count = atomic_load_explicit(&types->count, memory_order_acquire);

    return type > 0 && type <= count ? types->names[type - 1] : NULL;
}

/* --- the thread ------------------------------------------------------------- */

static bool serve(struct mt_magic *magic, struct mt_magic_desk *desk)
{
    uint32_t answered = atomic_load_explicit(&desk->answered, memory_order_relaxed);

    if (atomic_load_explicit(&desk->asked, memory_order_acquire) == answered)
        return false;
    const struct question *question = &desk->questions[answered % MT_MAGIC_WAITING_MAX];
    uint64_t type = type_of(magic->cookie, &magic->types, mt_span(question->head, question->size));
    atomic_store_explicit(&desk->answers[question->ticket % MT_MAGIC_ANSWERS_MAX],
                          (uint64_t)question->ticket << 32 | type, memory_order_release);
    atomic_store_explicit(&desk->answered, answered + 1, memory_order_release);
    return true;
}

static void *thread_main(void *ctx)
{
    struct mt_magic *magic = ctx;

    while (!atomic_load_explicit(&magic->is_ending, memory_order_relaxed)) {
        bool was_busy = false;
        uint32_t count = atomic_load_explicit(&magic->desk_count, memory_order_acquire);
        for (uint32_t i = 0; i < count; i++)
            was_busy |= serve(magic, magic->desks[i]);
        if (!was_busy)
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
    return NULL;
}

/* --- creation --------------------------------------------------------------- */

int mt_magic_create(bool is_threaded, char *ret_reason, size_t reason_size, struct mt_magic **ret_magic)
{
    struct mt_magic *magic = calloc(1, sizeof(*magic));

    if (magic == NULL) {
        snprintf(ret_reason, reason_size, "no memory");
        return -ENOMEM;
    }
    magic->is_threaded = is_threaded;
    magic->cookie = open_cookie(ret_reason, reason_size); /* also to know that it can be */
    if (magic->cookie == NULL) {
        free(magic);
        return -ENOENT;
    }
    if (is_threaded)
        magic->is_started = pthread_create(&magic->thread, NULL, thread_main, magic) == 0;
    if (is_threaded && !magic->is_started) {
        snprintf(ret_reason, reason_size, "no thread for libmagic");
        mt_magic_destroy(magic);
        return -EAGAIN;
    }
    *ret_magic = magic;
    return 0;
}

static void close_desk(struct mt_magic_desk *desk)
{
    if (desk->cookie != NULL)
        magic_close(desk->cookie);
    if (!desk->magic->is_threaded)
        free(desk->types);
    free(desk->questions);
    free(desk->answers);
    free(desk);
}

void mt_magic_destroy(struct mt_magic *magic)
{
    if (magic == NULL)
        return;
    atomic_store(&magic->is_ending, true);
    if (magic->is_started)
        pthread_join(magic->thread, NULL);
    for (uint32_t i = 0; i < magic->desk_count; i++)
        close_desk(magic->desks[i]);
    magic_close(magic->cookie);
    free(magic);
}

struct mt_magic_desk *mt_magic_open(struct mt_magic *magic)
{
    uint32_t count = atomic_load(&magic->desk_count);
    char reason[128];

    if (count == MT_MAGIC_DESKS_MAX)
        return NULL;
    struct mt_magic_desk *desk = aligned_alloc(MT_CACHE_LINE, sizeof(*desk));
    if (desk == NULL)
        return NULL;
    memset(desk, 0, sizeof(*desk));
    desk->magic = magic;
    bool is_made;
    if (magic->is_threaded) {
        desk->types = &magic->types;
        desk->questions = calloc(MT_MAGIC_WAITING_MAX, sizeof(*desk->questions));
        desk->answers = calloc(MT_MAGIC_ANSWERS_MAX, sizeof(*desk->answers));
        is_made = desk->questions != NULL && desk->answers != NULL;
    } else {
        desk->types = calloc(1, sizeof(*desk->types));
        desk->cookie = open_cookie(reason, sizeof(reason));
        is_made = desk->types != NULL && desk->cookie != NULL;
    }
    if (!is_made) {
        close_desk(desk);
        return NULL;
    }
    magic->desks[count] = desk;
    atomic_store_explicit(&magic->desk_count, count + 1, memory_order_release);
    return desk;
}

/* --- asking ----------------------------------------------------------------- */

uint32_t mt_magic_ask(void *ctx, struct mt_span head)
{
    struct mt_magic_desk *desk = ctx;

    head = mt_span_head(head, MT_MAGIC_HEAD_MAX);
    if (!desk->magic->is_threaded) /* the answer itself; what is unknown has one, too */
        return type_of(desk->cookie, desk->types, head) + 1;
    uint32_t asked = atomic_load_explicit(&desk->asked, memory_order_relaxed);
    if (asked - atomic_load_explicit(&desk->answered, memory_order_acquire) == MT_MAGIC_WAITING_MAX)
        return 0;
    if (++desk->last_ticket == 0)
        desk->last_ticket = 1;
    struct question *question = &desk->questions[asked % MT_MAGIC_WAITING_MAX];
    question->ticket = desk->last_ticket;
    question->size = (uint32_t)head.size;
    memcpy(question->head, head.ptr, head.size);
    atomic_store_explicit(&desk->asked, asked + 1, memory_order_release);
    return question->ticket;
}

const char *mt_magic_answer(void *ctx, uint32_t ticket)
{
    struct mt_magic_desk *desk = ctx;

    if (ticket == 0)
        return NULL;
    if (!desk->magic->is_threaded)
        return name_of(desk->types, ticket - 1);
    uint64_t answer =
        atomic_load_explicit(&desk->answers[ticket % MT_MAGIC_ANSWERS_MAX], memory_order_acquire);
    return answer >> 32 == ticket ? name_of(desk->types, (uint32_t)answer) : NULL;
}
