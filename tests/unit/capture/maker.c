#include "maker.h"

#include <fcntl.h>
#include <lz4frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

void made_init(struct made *made, bool is_big)
{
    *made = (struct made){.is_big = is_big};
}

void made_fini(struct made *made)
{
    free(made->bytes);
    *made = (struct made){0};
}

static uint8_t *made_room(struct made *made, size_t size)
{
    if (made->room - made->size < size) {
        made->room = (made->size + size) * 2;
        made->bytes = realloc(made->bytes, made->room);
        if (made->bytes == NULL)
            give_up("realloc");
    }
    made->size += size;
    return made->bytes + made->size - size;
}

void made_raw(struct made *made, const void *bytes, size_t size)
{
    uint8_t *to = made_room(made, size);
    if (size > 0)
        memcpy(to, bytes, size);
}

void made_zeros(struct made *made, size_t size)
{
    memset(made_room(made, size + 1), 0, size + 1);
    made->size--;
}

void made_u16(struct made *made, uint16_t value)
{
    value = made->is_big ? __builtin_bswap16(value) : value;
    made_raw(made, &value, sizeof(value));
}

void made_u32(struct made *made, uint32_t value)
{
    value = made->is_big ? __builtin_bswap32(value) : value;
    made_raw(made, &value, sizeof(value));
}

void made_u64(struct made *made, uint64_t value)
{
    value = made->is_big ? __builtin_bswap64(value) : value;
    made_raw(made, &value, sizeof(value));
}

void made_set_u32(struct made *made, size_t off, uint32_t value)
{
    value = made->is_big ? __builtin_bswap32(value) : value;
    memcpy(made->bytes + off, &value, sizeof(value));
}

/* --- pcap ------------------------------------------------------------------ */

uint8_t made_byte(unsigned seed, size_t index)
{
    return (uint8_t)((size_t)seed * 131 + index * 7 + index / 251);
}

static void made_data(struct made *made, uint32_t size, unsigned seed)
{
    uint8_t *to = made_room(made, size);
    for (size_t i = 0; i < size; i++)
        to[i] = made_byte(seed, i);
}

void made_pcap(struct made *made, uint32_t magic, uint32_t link_type)
{
    made_u32(made, magic);
    made_u16(made, 2);
    made_u16(made, 4);
    made_u32(made, 0);
    made_u32(made, 0);
    made_u32(made, 65535);
    made_u32(made, link_type);
}

void made_record(struct made *made, uint32_t second, uint32_t fraction, uint32_t size, uint32_t wire_size,
                 unsigned seed)
{
    made_u32(made, second);
    made_u32(made, fraction);
    made_u32(made, size);
    made_u32(made, wire_size);
    made_data(made, size, seed);
}

uint32_t made_pcap_size(unsigned i)
{
    return i * 37 % 400;
}

void made_pcap_of(struct made *made, uint32_t second, unsigned count)
{
    made_pcap(made, PCAP_MICRO, 1);
    for (unsigned i = 0; i < count; i++)
        made_record(made, second + i, i, made_pcap_size(i), made_pcap_size(i) + 10, i);
}

/* --- pcapng ---------------------------------------------------------------- */

static void made_padding(struct made *made)
{
    while (made->size % 4 != 0)
        made_raw(made, "", 1);
}

static size_t block_begin(struct made *made, uint32_t type)
{
    size_t off = made->size;
    made_u32(made, type);
    made_u32(made, 0);
    return off;
}

static void block_end(struct made *made, size_t off)
{
    made_padding(made);
    made_u32(made, (uint32_t)(made->size + 4 - off));
    made_set_u32(made, off + 4, (uint32_t)(made->size - off));
}

void made_block(struct made *made, uint32_t type, const void *body, size_t size)
{
    size_t off = block_begin(made, type);
    made_raw(made, body, size);
    block_end(made, off);
}

void made_section(struct made *made)
{
    size_t off = block_begin(made, 0x0a0d0d0a);
    made_u32(made, 0x1a2b3c4d);
    made_u16(made, 1);
    made_u16(made, 0);
    made_u64(made, UINT64_MAX);
    block_end(made, off);
}

