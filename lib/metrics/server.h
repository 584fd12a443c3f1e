/* A small HTTP server for machines that look at this process: GET and HEAD of a
 * few paths, answered by one thread of its own.
 *
 * It listens at the one address that it is given and nowhere else. Each connection
 * carries one request. One that is not done after MT_METRICS_TIME_MAX is closed,
 * however slowly it goes on; when there are more than MT_METRICS_CONNECTIONS_MAX
 * the oldest give way, so that a crowd that says nothing keeps nobody out.
 *
 * Ownership: the server owns socket and thread; a reply's body becomes its own.
 * Thread: create and destroy: one; answers are asked for in the server's thread,
 * one at a time. Limits: as above; 8 KiB of a request.
 */
#ifndef MT_METRICS_SERVER_H
#define MT_METRICS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#define MT_METRICS_CONNECTIONS_MAX 64u
#define MT_METRICS_TIME_MAX 10u /* seconds */

struct mt_metrics_reply {
    unsigned status;
    const char *type; /* a constant: Content-Type */
    char *body;       /* malloc */
    size_t size;
};

/* False: there is no such path. The body may be NULL when memory is short. */
typedef bool mt_metrics_answer(void *ctx, const char *path, struct mt_metrics_reply *ret_reply);

struct mt_metrics_server;

/* Is text ADDRESS:PORT, with an IPv6 address in brackets? -EINVAL and a sentence,
 * to stand behind the name of the option. Names are not looked up: they may mean
 * several addresses. Port 0 is a free one. */
int mt_metrics_address_check(const char *text, char *ret_reason, size_t reason_size);

/* Listens and answers when it returns 0; else -errno (-EINVAL: as above) and a
 * sentence that says what is wrong with the address. */
int mt_metrics_server_create(const char *address, mt_metrics_answer *answer, void *ctx, char *ret_reason,
                             size_t reason_size, struct mt_metrics_server **ret_server);
void mt_metrics_server_destroy(struct mt_metrics_server *server);

/* "http://127.0.0.1:9105", with the port that it really has. */
const char *mt_metrics_server_url(const struct mt_metrics_server *server);

#endif
