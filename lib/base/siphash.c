#include "base/siphash.h"

#include "base/endian.h"

struct state {
    uint64_t v[4];
};

static uint64_t rotated(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void rounds(struct state *s, unsigned count)
{
    uint64_t *v = s->v;

    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotated(v[1], 13) ^ v[0];
        v[3] = rotated(v[3], 16) ^ v[2];
        v[0] = rotated(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotated(v[1], 17) ^ v[2];
        v[3] = rotated(v[3], 21) ^ v[0];
        v[2] = rotated(v[2], 32);
    }
}

static struct state begun(const struct mt_siphash_key *key)
{
    uint64_t k0 = mt_load_le64(key->bytes);
    uint64_t k1 = mt_load_le64(key->bytes + 8);

    return (struct state){{k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                           k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)}};
}

static uint64_t word_at(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;

    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static inline void take_word(struct state *s, unsigned count, uint64_t word)
{
    s->v[3] ^= word;
    rounds(s, count);
    s->v[0] ^= word;
}

static inline void take_bytes(struct state *s, unsigned count, struct mt_span bytes)
{
    size_t off = 0;

    for (; off + 8 <= bytes.size; off += 8)
        take_word(s, count, mt_load_le64(bytes.ptr + off));
    take_word(s, count, word_at(bytes.ptr + off, bytes.size - off) | (uint64_t)bytes.size << 56);
}

static uint64_t folded(const struct state *s)
{
    return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

uint64_t mt_siphash(const struct mt_siphash_key *key, struct mt_span bytes)
{
    struct state s = begun(key);

    take_bytes(&s, 2, bytes);
    s.v[2] ^= 0xff;
    rounds(&s, 4);
    return folded(&s);
}

struct mt_hash128 mt_siphash128(const struct mt_siphash_key *key, struct mt_span bytes)
{
    struct mt_hash128 hash;
    struct state s = begun(key);

    s.v[1] ^= 0xee;
    take_bytes(&s, 1, bytes);
    s.v[2] ^= 0xee;
    rounds(&s, 3);
    hash.word[0] = folded(&s);
    s.v[1] ^= 0xdd;
    rounds(&s, 3);
    hash.word[1] = folded(&s);
    return hash;
}
