#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void mt_check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: this must not happen: %s\n", file, line, condition);
    abort();
}
