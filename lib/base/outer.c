#include "base/outer.h"

#include "base/check.h"

static const char *const names[] = {
#define MT_OUTER(name, text, meaning) text,
#include "base/outers.def"
#undef MT_OUTER
};

const char *mt_outer_name(enum mt_outer_type type)
{
    MT_BUG_ON((unsigned)type >= MT_OUTER_TYPE_COUNT);
    return names[type];
}
