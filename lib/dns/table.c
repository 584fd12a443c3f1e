#include "dns/table.h"

#include "base/hash.h"
#include "base/mark.h"
#include "dns/table_priv.h"

#define CHAIN_MAX 64u
#define ALIGNMENT 8u

/* Lies in the ring; name and items follow. size 0 where the ring's end was too
 * near: what follows is at its start. */
struct entry {
    uint32_t size;
    uint16_t item_count;
    uint16_t items_size;
    uint8_t name_size;
    uint8_t is_missing;
    uint8_t is_cut;
    uint8_t unused;
    uint32_t tag; /* the rest of the hash */
    uint64_t seen;
    uint64_t expires;
    uint64_t older; /* in the same bucket, +1 */
};
MT_STATIC_ASSERT(sizeof(struct entry) % ALIGNMENT == 0, "entries are aligned");

static struct entry *entry_at(const struct mt_dns_table *table, uint64_t at)
{
    return (struct entry *)(void *)(table->ring + at % table->size);
}

static struct mt_span entry_name(const struct entry *entry)
{
    return mt_span(entry + 1, entry->name_size);
}

static struct mt_span entry_items(const struct entry *entry)
{
    return mt_span((const uint8_t *)(entry + 1) + entry->name_size, entry->items_size);
}

static uint64_t hash_of(const struct mt_dns_table *table, struct mt_span name, uint16_t type)
{
    return mt_hash_bytes(table->seed ^ type, name);
}

static uint32_t bucket_of(uint64_t hash)
{
    return (uint32_t)hash % MT_DNS_BUCKETS;
}

/* The next of a chain that is still there. */
static struct entry *entry_of_link(const struct mt_dns_table *table, uint64_t link)
{
    return link > table->tail ? entry_at(table, link - 1) : NULL;
}

static bool is_entry_of(const struct entry *entry, uint64_t hash, struct mt_span name)
{
    return entry->tag == (uint32_t)(hash >> 32) && mt_span_eq(entry_name(entry), name);
}

/* --- putting ------------------------------------------------------------------ */

static void forget_oldest(struct mt_dns_table *table, uint64_t now)
{
    const struct entry *oldest = entry_at(table, table->tail);
    uint64_t to_end = table->size - table->tail % table->size;

    if (to_end < sizeof(*oldest) || oldest->size == 0) {
        table->tail += to_end;
        return;
    }
    mt_stats_add(table->stats, MT_COUNTER_DNS_FORGOTTEN, oldest->expires > now);
    table->tail += oldest->size;
}

/* Room for size bytes in one piece. */
static struct entry *entry_add(struct mt_dns_table *table, uint32_t size, uint64_t now)
{
    uint64_t to_end = table->size - table->end % table->size;
    uint64_t skip = to_end < size ? to_end : 0;

    while (table->end + skip + size > table->tail + table->size)
        forget_oldest(table, now);
    if (skip >= sizeof(struct entry))
        entry_at(table, table->end)->size = 0;
    table->end += skip;
    return entry_at(table, table->end);
}

/* Said again while it holds: it holds longer. Unless it will give way soon, then
 * it is written anew. */
static bool is_renewed(struct mt_dns_table *table, const struct mt_dns_answer *answer, uint64_t hash,
                       struct mt_span name, uint64_t expires)
{
    uint64_t link = table->bucket[bucket_of(hash)];
    struct entry *entry;

    for (unsigned i = 0; i < CHAIN_MAX && (entry = entry_of_link(table, link)) != NULL; i++) {
        if (!is_entry_of(entry, hash, name)) {
            link = entry->older;
            continue;
        }
        bool is_same = mt_span_eq(entry_items(entry), mt_span(answer->items, answer->size)) &&
                       entry->is_missing == answer->is_missing && entry->is_cut == answer->is_cut;
        bool is_young = table->end - link < table->size / 2;
        if (!is_same || !is_young || entry->expires < answer->time)
            return false;
        if (entry->expires < expires)
            entry->expires = expires;
        return true;
    }
    return false;
}

static void put_as(struct mt_dns_table *table, const struct mt_dns_answer *answer, uint16_t type)
{
    struct mt_span name = mt_span(answer->name.text, answer->name.size);
    uint64_t hash = hash_of(table, name, type);
    uint32_t ttl = answer->ttl < MT_DNS_TTL_MIN   ? MT_DNS_TTL_MIN
                   : answer->ttl > MT_DNS_TTL_MAX ? MT_DNS_TTL_MAX
                                                  : answer->ttl;
    uint64_t expires = answer->time + ttl * MT_SEC;
    size_t size = sizeof(struct entry) + name.size + answer->size;

    if (is_renewed(table, answer, hash, name, expires))
        return;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct entry *entry = entry_add(table, (uint32_t)size, answer->time);
    uint64_t *bucket = &table->bucket[bucket_of(hash)];
    *entry = (struct entry){
        .size = (uint32_t)size,
        .item_count = answer->item_count,
        .items_size = answer->size,
        .name_size = (uint8_t)name.size,
        .is_missing = answer->is_missing,
        .is_cut = answer->is_cut,
        .tag = (uint32_t)(hash >> 32),
        .seen = answer->time,
        .expires = expires,
        .older = *bucket,
    };
    memcpy(entry + 1, name.ptr, name.size);
    memcpy((uint8_t *)(entry + 1) + name.size, answer->items, answer->size);
    *bucket = table->end + 1;
    table->end += size;
}

