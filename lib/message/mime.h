/* The body of a message as a tree of parts (RFC 2045, 2046, 2183, 2231), while
 * it passes: each part's header, and how large it is when decoded, by counting.
 * Nothing of a body is kept.
 *
 * The caller splits content so that a '-' behind LF only stands at the start of
 * a piece (mt_scan_eol_mark); so only the first bytes of pieces are looked at
 * for boundaries, and a body costs one vector scan. Which of several readings
 * of a broken tree is right nobody knows; this one takes the outermost boundary
 * that a line can be, and names what was odd.
 *
 * Ownership: state is the caller's; spans live for the call. Thread: one.
 * Limits: MT_MIME_DEPTH_MAX nested multiparts and messages, MT_MIME_BOUNDARIES
 * octets of boundaries that are open, names and types as below; 65535 parts.
 */
#ifndef MT_MESSAGE_MIME_H
#define MT_MESSAGE_MIME_H

#include "message/message.h"

#define MT_MIME_DEPTH_MAX 8u
#define MT_MIME_BOUNDARIES 320u
#define MT_MIME_BOUNDARY_MAX 70u /* RFC 2046 §5.1.1 */
#define MT_MIME_TYPE_MAX 80u
#define MT_MIME_CHARSET_MAX 32u
#define MT_MIME_NAME_MAX 224u
#define MT_MIME_PATH_MAX (MT_MIME_DEPTH_MAX + 2u)

enum mt_mime_encoding {
    MT_MIME_7BIT, /* also when the part does not say */
    MT_MIME_8BIT,
    MT_MIME_BINARY,
    MT_MIME_BASE64,
    MT_MIME_QUOTED_PRINTABLE,
    MT_MIME_UUENCODE,
    MT_MIME_OTHER, /* unknown: taken as it stands */
    MT_MIME_ENCODING_COUNT,
};

/* flags of a part */
enum {
    MT_MIME_IS_ATTACHMENT = 1 << 0,    /* Content-Disposition says so */
    MT_MIME_IS_INLINE = 1 << 1,        /* likewise */
    MT_MIME_TWO_NAMES = 1 << 2,        /* Content-Type and -Disposition name it differently */
    MT_MIME_DOUBLE_EXTENSION = 1 << 3, /* "invoice.pdf.exe" */
    MT_MIME_NAME_CUT = 1 << 4,
    MT_MIME_HAS_DISPOSITION = 1 << 5,
    MT_MIME_TYPE_CUT = 1 << 6, /* the type, or the charset */
};

/* What a part's header says. */
struct mt_mime_part {
    const uint16_t *path; /* 1-based places in the tree: "2.1" is {2, 1} */
    uint8_t path_size;
    struct mt_span type; /* "text/plain", lower case; absent when it does not say */
    struct mt_span charset;
    struct mt_span name; /* UTF-8 */
    enum mt_mime_encoding encoding;
    uint8_t flags;
};

struct mt_mime_events {
    /* A part that holds no others begins: its header is complete. Also of a
     * message/rfc822, whose own parts follow below it. */
    void (*part)(void *ctx, const struct mt_mime_part *part);
    /* The part whose header was given last has ended: octets as they stood
     * without the line end before the boundary, and decoded. */
    void (*part_end)(void *ctx, uint64_t encoded, uint64_t decoded);
    /* Octets of that part as they stand; NULL when not wanted. The line end before
     * a boundary is left out. */
    void (*body)(void *ctx, struct mt_span bytes);
    /* A field of the header of a message in the message, unfolded; of the part that
     * it is only the path is told. NULL when not wanted. */
    void (*field)(void *ctx, const struct mt_mime_part *part, struct mt_span name, struct mt_span value,
                  bool is_cut);
    void (*anomaly)(void *ctx, enum mt_anomaly anomaly);
    /* Room for the header of a part, and back; NULL: there is none, and the part is
     * taken without its header. */
    struct mt_message_header *(*header_get)(void *ctx);
    void (*header_put)(void *ctx, struct mt_message_header *header);
};

struct mt_mime_level {
    uint16_t child; /* place of the current part in it */
    uint8_t off;    /* of its boundary, in units of 2 octets */
    uint8_t size;
    uint8_t path_size; /* of the path above it */
    uint8_t messages;  /* around it */
};

struct mt_mime {
    struct mt_message_header *header; /* of a part, while it lasts */
    uint64_t encoded;                 /* of the current part */
    uint64_t decoded;                 /* counted as its encoding needs it */
    uint8_t state;
    uint8_t depth; /* levels in use */
    uint8_t path_size;
    uint8_t messages; /* message/rfc822 around the current part */
    uint8_t encoding;
    uint8_t flags;
    uint8_t part_flags;
    uint8_t tail; /* how the last piece ended */
    uint8_t line_size;
    uint8_t type_size;
    uint8_t charset_size;
    uint8_t name_size;
    uint8_t boundary_size;
    uint8_t boundaries_used; /* in units of 2 octets */
    uint8_t spare[2];
    uint16_t path[MT_MIME_PATH_MAX];
    struct mt_mime_level levels[MT_MIME_DEPTH_MAX];
    uint8_t type[MT_MIME_TYPE_MAX];
    uint8_t charset[MT_MIME_CHARSET_MAX];
    uint8_t name[MT_MIME_NAME_MAX];
    uint8_t boundary[MT_MIME_BOUNDARY_MAX];
    uint8_t boundaries[MT_MIME_BOUNDARIES];
    uint8_t line[MT_MIME_BOUNDARY_MAX + 10]; /* what may be a boundary, so far */
};

void mt_mime_start(struct mt_mime *mime);

/* A field of the header of the message, or (by itself) of a part. */
void mt_mime_field(struct mt_mime *mime, struct mt_span name, struct mt_span value,
                   mt_message_convert *convert, void *convert_ctx);

/* The header of the message has ended. */
void mt_mime_header_end(struct mt_mime *mime, const struct mt_mime_events *events, void *ctx);

/* The header's last octet was a CR: a LF that comes first is not the body's. */
void mt_mime_skip_lf(struct mt_mime *mime);

/* Content octets behind it, split as said above. */
void mt_mime_body(struct mt_mime *mime, struct mt_span bytes, mt_message_convert *convert, void *convert_ctx,
                  const struct mt_mime_events *events, void *ctx);

/* The content has ended. is_whole: it was seen to its end. */
void mt_mime_finish(struct mt_mime *mime, bool is_whole, const struct mt_mime_events *events, void *ctx);

/* Is any boundary being looked for, or may one be behind the header of a part that
 * passes? Else content need not be split. */
static inline bool mt_mime_wants_marks(const struct mt_mime *mime)
{
    return mime->depth > 0 || mime->header != NULL;
}

/* The top type of a message whose header has ended: "multipart/mixed". */
static inline struct mt_span mt_mime_type(const struct mt_mime *mime)
{
    return mt_span(mime->type, mime->type_size);
}

const char *mt_mime_encoding_name(enum mt_mime_encoding encoding);

/* --- parameters (RFC 2045 §5.1, RFC 2231) ----------------------------------- */

/* Appends the parameter `key` of a field's value to ret_text, as UTF-8: quoted
 * or not, in sections, with a charset, or with encoded words in it, as many
 * programs write them. False: there is none. */
bool mt_mime_parameter(struct mt_span value, const char *key, mt_message_convert *convert, void *convert_ctx,
                       struct mt_buf *ret_text);

#endif
