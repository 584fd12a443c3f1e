/* What the two files of the client parser share.
 *
 * Ownership: the parser's state. Thread: one. Limits: none.
 */
#ifndef MT_SMTP_CLIENT_PRIV_H
#define MT_SMTP_CLIENT_PRIV_H

#include "smtp/smtp.h"

/* mt_smtp_client.tail: what stands right before the next byte of content. The
 * last dot of the two CRLF_DOT states and the CR behind it are held back:
 * nobody knows yet whether they are content. */
enum mt_smtp_tail {
    MT_TAIL_TEXT, /* neither CR nor LF, nor a dot that follows one */
    MT_TAIL_CR,
    MT_TAIL_LF,     /* without CR before it */
    MT_TAIL_CRLF,   /* also at the start of content (RFC 5321 §4.1.1.4) */
    MT_TAIL_LF_DOT, /* a dot behind LF alone: content, but others may take it for the end */
    MT_TAIL_CR_DOT, /* behind CR alone */
    MT_TAIL_LF_DOT_CR,
    MT_TAIL_CR_DOT_CR,
    MT_TAIL_CRLF_DOT,
    MT_TAIL_CRLF_DOT_CR,
    MT_TAIL_CRLF_NUL,
    MT_TAIL_DOT_AND_NUL, /* behind CRLF, in either order */
    MT_TAIL_DOT_AND_NUL_CR,
    MT_TAIL_LOST, /* bytes are missing */
};

/* mt_smtp_client.chunk_left of content: the line's start was not seen. */
#define MT_LINE_LOST UINT64_MAX

/* mt_smtp_client.flags */
enum {
    MT_CLIENT_LINE_CUT = 1 << 0,  /* the rest of a line is still to be skipped, in any mode */
    MT_CLIENT_LINE_LOST = 1 << 1, /* a gap: the next byte is no line start */
    MT_CLIENT_MARKS = 1 << 2,     /* content is given out in pieces that begin at a dash behind LF */
    MT_CLIENT_LINES = 1 << 3,     /* every line of content is counted */
};

/* Of a word of four letters, any case; UNKNOWN for whatever else stands there. */
enum mt_smtp_verb mt_smtp_verb_of_four(const uint8_t word[4]);

/* Content of bytes, from its start to the end of content or of bytes; returns
 * how many were taken. */
size_t mt_smtp_content_parse(struct mt_smtp_client *client, struct mt_span bytes,
                             const struct mt_smtp_client_events *events, void *ctx);

#endif
