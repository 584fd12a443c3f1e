/* Records for tests and measurements of the encoder.
 *
 * Ownership: constants. Thread: any. Limits: none.
 */
#ifndef MT_TESTS_EXPORT_SAMPLES_H
#define MT_TESTS_EXPORT_SAMPLES_H

#include "record/record.h"

/* Ordinary mail: one transaction, two recipients, five headers. */
extern const struct mt_record_session sample_session;

extern const struct mt_record_alert sample_alert;

#endif
