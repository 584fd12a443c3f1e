#include "wrap.h"

#include <stdio.h>
#include <string.h>

#define ETHERNET 14u

enum kind {
    KIND_PBB,
    KIND_PSEUDOWIRE,
    KIND_CONTROL_WORD,
    KIND_NVGRE,
    KIND_ERSPAN1,
    KIND_ERSPAN2,
    KIND_ERSPAN3,
    KIND_VXLAN,
    KIND_VXLAN6,
    KIND_GENEVE,
    KIND_L2TP,
    KIND_CARRIES_IP, /* from here on */
    KIND_MPLS = KIND_CARRIES_IP,
    KIND_PPPOE,
    KIND_GRE,
    KIND_IPIP,
    KIND_IN_IP6,
    KIND_GPE,
    KIND_GTP,
    KIND_TEREDO,
    KIND_COUNT,
};

static const struct {
    const char *name;
    const char *meaning;
} kinds[KIND_COUNT] = {
    [KIND_PBB] = {"pbb", "provider backbone bridge"},
    [KIND_PSEUDOWIRE] = {"eompls", "Ethernet in two labels"},
    [KIND_CONTROL_WORD] = {"eompls-cw", "Ethernet in a label, with a control word"},
    [KIND_NVGRE] = {"nvgre", "Ethernet in GRE with a key"},
    [KIND_ERSPAN1] = {"erspan1", "ERSPAN type I"},
    [KIND_ERSPAN2] = {"erspan2", "ERSPAN type II"},
    [KIND_ERSPAN3] = {"erspan3", "ERSPAN type III with a platform's header"},
    [KIND_VXLAN] = {"vxlan", "VXLAN"},
    [KIND_VXLAN6] = {"vxlan6", "VXLAN over IPv6"},
    [KIND_GENEVE] = {"geneve", "Geneve with an option"},
    [KIND_L2TP] = {"l2tp", "L2TPv3 with a cookie of four bytes"},
    [KIND_MPLS] = {"mpls", "two labels"},
    [KIND_PPPOE] = {"pppoe", "PPPoE"},
    [KIND_GRE] = {"gre", "GRE with checksum and sequence number"},
    [KIND_IPIP] = {"ipip", "IP in IPv4"},
    [KIND_IN_IP6] = {"ip6", "IP in IPv6"},
    [KIND_GPE] = {"gpe", "VXLAN-GPE without Ethernet"},
    [KIND_GTP] = {"gtp", "GTP-U with an extension"},
    [KIND_TEREDO] = {"teredo", "Teredo; IPv4 stays as it is"},
};

const char *mt_wrap_name(unsigned index, const char **ret_meaning)
{
    if (index >= KIND_COUNT)
        return NULL;
    *ret_meaning = kinds[index].meaning;
    return kinds[index].name;
}

bool mt_wrap_parse(const char *text, struct mt_wrap *ret_wrap)
{
    struct mt_wrap wrap = {.count = 0};

    for (;;) {
        size_t size = strcspn(text, ",");
        unsigned kind = 0;

        while (kind < KIND_COUNT &&
               (strlen(kinds[kind].name) != size || strncmp(kinds[kind].name, text, size) != 0))
            kind++;
        if (kind == KIND_COUNT || wrap.count == MT_WRAP_MAX)
            return false;
        wrap.kinds[wrap.count++] = (uint8_t)kind;
        if (!text[size])
            break;
        text += size + 1;
    }
    *ret_wrap = wrap;
    return true;
}

/* --- bytes ------------------------------------------------------------------------- */

/* A frame that grows at its start: `head` is put before what stands from `at` on. */
struct grow {
    uint8_t *frame;
    size_t size;
    size_t at; /* where the payload begins: 0, or behind the link headers */
};

static void before(struct grow *grow, const void *head, size_t size)
{
    memmove(grow->frame + grow->at + size, grow->frame + grow->at, grow->size - grow->at);
    memcpy(grow->frame + grow->at, head, size);
    grow->size += size;
}

static void before16(struct grow *grow, uint32_t value)
{
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    before(grow, bytes, 2);
}

