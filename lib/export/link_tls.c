#include "export/link_priv.h"

#include "export/clock_priv.h"
#include "late/late.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct calls {
#define MT_LATE(name) __typeof__(name) *name;
#include "export/ssl.def"
#undef MT_LATE
};

static const char *const call_names[] = {
#define MT_LATE(name) #name,
#include "export/ssl.def"
#undef MT_LATE
};

struct mt_link_tls {
    struct calls lib;
    SSL_CTX *context;
    SSL *session; /* NULL: closed */
};

static const char *last_error(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text == NULL ? "the other side ended it" : text;
}

static int refuse_file(const char *what, const char *path, char *ret_reason, size_t size)
{
    snprintf(ret_reason, size, "%s=%s can't be used: %s", what, path, last_error());
    return -EINVAL;
}

static int set_files(const struct mt_link_tls *tls, const struct mt_output_config *config, char *ret_reason,
                     size_t size)
{
    if (config->ca == NULL)
        tls->lib.SSL_CTX_set_default_verify_paths(tls->context);
    else if (tls->lib.SSL_CTX_load_verify_file(tls->context, config->ca) != 1)
        return refuse_file("ca", config->ca, ret_reason, size);
    if (config->cert != NULL && tls->lib.SSL_CTX_use_certificate_chain_file(tls->context, config->cert) != 1)
        return refuse_file("cert", config->cert, ret_reason, size);
    if (config->key != NULL &&
        tls->lib.SSL_CTX_use_PrivateKey_file(tls->context, config->key, SSL_FILETYPE_PEM) != 1)
        return refuse_file("key", config->key, ret_reason, size);
    return 0;
}

int mt_link_tls_init(struct mt_link *link, char *ret_reason, size_t reason_size)
{
    struct mt_link_tls *tls = calloc(1, sizeof(*tls));
    int error;

    if (tls == NULL) {
        snprintf(ret_reason, reason_size, "there is no memory for it");
        return -ENOMEM;
    }
    error =
        mt_late_load(MT_LATE_SSL, call_names, MT_ARRAY_COUNT(call_names), &tls->lib, ret_reason, reason_size);
    if (error != 0) {
        free(tls);
        return error;
    }
    ERR_clear_error();
    link->tls = tls;
    tls->context = tls->lib.SSL_CTX_new(tls->lib.TLS_client_method());
    if (tls->context == NULL) {
        snprintf(ret_reason, reason_size, "TLS can't be used: %s", last_error());
        return -EINVAL;
    }
    /* what ssl.h has macros for */
    tls->lib.SSL_CTX_ctrl(tls->context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    tls->lib.SSL_CTX_ctrl(tls->context, SSL_CTRL_MODE,
                          SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, NULL);
    tls->lib.SSL_CTX_set_verify(tls->context, link->config->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return set_files(tls, link->config, ret_reason, reason_size);
}

void mt_link_tls_fini(struct mt_link *link)
{
    if (link->tls == NULL)
        return;
    link->tls->lib.SSL_CTX_free(link->tls->context);
    free(link->tls);
    link->tls = NULL;
}

/* Whose certificate it must be. */
static bool expect_host(struct mt_link *link)
{
    uint8_t address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, link->host, address) == 1 || inet_pton(AF_INET6, link->host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(link->tls->lib.SSL_get0_param(link->tls->session), link->host) ==
               1;
    return link->tls->lib.SSL_set1_host(link->tls->session, link->host) == 1 &&
           link->tls->lib.SSL_ctrl(link->tls->session, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                   TLSEXT_NAMETYPE_host_name, link->host) == 1;
}

static void say_why(struct mt_link *link, char *ret_reason, size_t size)
{
    long verdict = link->tls->lib.SSL_get_verify_result(link->tls->session);

    if (verdict != X509_V_OK)
        snprintf(ret_reason, size, "the certificate of %s is not accepted: %s", link->config->address,
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(ret_reason, size, "no TLS with %s: %s", link->config->address, last_error());
}

/* The events to wait for, or 0 when it is no matter of waiting. */
static short wanted_events(struct mt_link *link, int result)
{
    switch (link->tls->lib.SSL_get_error(link->tls->session, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

int mt_link_tls_open(struct mt_link *link, char *ret_reason, size_t reason_size)
{
    uint64_t deadline = mt_clock_steady() + link->config->timeout;

    ERR_clear_error();
    link->tls->session = link->tls->lib.SSL_new(link->tls->context);
    if (link->tls->session == NULL || link->tls->lib.SSL_set_fd(link->tls->session, link->fd) != 1 ||
        !expect_host(link)) {
        snprintf(ret_reason, reason_size, "TLS can't be used: %s", last_error());
        mt_link_close(link);
        return -EINVAL;
    }
    for (;;) {
        int result = link->tls->lib.SSL_connect(link->tls->session);
        if (result == 1)
            return 0;
        short events = wanted_events(link, result);
        if (events == 0)
            break;
        if (mt_target_poll(link->hooks, link->fd, events, deadline) <= 0) {
            snprintf(ret_reason, reason_size, "no TLS with %s: it does not answer", link->config->address);
            mt_link_close(link);
            return -ETIMEDOUT;
        }
    }
    say_why(link, ret_reason, reason_size);
    mt_link_close(link);
    return -EPROTO;
}

void mt_link_tls_close(struct mt_link *link)
{
    if (link->tls == NULL || link->tls->session == NULL)
        return;
    ERR_clear_error();
    if (link->tls->lib.SSL_is_init_finished(link->tls->session))
        (void)link->tls->lib.SSL_shutdown(link->tls->session);
    link->tls->lib.SSL_free(link->tls->session);
    link->tls->session = NULL;
    ERR_clear_error();
}

static ssize_t ended(struct mt_link *link, int result, char *ret_reason, size_t size)
{
    int error = link->tls->lib.SSL_get_error(link->tls->session, result);

    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error == SSL_ERROR_SYSCALL && errno != 0)
        return -errno;
    snprintf(ret_reason, size, "TLS with %s broke: %s", link->config->address, last_error());
    return -EPROTO;
}

ssize_t mt_link_tls_write(struct mt_link *link, struct mt_span bytes, short *ret_events, char *ret_reason,
                          size_t reason_size)
{
    ERR_clear_error();
    errno = 0;
    int n = link->tls->lib.SSL_write(link->tls->session, bytes.ptr, (int)mt_min_u64(bytes.size, 1 << 20));
    if (n > 0)
        return n;
    *ret_events = wanted_events(link, n);
    return *ret_events != 0 ? -EAGAIN : ended(link, n, ret_reason, reason_size);
}

ssize_t mt_link_tls_read(struct mt_link *link, void *buffer, size_t size, char *ret_reason,
                         size_t reason_size)
{
    ERR_clear_error();
    errno = 0;
    int n = link->tls->lib.SSL_read(link->tls->session, buffer, (int)size);
    if (n > 0)
        return n;
    return wanted_events(link, n) != 0 ? -EAGAIN : ended(link, n, ret_reason, reason_size);
}
