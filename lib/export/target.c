#include "export/target_priv.h"

#include "export/clock_priv.h"
#include "export/output_config_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_NS UINT64_C(50000000) /* how soon a change of give_up is seen */

const struct mt_target_ops *mt_target_ops(enum mt_output_target target)
{
    static const struct mt_target_ops *const ops[MT_TARGET_COUNT] = {
        [MT_TARGET_FILE] = &mt_target_file,          [MT_TARGET_DIR] = &mt_target_file,
        [MT_TARGET_STDOUT] = &mt_target_stream,      [MT_TARGET_UNIX] = &mt_target_stream,
        [MT_TARGET_SYSLOG_UDP] = &mt_target_syslog,  [MT_TARGET_SYSLOG_TCP] = &mt_target_syslog,
        [MT_TARGET_SYSLOG_TLS] = &mt_target_syslog,  [MT_TARGET_KAFKA] = &mt_target_kafka,
        [MT_TARGET_ELASTICSEARCH] = &mt_target_http, [MT_TARGET_SPLUNK] = &mt_target_http,
        [MT_TARGET_CLICKHOUSE] = &mt_target_http,    [MT_TARGET_WEBHOOK] = &mt_target_http,
        [MT_TARGET_EXEC] = &mt_target_exec,
    };
    return ops[target];
}

void mt_batch_sent(struct mt_batch *batch, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (batch->states[i] == MT_DOCUMENT_PENDING)
            batch->states[i] = MT_DOCUMENT_SENT;
    }
}

bool mt_target_is_over(const struct mt_target_hooks *hooks)
{
    uint64_t give_up = atomic_load_explicit(hooks->give_up, memory_order_relaxed);

    return give_up != 0 && mt_clock_steady() >= give_up;
}

int mt_target_poll(const struct mt_target_hooks *hooks, int fd, short events, uint64_t deadline)
{
    struct pollfd wait = {.fd = fd, .events = events};

    for (;;) {
        uint64_t now = mt_clock_steady();
        if (now >= deadline || mt_target_is_over(hooks))
            return 0;
        uint64_t ns = mt_min_u64(deadline - now, LOOK_NS);
        int n = poll(&wait, 1, (int)((ns + 999999) / 1000000));
        if (n > 0)
            return wait.revents;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int refuse_address(const struct mt_output_config *config, const char *wanted, char *ret_reason,
                          size_t size)
{
    snprintf(ret_reason, size, "%s is not %s", config->address, wanted);
    return -EINVAL;
}

/* host:port, [address]:port */
static bool is_host_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;

    if (colon == NULL || colon == text || (*text == '[') != (colon[-1] == ']'))
        return false;
    if (*text != '[' && memchr(text, ':', (size_t)(colon - text)) != NULL)
        return false;
    for (const char *at = colon + 1; *at != '\0'; at++) {
        if (!mt_ascii_is_digit((uint8_t)*at) || port > UINT16_MAX)
            return false;
        port = port * 10 + (uint64_t)(*at - '0');
    }
    return port > 0 && port <= UINT16_MAX && strpbrk(text, "/ @") == NULL;
}

/* What stands behind the host of a URL, without its first slash. */
static const char *url_path(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host == NULL ? NULL : strchr(host + 3, '/');

    return path == NULL ? "" : path + 1;
}

int mt_target_check_address(const struct mt_output_config *config, char *ret_reason, size_t reason_size)
{
    const char *address = config->address;
    const char *slash = strchr(address, '/');

    switch (config->target) {
    case MT_TARGET_SYSLOG_UDP:
    case MT_TARGET_SYSLOG_TCP:
    case MT_TARGET_SYSLOG_TLS:
        if (!is_host_port(address))
            return refuse_address(config, "host:port (an IPv6 address stands in brackets)", ret_reason,
                                  reason_size);
        return 0;
    case MT_TARGET_KAFKA:
        if (slash == NULL || slash == address || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
            return refuse_address(config, "broker[,broker]/topic", ret_reason, reason_size);
        return 0;
    case MT_TARGET_ELASTICSEARCH:
        if (*url_path(address) == '\0')
            return refuse_address(
                config, "complete: the name of the index or data stream stands behind the host, /index",
                ret_reason, reason_size);
        return 0;
    case MT_TARGET_CLICKHOUSE:
        if (strspn(url_path(address), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.") !=
                strlen(url_path(address)) ||
            *url_path(address) == '\0')
            return refuse_address(config, "complete: the table stands behind the host, /database.table",
                                  ret_reason, reason_size);
        return 0;
    case MT_TARGET_EXEC:
        if (*address != '/')
            return refuse_address(config, "the whole path of a program, from / on", ret_reason, reason_size);
        if (access(address, X_OK) == 0)
            return 0;
        snprintf(ret_reason, reason_size, "%s can't be run: %s", address, strerrordesc_np(errno));
        return -EINVAL;
    case MT_TARGET_WEBHOOK:
        if (config->url == NULL || strncmp(config->url, "https://", 8) == 0 ||
            strncmp(config->url, "http://", 7) == 0)
            return 0;
        snprintf(ret_reason, reason_size, "the url begins neither with https:// nor with http://");
        return -EINVAL;
    default:
        return 0;
    }
}
