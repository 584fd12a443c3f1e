/* What reading an output's keys asks of the targets.
 *
 * Ownership: none. Thread: any. Limits: none.
 */
#ifndef MT_EXPORT_OUTPUT_CONFIG_PRIV_H
#define MT_EXPORT_OUTPUT_CONFIG_PRIV_H

#include "export/outputs.h"

/* Does librdkafka know this property? If so and the value is not to its liking,
 * or there is no librdkafka: false with a sentence in ret_reason, which is empty
 * otherwise. */
bool mt_target_kafka_knows(const char *name, const char *value, char *ret_reason, size_t reason_size);

/* The same of a name alone. */
bool mt_target_kafka_has(const char *name, char *ret_reason, size_t reason_size);

/* Calls each with the name of every property that librdkafka has. */
void mt_target_kafka_names(void (*each)(void *ctx, const char *name), void *ctx);

/* Of --correlate-to: encodes nothing. */
extern const struct mt_format_ops mt_format_events;

/* Is the address of the form that the target needs? 0, or -EINVAL and a sentence. */
int mt_target_check_address(const struct mt_output_config *config, char *ret_reason, size_t reason_size);

/* With texts of its own; -ENOMEM. */
int mt_output_config_copy(const struct mt_output_config *from, struct mt_output_config *ret_to);

#endif
