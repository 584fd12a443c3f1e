/* Lists of tags as DKIM and ARC have them (RFC 6376 §3.2): name=value, with
 * semicolons between. */
#include "message/message.h"

struct mt_span mt_message_tag(struct mt_span value, const char *name)
{
    while (value.size > 0) {
        const uint8_t *end = memchr(value.ptr, ';', value.size);
        struct mt_span item = mt_span_head(value, end != NULL ? (size_t)(end - value.ptr) : value.size);
        value = mt_span_from(value, item.size + 1);
        const uint8_t *equals = item.size > 0 ? memchr(item.ptr, '=', item.size) : NULL;
        if (equals == NULL)
            continue;
        size_t size = (size_t)(equals - item.ptr);
        if (mt_span_ieq_cstr(mt_span_trim(mt_span_head(item, size)), name))
            return mt_span_trim(mt_span_from(item, size + 1));
    }
    return mt_span_none();
}
