/* Names of anomalies: odd input that has a name, a counter and a place in the
 * record while parsing goes on (DESIGN rule 1). One list, base/anomalies.def.
 *
 * Ownership: constants. Thread: any. Limits: 128 names.
 */
#ifndef MT_BASE_ANOMALY_H
#define MT_BASE_ANOMALY_H

#include "base/compiler.h"

enum mt_anomaly {
#define MT_ANOMALY(name, text, meaning) MT_ANOMALY_##name,
#include "base/anomalies.def"
#undef MT_ANOMALY
    MT_ANOMALY_COUNT,
};

MT_STATIC_ASSERT(MT_ANOMALY_COUNT <= 128, "a session keeps its anomalies in two 64-bit words");

const char *mt_anomaly_name(enum mt_anomaly anomaly);
const char *mt_anomaly_meaning(enum mt_anomaly anomaly);

#endif
