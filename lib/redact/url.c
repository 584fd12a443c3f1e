/* URLs: a login before the host, and addresses in what stands behind it. */
#include "redact/redact_priv.h"

#define ENDS_HOST "/?#"
#define SEPARATORS "/?#&;="
/* A name of 255 octets (RFC 1035 §3.1) and a port. */
#define HOST_MAX 261u

static bool is_one_of(uint8_t byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

static size_t size_up_to(struct mt_span text, const char *set)
{
    size_t size = 0;

    while (size < text.size && !is_one_of(text.ptr[size], set))
        size++;
    return size;
}

/* The login as a name; it may hold a password, whatever its form. What is too long
 * for a host is a login, too, whose end was cut off. */
static void put_host(struct mt_redact *redact, struct mt_span host)
{
    const uint8_t *at = host.size > 0 ? memrchr(host.ptr, '@', host.size) : NULL;

    if (at == NULL && host.size > HOST_MAX) {
        mt_redact_put_login(redact, host);
        return;
    }
    if (at != NULL) {
        mt_redact_put_login(redact, mt_span(host.ptr, (size_t)(at - host.ptr)));
        mt_buf_put_byte(&redact->b, '@');
        host = mt_span_from(host, (size_t)(at - host.ptr) + 1);
    }
    mt_redact_put_free(redact, host);
}

/* Made of the octets of one (RFC 3986 §3.1), or empty: then what follows is a host and a login, too. */
static bool is_scheme(struct mt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!mt_ascii_is_alpha(text.ptr[i]) && !mt_ascii_is_digit(text.ptr[i]) &&
            !is_one_of(text.ptr[i], "+-."))
            return false;
    }
    return true;
}

void mt_redact_put_url(struct mt_redact *redact, struct mt_span url)
{
    const uint8_t *slashes = url.size > 0 ? memmem(url.ptr, url.size, "://", 3) : NULL;

    if (slashes == NULL || !is_scheme(mt_span(url.ptr, (size_t)(slashes - url.ptr)))) {
        mt_redact_put_free(redact, url);
        return;
    }
    size_t start = (size_t)(slashes - url.ptr) + 3;
    struct mt_span rest = mt_span_from(url, start);
    size_t size = size_up_to(rest, ENDS_HOST);

    mt_buf_put_span(&redact->b, mt_span_head(url, start));
    put_host(redact, mt_span_head(rest, size));
    for (rest = mt_span_from(rest, size); rest.size > 0; rest = mt_span_from(rest, size)) {
        mt_buf_put_byte(&redact->b, rest.ptr[0]);
        rest = mt_span_from(rest, 1);
        size = size_up_to(rest, SEPARATORS);
        mt_redact_put_free(redact, mt_span_head(rest, size));
    }
}
