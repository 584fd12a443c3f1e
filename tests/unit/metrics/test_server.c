/* The HTTP server: what addresses it takes, what it answers, and that crowds and
 * slow clients keep nobody out. */
#include "metrics/server.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REASON_SIZE 512
#define CROWD 1000
#define LARGE ((size_t)64 << 20) /* more than sockets take */

static bool answer(void *ctx, const char *path, struct mt_metrics_reply *ret_reply)
{
    (void)ctx;
    if (strcmp(path, "/page") == 0) {
        *ret_reply =
            (struct mt_metrics_reply){.status = 200, .type = "text/x", .body = strdup("hello\n"), .size = 6};
        return true;
    }
    if (strcmp(path, "/large") == 0) {
        const size_t size = LARGE;
        *ret_reply =
            (struct mt_metrics_reply){.status = 200, .type = "text/x", .body = calloc(1, size), .size = size};
        return true;
    }
    if (strcmp(path, "/sick") == 0) {
        *ret_reply =
            (struct mt_metrics_reply){.status = 503, .type = "text/x", .body = strdup("ill\n"), .size = 4};
        return true;
    }
    ret_reply->status = 200;
    return strcmp(path, "/short") == 0; /* no memory: no body */
}

static struct mt_metrics_server *serve(const char *address)
{
    char reason[REASON_SIZE] = "";
    struct mt_metrics_server *server = NULL;
    if (mt_metrics_server_create(address, answer, NULL, reason, sizeof(reason), &server) != 0)
        fail_msg("%s", reason);
    return server;
}

static uint16_t port_of(const struct mt_metrics_server *server)
{
    const char *colon = strrchr(mt_metrics_server_url(server), ':');
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

static int dial(const struct mt_metrics_server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port_of(server))};
    struct timeval patience = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that comes until the other side closes; false when that does not happen. */
static bool hear(int fd, char *ret_text, size_t size)
{
    size_t used = 0;
    ssize_t n;
    while (used < size - 1 && (n = recv(fd, ret_text + used, size - 1 - used, 0)) > 0)
        used += (size_t)n;
    ret_text[used] = '\0';
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void ask(const struct mt_metrics_server *server, const char *request, char ret_text[2048])
{
    int fd = dial(server);
    say(fd, request);
    assert_true(hear(fd, ret_text, 2048));
    close(fd);
}

/* --- addresses ------------------------------------------------------------------ */

static void an_address_is_a_number_and_a_port(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:9105", "[::1]:9105", "0.0.0.0:0", "[::]:65535",
                                       "[fe80::1%lo]:9105"};
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"", "ADDRESS:PORT"},
        {":9105", "ADDRESS:PORT"},
        {"9105", "ADDRESS:PORT"},
        {"127.0.0.1", "ADDRESS:PORT"},
        {"127.0.0.1:", "ADDRESS:PORT"},
        {"::1:9105", "ADDRESS:PORT"},
        {"[::1]", "ADDRESS:PORT"},
        {"[::1:9105", "ADDRESS:PORT"},
        {"[]:9105", "ADDRESS:PORT"},
        {"[::1]x:9105", "ADDRESS:PORT"},
        {"127.0.0.1:65536", "a port from 0"},
        {"127.0.0.1:http", "a port from 0"},
        {"127.0.0.1:-1", "a port from 0"},
        {"127.0.0.1: 1", "a port from 0"},
        {"localhost:9105", "is not an IP address"},
        {"256.0.0.1:9105", "is not an IP address"},
        {"[1.2.3.4.5]:1", "is not an IP address"},
    };
    char reason[REASON_SIZE];
    for (size_t i = 0; i < MT_ARRAY_COUNT(good); i++)
        assert_int_equal(mt_metrics_address_check(good[i], reason, sizeof(reason)), 0);
    for (size_t i = 0; i < MT_ARRAY_COUNT(bad); i++) {
        reason[0] = '\0';
        assert_int_equal(mt_metrics_address_check(bad[i].text, reason, sizeof(reason)), -EINVAL);
        if (!strstr(reason, bad[i].says))
            fail_msg("of %s it is said: %s", bad[i].text, reason);
    }
}

static void an_address_that_is_taken_or_not_ours_is_told_so(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    struct mt_metrics_server *other = NULL;
    char address[64];
    char reason[REASON_SIZE];

    snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(server));
    assert_int_equal(mt_metrics_server_create(address, answer, NULL, reason, sizeof(reason), &other),
                     -EADDRINUSE);
    assert_non_null(strstr(reason, "another program listens there"));
    assert_non_null(strstr(reason, address));
    assert_int_equal(mt_metrics_server_create("192.0.2.1:0", answer, NULL, reason, sizeof(reason), &other),
                     -EADDRNOTAVAIL);
    assert_non_null(strstr(reason, "no interface of this machine"));
    assert_null(other);
    mt_metrics_server_destroy(server);
    mt_metrics_server_destroy(NULL);
}

