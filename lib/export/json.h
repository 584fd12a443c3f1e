/* Records to NDJSON in Elastic Common Schema form: nested objects, one line
 * each, absent fields left out. Any byte sequence in, valid UTF-8 JSON out:
 * bytes that are not UTF-8 become U+FFFD, control characters (also DEL and C1)
 * \u00NN or \t \n \r. A parameter given twice is SIZE and SIZE_2.
 *
 * Ownership: writes to the caller's buffer. Thread: any; no state. Limits: the
 * buffer; when the record does not fit whole, nothing stays and overflow is
 * set.
 */
#ifndef MT_EXPORT_JSON_H
#define MT_EXPORT_JSON_H

#include "base/buf.h"
#include "record/record.h"

void mt_json_put_session(struct mt_buf *b, const struct mt_record_session *record);
void mt_json_put_alert(struct mt_buf *b, const struct mt_record_alert *alert);

/* One JSON string with its quotes, for other writers. */
void mt_json_put_string(struct mt_buf *b, struct mt_span text);

#endif