void mt_dns_table_put(struct mt_dns_table *table, const struct mt_dns_answer *answer)
{
    /* RFC 8020: of a name that does not exist there is nothing of any type */
    put_as(table, answer, answer->is_missing ? MT_DNS_NAME : answer->type);
}

/* --- looking up ----------------------------------------------------------------- */

static const struct entry *find(const struct mt_dns_table *table, struct mt_span name, uint16_t type,
                                struct mt_dns_span span)
{
    uint64_t hash = hash_of(table, name, type);
    uint64_t link = table->bucket[bucket_of(hash)];
    const struct entry *entry;

    for (unsigned i = 0; i < CHAIN_MAX && (entry = entry_of_link(table, link)) != NULL; i++) {
        if (is_entry_of(entry, hash, name) && entry->seen < span.until && entry->expires >= span.from)
            return entry;
        link = entry->older;
    }
    return NULL;
}

static bool lower(struct mt_span name, struct mt_dns_name *ret_name)
{
    if (name.size > 0 && name.ptr[name.size - 1] == '.')
        name.size--;
    if (name.size == 0 || name.size > MT_DNS_NAME_MAX)
        return false;
    ret_name->size = (uint8_t)name.size;
    for (size_t i = 0; i < name.size; i++)
        ret_name->text[i] = mt_ascii_lower(name.ptr[i]);
    return true;
}

enum mt_dns_found mt_dns_find(const struct mt_dns_table *table, struct mt_span name, enum mt_dns_type type,
                              struct mt_dns_span span, struct mt_dns_values *ret_values)
{
    struct mt_dns_name wanted;

    if (!lower(name, &wanted))
        return MT_DNS_UNKNOWN;
    struct mt_span text = mt_span(wanted.text, wanted.size);
    const struct entry *entry = find(table, text, (uint16_t)type, span);
    const struct entry *missing = find(table, text, MT_DNS_NAME, span);
    if (missing != NULL && (entry == NULL || missing->seen > entry->seen))
        entry = missing;
    if (entry == NULL)
        return MT_DNS_UNKNOWN;
    *ret_values = (struct mt_dns_values){
        .items = {.rest = entry_items(entry)},
        .count = entry->item_count,
        .is_cut = entry->is_cut,
        .is_missing = entry->is_missing,
    };
    if (entry->item_count > 0)
        return MT_DNS_FOUND;
    return entry->is_cut ? MT_DNS_UNKNOWN : MT_DNS_NONE;
}

enum mt_dns_found mt_dns_find_address(const struct mt_dns_table *table, struct mt_span name,
                                      const struct mt_ip *ip, struct mt_dns_span span)
{
    struct mt_span wanted = mt_span(ip->bytes, ip->family == 4 ? 4 : 16);
    struct mt_dns_values values;
    struct mt_span item;

    enum mt_dns_found found =
        mt_dns_find(table, name, ip->family == 4 ? MT_DNS_A : MT_DNS_AAAA, span, &values);
    if (found != MT_DNS_FOUND)
        return found;
    while (mt_dns_next(&values.items, &item)) {
        if (mt_span_eq(item, wanted))
            return MT_DNS_FOUND;
    }
    return values.is_cut ? MT_DNS_UNKNOWN : MT_DNS_NONE;
}

void mt_dns_reverse_name(const struct mt_ip *ip, struct mt_dns_name *ret_name)
{
    struct mt_buf b = mt_buf(ret_name->text, sizeof(ret_name->text));

    for (int i = 3; ip->family == 4 && i >= 0; i--) {
        mt_buf_put_u64(&b, ip->bytes[i]);
        mt_buf_put_byte(&b, '.');
    }
    for (int i = 31; ip->family == 6 && i >= 0; i--) {
        unsigned nibble = ip->bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0x0f;
        mt_buf_put_byte(&b, (uint8_t) "0123456789abcdef"[nibble]);
        mt_buf_put_byte(&b, '.');
    }
    if (ip->family != 0)
        mt_buf_put_cstr(&b, ip->family == 4 ? "in-addr.arpa" : "ip6.arpa");
    ret_name->size = (uint8_t)b.size;
}
