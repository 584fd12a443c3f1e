#include "plain.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

const char *const domains[DOMAINS] = {"ab", "ba"};

static bool same(char a, char b, bool is_cased)
{
    return a == b || (!is_cased && (a | 0x20) == (b | 0x20));
}

bool glob(const char *pattern, const char *text, bool is_cased)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return glob(pattern + 1, text, is_cased) || (*text && glob(pattern, text + 1, is_cased));
    return *text && (*pattern == '?' || same(*pattern, *text, is_cased)) &&
           glob(pattern + 1, text + 1, is_cased);
}

void add_base64(struct forms *forms, const uint8_t *bytes, unsigned size, unsigned skipped)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = forms->text[forms->count++];
    unsigned bits = size * 8;
    unsigned n = 0;
    /* a character for each six bits; of what lies half in bytes unknown none */
    for (unsigned at = 0; at < bits; at += 6) {
        unsigned value = 0;
        for (unsigned bit = at; bit < at + 6; bit++)
            value = value << 1 | (bit < bits ? bytes[bit / 8] >> (7 - bit % 8) & 1u : 0);
        bool is_known = skipped == UINT32_MAX || (at >= skipped * 8 && at + 6 <= bits);
        if (is_known)
            to[n++] = alphabet[value];
    }
    while (skipped == UINT32_MAX && n % 4 != 0)
        to[n++] = '=';
    to[n] = '\0';
}

static void add_encoded(struct forms *forms, enum how how, const char *wanted)
{
    uint8_t bytes[2 * TEXT_MAX] = "  ";
    unsigned size = 0;
    uint8_t *at = bytes + 2; /* two unknown bytes may stand before */
    if (how == MARK_OFFSET) {
        at[size++] = 0xff;
        at[size++] = 0xfe;
    }
    for (const char *c = wanted; *c; c++) {
        if (how == BIG_BASE64)
            at[size++] = 0;
        at[size++] = (uint8_t)*c;
        if (how == WIDE_BASE64 || how == MARK_OFFSET)
            at[size++] = 0;
    }
    if (how != OFFSET && how != MARK_OFFSET) {
        add_base64(forms, at, size, UINT32_MAX);
        return;
    }
    for (unsigned before = 0; before < 3; before++)
        add_base64(forms, at - before, size + before, before);
}

/* Each placeholder by each domain. */
static void add_expanded(struct forms *forms, const char *before, const char *wanted)
{
    static const char name[] = "%local_domains%";
    const char *at = strstr(wanted, name);
    if (!at) {
        snprintf(forms->text[forms->count++], sizeof(forms->text[0]), "%s%s", before, wanted);
        return;
    }
    for (unsigned i = 0; i < DOMAINS; i++) {
        char joined[TEXT_MAX];
        int size =
            snprintf(joined, sizeof(joined), "%s%.*s%s", before, (int)(at - wanted), wanted, domains[i]);
        MT_BUG_ON(size < 0 || (size_t)size >= sizeof(joined));
        add_expanded(forms, joined, at + strlen(name));
    }
}

void make_forms(struct forms *forms, enum how how, const char *wanted)
{
    static const char *const dashes[] = {"-", "/", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\x95"};
    forms->count = 0;
    if (how >= BASE64 && how <= MARK_OFFSET) {
        add_encoded(forms, how, wanted);
    } else if (how == DASHED) {
        for (unsigned i = 0; i < MT_ARRAY_COUNT(dashes); i++)
            snprintf(forms->text[forms->count++], sizeof(forms->text[0]), "%s%s", dashes[i], wanted + 1);
    } else {
        add_expanded(forms, "", wanted);
    }
}

bool is_in_network(const char *network, const char *text)
{
    char copy[32];
    uint8_t a[16] = {0};
    uint8_t b[16] = {0};
    snprintf(copy, sizeof(copy), "%s", network);
    char *slash = strchr(copy, '/');
    int family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    int bits = slash ? atoi(slash + 1) : family == AF_INET ? 32 : 128;
    if (slash)
        *slash = '\0';
    if (inet_pton(family, copy, a) != 1 || inet_pton(family, text, b) != 1)
        return false;
    for (int i = 0; i < bits; i++) {
        if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
            return false;
    }
    return true;
}
