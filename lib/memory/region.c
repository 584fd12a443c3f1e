#include "memory/region_priv.h"

#include <sys/mman.h>

uint8_t *mt_region_reserve(size_t size)
{
    void *region =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return region == MAP_FAILED ? NULL : region;
}

void mt_region_release(uint8_t *region, size_t size)
{
    if (region)
        munmap(region, size);
}