static void before32(struct grow *grow, uint32_t value)
{
    before16(grow, value & 0xffff);
    before16(grow, value >> 16);
}

static uint32_t payload_size(const struct grow *grow)
{
    return (uint32_t)(grow->size - grow->at);
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t total = 0;

    for (size_t i = 0; i < size; i++)
        total += (uint32_t)bytes[i] << (i & 1 ? 0 : 8);
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return ~total & 0xffff;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void before_ip4(struct grow *grow, uint32_t protocol)
{
    uint32_t total = payload_size(grow) + 20;
    uint8_t *header;

    before(grow, "\xac\x1f\0\1\xac\x1f\0\2", 8); /* 172.31.0.1 to .2 */
    before16(grow, 0);
    before16(grow, 64 << 8 | protocol);
    before32(grow, 0);
    before16(grow, total);
    before16(grow, 0x4500);
    header = grow->frame + grow->at;
    put16(header + 10, checksum(header, 20));
}

static void before_ip6(struct grow *grow, uint32_t protocol)
{
    uint32_t size = payload_size(grow);

    before(grow, "\xfd\x31\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    before(grow, "\xfd\x31\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    before16(grow, protocol << 8 | 64);
    before16(grow, size);
    before32(grow, 0x60000000);
}

static void before_udp(struct grow *grow, uint32_t port)
{
    uint32_t size = payload_size(grow) + 8;

    before16(grow, 0);
    before16(grow, size);
    before16(grow, port);
    before16(grow, 50000);
}

/* --- kinds ------------------------------------------------------------------------- */

/* Puts a header around the frame; returns the ethertype that its link has. */
static uint32_t around_frame(struct grow *grow, enum kind kind)
{
    switch (kind) {
    case KIND_PBB:
        before32(grow, 70000);
        return 0x88e7;
    case KIND_CONTROL_WORD:
        before32(grow, 5);
        before32(grow, 3000 << 12 | 0x1ff);
        return 0x8847;
    case KIND_PSEUDOWIRE:
        before32(grow, 3001 << 12 | 0x1ff);
        before32(grow, 24000 << 12 | 0xff);
        return 0x8847;
    case KIND_NVGRE:
        before32(grow, 0x00abcd01);
        before32(grow, 0x20006558);
        before_ip4(grow, 47);
        return 0x0800;
    case KIND_ERSPAN1:
        before32(grow, 0x000088be);
        before_ip4(grow, 47);
        return 0x0800;
    case KIND_ERSPAN2:
        before32(grow, 1);
        before32(grow, 0x1000006f);
        before32(grow, 9);
        before32(grow, 0x100088be);
        before_ip4(grow, 47);
        return 0x0800;
    case KIND_ERSPAN3:
        before32(grow, 7);
        before32(grow, 8);
        before32(grow, 1);
        before32(grow, 123456);
        before32(grow, 0x200000de);
        before32(grow, 9);
        before32(grow, 0x100022eb);
        before_ip4(grow, 47);
        return 0x0800;
    case KIND_GENEVE:
        before32(grow, 0x01020304);
        before32(grow, 0x01030001);
        before32(grow, 5001 << 8);
        before32(grow, 0x02006558);
        before_udp(grow, 6081);
        before_ip4(grow, 17);
        return 0x0800;
    case KIND_L2TP:
        before32(grow, 0xc00c1e00);
        before32(grow, 600);
        before_ip4(grow, 115);
        return 0x0800;
    default: /* KIND_VXLAN, KIND_VXLAN6 */
        before32(grow, 5000 << 8);
        before32(grow, 0x08000000);
        before_udp(grow, 4789);
        if (kind == KIND_VXLAN6) {
            before_ip6(grow, 17);
            return 0x86dd;
        }
        before_ip4(grow, 17);
        return 0x0800;
    }
}

/* Puts a header before what the ethertype says stands behind the link headers;
 * returns the new ethertype. */
static uint32_t around_ip(struct grow *grow, enum kind kind, uint32_t type)
{
    bool is_ip4 = type == 0x0800;
    uint32_t size;

    switch (kind) {
    case KIND_MPLS:
        before32(grow, 24002 << 12 | 0x1ff);
        before32(grow, 24001 << 12 | 0xff);
        return 0x8847;
    case KIND_PPPOE:
        before16(grow, is_ip4 ? 0x0021 : type == 0x86dd ? 0x0057 : 0x0281);
        size = payload_size(grow);
        before16(grow, size);
        before32(grow, 0x11000000 | 777);
        return 0x8864;
    case KIND_GRE:
        before32(grow, 12);
        before32(grow, 0);
        before32(grow, 0x90000000 | type);
        put16(grow->frame + grow->at + 4, checksum(grow->frame + grow->at, payload_size(grow)));
        break;
    case KIND_GPE:
        before32(grow, 5002 << 8);
        before32(grow, 0x0c000000 | (is_ip4 ? 1 : type == 0x86dd ? 2 : 5));
        before_udp(grow, 4790);
        before_ip4(grow, 17);
        return 0x0800;
    case KIND_GTP:
        before32(grow, 0x01000900); /* PDU session container: downlink, QFI 9 */
        before32(grow, 0x00000085);
        size = payload_size(grow);
        before32(grow, 0x12345678);
        before16(grow, size);
        before16(grow, 0x34ff);
        before_udp(grow, 2152);
        before_ip4(grow, 17);
        return 0x0800;
    case KIND_TEREDO:
        before_udp(grow, 3544);
        before_ip4(grow, 17);
        return 0x0800;
    case KIND_IN_IP6:
        before_ip6(grow, is_ip4 ? 4 : 41);
        return 0x86dd;
    default: /* KIND_IPIP */
        before_ip4(grow, is_ip4 ? 4 : 41);
        return 0x0800;
    }
    before_ip4(grow, 47);
    return 0x0800;
}

static bool may_carry(enum kind kind, uint32_t type)
{
    if (kind == KIND_TEREDO)
        return type == 0x86dd;
    if (kind == KIND_GPE)
        return type == 0x0800 || type == 0x86dd || type == 0x8847;
    if (kind == KIND_IPIP || kind == KIND_IN_IP6 || kind == KIND_GTP)
        return type == 0x0800 || type == 0x86dd;
    return true;
}

static uint32_t type_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* Where the link headers end: behind tags. */
static size_t link_size(const uint8_t *frame)
{
    size_t at = ETHERNET;

    while (type_at(frame + at - 2) == 0x8100 || type_at(frame + at - 2) == 0x88a8)
        at += 4;
    return at;
}

static void wrap_one(struct grow *grow, enum kind kind)
{
    uint32_t type;

    if (kind < KIND_CARRIES_IP) {
        grow->at = 0;
        type = around_frame(grow, kind);
        before16(grow, type);
        before(grow, "\2\xff\0\0\0\2\2\xff\0\0\0\1", 12);
        return;
    }
    grow->at = link_size(grow->frame);
    type = type_at(grow->frame + grow->at - 2);
    if (may_carry(kind, type))
        put16(grow->frame + grow->at - 2, around_ip(grow, kind, type));
}

size_t mt_wrap_frame(const struct mt_wrap *wrap, uint8_t *frame, size_t size)
{
    struct grow grow = {.frame = frame, .size = size};

    for (uint32_t i = wrap->count; i-- > 0;)
        wrap_one(&grow, (enum kind)wrap->kinds[i]);
    return grow.size;
}

uint32_t mt_wrap_overhead(const struct mt_wrap *wrap, uint8_t family)
{
    uint8_t frame[ETHERNET + MT_WRAP_SIZE_MAX] = {0};

    put16(frame + 12, family == 4 ? 0x0800 : 0x86dd);
    return (uint32_t)mt_wrap_frame(wrap, frame, ETHERNET) - ETHERNET;
}

/* --- truth ------------------------------------------------------------------------- */

#define ADDRESSES ",\"source\":{\"ip\":\"172.31.0.1\"},\"destination\":{\"ip\":\"172.31.0.2\"}"
#define ADDRESSES6 ",\"source\":{\"ip\":\"fd31::1\"},\"destination\":{\"ip\":\"fd31::2\"}"
#define LAYER(type) "{\"type\":\"" type "\""
#define WITH_ID(id) ",\"id\":\"" id "\""

static const char *const layers[KIND_COUNT] = {
    [KIND_PBB] = LAYER("pbb") WITH_ID("70000") "}",
    [KIND_PSEUDOWIRE] = LAYER("mpls") WITH_ID("24000") "}," LAYER("mpls") WITH_ID("3001") "}",
    [KIND_CONTROL_WORD] = LAYER("mpls") WITH_ID("3000") "}",
    [KIND_NVGRE] = LAYER("gre") WITH_ID("11259137") ADDRESSES "}",
    [KIND_ERSPAN1] = LAYER("gre") ADDRESSES "}",
    [KIND_ERSPAN2] = LAYER("gre") ADDRESSES "}," LAYER("erspan") WITH_ID("111") "}",
    [KIND_ERSPAN3] = LAYER("gre") ADDRESSES "}," LAYER("erspan") WITH_ID("222") "}",
    [KIND_VXLAN] = LAYER("vxlan") WITH_ID("5000") ADDRESSES "}",
    [KIND_VXLAN6] = LAYER("vxlan") WITH_ID("5000") ADDRESSES6 "}",
    [KIND_GENEVE] = LAYER("geneve") WITH_ID("5001") ADDRESSES "}",
    [KIND_L2TP] = LAYER("l2tp") WITH_ID("600") ADDRESSES "}",
    [KIND_MPLS] = LAYER("mpls") WITH_ID("24001") "}," LAYER("mpls") WITH_ID("24002") "}",
    [KIND_PPPOE] = LAYER("pppoe") WITH_ID("777") "}",
    [KIND_GRE] = LAYER("gre") ADDRESSES "}",
    [KIND_IPIP] = NULL, /* by what is inside */
    [KIND_IN_IP6] = NULL,
    [KIND_GPE] = LAYER("vxlan") WITH_ID("5002") ADDRESSES "}",
    [KIND_GTP] = LAYER("gtp") WITH_ID("305419896") ADDRESSES "}",
    [KIND_TEREDO] = LAYER("teredo") ADDRESSES "}",
};

static const char *layer_of(enum kind kind, uint32_t type)
{
    if (kind == KIND_IPIP)
        return type == 0x0800 ? LAYER("ipip") ADDRESSES "}" : LAYER("6in4") ADDRESSES "}";
    if (kind == KIND_IN_IP6)
        return type == 0x0800 ? LAYER("4in6") ADDRESSES6 "}" : LAYER("6in6") ADDRESSES6 "}";
    return layers[kind];
}

/* Puts a layer, and a comma, into the text at off. */
static void insert(char *text, size_t off, const char *layer)
{
    size_t size = strlen(layer);

    memmove(text + off + size + 1, text + off, strlen(text + off) + 1);
    memcpy(text + off, layer, size);
    text[off + size] = ',';
}

size_t mt_wrap_truth(const struct mt_plan_link *link, char *ret_text, size_t size)
{
    char text[4096] = "";
    uint8_t frame[ETHERNET + MT_WRAP_SIZE_MAX] = {0};
    struct grow grow = {.frame = frame, .size = ETHERNET};
    size_t tags = 0; /* size of the text about those of the outermost link */

    put16(frame + 12, link->ip[0].family == 4 ? 0x0800 : 0x86dd);
    for (int i = 0; i < 2; i++) {
        if (link->vlan[i])
            tags += (size_t)sprintf(text + tags, LAYER("vlan") WITH_ID("%u") "},", link->vlan[i]);
    }
    for (uint32_t i = link->wrap.count; i-- > 0;) {
        enum kind kind = (enum kind)link->wrap.kinds[i];
        uint32_t type = type_at(frame + ETHERNET - 2);

        tags = kind < KIND_CARRIES_IP ? 0 : tags;
        if (kind < KIND_CARRIES_IP || may_carry(kind, type))
            insert(text, tags, layer_of(kind, type));
        wrap_one(&grow, kind);
    }
    if (!text[0])
        return 0;
    text[strlen(text) - 1] = '\0';
    return (size_t)snprintf(ret_text, size, "[%s]", text);
}
