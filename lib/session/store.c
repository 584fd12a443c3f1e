/* Entries in a chain of arena blocks, and the extra that a session gets when it
 * first needs it. */
#include "session/parts_priv.h"

#define FIRST_BLOCK 192u
#define SECOND_BLOCK 64u
#define LARGEST_GROWN 4096u

static struct mt_block *first_block(const struct mt_session *session)
{
    return session->block->next;
}

static uint32_t bytes_in_blocks(const struct mt_session *session)
{
    const struct mt_block *last = session->block;
    return last == NULL ? 0 : last->before * MT_BLOCK_UNIT + last->size;
}

/* 192 and 64, which is what a session needs that has greeted and waits; then half
 * of what there is: one that goes on has few blocks, each a cache miss when its
 * turn comes. Near the limit no more than is needed. */
static size_t next_block_size(uint32_t total, uint32_t total_max, size_t needed)
{
    size_t size = total == 0 ? FIRST_BLOCK : total <= FIRST_BLOCK ? SECOND_BLOCK : total / 2;

    size = mt_min_u64(size, LARGEST_GROWN);
    if (total + size > total_max)
        size = SECOND_BLOCK;
    return mt_arena_block_size(size < needed ? needed : size);
}

static struct mt_block *add_block(struct mt_run *run, size_t needed, bool is_essential)
{
    struct mt_session *session = run->session;
    uint32_t total = bytes_in_blocks(session);
    size_t size = next_block_size(total, run->engine->limits.bytes_max, needed + sizeof(struct mt_block));

    if (size > MT_ARENA_BLOCK_MAX || (!is_essential && total + size > run->engine->limits.bytes_max) ||
        total / MT_BLOCK_UNIT > UINT16_MAX)
        return NULL;
    struct mt_block *block = mt_arena_get(run->engine->arena, size);
    if (block == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        return NULL;
    }
    block->size = (uint16_t)size;
    block->used = 0;
    block->last = 0;
    block->before = (uint16_t)(total / MT_BLOCK_UNIT);
    block->next = session->block == NULL ? block : first_block(session);
    if (session->block != NULL)
        session->block->next = block;
    session->block = block;
    return block;
}

static size_t room(const struct mt_block *block)
{
    return block->size - sizeof(*block) - block->used;
}

void *mt_store_put(struct mt_run *run, enum mt_tag tag, size_t size, struct mt_span text, bool is_essential)
{
    struct mt_block *block = run->session->block;
    size_t whole = size + text.size;

    if (whole > UINT16_MAX)
        return NULL;
    if (block == NULL || room(block) < whole) {
        block = add_block(run, whole, is_essential);
        if (block == NULL)
            return NULL;
    }
    uint8_t *at = block->bytes + block->used;
    struct mt_entry *entry = (struct mt_entry *)at;
    memset(at, 0, size);
    if (text.size > 0)
        memcpy(at + size, text.ptr, text.size);
    entry->tag = (uint8_t)tag;
    entry->size = (uint16_t)whole;
    block->last = block->used;
    block->used = (uint16_t)(block->used + whole);
    return entry;
}

struct mt_entry *mt_store_last(const struct mt_session *session)
{
    struct mt_block *block = session->block;

    if (block == NULL || block->used == 0)
        return NULL;
    return (struct mt_entry *)(block->bytes + block->last);
}

bool mt_store_extend(struct mt_session *session, struct mt_entry *entry, struct mt_span bytes)
{
    struct mt_block *block = session->block;

    if (entry == NULL || mt_store_last(session) != entry || room(block) < bytes.size)
        return false;
    memcpy(block->bytes + block->used, bytes.ptr, bytes.size);
    block->used = (uint16_t)(block->used + bytes.size);
    entry->size = (uint16_t)(entry->size + bytes.size);
    return true;
}

/* Lines ahead of a walk over a block that are asked for at once; the processor
 * finds the rest of a large one by itself. */
#define PREFETCH_LINES 4u
#define CHAIN_LINES 2u /* of a block whose size is not known yet */

static void prefetch_lines(const void *memory, size_t size)
{
    for (size_t off = 0; off < size && off < PREFETCH_LINES * MT_CACHE_LINE; off += MT_CACHE_LINE)
        MT_PREFETCH((const char *)memory + off);
}

void mt_session_prefetch_kept(const void *memory)
{
    const struct mt_session *session = memory;

    if (session->block != NULL)
        MT_PREFETCH(session->block);
    if (session->extra != NULL)
        prefetch_lines(session->extra, sizeof(*session->extra));
}

void mt_session_prefetch_blocks(const void *memory)
{
    const struct mt_session *session = memory;

    if (session->block == NULL)
        return;
    prefetch_lines(first_block(session), FIRST_BLOCK);
    prefetch_lines(session->block, session->block->size);
}

void mt_session_prefetch_chain(const void *memory)
{
    const struct mt_session *session = memory;
    const struct mt_block *second = session->block != NULL ? first_block(session)->next : NULL;

    if (second != session->block && second != NULL)
        prefetch_lines(second, CHAIN_LINES * MT_CACHE_LINE);
}

