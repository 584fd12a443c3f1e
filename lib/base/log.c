#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_MAX 1024

static mt_log_sink *log_sink;

void mt_log_set_sink(mt_log_sink *sink)
{
    log_sink = sink;
}

MT_COLD void mt_log(enum mt_log_level level, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;

    if (!log_sink)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    log_sink(level, message);
}
