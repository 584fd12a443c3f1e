/* Large pages for memory that is used for long and at random: a table of some
 * megabytes has more pages than the processor keeps translations of. A SYN costs a
 * fifth less with them (measured, in a virtual machine). Not for short runs, where
 * clearing two megabytes at a time costs what is saved.
 *
 * Ownership: the caller's mapping. Thread: any. Limits: a wish; the system may have
 * been told to grant none (transparent_hugepage/enabled).
 */
#ifndef MT_MEMORY_PAGES_H
#define MT_MEMORY_PAGES_H

#include "base/compiler.h"

/* region: from mmap. */
void mt_pages_prefer_large(void *region, size_t size);

#endif
