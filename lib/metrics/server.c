#include "metrics/server.h"

#include "base/compiler.h"
#include "late/late.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The library's own limit lies above ours, so that it never is the one that
 * refuses: it takes ten connections at a time, and we look after each turn. */
#define LIBRARY_CONNECTIONS 128u
#define BACKLOG 128
#define REQUEST_MAX ((size_t)8 << 10)
#define TURN_MS 1000
#define ADDRESS_MAX 128

struct calls {
#define MT_LATE(name) __typeof__(name) *name;
#include "metrics/microhttpd.def"
#undef MT_LATE
};

static const char *const call_names[] = {
#define MT_LATE(name) #name,
#include "metrics/microhttpd.def"
#undef MT_LATE
};

struct client {
    int fd; /* -1: a free place */
    uint64_t since;
    bool is_shut;
};

struct mt_metrics_server {
    struct calls lib;
    struct MHD_Daemon *daemon;
    mt_metrics_answer *answer;
    void *ctx;
    pthread_t thread;
    bool has_thread;
    int fd;      /* that listens; -1: the daemon has it */
    int stop_fd; /* eventfd */
    struct client clients[LIBRARY_CONNECTIONS];
    char url[ADDRESS_MAX + 16];
};

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- the address ------------------------------------------------------------- */

/* Cuts text at the port's colon; false when it is no ADDRESS:PORT. */
static bool split(const char *text, char *host, size_t host_size, const char **ret_port)
{
    const char *end;
    const char *colon = strrchr(text, ':');

    if (colon == NULL || colon == text || colon[1] == '\0')
        return false;
    if (text[0] == '[') {
        text++;
        end = strchr(text, ']');
        if (end == NULL || end + 1 != colon)
            return false;
    } else {
        end = strchr(text, ':');
        if (end != colon)
            return false;
    }
    size_t size = (size_t)(end - text);
    if (size == 0 || size >= host_size)
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return true;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return text[digits] == '\0' && digits > 0 && digits <= 5 && strtoul(text, NULL, 10) <= 65535;
}

/* The list is to be freed with freeaddrinfo. */
static int resolve(const char *text, char *ret_reason, size_t reason_size, struct addrinfo **ret_list)
{
    static const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
    };
    char host[ADDRESS_MAX];
    const char *port = NULL;

    if (!split(text, host, sizeof(host), &port)) {
        snprintf(ret_reason, reason_size,
                 "'%s' is not ADDRESS:PORT, such as 127.0.0.1:9105 or [::1]:9105; 0.0.0.0 and [::] are every "
                 "address of this machine",
                 text);
        return -EINVAL;
    }
    if (!is_port(port)) {
        snprintf(ret_reason, reason_size, "'%s' in '%s' is not a port from 0 to 65535", port, text);
        return -EINVAL;
    }
    if (getaddrinfo(host, port, &hints, ret_list) != 0) {
        snprintf(ret_reason, reason_size,
                 "'%s' is not an IP address; write it as a number, such as 127.0.0.1:%s or [::1]:%s", host,
                 port, port);
        return -EINVAL;
    }
    return 0;
}

int mt_metrics_address_check(const char *text, char *ret_reason, size_t reason_size)
{
    struct addrinfo *list;
    int rc = resolve(text, ret_reason, reason_size, &list);

    if (rc == 0)
        freeaddrinfo(list);
    return rc;
}

/* --- listening --------------------------------------------------------------- */

static void say_why(const char *address, int error, char *ret_reason, size_t reason_size)
{
    const char *mend = "";

    if (error == EADDRINUSE)
        mend = "; another program listens there (ss -ltnp shows which): give another port";
    else if (error == EADDRNOTAVAIL)
        mend = "; no interface of this machine has this address (ip addr lists them)";
    else if (error == EACCES || error == EPERM)
        mend = "; ports below 1024 need root or CAP_NET_BIND_SERVICE: give a higher one";
    snprintf(ret_reason, reason_size, "can't listen at %s: %s%s", address, strerrordesc_np(error), mend);
}

