#include "tap.h"

#include <stdio.h>

static void note(struct tap *tap, enum mt_side side, const char *format, ...)
{
    va_list args;
    size_t left = sizeof(tap->log) - tap->log_size;

    if (tap->log_size > 0 && left > 1)
        tap->log[tap->log_size++] = ' ';
    left = sizeof(tap->log) - tap->log_size;
    if (left > 1)
        tap->log[tap->log_size++] = side == C ? 'C' : 'S';
    left = sizeof(tap->log) - tap->log_size;
    va_start(args, format);
    int size = vsnprintf(tap->log + tap->log_size, left, format, args);
    va_end(args);
    assert_true(size >= 0 && (size_t)size < left);
    tap->log_size += (size_t)size;
}

static void note_mark(struct tap *tap, const struct mt_mark *mark)
{
    assert_true(mark->number >= 1 && mark->number <= tap->number);
    tap->last_mark = mark->number;
}

static size_t on_data(void *ctx, enum mt_side side, struct mt_span bytes, const struct mt_mark *mark,
                      unsigned flags)
{
    struct tap *tap = ctx;
    enum mt_side other = mt_side_other(side);
    size_t take = bytes.size;

    note_mark(tap, mark);
    assert_true(bytes.size > 0);
    if (tap->stop_behind[side] >= 0 && !(flags & MT_STREAM_FORCED)) {
        if (!tap->may_go_on[side])
            return 0;
        const uint8_t *stop = memchr(bytes.ptr, tap->stop_behind[side], bytes.size);
        if (stop) {
            take = (size_t)(stop - bytes.ptr) + 1;
            tap->may_go_on[side] = false;
        }
    }
    tap->may_go_on[other] = true;
    char how = flags & MT_STREAM_FORCED ? '!' : flags & MT_STREAM_QUEUED ? '~' : ':';
    if (take <= 64)
        note(tap, side, "%c%.*s", how, (int)take, (const char *)bytes.ptr);
    else
        note(tap, side, "%c#%zu", how, take);
    if (tap->copy && side == C) {
        memcpy(tap->copy + tap->copied, bytes.ptr, take);
        tap->copied += take;
    }
    return take;
}

static void on_gap(void *ctx, enum mt_side side, uint64_t size, const struct mt_mark *mark)
{
    struct tap *tap = ctx;

    note_mark(tap, mark);
    tap->may_go_on[mt_side_other(side)] = true;
    note(tap, side, "-%u", (unsigned)size);
}

static void on_anomaly(void *ctx, enum mt_side side, enum mt_anomaly anomaly, const struct mt_mark *mark)
{
    struct tap *tap = ctx;

    note_mark(tap, mark);
    note(tap, side, "<%s>", mt_anomaly_name(anomaly));
}

static void on_fin(void *ctx, enum mt_side side, const struct mt_mark *mark)
{
    struct tap *tap = ctx;

    note_mark(tap, mark);
    tap->may_go_on[mt_side_other(side)] = true;
    note(tap, side, ".");
}

static const struct mt_stream_sink sink = {
    .data = on_data,
    .gap = on_gap,
    .anomaly = on_anomaly,
    .fin = on_fin,
};

void tap_open_midstream(struct tap *tap, const struct mt_stream_config *config)
{
    memset(tap, 0, sizeof(*tap));
    assert_int_equal(mt_arena_create(4 << 20, &tap->arena), 0);
    assert_int_equal(mt_stream_engine_create(config, tap->arena, &tap->stats, &tap->engine), 0);
    tap->isn[C] = 1000;
    tap->isn[S] = 5000;
    tap->time = MT_SEC;
    tap->stop_behind[C] = tap->stop_behind[S] = -1;
    tap->may_go_on[C] = tap->may_go_on[S] = true;
}

void tap_open(struct tap *tap, const struct mt_stream_config *config)
{
    tap_open_midstream(tap, config);
    mt_stream_set_isn(&tap->stream, C, tap->isn[C]);
    mt_stream_set_isn(&tap->stream, S, tap->isn[S]);
}

void tap_close(struct tap *tap)
{
    tap_finish(tap);
    assert_false(mt_stream_is_waiting(&tap->stream));
    assert_int_equal(mt_arena_used(tap->arena), 0);
    mt_stream_engine_destroy(tap->engine);
    mt_arena_destroy(tap->arena);
}

enum mt_stream_verdict tap_cut(struct tap *tap, enum mt_side side, uint32_t off, const char *text,
                               uint32_t wire_size, uint32_t acked)
{
    struct mt_packet packet = {
        .payload = mt_span_cstr(text),
        .payload_size = wire_size,
        .seq = tap->isn[side] + 1 + off,
        .ack = tap->isn[mt_side_other(side)] + 1 + acked,
        .tcp_flags = ACK,
        .frame_flags = tap->frame_flags,
        .mark = {.time = tap->time += MT_MSEC, .number = ++tap->number},
    };

    return mt_stream_input(tap->engine, &tap->stream, side, &packet, &sink, tap);
}

enum mt_stream_verdict tap_packet(struct tap *tap, enum mt_side side, uint32_t off, const char *text,
                                  uint32_t acked, uint8_t tcp_flags)
{
    struct mt_packet packet = {
        .payload = mt_span_cstr(text),
        .payload_size = (uint32_t)strlen(text),
        .seq = tap->isn[side] + 1 + off,
        .ack = tap->isn[mt_side_other(side)] + 1 + acked,
        .tcp_flags = tcp_flags,
        .frame_flags = tap->frame_flags,
        .mark = {.time = tap->time += MT_MSEC, .number = ++tap->number},
    };

    return mt_stream_input(tap->engine, &tap->stream, side, &packet, &sink, tap);
}

void tap_data(struct tap *tap, enum mt_side side, uint32_t off, const char *text, uint32_t acked)
{
    assert_int_equal(tap_packet(tap, side, off, text, acked, ACK), MT_STREAM_OK);
}

void tap_ack(struct tap *tap, enum mt_side side, uint32_t off, uint32_t acked)
{
    tap_data(tap, side, off, "", acked);
}

void tap_wait(struct tap *tap, uint64_t time)
{
    tap->time += time;
}

void tap_finish(struct tap *tap)
{
    struct mt_mark mark = {.time = tap->time, .number = tap->number};

    mt_stream_finish(tap->engine, &tap->stream, &sink, tap, &mark);
}

void tap_saw(struct tap *tap, const char *log)
{
    tap->log[tap->log_size] = '\0';
    assert_string_equal(tap->log, log);
    tap->log_size = 0;
}

uint64_t tap_count(const struct tap *tap, enum mt_counter counter)
{
    return mt_stats_get(&tap->stats, counter);
}
