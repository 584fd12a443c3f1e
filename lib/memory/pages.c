#include "memory/pages.h"

#include <sys/mman.h>

void mt_pages_prefer_large(void *region, size_t size)
{
    (void)madvise(region, size, MADV_HUGEPAGE);
}
