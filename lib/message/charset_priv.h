/* Bytes of the charsets that mail headers use most, to UTF-8; others go to the
 * caller's conversion.
 *
 * Ownership: borrowed input, caller's output. Thread: any. Limits: the output
 * buffer; nothing is appended behind an append that did not fit.
 */
#ifndef MT_MESSAGE_CHARSET_PRIV_H
#define MT_MESSAGE_CHARSET_PRIV_H

#include "message/message.h"

/* Appends bytes, U+FFFD in the place of what is not UTF-8. */
void mt_message_put_utf8(struct mt_buf *b, struct mt_span bytes);

/* Appends bytes of the named charset. False, with b as it was: the charset is
 * unknown, or convert failed or gave something other than UTF-8. */
bool mt_message_put_charset(struct mt_buf *b, struct mt_span charset, struct mt_span bytes,
                            mt_message_convert *convert, void *convert_ctx);

#endif
