#include "export/format.h"

#include "export/format_priv.h"
#include "export/format_select_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct mt_format_ops *const formats[] = {
    &mt_format_ecs,  &mt_format_zeek, &mt_format_zeek_json, &mt_format_eve, &mt_format_cef,
    &mt_format_leef, &mt_format_ocsf, &mt_format_csv,       &mt_format_tsv,
};

const struct mt_format_ops *mt_format_at(size_t index)
{
    return index < MT_ARRAY_COUNT(formats) ? formats[index] : NULL;
}

const struct mt_format_ops *mt_format_find(struct mt_span name)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(formats); i++) {
        if (mt_span_eq(name, mt_span_cstr(formats[i]->name)))
            return formats[i];
    }
    return NULL;
}

#define BEFORE_TEXT 16u /* so that the byte before the first is there to be looked at */

static int refuse_memory(char *ret_reason, size_t reason_size)
{
    snprintf(ret_reason, reason_size, "there is no memory for an output format: it needs %zu KiB",
             (MT_FORMAT_TEXT_MAX + MT_PEN_ROOM) / 1024);
    return -ENOMEM;
}

int mt_format_create(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                     struct mt_format **ret_format)
{
    size_t text_size = BEFORE_TEXT + MT_FORMAT_TEXT_MAX + MT_PEN_ROOM;
    size_t name_size = options->observer_name.size;
    const char *version = options->observer_version != NULL ? options->observer_version : "";
    size_t version_size = strlen(version) + 1;
    struct mt_format *format = calloc(1, sizeof(*format));
    uint8_t *memory = malloc(text_size + name_size + 1 + version_size);

    if (format == NULL || memory == NULL) {
        free(format);
        free(memory);
        return refuse_memory(ret_reason, reason_size);
    }
    memset(memory, 0, BEFORE_TEXT);
    format->memory = memory;
    format->pen.begin = memory + BEFORE_TEXT;
    format->pen.limit = format->pen.begin + MT_FORMAT_TEXT_MAX;
    mt_pen_begin(&format->pen);

    uint8_t *name = memory + text_size;
    if (name_size > 0)
        memcpy(name, options->observer_name.ptr, name_size);
    name[name_size] = '\0';
    memcpy(name + name_size + 1, version, version_size);
    format->observer_name = options->observer_name.ptr != NULL ? mt_span(name, name_size) : mt_span_none();
    format->observer_version = (const char *)name + name_size + 1;
    *ret_format = format;
    return 0;
}

int mt_format_create_whole(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                           struct mt_format **ret_format)
{
    if (options->field_count > 0) {
        snprintf(ret_reason, reason_size,
                 "fields can't be chosen for this format, its fields are given; csv, tsv and ecs take them");
        return -EINVAL;
    }
    return mt_format_create(options, ret_reason, reason_size, ret_format);
}

bool mt_format_no_session(struct mt_format *format, const struct mt_record_session *record,
                          mt_format_emit *emit, void *ctx)
{
    (void)format;
    (void)record;
    (void)emit;
    (void)ctx;
    return true;
}

void mt_format_destroy(struct mt_format *format)
{
    if (format == NULL)
        return;
    mt_selection_destroy(format->selection);
    free(format->memory);
    free(format);
}

struct mt_span mt_format_head(const struct mt_format *format, unsigned stream)
{
    return stream < MT_FORMAT_STREAMS_MAX && format->heads[stream].ptr != NULL ? format->heads[stream]
                                                                               : mt_span("", 0);
}

bool mt_format_emit_text(struct mt_format *format, unsigned stream, mt_format_emit *emit, void *ctx)
{
    struct mt_pen *pen = &format->pen;

    if (pen->to > pen->begin)
        pen->to--;
    size_t size = (size_t)(pen->to - pen->begin);
    bool is_whole = !pen->overflow && size <= MT_FORMAT_TEXT_MAX;
    if (is_whole) {
        const struct mt_format_text text = {.stream = stream, .text = mt_span(pen->begin, size)};
        emit(ctx, &text);
    }
    return is_whole;
}