void made_interface(struct made *made, uint16_t link_type, uint32_t snap_size, int resolution, int64_t offset)
{
    size_t off = block_begin(made, 1);
    made_u16(made, link_type);
    made_u16(made, 0);
    made_u32(made, snap_size);
    made_u16(made, 2); /* if_name */
    made_u16(made, 4);
    made_raw(made, "eth0", 4);
    if (resolution >= 0) {
        made_u16(made, 9);
        made_u16(made, 1);
        made_raw(made, (uint8_t[]){(uint8_t)resolution, 0, 0, 0}, 4);
    }
    if (offset != 0) {
        made_u16(made, 14);
        made_u16(made, 8);
        made_u64(made, (uint64_t)offset);
    }
    made_u32(made, 0); /* opt_endofopt */
    block_end(made, off);
}

static void made_packet(struct made *made, size_t off, uint64_t units, uint32_t size, uint32_t wire_size,
                        unsigned seed)
{
    made_u32(made, (uint32_t)(units >> 32));
    made_u32(made, (uint32_t)units);
    made_u32(made, size);
    made_u32(made, wire_size);
    made_data(made, size, seed);
    made_padding(made);
    made_u16(made, 2); /* epb_flags */
    made_u16(made, 4);
    made_u32(made, 1);
    made_u32(made, 0);
    block_end(made, off);
}

void made_enhanced(struct made *made, uint32_t interface, uint64_t units, uint32_t size, uint32_t wire_size,
                   unsigned seed)
{
    size_t off = block_begin(made, 6);
    made_u32(made, interface);
    made_packet(made, off, units, size, wire_size, seed);
}

void made_obsolete(struct made *made, uint16_t interface, uint64_t units, uint32_t size, uint32_t wire_size,
                   unsigned seed)
{
    size_t off = block_begin(made, 2);
    made_u16(made, interface);
    made_u16(made, 0xffff);
    made_packet(made, off, units, size, wire_size, seed);
}

void made_simple(struct made *made, uint32_t size, uint32_t wire_size, unsigned seed)
{
    size_t off = block_begin(made, 3);
    made_u32(made, wire_size);
    made_data(made, size, seed);
    block_end(made, off);
}

/* --- places ---------------------------------------------------------------- */

static size_t compress_gzip(uint8_t *to, size_t room, const uint8_t *from, size_t size)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        give_up("deflateInit2");
    z.next_in = (Bytef *)(uintptr_t)from;
    z.avail_in = (uInt)size;
    z.next_out = to;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        give_up("deflate");
    size_t made = z.total_out;
    deflateEnd(&z);
    return made;
}

void made_compressed(struct made *made, enum mt_compression compression, const uint8_t *from, size_t size)
{
    size_t room = size + size / 10 + 4096;
    uint8_t *to = malloc(room);
    size_t used = 0;
    if (to == NULL)
        give_up("malloc");
    if (compression == MT_COMPRESSION_GZIP)
        used = compress_gzip(to, room, from, size);
    else if (compression == MT_COMPRESSION_ZSTD)
        used = ZSTD_compress(to, room, from, size, 3);
    else if (compression == MT_COMPRESSION_LZ4)
        used = LZ4F_compressFrame(to, room, from, size, NULL);
    made_raw(made, to, used);
    free(to);
}

static struct {
    char directory[200];
    char paths[256][300];
    size_t count;
} places;

const char *place(const char *name)
{
    if (places.directory[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(places.directory, sizeof(places.directory), "%s/mailtap-test-XXXXXX",
                 base ? base : P_tmpdir);
        if (mkdtemp(places.directory) == NULL)
            give_up("mkdtemp");
    }
    char path[300];
    snprintf(path, sizeof(path), "%s/%.90s", places.directory, name);
    for (size_t i = 0; i < places.count; i++) {
        if (strcmp(places.paths[i], path) == 0)
            return places.paths[i];
    }
    if (places.count == MT_ARRAY_COUNT(places.paths))
        give_up("too many files");
    memcpy(places.paths[places.count], path, sizeof(path));
    return places.paths[places.count++];
}

const char *place_directory(const char *name)
{
    const char *path = place(name);
    if (mkdir(path, 0700) != 0)
        give_up(path);
    return path;
}

const char *place_bytes(const char *name, const void *bytes, size_t size)
{
    const char *path = place(name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        give_up(path);
    return path;
}

const char *place_made(const char *name, const struct made *made)
{
    return place_bytes(name, made->bytes, made->size);
}

/* Members stand behind their directories in the list. */
void place_fini(void)
{
    while (places.count > 0)
        remove(places.paths[--places.count]);
    if (places.directory[0] != '\0')
        rmdir(places.directory);
    places.directory[0] = '\0';
}
