/* An observation without the room that its texts do not use, which is most of it:
 * what passes between threads is a few cache lines.
 *
 * Ownership: plain bytes. Thread: packed by one, unpacked by one. Limits: those of
 * the observation.
 */
#ifndef MT_PIPELINE_PARCEL_PRIV_H
#define MT_PIPELINE_PARCEL_PRIV_H

#include "record/observation.h"

/* At most sizeof(struct mt_observation). */
size_t mt_parcel_size(const struct mt_observation *observation);
void mt_parcel_pack(const struct mt_observation *observation, uint8_t *to);

/* Text behind the sizes is left as it was. */
void mt_parcel_unpack(const uint8_t *from, struct mt_observation *ret_observation);

#endif
