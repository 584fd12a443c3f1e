/* Address space that becomes memory when first touched.
 *
 * Ownership: whoever reserves releases. Thread: any. Limits: the process's
 * address space.
 */
#ifndef MT_MEMORY_REGION_PRIV_H
#define MT_MEMORY_REGION_PRIV_H

#include "base/compiler.h"

/* Page-aligned, zero-filled when touched. NULL when there is no room. */
uint8_t *mt_region_reserve(size_t size);
void mt_region_release(uint8_t *region, size_t size);

#endif
