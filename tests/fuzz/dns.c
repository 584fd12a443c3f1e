/* Port 53: datagrams and TCP segments in both directions. What must hold: an answer
 * that is taken holds as many values as it says, sorted, within its limits, and is
 * found in the table afterwards; nothing is read beyond the input.
 *
 * Input: operations: a byte of flags (1: from the server, 2: TCP, 4: the last
 * segment, 8: bytes are lost before it), two bytes with the size, then the bytes. */
#include "base/check.h"
#include "base/endian.h"
#include "dns/table.h"
#include "dns/tap.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static struct mt_stats stats;

static void check_items(const struct mt_dns_answer *answer)
{
    struct mt_dns_items items = {.rest = mt_span(answer->items, answer->size)};
    struct mt_span item;
    unsigned count = 0;

    MT_BUG_ON(answer->size > MT_DNS_ITEMS_SIZE || answer->item_count > MT_DNS_ITEMS_MAX);
    while (mt_dns_next(&items, &item)) {
        size_t text_max = answer->type == MT_DNS_TXT ? MT_DNS_TEXT_MAX : MT_DNS_NAME_MAX + 2;
        MT_BUG_ON(item.size > text_max);
        MT_BUG_ON(answer->type == MT_DNS_A && item.size != 4);
        MT_BUG_ON(answer->type == MT_DNS_AAAA && item.size != 16);
        count++;
    }
    MT_BUG_ON(count != answer->item_count || items.rest.size != 0);
}

static void on_answer(void *ctx, const struct mt_dns_answer *answer)
{
    struct mt_dns_table *table = ctx;
    struct mt_dns_span span = {.from = answer->time, .until = answer->time + 1};
    struct mt_span name = mt_span(answer->name.text, answer->name.size);
    struct mt_dns_values values;

    check_items(answer);
    mt_dns_table_put(table, answer);
    enum mt_dns_found found = mt_dns_find(table, name, answer->type, span, &values);
    MT_BUG_ON(name.size > 0 && answer->item_count > 0 && found != MT_DNS_FOUND);
    MT_BUG_ON(found == MT_DNS_FOUND && values.count != answer->item_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mt_ip client = {.family = 4, .bytes = {10, 0, 0, 1}};
    const struct mt_ip server = {.family = 4, .bytes = {10, 0, 0, 53}};
    struct mt_dns_table *table;
    struct mt_dns_tap *tap;
    uint32_t seq[2] = {0};
    uint64_t time = MT_SEC;

    if (mt_dns_table_create(1, &stats, &table) != 0 || mt_dns_tap_create(&stats, &tap) != 0)
        abort();
    struct mt_dns_sink sink = {.answer = on_answer, .ctx = table};
    for (size_t at = 0; size - at >= 3;) {
        unsigned flags = data[at];
        size_t wanted = mt_load_be16(data + at + 1);
        at += 3;
        size_t part = wanted < size - at ? wanted : size - at;
        uint8_t *bytes = malloc(part + 1); /* of its own, so that a read behind it is seen */
        if (bytes == NULL)
            abort();
        memcpy(bytes, data + at, part);
        at += part;
        bool is_back = flags & 1;
        struct mt_tuple tuple = {.src = is_back ? server : client,
                                 .dst = is_back ? client : server,
                                 .src_port = is_back ? 53 : 4000,
                                 .dst_port = is_back ? 4000 : 53};
        struct mt_span payload = mt_span(bytes, part);
        time += MT_SEC;
        seq[is_back] += flags & 8 ? 100 : 0;
        if (flags & 2)
            mt_dns_tap_segment(tap, &tuple, payload, (uint32_t)part, seq[is_back], flags & 4, time, &sink);
        else
            mt_dns_tap_datagram(tap, &tuple, payload, (uint32_t)part, time, &sink);
        seq[is_back] += flags & 2 ? (uint32_t)part : 0;
        free(bytes);
    }
    mt_dns_tap_destroy(tap);
    mt_dns_table_destroy(table);
    return 0;
}
