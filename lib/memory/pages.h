/* Large pages for tables that are used for long and at random: some megabytes have
 * more pages than the processor keeps translations of. A SYN costs a fifth less
 * with them (measured, in a virtual machine). Not for short runs, where clearing
 * two megabytes at a time costs what is saved; and only all at once, before any
 * polling: a large page that is asked for later may have to be put together by
 * moving others, which took tens of milliseconds.
 *
 * Ownership: the caller's mapping. Thread: any. Limits: a wish; the system may have
 * been told to grant none (transparent_hugepage/enabled).
 */
#ifndef MT_MEMORY_PAGES_H
#define MT_MEMORY_PAGES_H

#include "base/compiler.h"

/* Makes memory of all of the region, which is from mmap. */
void mt_pages_make_large(void *region, size_t size);

#endif
