/* The log sink. Library code hands its messages here and never prints; the
 * program decides where they go. The only mutable global of the library.
 *
 * Ownership: the sink is set once before threads start. Thread: any; the sink
 * must be thread-safe. Limits: 1023 bytes a message, longer ones are cut.
 */
#ifndef MT_BASE_LOG_H
#define MT_BASE_LOG_H

#include "base/compiler.h"

enum mt_log_level {
    MT_LOG_ERROR,
    MT_LOG_WARNING,
    MT_LOG_INFO,
    MT_LOG_DEBUG,
};

typedef void mt_log_sink(enum mt_log_level level, const char *message);

void mt_log_set_sink(mt_log_sink *sink);
void mt_log(enum mt_log_level level, const char *format, ...) MT_PRINTF(2, 3);

#endif
