#include "export/link_priv.h"

#include "export/clock_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOKUP_SLICE UINT64_C(2000000)
#define CONFIRM_SLICE UINT64_C(1000000)

static void split_address(struct mt_link *link)
{
    const char *address = link->config->address;
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? strlen(address) : (size_t)(colon - address);
    bool in_brackets = *address == '[' && size >= 2;

    snprintf(link->host, sizeof(link->host), "%.*s", (int)(in_brackets ? size - 2 : size),
             in_brackets ? address + 1 : address);
    snprintf(link->port, sizeof(link->port), "%s", colon == NULL ? "" : colon + 1);
}

int mt_link_init(struct mt_link *link, const struct mt_output_config *config,
                 const struct mt_target_hooks *hooks, char *ret_reason, size_t reason_size)
{
    *link = (struct mt_link){.config = config, .hooks = hooks, .fd = -1};
    if (config->target == MT_TARGET_UNIX) {
        if (strlen(config->address) < sizeof(((struct sockaddr_un *)0)->sun_path))
            return 0;
        snprintf(ret_reason, reason_size, "%s is longer than the name of a socket may be", config->address);
        return -EINVAL;
    }
    split_address(link);
    return config->target == MT_TARGET_SYSLOG_TLS ? mt_link_tls_init(link, ret_reason, reason_size) : 0;
}

