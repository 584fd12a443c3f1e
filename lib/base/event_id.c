#include "base/event_id.h"

#include "base/hash.h"

/* Any constant, as long as it stays: event ids are compared between runs. */
#define SEED UINT64_C(0x6d61696c746170)

void mt_event_id(const struct mt_tuple *tuple, uint64_t first, uint8_t ret_id[MT_EVENT_ID_SIZE])
{
    uint8_t bytes[64];
    struct mt_buf b = mt_buf(bytes, sizeof(bytes));
    uint16_t ports[2] = {__builtin_bswap16(tuple->src_port), __builtin_bswap16(tuple->dst_port)};
    uint64_t time = __builtin_bswap64(first);

    mt_buf_put(&b, tuple->src.bytes, sizeof(tuple->src.bytes));
    mt_buf_put(&b, tuple->dst.bytes, sizeof(tuple->dst.bytes));
    mt_buf_put(&b, ports, sizeof(ports));
    mt_buf_put(&b, &time, sizeof(time));

    struct mt_hash128 hash = mt_hash_bytes128(SEED, mt_buf_span(&b));
    uint64_t words[2] = {__builtin_bswap64(hash.word[0]), __builtin_bswap64(hash.word[1])};
    struct mt_buf hex = mt_buf(ret_id, MT_EVENT_ID_SIZE);
    mt_buf_put_hex(&hex, mt_span(words, sizeof(words)));
}
