/* Reads what the formats write, each by its own rules and none of the encoder's
 * code: is a text well formed, and what does it say?
 *
 * Ownership: borrowed texts, the caller's buffers. Thread: any. Limits: none.
 */
#ifndef MT_TESTS_EXPORT_FORMAT_CHECK_H
#define MT_TESTS_EXPORT_FORMAT_CHECK_H

#include "export/format.h"

/* NULL when the text is what its format promises, else what is wrong with it. */
const char *format_check(const struct mt_format_ops *ops, const struct mt_format *format,
                         const struct mt_format_text *text);

/* The value under a column (zeek, csv, tsv) or key (cef, leef), unescaped into
 * storage, which must hold the text's size. Absent when it has none. */
struct mt_span format_check_value(const struct mt_format_ops *ops, const struct mt_format *format,
                                  const struct mt_format_text *text, const char *name, uint8_t *storage);

/* What a reader of this format should get for a text of at most max bytes (0: any):
 * the same bytes in zeek, csv and tsv. storage holds three times its size. */
struct mt_span format_check_expected(const struct mt_format_ops *ops, struct mt_span text, size_t max,
                                     uint8_t *storage);

/* CEF's dictionary, as far as mailtap uses it. */
bool format_check_is_cef_key(struct mt_span key);

#endif
