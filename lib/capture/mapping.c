#include "capture/mapping_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

/* A signal handler is called without a context of its own, so what it looks at can't
 * be anywhere else than here. */
static struct {
    pthread_mutex_t lock; /* of those who change this; the handler only follows the list */
    struct mt_mapping *_Atomic first;
    struct sigaction previous;
    uintptr_t page_size;
} bus = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct mt_mapping *find(uintptr_t at)
{
    struct mt_mapping *mapping = atomic_load_explicit(&bus.first, memory_order_acquire);
    while (mapping != NULL && at - (uintptr_t)mapping->ptr >= mapping->size)
        mapping = atomic_load_explicit(&mapping->next, memory_order_acquire);
    return mapping;
}

static void note_lost(struct mt_mapping *mapping, size_t off)
{
    size_t least = atomic_load_explicit(&mapping->lost_off, memory_order_relaxed);
    while (off < least && !atomic_compare_exchange_weak(&mapping->lost_off, &least, off))
        continue;
}

/* mmap is not on POSIX' list of what a handler may call, but with glibc and musl it is
 * the system call and nothing else. One page, because others may still be there. */
static bool put_zeros(uintptr_t page)
{
    return mmap((void *)page, bus.page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    bool is_sent = info->si_code <= 0; /* by a process, then without an address */
    struct mt_mapping *mapping = is_sent ? NULL : find((uintptr_t)info->si_addr);
    if (mapping != NULL) {
        uintptr_t page = (uintptr_t)info->si_addr & ~(bus.page_size - 1);
        note_lost(mapping, page - (uintptr_t)mapping->ptr);
        if (!put_zeros(page))
            mapping = NULL;
    }
    if (mapping == NULL) { /* not ours: the same instruction faults again and meets what was set before */
        sigaction(SIGBUS, &bus.previous, NULL);
        if (is_sent)
            raise(number);
    }
    errno = error;
}

/* Looks each time, since somebody may have set another action meanwhile. */
static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK)};
    struct sigaction present;
    if (sigaction(SIGBUS, NULL, &present) == 0 && present.sa_sigaction == on_bus_error)
        return;
    bus.page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    bus.previous = present;
    sigaction(SIGBUS, &action, NULL);
}

int mt_mapping_open(struct mt_mapping *mapping, int fd, size_t size)
{
    void *ptr = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (ptr == MAP_FAILED)
        return -errno;
    mapping->ptr = ptr;
    mapping->size = size;
    mapping->previous = NULL;
    atomic_init(&mapping->lost_off, SIZE_MAX);
    pthread_mutex_lock(&bus.lock);
    install();
    struct mt_mapping *next = atomic_load_explicit(&bus.first, memory_order_relaxed);
    atomic_init(&mapping->next, next);
    if (next != NULL)
        next->previous = mapping;
    atomic_store_explicit(&bus.first, mapping, memory_order_release);
    pthread_mutex_unlock(&bus.lock);
    return 0;
}

void mt_mapping_close(struct mt_mapping *mapping)
{
    if (mapping->ptr == NULL)
        return;
    pthread_mutex_lock(&bus.lock);
    struct mt_mapping *next = atomic_load_explicit(&mapping->next, memory_order_relaxed);
    atomic_store_explicit(mapping->previous != NULL ? &mapping->previous->next : &bus.first, next,
                          memory_order_release);
    if (next != NULL)
        next->previous = mapping->previous;
    pthread_mutex_unlock(&bus.lock);
    munmap((void *)(uintptr_t)mapping->ptr, mapping->size);
    mapping->ptr = NULL;
}
