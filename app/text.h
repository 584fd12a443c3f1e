/* Numbers as people read them.
 *
 * Ownership: the caller's storage is filled and returned. Thread: any. Limits:
 * MT_TEXT_SIZE bytes.
 */
#ifndef MT_APP_TEXT_H
#define MT_APP_TEXT_H

#include <stdint.h>

#define MT_TEXT_SIZE 32

/* 1234567 as 1,234,567. */
const char *mt_text_number(uint64_t value, char text[MT_TEXT_SIZE]);

/* 12.3 MB */
const char *mt_text_bytes(uint64_t bytes, char text[MT_TEXT_SIZE]);

/* The share of part in whole: "0 %" only of nothing, "100 %" only of all. */
const char *mt_text_share(uint64_t part, uint64_t whole, char text[MT_TEXT_SIZE]);

/* 1.23 M for a rate a second, three digits. */
const char *mt_text_rate(double rate, char text[MT_TEXT_SIZE]);

#endif
