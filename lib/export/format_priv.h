/* What the formats share: one struct for a created format, and a pen that writes
 * a text without a test for every byte.
 *
 * A member is begun by mt_pen_room(): behind it MT_PEN_ROOM bytes may be written.
 * A text that grows past its limit starts again from its begin and is marked, so
 * nobody on the way has to look; mt_format_emit_text() drops it.
 *
 * JSON values end with a comma each, which the closing bracket takes the place of.
 *
 * Ownership: a format owns its pen's memory. Thread: one at a time for each
 * format. Limits: MT_FORMAT_TEXT_MAX a text.
 */
#ifndef MT_EXPORT_FORMAT_PRIV_H
#define MT_EXPORT_FORMAT_PRIV_H

#include "base/text.h"
#include "export/format.h"

#define MT_PEN_ROOM 1024u
#define MT_PEN_INLINE static inline __attribute__((always_inline)) /* so that keys are constants */

struct mt_pen {
    uint8_t *to;
    uint8_t *begin;
    uint8_t *limit; /* MT_PEN_ROOM bytes are behind it */
    bool overflow;
    struct mt_text_second second;
};

struct mt_selection; /* format_select_priv.h */

struct mt_format {
    struct mt_pen pen;
    struct mt_span observer_name; /* with a NUL behind it */
    const char *observer_version;
    struct mt_span heads[MT_FORMAT_STREAMS_MAX];
    struct mt_selection *selection; /* of chosen fields; NULL: none were */
    uint8_t *memory;
};

/* Everything but heads and selection. 0 or -ENOMEM and a sentence. */
int mt_format_create(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                     struct mt_format **ret_format);
/* The same, and -EINVAL when fields are chosen: this format has its own. */
int mt_format_create_whole(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                           struct mt_format **ret_format);
void mt_format_destroy(struct mt_format *format);
/* Of a format that writes no sessions. */
bool mt_format_no_session(struct mt_format *format, const struct mt_record_session *record,
                          mt_format_emit *emit, void *ctx);
struct mt_span mt_format_head(const struct mt_format *format, unsigned stream);

extern const struct mt_format_ops mt_format_ecs;
extern const struct mt_format_ops mt_format_zeek;
extern const struct mt_format_ops mt_format_zeek_json;
extern const struct mt_format_ops mt_format_eve;
extern const struct mt_format_ops mt_format_cef;
extern const struct mt_format_ops mt_format_leef;
extern const struct mt_format_ops mt_format_ocsf;
extern const struct mt_format_ops mt_format_csv;
extern const struct mt_format_ops mt_format_tsv;

static inline void mt_pen_begin(struct mt_pen *pen)
{
    pen->to = pen->begin;
    pen->overflow = false;
}

MT_PEN_INLINE void mt_pen_room(struct mt_pen *pen)
{
    if (MT_UNLIKELY(pen->to > pen->limit)) {
        pen->overflow = true;
        pen->to = pen->begin;
    }
}

/* What was written, without the separator (one byte) behind the last value. */
bool mt_format_emit_text(struct mt_format *format, unsigned stream, mt_format_emit *emit, void *ctx);

/* Room for appends of any size: what they lack marks the text. */
static inline struct mt_buf mt_pen_buf(const struct mt_pen *pen)
{
    return mt_buf(pen->to, (size_t)(pen->limit - pen->to) + MT_PEN_ROOM / 2);
}

static inline void mt_pen_take_buf(struct mt_pen *pen, const struct mt_buf *b)
{
    pen->to += b->size;
    pen->overflow |= b->overflow;
}

/* --- raw pieces; the literal is a constant of less than MT_PEN_ROOM bytes ----- */

MT_PEN_INLINE void mt_pen_literal(struct mt_pen *pen, const char *text)
{
    size_t size = __builtin_strlen(text);

    mt_pen_room(pen);
    memcpy(pen->to, text, size);
    pen->to += size;
}

MT_PEN_INLINE void mt_pen_byte(struct mt_pen *pen, char c)
{
    mt_pen_room(pen);
    *pen->to++ = (uint8_t)c;
}

static inline void mt_pen_u64(struct mt_pen *pen, uint64_t value)
{
    mt_pen_room(pen);
    pen->to = mt_text_u64(pen->to, value);
}

static inline void mt_pen_ip(struct mt_pen *pen, const struct mt_ip *ip)
{
    mt_pen_room(pen);
    pen->to = mt_ip_text(pen->to, ip);
}

/* Six bytes, two digits each. */
void mt_pen_mac(struct mt_pen *pen, const uint8_t *mac, char separator);

/* Milliseconds since the epoch. */
static inline void mt_pen_ms(struct mt_pen *pen, uint64_t time)
{
    mt_pen_u64(pen, time / 1000000);
}

/* "2023-11-14T22:13:20.123456789Z" */
static inline void mt_pen_time(struct mt_pen *pen, uint64_t time)
{
    mt_pen_room(pen);
    pen->to = mt_text_time(pen->to, time, &pen->second);
}

/* --- JSON ------------------------------------------------------------------- */

MT_PEN_INLINE void mt_pen_key(struct mt_pen *pen, const char *key)
{
    size_t size = __builtin_strlen(key);

    mt_pen_room(pen);
    *pen->to++ = '"';
    memcpy(pen->to, key, size);
    pen->to += size;
    memcpy(pen->to, "\":", 2);
    pen->to += 2;
}

