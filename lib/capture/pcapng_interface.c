/* Interface Description Blocks: link type and clock. */
#include "capture/linktype_priv.h"
#include "capture/pcapng_priv.h"

#include "base/text.h"

#include <stdlib.h>

enum {
    OPTION_END = 0,
    OPTION_TSRESOL = 9,
    OPTION_TSOFFSET = 14,
};

static __uint128_t time_binary(uint64_t units, unsigned bits)
{
    if (bits >= 128)
        return 0;
    /* 64 + 30 bits */
    return (__uint128_t)units * MT_SEC >> bits;
}

static __uint128_t time_decimal(uint64_t units, unsigned digits)
{
    if (digits <= 9)
        return (__uint128_t)units * mt_powers_of_ten[9 - digits];
    digits -= 9;
    return digits < MT_POWERS_OF_TEN ? units / mt_powers_of_ten[digits] : 0;
}

uint64_t mt_pcapng_time_of(const struct mt_pcapng_interface *interface, uint64_t units)
{
    unsigned exponent = interface->resolution & 0x7f;
    bool is_binary = (interface->resolution & 0x80) != 0;
    __uint128_t time = is_binary ? time_binary(units, exponent) : time_decimal(units, exponent);
    /* below 2^97: the offset can't overflow the sum */
    __int128_t sum = (__int128_t)time + (__int128_t)interface->offset * (__int128_t)MT_SEC;
    if (sum < 0)
        return 0;
    return sum > (__int128_t)UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
}

static uint64_t load64(const uint8_t *p, bool is_swapped)
{
    uint64_t first = mt_pcapng_load32(p, is_swapped);
    uint64_t second = mt_pcapng_load32(p + 4, is_swapped);
    return is_swapped ? first << 32 | second : second << 32 | first;
}

/* False when an option reaches beyond its block. */
static bool read_options(struct mt_pcapng_interface *interface, struct mt_span options, bool is_swapped)
{
    while (options.size >= 4) {
        uint16_t code = mt_pcapng_load16(options.ptr, is_swapped);
        size_t size = mt_pcapng_load16(options.ptr + 2, is_swapped);
        options = mt_span_from(options, 4);
        if (code == OPTION_END)
            return true;
        if (size > options.size)
            return false;
        if (code == OPTION_TSRESOL && size >= 1)
            interface->resolution = options.ptr[0];
        else if (code == OPTION_TSOFFSET && size >= 8)
            interface->offset = (int64_t)load64(options.ptr, is_swapped);
        options = mt_span_from(options, (size + 3) & ~(size_t)3);
    }
    return true;
}

/* Microseconds or nanoseconds since the epoch, as everybody writes them. */
static void set_scale(struct mt_pcapng_interface *interface)
{
    if (interface->resolution > 9 || interface->offset != 0)
        return;
    interface->scale = mt_powers_of_ten[9 - interface->resolution];
    interface->units_end = UINT64_MAX / interface->scale;
}

static bool make_room(struct mt_pcapng *pcapng)
{
    if (pcapng->interface_count < pcapng->interface_room)
        return true;
    uint32_t room = pcapng->interface_room == 0 ? 8 : pcapng->interface_room * 2;
    struct mt_pcapng_interface *larger = realloc(pcapng->interfaces, room * sizeof(*larger));
    if (larger == NULL)
        return false;
    pcapng->interfaces = larger;
    pcapng->interface_room = room;
    return true;
}

const char *mt_pcapng_add_interface(struct mt_pcapng *pcapng, struct mt_span block)
{
    if (block.size < MT_PCAPNG_INTERFACE_MIN)
        return "interface description too short";
    if (pcapng->interface_count == MT_PCAPNG_INTERFACES_MAX)
        return "more interfaces than the limit";
    if (!make_room(pcapng))
        return "no memory for another interface";
    uint16_t link_type = mt_pcapng_load16(block.ptr + 8, pcapng->is_swapped);
    struct mt_pcapng_interface *interface = &pcapng->interfaces[pcapng->interface_count++];
    *interface = (struct mt_pcapng_interface){
        .link_type = link_type,
        .link = (uint8_t)mt_linktype_link(link_type),
        .resolution = 6,
        .snap_size = mt_pcapng_load32(block.ptr + 12, pcapng->is_swapped),
    };
    struct mt_span options = mt_span_from(mt_span_head(block, block.size - 4), 16);
    bool is_whole = read_options(interface, options, pcapng->is_swapped);
    set_scale(interface);
    if (!is_whole)
        return "interface description with an option beyond its end; times may be wrong";
    return NULL;
}
