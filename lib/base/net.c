#include "base/net.h"

#include "base/net_priv.h"
#include "base/text.h"

const struct mt_prefix mt_private_prefixes[MT_PRIVATE_PREFIX_COUNT] = {
    {.ip = {.bytes = {10}, .family = 4}, .bits = 8},          /* RFC 1918 */
    {.ip = {.bytes = {172, 16}, .family = 4}, .bits = 12},    /* RFC 1918 */
    {.ip = {.bytes = {192, 168}, .family = 4}, .bits = 16},   /* RFC 1918 */
    {.ip = {.bytes = {127}, .family = 4}, .bits = 8},         /* loopback */
    {.ip = {.bytes = {169, 254}, .family = 4}, .bits = 16},   /* link-local, RFC 3927 */
    {.ip = {.bytes = {100, 64}, .family = 4}, .bits = 10},    /* carrier-grade NAT, RFC 6598 */
    {.ip = {.bytes = {[15] = 1}, .family = 6}, .bits = 128},  /* loopback */
    {.ip = {.bytes = {0xfe, 0x80}, .family = 6}, .bits = 10}, /* link-local, RFC 4291 */
    {.ip = {.bytes = {0xfc}, .family = 6}, .bits = 7},        /* unique-local, RFC 4193 */
};

static unsigned family_bits(uint8_t family)
{
    return family == 4 ? 32 : 128;
}

