#include "export/lookup_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum state { RUNNING, DONE, GIVEN_UP };

struct mt_lookup {
    _Atomic int state; /* enum state; whoever changes it second frees */
    int socktype;
    int error;
    struct addrinfo *addresses;
    char host[256];
    char port[8];
};

static void destroy(struct mt_lookup *lookup)
{
    if (lookup->addresses != NULL)
        freeaddrinfo(lookup->addresses);
    free(lookup);
}

static void *run(void *ctx)
{
    struct mt_lookup *lookup = ctx;
    struct addrinfo hints = {.ai_socktype = lookup->socktype, .ai_flags = AI_NUMERICSERV};

    lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    if (atomic_exchange(&lookup->state, DONE) == GIVEN_UP)
        destroy(lookup);
    return NULL;
}

struct mt_lookup *mt_lookup_start(const char *host, const char *port, int socktype)
{
    struct mt_lookup *lookup = calloc(1, sizeof(*lookup));
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    if (lookup == NULL)
        return NULL;
    lookup->socktype = socktype;
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    snprintf(lookup->port, sizeof(lookup->port), "%s", port);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error == 0)
        return lookup;
    free(lookup);
    return NULL;
}

bool mt_lookup_is_done(const struct mt_lookup *lookup)
{
    return atomic_load(&lookup->state) == DONE;
}

int mt_lookup_result(const struct mt_lookup *lookup, const struct addrinfo **ret_addresses)
{
    *ret_addresses = lookup->addresses;
    return lookup->error;
}

void mt_lookup_end(struct mt_lookup *lookup)
{
    if (lookup != NULL && atomic_exchange(&lookup->state, GIVEN_UP) == DONE)
        destroy(lookup);
}
