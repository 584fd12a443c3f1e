/* A capture in one of the output formats: stream, tab, text. For comparing with what
 * the peers whose formats these are wrote themselves.
 *
 *     formats FORMAT FILE
 */
#include "capture/files.h"
#include "export/format.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <string.h>

struct dump {
    const struct mt_format_ops *ops;
    struct mt_format *format;
    int is_incomplete;
};

static void print(void *ctx, const struct mt_format_text *text)
{
    const struct dump *dump = ctx;

    printf("%s\t%.*s\n", dump->ops->streams[text->stream], (int)text->text.size,
           (const char *)text->text.ptr);
}

static void on_record(void *ctx, const struct mt_record_session *record)
{
    struct dump *dump = ctx;

    if (!dump->ops->session(dump->format, record, print, dump))
        dump->is_incomplete = 1;
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct dump *dump = ctx;

    (void)rule;
    (void)level;
    if (!dump->ops->alert(dump->format, alert, print, dump))
        dump->is_incomplete = 1;
}

static int fail(const char *what)
{
    fprintf(stderr, "formats: %s\n", what);
    return 1;
}

static void print_heads(const struct dump *dump)
{
    for (unsigned i = 0; i < MT_FORMAT_STREAMS_MAX && dump->ops->streams[i] != NULL; i++) {
        struct mt_span head = dump->ops->head(dump->format, i);
        while (head.size > 0) {
            size_t size = (size_t)((const uint8_t *)memchr(head.ptr, '\n', head.size) - head.ptr);
            printf("%s\t%.*s\n", dump->ops->streams[i], (int)size, (const char *)head.ptr);
            head = mt_span_from(head, size + 1);
        }
    }
}

static int run(struct dump *dump, const char *path)
{
    static struct mt_stats stats;
    static _Alignas(MT_CACHE_LINE) struct mt_pipeline_result result;
    const char *const paths[] = {path};
    const struct mt_capture_files_config files = {.paths = paths, .path_count = 1};
    struct mt_pipeline_config config = {.observer_name = mt_span("test", 4), .observer_version = "0"};
    const struct mt_pipeline_sink sink = {.record = on_record, .alert = on_alert};
    struct mt_capture *capture;
    char reason[512];

    mt_detect_config_init(&config.detect);
    if (mt_capture_files_open(&files, &stats, reason, sizeof(reason), &capture) != 0)
        return fail(reason);
    int rc = mt_pipeline_run(&config, capture, &sink, dump, reason, sizeof(reason), &result);
    capture->ops->close(capture);
    return rc != 0 ? fail(reason) : dump->is_incomplete;
}

int main(int argc, char **argv)
{
    const struct mt_format_options options = {.observer_name = mt_span("test", 4), .observer_version = "0"};
    struct dump dump = {.ops = argc == 3 ? mt_format_find(mt_span_cstr(argv[1])) : NULL};
    char reason[256];

    if (dump.ops == NULL)
        return fail("give a format and a file");
    if (dump.ops->create(&options, reason, sizeof(reason), &dump.format) != 0)
        return fail(reason);
    print_heads(&dump);
    int rc = run(&dump, argv[2]);
    dump.ops->destroy(dump.format);
    return rc;
}