bool mt_ip_eq(const struct mt_ip *a, const struct mt_ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool mt_prefix_has(const struct mt_prefix *prefix, const struct mt_ip *ip)
{
    if (prefix->ip.family != ip->family || ip->family == 0)
        return false;

    size_t whole = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;
    if (memcmp(prefix->ip.bytes, ip->bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((prefix->ip.bytes[whole] ^ ip->bytes[whole]) & mask) == 0;
}

/* ::ffff:0:0/96, RFC 4291 §2.5.5.2: an IPv4 address in IPv6 clothes. */
static bool is_mapped(const struct mt_ip *ip)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return ip->family == 6 && memcmp(ip->bytes, prefix, sizeof(prefix)) == 0;
}

bool mt_ip_is_private(const struct mt_ip *ip)
{
    struct mt_ip plain = *ip;

    if (is_mapped(ip)) {
        plain = (struct mt_ip){.family = 4};
        memcpy(plain.bytes, ip->bytes + 12, 4);
    }
    for (size_t i = 0; i < MT_PRIVATE_PREFIX_COUNT; i++) {
        if (mt_prefix_has(&mt_private_prefixes[i], &plain))
            return true;
    }
    return false;
}

static void put_group(struct mt_buf *b, uint16_t group)
{
    int shift = 12;

    while (shift > 0 && group >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        mt_buf_put_byte(b, (uint8_t) "0123456789abcdef"[group >> shift & 15]);
}

/* RFC 5952: the first longest run of at least two zero groups is "::", mapped
 * addresses end in dotted form. */
static void put_ipv6(struct mt_buf *b, const struct mt_ip *ip)
{
    size_t groups = is_mapped(ip) ? 6 : 8;
    size_t best_start = 8; /* none */
    size_t best_count = 1;

    for (size_t i = 0; i < groups; i++) {
        size_t count = 0;
        while (i + count < groups && ip->bytes[2 * (i + count)] == 0 && ip->bytes[2 * (i + count) + 1] == 0)
            count++;
        if (count > best_count) {
            best_start = i;
            best_count = count;
        }
        i += count;
    }
    for (size_t i = 0; i < groups; i++) {
        if (i == best_start) {
            mt_buf_put_cstr(b, "::");
            i += best_count - 1;
            continue;
        }
        if (i > 0 && i != best_start + best_count)
            mt_buf_put_byte(b, ':');
        put_group(b, (uint16_t)(ip->bytes[2 * i] << 8 | ip->bytes[2 * i + 1]));
    }
    if (groups == 6) {
        uint8_t text[MT_TEXT_IPV4_MAX];
        const uint8_t *end = mt_text_ipv4(text, ip->bytes + 12);
        mt_buf_put_byte(b, ':');
        mt_buf_put(b, text, (size_t)(end - text));
    }
}

uint8_t *mt_ip_text(uint8_t *to, const struct mt_ip *ip)
{
    if (MT_LIKELY(ip->family == 4))
        return mt_text_ipv4(to, ip->bytes);

    struct mt_buf text = mt_buf(to, MT_IP_TEXT_MAX);
    if (ip->family == 6)
        put_ipv6(&text, ip);
    return to + text.size;
}

void mt_buf_put_ip(struct mt_buf *b, const struct mt_ip *ip)
{
    uint8_t storage[MT_IP_TEXT_MAX];
    const uint8_t *end = mt_ip_text(storage, ip);

    mt_buf_put(b, storage, (size_t)(end - storage));
}

/* Reads 1 to 3 digits up to limit; leading zeros are refused, because some
 * read them as octal. */
static bool take_decimal(struct mt_span *s, unsigned limit, unsigned *ret_value)
{
    unsigned value = 0;
    size_t count = 0;

    while (count < s->size && count < 3 && mt_ascii_is_digit(s->ptr[count]))
        value = value * 10 + (unsigned)(s->ptr[count++] - '0');
    if (count == 0 || value > limit || (count > 1 && s->ptr[0] == '0'))
        return false;
    *s = mt_span_from(*s, count);
    *ret_value = value;
    return true;
}

static bool parse_ipv4(struct mt_span text, uint8_t ret_bytes[4])
{
    uint8_t bytes[4];

    for (int i = 0; i < 4; i++) {
        unsigned value;
        if (i > 0) {
            if (text.size == 0 || text.ptr[0] != '.')
                return false;
            text = mt_span_from(text, 1);
        }
        if (!take_decimal(&text, 255, &value))
            return false;
        bytes[i] = (uint8_t)value;
    }
    if (text.size > 0)
        return false;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return true;
}

static bool take_group(struct mt_span *s, unsigned *ret_value)
{
    unsigned value = 0;
    size_t count = 0;

    for (; count < s->size && count < 4; count++) {
        uint8_t c = s->ptr[count];
        if (mt_ascii_is_digit(c))
            value = value << 4 | (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value << 4 | (unsigned)((c | 0x20) - 'a' + 10);
        else
            break;
    }
    if (count == 0)
        return false;
    *s = mt_span_from(*s, count);
    *ret_value = value;
    return true;
}

static bool starts_with_colons(struct mt_span s)
{
    return s.size >= 2 && s.ptr[0] == ':' && s.ptr[1] == ':';
}

/* RFC 4291 §2.2. size counts the bytes read, gap is where "::" stood. */
static bool parse_ipv6(struct mt_span text, uint8_t ret_bytes[16])
{
    uint8_t bytes[16] = {0};
    size_t size = 0;
    size_t gap = SIZE_MAX;

    while (text.size > 0) {
        unsigned value;
        if (gap == SIZE_MAX && starts_with_colons(text)) {
            gap = size;
            text = mt_span_from(text, 2);
            continue;
        }
        if (size > 0 && gap != size) {
            if (text.ptr[0] != ':')
                return false;
            text = mt_span_from(text, 1);
        }
        if (size <= 12 && parse_ipv4(text, bytes + size)) {
            size += 4;
            text = mt_span_none();
        } else if (size <= 14 && take_group(&text, &value)) {
            bytes[size] = (uint8_t)(value >> 8);
            bytes[size + 1] = (uint8_t)value;
            size += 2;
        } else {
            return false;
        }
    }
    if (gap == SIZE_MAX ? size != 16 : size > 14)
        return false;
    if (gap == SIZE_MAX)
        gap = size;
    memset(ret_bytes, 0, 16);
    memcpy(ret_bytes, bytes, gap);
    memcpy(ret_bytes + 16 - (size - gap), bytes + gap, size - gap);
    return true;
}

bool mt_ip_parse(struct mt_span text, struct mt_ip *ret_ip)
{
    struct mt_ip ip = {.family = 4};

    if (!parse_ipv4(text, ip.bytes)) {
        ip.family = 6;
        if (!parse_ipv6(text, ip.bytes))
            return false;
    }
    *ret_ip = ip;
    return true;
}

static bool has_host_bits(const struct mt_ip *ip, unsigned bits)
{
    for (unsigned bit = bits; bit < family_bits(ip->family); bit++) {
        if (ip->bytes[bit / 8] & (0x80 >> bit % 8))
            return true;
    }
    return false;
}

bool mt_prefix_parse(struct mt_span text, struct mt_prefix *ret_prefix)
{
    size_t slash = 0;
    while (slash < text.size && text.ptr[slash] != '/')
        slash++;

    struct mt_prefix prefix;
    if (!mt_ip_parse(mt_span_head(text, slash), &prefix.ip))
        return false;
    unsigned bits = family_bits(prefix.ip.family);
    if (slash < text.size) {
        struct mt_span length = mt_span_from(text, slash + 1);
        if (!take_decimal(&length, bits, &bits) || length.size > 0)
            return false;
    }
    if (has_host_bits(&prefix.ip, bits))
        return false;
    prefix.bits = (uint8_t)bits;
    *ret_prefix = prefix;
    return true;
}