void mt_link_close(struct mt_link *link)
{
    mt_link_tls_close(link);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

void mt_link_fini(struct mt_link *link)
{
    mt_link_close(link);
    mt_link_tls_fini(link);
    mt_lookup_end(link->lookup);
    link->lookup = NULL;
}

static int fail(struct mt_link *link, int error, const char *what, char *ret_reason, size_t size)
{
    mt_link_close(link);
    if (error == 0 || error == -EAGAIN)
        error = -ETIMEDOUT;
    if (mt_target_is_over(link->hooks))
        snprintf(ret_reason, size, "%s %s: there was no time left", what, link->config->address);
    else
        snprintf(ret_reason, size, "%s %s: %s", what, link->config->address, strerrordesc_np(-error));
    return error;
}

static int connect_to(struct mt_link *link, const struct sockaddr *address, socklen_t size, int family,
                      int type)
{
    uint64_t deadline = mt_clock_steady() + link->config->timeout;
    int error = 0;
    socklen_t error_size = sizeof(error);

    link->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return -errno;
    if (connect(link->fd, address, size) == 0)
        return 0;
    /* EAGAIN: a unix socket whose queue of connections is full */
    if (errno != EINPROGRESS)
        return -errno;
    int events = mt_target_poll(link->hooks, link->fd, POLLOUT, deadline);
    if (events <= 0)
        return events == 0 ? -ETIMEDOUT : events;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
        return -errno;
    return -error;
}

/* A lookup that takes longer than the patience goes on, and is asked again. */
static int look_up(struct mt_link *link, const struct addrinfo **ret_addresses, char *ret_reason, size_t size)
{
    uint64_t deadline = mt_clock_steady() + link->config->timeout;
    struct timespec slice = mt_clock_spec(LOOKUP_SLICE);
    int socktype = link->config->target == MT_TARGET_SYSLOG_UDP ? SOCK_DGRAM : SOCK_STREAM;

    if (link->lookup == NULL)
        link->lookup = mt_lookup_start(link->host, link->port, socktype);
    if (link->lookup == NULL)
        return -ENOMEM;
    while (!mt_lookup_is_done(link->lookup)) {
        if (mt_clock_steady() >= deadline || mt_target_is_over(link->hooks)) {
            snprintf(ret_reason, size, "the name %s can't be looked up: no answer", link->host);
            return -ETIMEDOUT;
        }
        nanosleep(&slice, NULL);
    }
    int error = mt_lookup_result(link->lookup, ret_addresses);
    if (error == 0)
        return 0;
    snprintf(ret_reason, size, "the name %s can't be looked up: %s", link->host, gai_strerror(error));
    mt_lookup_end(link->lookup);
    link->lookup = NULL;
    return -EHOSTUNREACH;
}

static void tune(const struct mt_link *link)
{
    int on = 1;
    unsigned ms = (unsigned)(link->config->timeout / 1000000);

    /* an end that has gone without a word is found out */
    (void)setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int open_inet(struct mt_link *link, char *ret_reason, size_t size)
{
    const struct addrinfo *addresses = NULL;
    int error = look_up(link, &addresses, ret_reason, size);

    if (error != 0)
        return error;
    error = -EHOSTUNREACH;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        error = connect_to(link, at->ai_addr, at->ai_addrlen, at->ai_family, at->ai_socktype);
        if (error == 0)
            break;
        mt_link_close(link);
    }
    mt_lookup_end(link->lookup); /* the name may mean something else next time */
    link->lookup = NULL;
    if (error != 0)
        return fail(link, error, "no connection to", ret_reason, size);
    if (link->config->target != MT_TARGET_SYSLOG_UDP)
        tune(link);
    return link->tls == NULL ? 0 : mt_link_tls_open(link, ret_reason, size);
}

int mt_link_open(struct mt_link *link, char *ret_reason, size_t reason_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (link->fd >= 0)
        return 0;
    if (link->config->target != MT_TARGET_UNIX)
        return open_inet(link, ret_reason, reason_size);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", link->config->address);
    int error = connect_to(link, (const struct sockaddr *)&address, sizeof(address), AF_UNIX, SOCK_STREAM);
    return error == 0 ? 0 : fail(link, error, "no connection to", ret_reason, reason_size);
}

static ssize_t write_some(struct mt_link *link, struct mt_span bytes, short *ret_events, char *ret_reason,
                          size_t size)
{
    *ret_events = POLLOUT;
    if (link->tls != NULL)
        return mt_link_tls_write(link, bytes, ret_events, ret_reason, size);
    ssize_t n = send(link->fd, bytes.ptr, bytes.size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

/* What the receiver says, which is nothing that anybody reads; 0: it is still
 * there; -ESHUTDOWN: it has ended the connection, and had read all of it. */
static int look_at_peer(struct mt_link *link, char *ret_reason, size_t size)
{
    char scratch[4096];
    ssize_t n;

    do {
        if (link->tls != NULL) {
            n = mt_link_tls_read(link, scratch, sizeof(scratch), ret_reason, size);
        } else {
            n = recv(link->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
            n = n < 0 ? -errno : n;
        }
    } while (n > 0 || n == -EINTR);
    if (n == -EAGAIN)
        return 0;
    if (n == 0)
        return -ESHUTDOWN;
    return (int)n;
}

/* A failure that left no sentence of its own gets one. */
static int broken(struct mt_link *link, int error, char *ret_reason, size_t size)
{
    if (*ret_reason == '\0')
        return fail(link, error, "the connection broke to", ret_reason, size);
    mt_link_close(link);
    return error;
}

int mt_link_write(struct mt_link *link, struct mt_span bytes, char *ret_reason, size_t reason_size)
{
    size_t done = 0;
    short events;

    *ret_reason = '\0';
    int error = look_at_peer(link, ret_reason, reason_size);
    while (error == 0 && done < bytes.size) {
        ssize_t n = write_some(link, mt_span_from(bytes, done), &events, ret_reason, reason_size);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n == -EINTR)
            continue;
        if (n != -EAGAIN) {
            error = n == 0 ? -EPIPE : (int)n;
            break;
        }
        int come = mt_target_poll(link->hooks, link->fd, events, mt_clock_steady() + link->config->timeout);
        if (come <= 0)
            error = come == 0 ? -ETIMEDOUT : come;
    }
    return error == 0 ? 0 : broken(link, error, ret_reason, reason_size);
}

int mt_link_send(struct mt_link *link, struct mt_span datagram, char *ret_reason, size_t reason_size)
{
    for (;;) {
        if (send(link->fd, datagram.ptr, datagram.size, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EAGAIN) {
            if (mt_target_poll(link->hooks, link->fd, POLLOUT, mt_clock_steady() + link->config->timeout) > 0)
                continue;
            errno = ETIMEDOUT;
        }
        if (errno == EMSGSIZE)
            return -EMSGSIZE;
        if (errno != EINTR)
            return fail(link, -errno, "nothing can be sent to", ret_reason, reason_size);
    }
}

int mt_link_confirm(struct mt_link *link, char *ret_reason, size_t reason_size)
{
    uint64_t deadline = mt_clock_steady() + link->config->timeout;
    int before = 0;

    *ret_reason = '\0';
    for (;;) {
        int left = 0;
        int error = look_at_peer(link, ret_reason, reason_size);
        if (error == 0 && ioctl(link->fd, SIOCOUTQ, &left) != 0)
            error = -errno;
        if (error != 0)
            return broken(link, error, ret_reason, reason_size);
        if (left == 0)
            return 0;
        if (left != before)
            deadline = mt_clock_steady() + link->config->timeout;
        before = left;
        if (mt_clock_steady() >= deadline || mt_target_is_over(link->hooks))
            return broken(link, -ETIMEDOUT, ret_reason, reason_size);
        (void)mt_target_poll(link->hooks, link->fd, POLLIN | POLLRDHUP, mt_clock_steady() + CONFIRM_SLICE);
    }
}
