#include "format_run.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void format_run_init(struct format_run *run, const char *name, const char *const *fields)
{
    struct mt_format_options options = {
        .fields = fields,
        .observer_name = mt_span("probe-1.example.net", 19),
        .observer_version = "0.1.0",
    };
    char reason[256];

    while (fields != NULL && fields[options.field_count] != NULL)
        options.field_count++;
    memset(run, 0, sizeof(*run));
    run->ops = mt_format_find(mt_span_cstr(name));
    MT_BUG_ON(run->ops == NULL);
    MT_BUG_ON(run->ops->create(&options, reason, sizeof(reason), &run->format) != 0);
}

static void forget(struct format_run *run)
{
    while (run->count > 0)
        free(run->texts[--run->count]);
}

void format_run_fini(struct format_run *run)
{
    forget(run);
    run->ops->destroy(run->format);
}

static void keep(void *ctx, const struct mt_format_text *text)
{
    struct format_run *run = ctx;
    char *copy = malloc(text->text.size + 1);

    MT_BUG_ON(copy == NULL || run->count == FORMAT_TEXTS_MAX);
    MT_BUG_ON(memchr(text->text.ptr, '\0', text->text.size) != NULL);
    memcpy(copy, text->text.ptr, text->text.size);
    copy[text->text.size] = '\0';
    run->streams[run->count] = text->stream;
    run->texts[run->count++] = copy;
}

void format_run_session(struct format_run *run, const struct mt_record_session *record)
{
    forget(run);
    MT_BUG_ON(!run->ops->session(run->format, record, keep, run));
}

void format_run_alert(struct format_run *run, const struct mt_record_alert *alert)
{
    forget(run);
    MT_BUG_ON(!run->ops->alert(run->format, alert, keep, run));
}

const char *format_run_all(const struct format_run *run)
{
    static char all[1 << 17];
    size_t size = 0;

    all[0] = '\0';
    for (unsigned i = 0; i < run->count; i++) {
        const char *stream = run->ops->streams[run->streams[i]];
        int n = snprintf(all + size, sizeof(all) - size, "%s%s%s\n", stream, stream[0] != '\0' ? ": " : "",
                         run->texts[i]);
        MT_BUG_ON(n < 0 || (size_t)n >= sizeof(all) - size);
        size += (size_t)n;
    }
    return all;
}