/* The socket, or -errno. */
static int listen_at(const struct addrinfo *where)
{
    const int one = 1;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* [::] is every IPv6 address, and no other */
    if (where->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static void note_url(struct mt_metrics_server *server)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(address);
    char host[ADDRESS_MAX] = "?";
    char port[8] = "?";

    (void)getsockname(server->fd, (struct sockaddr *)&address, &size);
    (void)getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(server->url, sizeof(server->url),
             address.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
}

/* --- connections ------------------------------------------------------------- */

static void on_connection(void *ctx, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    struct mt_metrics_server *server = ctx;
    struct client *client = *place;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client != NULL)
            client->fd = -1;
        return;
    }
    const union MHD_ConnectionInfo *info =
        server->lib.MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (size_t i = 0; info != NULL && i < MT_ARRAY_COUNT(server->clients); i++) {
        client = &server->clients[i];
        if (client->fd >= 0)
            continue;
        *client = (struct client){.fd = info->connect_fd, .since = clock_ms(), .is_shut = false};
        *place = client;
        return;
    }
}

/* The library sees an end of input and closes; the descriptor is open until it
 * has told us. */
static void shut(struct client *client)
{
    client->is_shut = true;
    (void)shutdown(client->fd, SHUT_RDWR);
}

static void close_late(struct mt_metrics_server *server)
{
    uint64_t now = clock_ms();

    for (size_t i = 0; i < MT_ARRAY_COUNT(server->clients); i++) {
        struct client *client = &server->clients[i];
        if (client->fd >= 0 && !client->is_shut && now - client->since > (uint64_t)MT_METRICS_TIME_MAX * 1000)
            shut(client);
    }
}

static void close_oldest(struct mt_metrics_server *server)
{
    for (;;) {
        struct client *oldest = NULL;
        size_t open = 0;
        for (size_t i = 0; i < MT_ARRAY_COUNT(server->clients); i++) {
            struct client *client = &server->clients[i];
            if (client->fd < 0 || client->is_shut)
                continue;
            open++;
            if (oldest == NULL || client->since < oldest->since)
                oldest = client;
        }
        if (open <= MT_METRICS_CONNECTIONS_MAX || oldest == NULL)
            return;
        shut(oldest);
    }
}

/* --- requests ---------------------------------------------------------------- */

static enum MHD_Result reply_with(const struct calls *lib, struct MHD_Connection *connection,
                                  const struct mt_metrics_reply *reply, const char *allowed)
{
    struct MHD_Response *response =
        lib->MHD_create_response_from_buffer(reply->size, reply->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(reply->body);
        return MHD_NO;
    }
    (void)lib->MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    (void)lib->MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)lib->MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (allowed != NULL)
        (void)lib->MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allowed);
    enum MHD_Result result = lib->MHD_queue_response(connection, reply->status, response);
    lib->MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(const struct calls *lib, struct MHD_Connection *connection, unsigned status,
                              const char *text, const char *allowed)
{
    struct mt_metrics_reply reply = {
        .status = status, .type = "text/plain; charset=utf-8", .body = strdup(text)};

    reply.size = reply.body != NULL ? strlen(reply.body) : 0;
    return reply.body != NULL ? reply_with(lib, connection, &reply, allowed) : MHD_NO;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **place)
{
    struct mt_metrics_server *server = ctx;
    struct mt_metrics_reply reply = {.status = MHD_HTTP_OK};

    (void)version;
    (void)upload;
    (void)upload_size;
    (void)place;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(&server->lib, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                      "Only GET and HEAD are understood here.\n", "GET, HEAD");
    if (!server->answer(server->ctx, url, &reply))
        return refuse(&server->lib, connection, MHD_HTTP_NOT_FOUND,
                      "There is /metrics, /health and /ready.\n", NULL);
    if (reply.body == NULL)
        return refuse(&server->lib, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "There is no memory for an answer.\n", NULL);
    return reply_with(&server->lib, connection, &reply, NULL);
}

