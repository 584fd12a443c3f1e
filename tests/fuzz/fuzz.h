/* What every target offers to libFuzzer and to replay_main.c.
 *
 * Ownership: data is borrowed for the call. Thread: one. Limits: none.
 */
#ifndef MT_TESTS_FUZZ_H
#define MT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
