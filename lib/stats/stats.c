#include "stats/stats.h"

#include "base/check.h"

static const char *const names[] = {
#define MT_COUNTER(name, text, meaning) text,
#include "stats/counters.def"
#undef MT_COUNTER
};

static const char *const meanings[] = {
#define MT_COUNTER(name, text, meaning) meaning,
#include "stats/counters.def"
#undef MT_COUNTER
};

MT_STATIC_ASSERT(MT_ARRAY_COUNT(names) == MT_COUNTER_REJECT_FIRST, "the reject range follows the list");

void mt_stats_sum(struct mt_stats *into, const struct mt_stats *from)
{
    for (unsigned i = 0; i < MT_COUNTER_COUNT; i++)
        mt_stats_add(into, (enum mt_counter)i, mt_stats_get(from, (enum mt_counter)i));
}

const char *mt_counter_name(enum mt_counter counter)
{
    MT_BUG_ON((unsigned)counter >= MT_COUNTER_COUNT);
    return counter < MT_COUNTER_REJECT_FIRST ? names[counter] : NULL;
}

const char *mt_counter_meaning(enum mt_counter counter)
{
    MT_BUG_ON((unsigned)counter >= MT_COUNTER_COUNT);
    return counter < MT_COUNTER_REJECT_FIRST ? meanings[counter] : NULL;
}
