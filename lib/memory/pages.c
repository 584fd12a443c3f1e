#include "memory/pages.h"

#include <sys/mman.h>

void mt_pages_make_large(void *region, size_t size)
{
    (void)madvise(region, size, MADV_HUGEPAGE);
    (void)madvise(region, size, MADV_POPULATE_WRITE); /* from Linux 5.14 on */
}
