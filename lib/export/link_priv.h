/* A connection to a receiver: unix socket, UDP, TCP, TLS over TCP. It is opened
 * when there is something to send and closed by whatever goes wrong with it.
 *
 * Ownership: owns sockets and TLS state; borrows config and hooks. Thread: one.
 * Limits: no call takes longer than config->timeout without anything moving.
 */
#ifndef MT_EXPORT_LINK_PRIV_H
#define MT_EXPORT_LINK_PRIV_H

#include "export/lookup_priv.h"
#include "export/target_priv.h"

struct mt_link_tls;

struct mt_link {
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
    int fd;                   /* -1: closed */
    struct mt_link_tls *tls;  /* NULL: none is wanted */
    struct mt_lookup *lookup; /* a name that is still being looked up */
    char host[256];
    char port[8];
};

/* -errno and a sentence: certificates that can't be used. */
int mt_link_init(struct mt_link *link, const struct mt_output_config *config,
                 const struct mt_target_hooks *hooks, char *ret_reason, size_t reason_size);
void mt_link_fini(struct mt_link *link);

/* 0 also when it is open already; else -errno and a sentence. */
int mt_link_open(struct mt_link *link, char *ret_reason, size_t reason_size);
void mt_link_close(struct mt_link *link);

/* Closed with -errno and a sentence when not all of bytes could be written.
 * -ESHUTDOWN: the receiver had ended it before, in an orderly way. */
int mt_link_write(struct mt_link *link, struct mt_span bytes, char *ret_reason, size_t reason_size);

/* UDP: one datagram. */
int mt_link_send(struct mt_link *link, struct mt_span datagram, char *ret_reason, size_t reason_size);

/* Waits until the other machine (unix socket: the reader) has what was written;
 * closed with -errno when the connection ends before. */
int mt_link_confirm(struct mt_link *link, char *ret_reason, size_t reason_size);

/* The TLS part (export/link_tls.c). */
int mt_link_tls_init(struct mt_link *link, char *ret_reason, size_t reason_size);
void mt_link_tls_fini(struct mt_link *link);
int mt_link_tls_open(struct mt_link *link, char *ret_reason, size_t reason_size);
void mt_link_tls_close(struct mt_link *link);

/* As write(2) and read(2): -EAGAIN with ret_events set to what to wait for. */
ssize_t mt_link_tls_write(struct mt_link *link, struct mt_span bytes, short *ret_events, char *ret_reason,
                          size_t reason_size);
ssize_t mt_link_tls_read(struct mt_link *link, void *buffer, size_t size, char *ret_reason,
                         size_t reason_size);

#endif
