/* Captures made byte by byte in memory, and where to put them.
 *
 * Ownership: a made capture owns its bytes (made_fini); files lie in one
 * temporary directory that place_fini removes. Thread: one. Limits: memory;
 * 256 files.
 */
#ifndef MT_TESTS_CAPTURE_MAKER_H
#define MT_TESTS_CAPTURE_MAKER_H

#include "capture/decompress_priv.h"

struct made {
    uint8_t *bytes;
    size_t size;
    size_t room;
    bool is_big; /* byte order of what is put */
};

void made_init(struct made *made, bool is_big);
void made_fini(struct made *made);

void made_raw(struct made *made, const void *bytes, size_t size);
void made_zeros(struct made *made, size_t size);
void made_u16(struct made *made, uint16_t value);
void made_u32(struct made *made, uint32_t value);
void made_u64(struct made *made, uint64_t value);

/* Overwrites what is there. */
void made_set_u32(struct made *made, size_t off, uint32_t value);

/* --- pcap ------------------------------------------------------------------ */

#define PCAP_MICRO 0xa1b2c3d4
#define PCAP_NANO 0xa1b23c4d

void made_pcap(struct made *made, uint32_t magic, uint32_t link_type);

/* A record of size bytes whose values follow from seed. */
void made_record(struct made *made, uint32_t second, uint32_t fraction, uint32_t size, uint32_t wire_size,
                 unsigned seed);

/* The bytes of that record. */
uint8_t made_byte(unsigned seed, size_t index);

/* A pcap of count Ethernet records, one a second from second on, of varying
 * sizes below 400. */
void made_pcap_of(struct made *made, uint32_t second, unsigned count);

/* Size of record i of made_pcap_of. */
uint32_t made_pcap_size(unsigned i);

/* --- pcapng ---------------------------------------------------------------- */

void made_block(struct made *made, uint32_t type, const void *body, size_t size);
void made_section(struct made *made);

/* resolution < 0: no such option. offset 0: no such option. */
void made_interface(struct made *made, uint16_t link_type, uint32_t snap_size, int resolution,
                    int64_t offset);
void made_enhanced(struct made *made, uint32_t interface, uint64_t units, uint32_t size, uint32_t wire_size,
                   unsigned seed);
void made_obsolete(struct made *made, uint16_t interface, uint64_t units, uint32_t size, uint32_t wire_size,
                   unsigned seed);
/* size bytes are put, wire_size is said. */
void made_simple(struct made *made, uint32_t size, uint32_t wire_size, unsigned seed);

/* --- places ---------------------------------------------------------------- */

/* Appends from, compressed as one member. */
void made_compressed(struct made *made, enum mt_compression compression, const uint8_t *from, size_t size);

/* A path inside this test's temporary directory. */
const char *place(const char *name);
const char *place_directory(const char *name);

/* Writes size bytes to place(name) and gives the path. */
const char *place_bytes(const char *name, const void *bytes, size_t size);
const char *place_made(const char *name, const struct made *made);
void place_fini(void);

#endif
