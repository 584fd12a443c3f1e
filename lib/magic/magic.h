/* What kind of data octets are, by libmagic. It takes some hundred microseconds
 * to say, which no polling core has, so it is asked and answers later.
 *
 * Ownership: a desk borrows its magic; answers live as long as that. Thread: a
 * desk is one thread's; with is_threaded another of its own does the work, else
 * whoever asks. Limits: MT_MAGIC_HEAD_MAX octets a question; with is_threaded
 * MT_MAGIC_WAITING_MAX questions of a desk at a time, and the last
 * MT_MAGIC_ANSWERS_MAX answers; MT_MAGIC_TYPES_MAX different types.
 */
#ifndef MT_MAGIC_MAGIC_H
#define MT_MAGIC_MAGIC_H

#include "base/span.h"

#include <stdint.h>

#define MT_MAGIC_HEAD_MAX 1024u
#define MT_MAGIC_WAITING_MAX 1024u
#define MT_MAGIC_ANSWERS_MAX (256u * 1024u)
#define MT_MAGIC_TYPES_MAX 1024u
#define MT_MAGIC_DESKS_MAX 64u

struct mt_magic;
struct mt_magic_desk;

/* 0, or -errno with a sentence in ret_reason. */
int mt_magic_create(bool is_threaded, char *ret_reason, size_t reason_size, struct mt_magic **ret_magic);
void mt_magic_destroy(struct mt_magic *magic);

/* A desk that nobody has yet; NULL when there are no more, or no memory. From one
 * thread; before the questions begin. */
struct mt_magic_desk *mt_magic_open(struct mt_magic *magic);

/* A ticket for the answer; 0: too many questions wait. Copies the head. */
uint32_t mt_magic_ask(void *desk, struct mt_span head);

/* "application/pdf"; NULL: not known yet, or no longer, or libmagic doesn't know. */
const char *mt_magic_answer(void *desk, uint32_t ticket);

#endif
