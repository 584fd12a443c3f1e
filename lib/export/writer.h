/* A target of encoded lines: a file, standard output, /dev/null.
 *
 * Written by name.part and renamed on close? No: a reader may follow the file
 * while it grows, so it is written in place; an existing file is replaced.
 * After the first write error (disk full) nothing more is written, a partial
 * last line is cut off again where the target allows it, and everything that
 * could not be written is counted (export.shed). A file that is made can be
 * read by owner and group only.
 *
 * The program ignores SIGPIPE and SIGXFSZ: a reader that has gone and a file
 * size limit are then write errors like any other.
 *
 * Ownership: the writer owns its descriptor and buffer; stats is borrowed and
 * counts export.bytes and export.shed. Thread: one. Limits: 1 MiB buffer;
 * longer lines go out by themselves.
 */
#ifndef MT_EXPORT_WRITER_H
#define MT_EXPORT_WRITER_H

#include "base/span.h"
#include "stats/stats.h"

struct mt_writer;

/* path "-" is standard output. -errno and a sentence in ret_reason on failure. */
int mt_writer_open(const char *path, struct mt_stats *stats, char *ret_reason, size_t reason_size,
                   struct mt_writer **ret_writer);

/* For runs that must end: a pipe, socket or terminal that takes nothing once
 * *deadline (ns of CLOCK_MONOTONIC; 0: none yet) has passed is given up, and the
 * rest counts as shed. Any thread may set it; it is looked at ten times a second
 * while the target does not take anything. */
void mt_writer_set_deadline(struct mt_writer *writer, const _Atomic uint64_t *deadline);

/* One or more whole lines, ending in LF; count is how many. */
void mt_writer_put(struct mt_writer *writer, struct mt_span lines, uint64_t count);

/* Pushes the buffer out. */
void mt_writer_flush(struct mt_writer *writer);

/* Lines that were lost, and why (empty when none). */
uint64_t mt_writer_shed(const struct mt_writer *writer);
const char *mt_writer_error(const struct mt_writer *writer);

/* Flushes and closes; 0 or -errno. */
int mt_writer_close(struct mt_writer *writer);

#endif