struct mt_cursor mt_store_begin(const struct mt_session *session)
{
    if (session->block == NULL)
        return (struct mt_cursor){0};
    return (struct mt_cursor){.block = first_block(session), .last = session->block};
}

struct mt_cursor mt_store_begin_at(const struct mt_session *session, const void *entry)
{
    struct mt_cursor cursor = mt_store_begin(session);
    const uint8_t *at = entry;

    while (cursor.block != NULL) {
        const uint8_t *bytes = cursor.block->bytes;
        if (at >= bytes && at < bytes + cursor.block->used) {
            cursor.off = (size_t)(at - bytes);
            break;
        }
        cursor.block = cursor.block == cursor.last ? NULL : cursor.block->next;
    }
    return cursor;
}

struct mt_entry *mt_store_next(struct mt_cursor *cursor)
{
    while (cursor->block != NULL && cursor->off == cursor->block->used) {
        cursor->block = cursor->block == cursor->last ? NULL : cursor->block->next;
        cursor->off = 0;
        if (cursor->block != NULL)
            prefetch_lines(cursor->block->next, CHAIN_LINES * MT_CACHE_LINE);
    }
    if (cursor->block == NULL)
        return NULL;
    struct mt_entry *entry = (struct mt_entry *)(uintptr_t)(cursor->block->bytes + cursor->off);
    MT_CHECK_HOT(entry->size >= sizeof(*entry));
    cursor->off += entry->size;
    return entry;
}

struct mt_extra *mt_extra(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (session->extra != NULL)
        return session->extra;
    struct mt_extra *extra = mt_arena_get(run->engine->arena, sizeof(*extra));
    if (extra == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        return NULL;
    }
    memset(extra, 0, sizeof(*extra));
    session->extra = extra;
    return extra;
}

static void free_extra(struct mt_session_engine *engine, struct mt_session *session)
{
    struct mt_extra *extra = session->extra;

    if (extra == NULL)
        return;
    mt_carry_free(engine, session, MT_CLIENT);
    mt_carry_free(engine, session, MT_SERVER);
    if (extra->header != NULL)
        mt_arena_put(engine->arena, extra->header, sizeof(*extra->header));
    if (extra->octets != NULL)
        mt_arena_put(engine->arena, extra->octets, sizeof(*extra->octets));
    mt_parts_free(engine, session);
    if (extra->ring != NULL)
        mt_arena_put(engine->arena, extra->ring, extra->ring_cap * sizeof(*extra->ring));
    if (extra->counts != NULL)
        mt_arena_put(engine->arena, extra->counts, extra->counts_cap * sizeof(*extra->counts));
    if (extra->first != NULL)
        mt_arena_put(engine->arena, extra->first,
                     extra->first->head.tag == MT_FIRST_JOINED ? MT_JOINED_SIZE : MT_FIRST_SIZE);
    mt_tls_free(engine, session);
    mt_arena_put(engine->arena, extra, sizeof(*extra));
    session->extra = NULL;
}

void mt_extra_drop(struct mt_run *run)
{
    static const struct mt_extra blank;

    if (run->session->extra == NULL || memcmp(run->session->extra, &blank, sizeof(blank)) != 0)
        return;
    mt_arena_put(run->engine->arena, run->session->extra, sizeof(blank));
    run->session->extra = NULL;
}

void mt_store_free(struct mt_session_engine *engine, struct mt_session *session)
{
    struct mt_block *last = session->block;
    struct mt_block *block = last != NULL ? last->next : NULL;

    while (block != NULL) {
        struct mt_block *next = block == last ? NULL : block->next;
        mt_arena_put(engine->arena, block, block->size);
        block = next;
    }
    session->block = NULL;
    free_extra(engine, session);
}

void mt_reply_put_enhanced(struct mt_buf *b, uint32_t reply)
{
    uint32_t class = reply >> 10 & 3, subject = reply >> 12 & 0x3ff, detail = reply >> 22;
    uint8_t text[5] = {(uint8_t)('0' + (class == 1 ? 2 : class + 2)), '.', (uint8_t)('0' + subject), '.',
                       (uint8_t)('0' + detail)};

    if (class == 0)
        return;
    if (MT_LIKELY(subject < 10 && detail < 10)) {
        mt_buf_put(b, text, sizeof(text));
        return;
    }
    mt_buf_put(b, text, 2);
    mt_buf_put_u64(b, subject);
    mt_buf_put_byte(b, '.');
    mt_buf_put_u64(b, detail);
}

const char *mt_cut_path(enum mt_cut cut)
{
    static const char *const paths[] = {
#define MT_CUT(name, path) path,
#include "session/cuts_priv.def"
#undef MT_CUT
    };
    return paths[cut];
}

void mt_cut(struct mt_run *run, enum mt_cut cut)
{
    struct mt_extra *extra = mt_extra(run);

    if (extra != NULL)
        extra->cuts |= 1u << cut;
}

struct mt_span mt_keep(struct mt_run *run, struct mt_span text, size_t max, enum mt_cut cut)
{
    if (MT_LIKELY(text.size <= max))
        return text;
    mt_cut(run, cut);
    return mt_span_head(text, max);
}