static void an_address_can_be_used_again_at_once(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    char address[64];
    char text[2048];

    snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(server));
    ask(server, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", text);
    mt_metrics_server_destroy(server);
    server = serve(address);
    ask(server, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", text);
    mt_metrics_server_destroy(server);
}

/* --- answers -------------------------------------------------------------------- */

static void pages_have_their_status_type_and_text(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    char text[2048];

    ask(server, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", text);
    assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(text, "Content-Type: text/x\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nhello\n"));
    ask(server, "GET /page?x=1 HTTP/1.0\r\n\r\n", text);
    assert_non_null(strstr(text, "hello\n"));
    ask(server, "HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n", text);
    assert_non_null(strstr(text, "Content-Length: 6\r\n"));
    assert_null(strstr(text, "hello"));
    ask(server, "GET /sick HTTP/1.1\r\nHost: x\r\n\r\n", text);
    assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
    assert_non_null(strstr(text, "ill\n"));
    mt_metrics_server_destroy(server);
}

static void what_is_not_there_or_not_understood_is_told_so(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    char text[2048];

    ask(server, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", text);
    assert_int_equal(strncmp(text, "HTTP/1.1 404 ", 13), 0);
    assert_non_null(strstr(text, "/metrics"));
    ask(server, "POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", text);
    assert_int_equal(strncmp(text, "HTTP/1.1 405 ", 13), 0);
    assert_non_null(strstr(text, "Allow: GET, HEAD\r\n"));
    ask(server, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n", text);
    assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
    ask(server, "no request at all\r\n\r\n", text);
    assert_null(strstr(text, " 200 "));
    mt_metrics_server_destroy(server);
}

static void a_request_without_an_end_is_given_up(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    static char long_header[64 << 10];
    char text[2048];
    int fd = dial(server);

    say(fd, "GET /page HTTP/1.1\r\nX: ");
    memset(long_header, 'a', sizeof(long_header) - 1);
    (void)send(fd, long_header, sizeof(long_header) - 1, MSG_NOSIGNAL);
    assert_true(hear(fd, text, sizeof(text)));
    assert_null(strstr(text, " 200 "));
    close(fd);
    mt_metrics_server_destroy(server);
}

/* --- crowds --------------------------------------------------------------------- */

static void allow_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_true(limit.rlim_cur > 2 * CROWD + 100);
}

static void a_thousand_silent_connections_keep_nobody_out(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    static int crowd[CROWD];
    char text[2048];

    allow_descriptors();
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = dial(server);
        if (i % 2 == 0)
            say(crowd[i], "GET /page HT");
    }
    ask(server, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", text);
    assert_non_null(strstr(text, "hello\n"));
    /* the first of them had to give way */
    assert_true(hear(crowd[0], text, sizeof(text)));
    for (size_t i = 0; i < CROWD; i++)
        close(crowd[i]);
    mt_metrics_server_destroy(server);
}

static void a_connection_that_is_not_done_in_time_is_closed(void **state)
{
    (void)state;
    struct mt_metrics_server *server = serve("127.0.0.1:0");
    char text[2048];
    int silent = dial(server);
    int slow = dial(server);
    int reader = dial(server);

    say(reader, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    say(slow, "GET /page HTTP/1.1\r\n");
    /* a header a second never is idle for long, nor is a byte read now and then */
    for (unsigned i = 0; i < 3 * MT_METRICS_TIME_MAX; i++) {
        sleep(1);
        (void)recv(reader, text, 1, MSG_DONTWAIT);
        if (send(slow, "X: y\r\n", 6, MSG_NOSIGNAL) < 0)
            break;
    }
    assert_true(send(slow, "X: y\r\n", 6, MSG_NOSIGNAL) < 0);
    assert_true(hear(silent, text, sizeof(text)));
    size_t got = 0;
    for (ssize_t n; (n = recv(reader, text, sizeof(text), 0)) > 0;)
        got += (size_t)n;
    assert_true(got < LARGE / 2);
    close(reader);
    close(silent);
    close(slow);
    mt_metrics_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_a_number_and_a_port),
        cmocka_unit_test(an_address_that_is_taken_or_not_ours_is_told_so),
        cmocka_unit_test(an_address_can_be_used_again_at_once),
        cmocka_unit_test(pages_have_their_status_type_and_text),
        cmocka_unit_test(what_is_not_there_or_not_understood_is_told_so),
        cmocka_unit_test(a_request_without_an_end_is_given_up),
        cmocka_unit_test(a_thousand_silent_connections_keep_nobody_out),
        cmocka_unit_test(a_connection_that_is_not_done_in_time_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