MT_PEN_INLINE void mt_pen_open(struct mt_pen *pen, const char *key, char bracket)
{
    mt_pen_key(pen, key);
    *pen->to++ = (uint8_t)bracket;
}

MT_PEN_INLINE void mt_pen_close(struct mt_pen *pen, char bracket)
{
    mt_pen_room(pen);
    pen->to -= pen->to[-1] == ',';
    *pen->to++ = (uint8_t)bracket;
    *pen->to++ = ',';
}

/* Any bytes as a JSON string (export/json.h). */
void mt_pen_json_value(struct mt_pen *pen, struct mt_span text);

MT_PEN_INLINE void mt_pen_json_text(struct mt_pen *pen, const char *key, struct mt_span text)
{
    if (text.ptr == NULL)
        return;
    mt_pen_key(pen, key);
    mt_pen_json_value(pen, text);
}

MT_PEN_INLINE void mt_pen_json_name(struct mt_pen *pen, const char *key, const char *name)
{
    if (name != NULL)
        mt_pen_json_text(pen, key, mt_span_cstr(name));
}

MT_PEN_INLINE void mt_pen_json_u64(struct mt_pen *pen, const char *key, uint64_t value)
{
    mt_pen_key(pen, key);
    pen->to = mt_text_u64(pen->to, value);
    *pen->to++ = ',';
}

MT_PEN_INLINE void mt_pen_json_count(struct mt_pen *pen, const char *key, uint64_t value)
{
    if (value != 0)
        mt_pen_json_u64(pen, key, value);
}

MT_PEN_INLINE void mt_pen_json_ms(struct mt_pen *pen, const char *key, uint64_t time)
{
    if (time != 0)
        mt_pen_json_u64(pen, key, time / 1000000);
}

MT_PEN_INLINE void mt_pen_json_ip(struct mt_pen *pen, const char *key, const struct mt_ip *ip)
{
    if (ip->family == 0)
        return;
    mt_pen_key(pen, key);
    *pen->to++ = '"';
    pen->to = mt_ip_text(pen->to, ip);
    *pen->to++ = '"';
    *pen->to++ = ',';
}

MT_PEN_INLINE void mt_pen_json_mac(struct mt_pen *pen, const char *key, const uint8_t *mac)
{
    if (mac == NULL)
        return;
    mt_pen_key(pen, key);
    *pen->to++ = '"';
    mt_pen_mac(pen, mac, ':');
    *pen->to++ = '"';
    *pen->to++ = ',';
}

void mt_pen_json_text_values(struct mt_pen *pen, const struct mt_texts *texts);
void mt_pen_json_name_values(struct mt_pen *pen, const struct mt_names *names);

MT_PEN_INLINE void mt_pen_json_texts(struct mt_pen *pen, const char *key, const struct mt_texts *texts)
{
    if (texts->count == 0)
        return;
    mt_pen_open(pen, key, '[');
    mt_pen_json_text_values(pen, texts);
    mt_pen_close(pen, ']');
}

MT_PEN_INLINE void mt_pen_json_names(struct mt_pen *pen, const char *key, const struct mt_names *names)
{
    if (names->count == 0)
        return;
    mt_pen_open(pen, key, '[');
    mt_pen_json_name_values(pen, names);
    mt_pen_close(pen, ']');
}

/* text as a part of a string, whose quotes the caller writes. */
void mt_pen_json_part(struct mt_pen *pen, struct mt_span text);

/* The texts with ", " between them, as one string. */
void mt_pen_json_joined_value(struct mt_pen *pen, const struct mt_texts *texts);

/* --- texts that are no JSON ------------------------------------------------- */

/* How a character that may not stand as it is is written. */
struct mt_escape {
    char stops[4]; /* bytes of ASCII to look at, besides controls and what is not ASCII */
    /* Writes the character at the start of text, at most MT_ESCAPE_MAX bytes, and takes it off. */
    uint8_t *(*put)(uint8_t *to, struct mt_span *text);
};

#define MT_ESCAPE_MAX 16u

/* Copies up to the first byte that must be looked at; returns the rest. */
struct mt_span mt_pen_plain(struct mt_pen *pen, struct mt_span text, const char stops[4]);
void mt_pen_escaped(struct mt_pen *pen, struct mt_span text, const struct mt_escape *escape);

/* The character at the start of text as UTF-8 without controls: what is neither is
 * U+FFFD. Takes it off. */
uint8_t *mt_escape_utf8(uint8_t *to, struct mt_span *text);

/* Its size where it is UTF-8 and no control, also none of U+0080 to U+009F; else 0. */
size_t mt_escape_plain_size(struct mt_span text);

/* --- ids --------------------------------------------------------------------- */

#define MT_FORMAT_UID_SIZE 18u

/* Of event.id, in the form of Zeek's: C and base62 digits of 96 bits. */
void mt_format_uid(struct mt_span event_id, uint8_t ret_uid[MT_FORMAT_UID_SIZE]);
/* Of event.id: 51 bits, which JavaScript keeps exactly, never 0. */
uint64_t mt_format_flow_id(struct mt_span event_id);
/* Of rule.id: 1200000000 to 1999999999. */
uint32_t mt_format_signature_id(const char *rule_id);

#endif
