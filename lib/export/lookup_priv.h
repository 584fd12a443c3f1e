/* The addresses of a name, asked for in a thread of its own: the resolver may
 * take longer than anybody wants to wait.
 *
 * Ownership: a lookup that is given up frees itself when the resolver is done.
 * Thread: one. Limits: names of 255 bytes.
 */
#ifndef MT_EXPORT_LOOKUP_PRIV_H
#define MT_EXPORT_LOOKUP_PRIV_H

#include <netdb.h>
#include <stdbool.h>

struct mt_lookup;

/* socktype: SOCK_STREAM or SOCK_DGRAM. NULL: no memory, or no thread. */
struct mt_lookup *mt_lookup_start(const char *host, const char *port, int socktype);
bool mt_lookup_is_done(const struct mt_lookup *lookup);

/* When it is done: 0 and the addresses, which live as long as it; or getaddrinfo's error. */
int mt_lookup_result(const struct mt_lookup *lookup, const struct addrinfo **ret_addresses);
void mt_lookup_end(struct mt_lookup *lookup);

#endif
