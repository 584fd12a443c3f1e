#include "export/link_priv.h"

#include "export/clock_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>

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

int mt_link_tls_init(struct mt_link *link, char *ret_reason, size_t reason_size)
{
    const struct mt_output_config *config = link->config;

    ERR_clear_error();
    link->tls = SSL_CTX_new(TLS_client_method());
    if (link->tls == NULL) {
        snprintf(ret_reason, reason_size, "TLS can't be used: %s", last_error());
        return -EINVAL;
    }
    SSL_CTX_set_min_proto_version(link->tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(link->tls, config->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(link->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (config->ca == NULL)
        SSL_CTX_set_default_verify_paths(link->tls);
    else if (SSL_CTX_load_verify_file(link->tls, config->ca) != 1)
        return refuse_file("ca", config->ca, ret_reason, reason_size);
    if (config->cert != NULL && SSL_CTX_use_certificate_chain_file(link->tls, config->cert) != 1)
        return refuse_file("cert", config->cert, ret_reason, reason_size);
    if (config->key != NULL && SSL_CTX_use_PrivateKey_file(link->tls, config->key, SSL_FILETYPE_PEM) != 1)
        return refuse_file("key", config->key, ret_reason, reason_size);
    return 0;
}

/* Whose certificate it must be. */
static bool expect_host(struct mt_link *link)
{
    uint8_t address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, link->host, address) == 1 || inet_pton(AF_INET6, link->host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->session), link->host) == 1;
    return SSL_set1_host(link->session, link->host) == 1 &&
           SSL_set_tlsext_host_name(link->session, link->host) == 1;
}

static void say_why(struct mt_link *link, char *ret_reason, size_t size)
{
    long verdict = SSL_get_verify_result(link->session);

    if (verdict != X509_V_OK)
        snprintf(ret_reason, size, "the certificate of %s is not accepted: %s", link->config->address,
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(ret_reason, size, "no TLS with %s: %s", link->config->address, last_error());
}

/* The events to wait for, or 0 when it is no matter of waiting. */
static short wanted_events(struct mt_link *link, int result)
{
    switch (SSL_get_error(link->session, result)) {
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
    link->session = SSL_new(link->tls);
    if (link->session == NULL || SSL_set_fd(link->session, link->fd) != 1 || !expect_host(link)) {
        snprintf(ret_reason, reason_size, "TLS can't be used: %s", last_error());
        mt_link_close(link);
        return -EINVAL;
    }
    for (;;) {
        int result = SSL_connect(link->session);
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
    if (link->session == NULL)
        return;
    ERR_clear_error();
    if (SSL_is_init_finished(link->session))
        (void)SSL_shutdown(link->session);
    SSL_free(link->session);
    link->session = NULL;
    ERR_clear_error();
}

static ssize_t ended(struct mt_link *link, int result, char *ret_reason, size_t size)
{
    int error = SSL_get_error(link->session, result);

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
    int n = SSL_write(link->session, bytes.ptr, (int)mt_min_u64(bytes.size, 1 << 20));
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
    int n = SSL_read(link->session, buffer, (int)size);
    if (n > 0)
        return n;
    return wanted_events(link, n) != 0 ? -EAGAIN : ended(link, n, ret_reason, reason_size);
}
