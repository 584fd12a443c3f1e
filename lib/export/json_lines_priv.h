/* The encoder without a table: json_lines.c, which json_lines_gen.c makes at build
 * time from record/fields.def, is one function a group that asks for each field
 * in turn and writes what is there. What it calls is here. The encoder that walks
 * the table (json_table_priv.h) writes the same, field for field: for selections,
 * where room is short, and so that a test can hold the one to the other.
 *
 * An object is written before it is known to have a member: its key, then the
 * members, each with a comma before it. Where none came the key is taken back, else
 * the first comma becomes the brace.
 *
 * Ownership: the caller's memory. Thread: any; no state but the pen. Limits: what is
 * written between two questions for room is at most mt_json_reserve, all keys and
 * scalars of every group once: a pen's limit lies so much before the end.
 */
#ifndef MT_EXPORT_JSON_LINES_PRIV_H
#define MT_EXPORT_JSON_LINES_PRIV_H

#include "base/text.h"
#include "export/json_priv.h"
#include "record/record.h"

struct mt_json_pen {
    uint8_t *limit; /* texts and items begin before it */
    bool is_full;   /* some did not: the line is no good */
    struct mt_text_second second;
};

/* For one text of MT_JSON_SHORT_MAX, or one item of a list of scalars. */
#define MT_JSON_SLACK (MT_JSON_SHORT_MAX + 64u)

extern const size_t mt_json_reserve;

uint8_t *mt_json_straight_session(struct mt_json_pen *pen, uint8_t *to,
                                  const struct mt_record_session *record);
uint8_t *mt_json_straight_alert(struct mt_json_pen *pen, uint8_t *to, const struct mt_record_alert *alert);

/* All list members of a record look like this, whatever their items are. */
struct mt_json_list {
    const void *items;
    uint32_t count;
};
MT_STATIC_ASSERT(sizeof(struct mt_json_list) == sizeof(struct mt_texts), "any list is read as one");
MT_STATIC_ASSERT(sizeof(struct mt_json_list) == sizeof(struct mt_transactions), "any list is read as one");

static inline struct mt_json_list mt_json_list(const void *member)
{
    const struct mt_json_list *list = member;

    return *list;
}

static inline bool mt_json_has_room(struct mt_json_pen *pen, const uint8_t *to)
{
    if (MT_LIKELY(to < pen->limit))
        return true;
    pen->is_full = true;
    return false;
}

/* --- keys and objects --------------------------------------------------------- */

/* ,"key": in its place. text is filled up to padded bytes, whole vectors. */
#define MT_JSON_KEY(to, padded, size, text) ((uint8_t *)memcpy(to, text, padded) + (size))

static inline uint8_t *mt_json_close(uint8_t *open, uint8_t *to, size_t key_size)
{
    if (to == open)
        return open - key_size;
    *open = '{';
    *to = '}';
    return to + 1;
}

/* The same of an object that stands whether it has members or not. */
static inline uint8_t *mt_json_end(uint8_t *begin, uint8_t *to)
{
    to += to == begin;
    *begin = '{';
    *to = '}';
    return to + 1;
}

/* --- is it there? -------------------------------------------------------------- */

static inline bool mt_json_has_text(const void *member)
{
    return ((const struct mt_span *)member)->ptr != NULL;
}

static inline bool mt_json_has_pointer(const void *member)
{
    return *(const void *const *)member != NULL;
}

static inline bool mt_json_has_number(const void *member)
{
    return *(const uint64_t *)member != 0;
}

static inline bool mt_json_has_code(const void *member)
{
    return *(const uint16_t *)member != 0;
}

static inline bool mt_json_has_flag(const void *member)
{
    return *(const uint8_t *)member != MT_FLAG_ABSENT;
}

static inline bool mt_json_has_ip(const void *member)
{
    return ((const struct mt_ip *)member)->family != 0;
}

static inline bool mt_json_has_list(const void *member)
{
    return ((const struct mt_json_list *)member)->count != 0;
}

/* --- values --------------------------------------------------------------------- */

uint8_t *mt_json_value_text(struct mt_json_pen *pen, uint8_t *to, struct mt_span text);
uint8_t *mt_json_value_name(struct mt_json_pen *pen, uint8_t *to, const char *name);

uint8_t *mt_json_put_texts(struct mt_json_pen *pen, uint8_t *to, const void *member);
uint8_t *mt_json_put_names(struct mt_json_pen *pen, uint8_t *to, const void *member);
uint8_t *mt_json_put_codes(struct mt_json_pen *pen, uint8_t *to, const void *member);
uint8_t *mt_json_put_verbs(struct mt_json_pen *pen, uint8_t *to, const void *member);
uint8_t *mt_json_put_pairs(struct mt_json_pen *pen, uint8_t *to, const void *member);

static inline uint8_t *mt_json_put_text(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    return mt_json_value_text(pen, to, *(const struct mt_span *)member);
}

static inline uint8_t *mt_json_put_name(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    return mt_json_value_name(pen, to, *(const char *const *)member);
}

static inline uint8_t *mt_json_put_number(uint8_t *to, const void *member)
{
    return mt_text_u64(to, *(const uint64_t *)member);
}

static inline uint8_t *mt_json_put_code(uint8_t *to, const void *member)
{
    return mt_text_u64(to, *(const uint16_t *)member);
}

static inline uint8_t *mt_json_put_flag(uint8_t *to, const void *member)
{
    bool is_true = *(const uint8_t *)member == MT_FLAG_TRUE;

    memcpy(to, is_true ? "true\0\0\0" : "false\0\0", 8);
    return to + (is_true ? 4 : 5);
}

static inline uint8_t *mt_json_put_time(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    *to = '"';
    to = mt_text_time(to + 1, *(const uint64_t *)member, &pen->second);
    *to = '"';
    return to + 1;
}

static inline uint8_t *mt_json_put_ip(uint8_t *to, const void *member)
{
    *to = '"';
    to = mt_ip_text(to + 1, member);
    *to = '"';
    return to + 1;
}

uint8_t *mt_json_put_mac(uint8_t *to, const void *member);

#endif
