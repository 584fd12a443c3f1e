#include "base/anomaly.h"

#include "base/check.h"

static const char *const names[] = {
#define MT_ANOMALY(name, text, meaning) text,
#include "base/anomalies.def"
#undef MT_ANOMALY
};

static const char *const meanings[] = {
#define MT_ANOMALY(name, text, meaning) meaning,
#include "base/anomalies.def"
#undef MT_ANOMALY
};

const char *mt_anomaly_name(enum mt_anomaly anomaly)
{
    MT_BUG_ON((unsigned)anomaly >= MT_ANOMALY_COUNT);
    return names[anomaly];
}

const char *mt_anomaly_meaning(enum mt_anomaly anomaly)
{
    MT_BUG_ON((unsigned)anomaly >= MT_ANOMALY_COUNT);
    return meanings[anomaly];
}