/* --- the thread -------------------------------------------------------------- */

/* Until stop_fd is readable. */
static void *serve(void *arg)
{
    struct mt_metrics_server *server = arg;
    const union MHD_DaemonInfo *info =
        server->lib.MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd wait[] = {
        {.fd = server->stop_fd, .events = POLLIN},
        {.fd = info->epoll_fd, .events = POLLIN},
    };

    while ((wait[0].revents & POLLIN) == 0) {
        MHD_UNSIGNED_LONG_LONG library = TURN_MS;
        int turn = TURN_MS;
        if (server->lib.MHD_get_timeout(server->daemon, &library) == MHD_YES && library < TURN_MS)
            turn = (int)library;
        (void)poll(wait, MT_ARRAY_COUNT(wait), turn);
        (void)server->lib.MHD_run(server->daemon);
        close_late(server);
        close_oldest(server);
    }
    return NULL;
}

/* What the library says is about single connections, which nobody can mend. */
static void be_silent(void *ctx, const char *format, va_list arguments)
{
    (void)ctx;
    (void)format;
    (void)arguments;
}

static int start(struct mt_metrics_server *server)
{
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (server->stop_fd < 0)
        return -errno;
    server->daemon = server->lib.MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER,
        be_silent, NULL, MHD_OPTION_LISTEN_SOCKET, server->fd, MHD_OPTION_CONNECTION_LIMIT,
        LIBRARY_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, MT_METRICS_TIME_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MAX, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_END);
    if (server->daemon == NULL)
        return -ENOMEM;
    server->fd = -1;
    int rc = pthread_create(&server->thread, NULL, serve, server);
    server->has_thread = rc == 0;
    return -rc;
}

int mt_metrics_server_create(const char *address, mt_metrics_answer *answer, void *ctx, char *ret_reason,
                             size_t reason_size, struct mt_metrics_server **ret_server)
{
    struct addrinfo *list;
    struct calls lib;
    int rc = resolve(address, ret_reason, reason_size, &list);
    if (rc != 0)
        return rc;
    rc = mt_late_load(MT_LATE_MICROHTTPD, call_names, MT_ARRAY_COUNT(call_names), &lib, ret_reason,
                      reason_size);
    if (rc != 0) {
        freeaddrinfo(list);
        return rc;
    }
    struct mt_metrics_server *server = calloc(1, sizeof(*server));
    int fd = server != NULL ? listen_at(list) : -ENOMEM;
    freeaddrinfo(list);
    if (server == NULL || fd < 0) {
        say_why(address, -fd, ret_reason, reason_size);
        free(server);
        return fd == -EINVAL ? -EIO : fd;
    }
    server->lib = lib;
    server->fd = fd;
    server->stop_fd = -1;
    server->answer = answer;
    server->ctx = ctx;
    for (size_t i = 0; i < MT_ARRAY_COUNT(server->clients); i++)
        server->clients[i].fd = -1;
    note_url(server);
    rc = start(server);
    if (rc != 0) {
        snprintf(ret_reason, reason_size, "can't serve at %s: %s", address, strerrordesc_np(-rc));
        mt_metrics_server_destroy(server);
        return rc;
    }
    *ret_server = server;
    return 0;
}

void mt_metrics_server_destroy(struct mt_metrics_server *server)
{
    const uint64_t one = 1;

    if (server == NULL)
        return;
    if (server->has_thread) {
        ssize_t n = write(server->stop_fd, &one, sizeof(one));
        (void)n;
        pthread_join(server->thread, NULL);
    }
    if (server->daemon != NULL)
        server->lib.MHD_stop_daemon(server->daemon);
    if (server->fd >= 0)
        close(server->fd);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    free(server);
}

const char *mt_metrics_server_url(const struct mt_metrics_server *server)
{
    return server->url;
}
