/* Values as Zeek's ASCII and JSON writers write them.
 *
 * Ownership: writes with the caller's pen. Thread: any; no state. Limits: the
 * pen's.
 */
#ifndef MT_EXPORT_FORMAT_ZEEK_PRIV_H
#define MT_EXPORT_FORMAT_ZEEK_PRIV_H

#include "export/format_priv.h"

struct mt_zeek_row {
    struct mt_pen *pen;
    bool is_json;
};

/* A string, also within a set, where a comma is escaped as well; then what
 * separates it from the next. */
void mt_zeek_put_tsv(struct mt_pen *pen, struct mt_span text, bool is_element);
void mt_zeek_put_json(struct mt_pen *pen, struct mt_span text);

/* The hop that a Received header names: its second address in brackets or between
 * blanks, or the only one. */
bool mt_zeek_find_hop(struct mt_span header, struct mt_ip *ret_hop);

/* Seconds with six decimals; in JSON without the zeros at their end. */
uint8_t *mt_zeek_seconds(uint8_t *to, uint64_t ns, bool is_json);

static inline void mt_zeek_unset(struct mt_zeek_row *row)
{
    if (!row->is_json)
        mt_pen_literal(row->pen, "-\t");
}

static inline void mt_zeek_unset_many(struct mt_zeek_row *row, unsigned count)
{
    while (count-- > 0)
        mt_zeek_unset(row);
}

MT_PEN_INLINE void mt_zeek_key(struct mt_zeek_row *row, const char *name)
{
    if (row->is_json)
        mt_pen_key(row->pen, name);
    else
        mt_pen_room(row->pen);
}

MT_PEN_INLINE void mt_zeek_end(struct mt_zeek_row *row)
{
    *row->pen->to++ = row->is_json ? ',' : '\t';
}

MT_PEN_INLINE void mt_zeek_time(struct mt_zeek_row *row, const char *name, uint64_t ns)
{
    mt_zeek_key(row, name);
    row->pen->to = mt_zeek_seconds(row->pen->to, ns, row->is_json);
    mt_zeek_end(row);
}

MT_PEN_INLINE void mt_zeek_count(struct mt_zeek_row *row, const char *name, uint64_t count)
{
    mt_zeek_key(row, name);
    row->pen->to = mt_text_u64(row->pen->to, count);
    mt_zeek_end(row);
}

MT_PEN_INLINE void mt_zeek_bool(struct mt_zeek_row *row, const char *name, bool value)
{
    if (row->is_json) {
        mt_pen_key(row->pen, name);
        mt_pen_literal(row->pen, value ? "true," : "false,");
    } else {
        mt_pen_literal(row->pen, value ? "T\t" : "F\t");
    }
}

static inline void mt_zeek_ip_element(struct mt_zeek_row *row, const struct mt_ip *ip)
{
    struct mt_pen *pen = row->pen;

    mt_pen_room(pen);
    if (row->is_json)
        *pen->to++ = '"';
    pen->to = mt_ip_text(pen->to, ip);
    if (row->is_json)
        *pen->to++ = '"';
    *pen->to++ = ',';
}

MT_PEN_INLINE void mt_zeek_ip(struct mt_zeek_row *row, const char *name, const struct mt_ip *ip)
{
    if (ip->family == 0) {
        mt_zeek_unset(row);
        return;
    }
    mt_zeek_key(row, name);
    mt_zeek_ip_element(row, ip);
    row->pen->to--;
    mt_zeek_end(row);
}

MT_PEN_INLINE void mt_zeek_string(struct mt_zeek_row *row, const char *name, struct mt_span text)
{
    if (text.ptr == NULL) {
        mt_zeek_unset(row);
        return;
    }
    mt_zeek_key(row, name);
    if (row->is_json)
        mt_zeek_put_json(row->pen, text);
    else
        mt_zeek_put_tsv(row->pen, text, false);
    mt_zeek_end(row);
}

/* --- sets and vectors: "(empty)" without an element ----------------------------- */

MT_PEN_INLINE void mt_zeek_open(struct mt_zeek_row *row, const char *name)
{
    if (row->is_json)
        mt_pen_open(row->pen, name, '[');
}

static inline void mt_zeek_element(struct mt_zeek_row *row, struct mt_span text)
{
    if (row->is_json)
        mt_zeek_put_json(row->pen, text);
    else
        mt_zeek_put_tsv(row->pen, text, true);
    *row->pen->to++ = ',';
}

static inline void mt_zeek_close(struct mt_zeek_row *row)
{
    struct mt_pen *pen = row->pen;

    if (row->is_json) {
        mt_pen_close(pen, ']');
        return;
    }
    mt_pen_room(pen);
    if (pen->to[-1] == ',')
        pen->to[-1] = '\t';
    else
        mt_pen_literal(pen, "(empty)\t");
}

MT_PEN_INLINE void mt_zeek_set(struct mt_zeek_row *row, const char *name, const struct mt_texts *texts)
{
    if (texts->count == 0) {
        mt_zeek_unset(row);
        return;
    }
    mt_zeek_open(row, name);
    for (uint32_t i = 0; i < texts->count; i++)
        mt_zeek_element(row, texts->items[i]);
    mt_zeek_close(row);
}

/* Texts as one string, ", " between them. */
void mt_zeek_put_joined(struct mt_zeek_row *row, const struct mt_texts *texts);

MT_PEN_INLINE void mt_zeek_joined(struct mt_zeek_row *row, const char *name, const struct mt_texts *texts)
{
    if (texts->count == 1) {
        mt_zeek_string(row, name, texts->items[0]);
    } else if (texts->count == 0) {
        mt_zeek_unset(row);
    } else {
        mt_zeek_key(row, name);
        mt_zeek_put_joined(row, texts);
        mt_zeek_end(row);
    }
}

/* "250 text" */
void mt_zeek_put_reply(struct mt_zeek_row *row, unsigned code, struct mt_span text);

MT_PEN_INLINE void mt_zeek_reply(struct mt_zeek_row *row, const char *name, unsigned code,
                                 struct mt_span text)
{
    mt_zeek_key(row, name);
    mt_zeek_put_reply(row, code, text);
    mt_zeek_end(row);
}

/* "Mailtap::smtp_vrfy_probe" */
void mt_zeek_put_note(struct mt_zeek_row *row, struct mt_span rule);

MT_PEN_INLINE void mt_zeek_note(struct mt_zeek_row *row, const char *name, const char *rule)
{
    mt_zeek_key(row, name);
    mt_zeek_put_note(row, rule != NULL ? mt_span_cstr(rule) : mt_span("unnamed", 7));
    mt_zeek_end(row);
}

#endif
