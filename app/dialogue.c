/* mailtap dialogue: the conversation of each session, as a transcript. */
#include "app.h"
#include "base/hash.h"
#include "capture/files.h"
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "mailtap dialogue [OPTION...] FILE|DIR|- ...\n"
    "\n"
    "Prints what client (C) and server (S) of each session said, with the time since\n"
    "the session's start. Message content is counted, secrets of AUTH are left out,\n"
    "bytes that are not printable are escaped.\n"
    "\n"
    "  --session ID     only the session with this event.id (or its first digits)\n"
    "  --ports LIST     TCP ports that carry mail (25,465,587,2525)\n"
    "  --filter BPF     only frames that match, in tcpdump's language\n"
    "  --overlap POLICY which bytes count where segments overlap: first (default), last\n"
    "  --config FILE    options from a YAML file; the command line wins\n"
    "  --redact MODE    take addresses out of all that is written: none,\n"
    "                   local-part, hash or drop (docs/privacy.md)\n"
    "  --redact-key-file FILE  the key of the names that stand for them\n"
    "  --help           this text\n";

/* Sessions run at the same time; each one's lines are gathered until its record
 * is written, then printed in one piece. */
struct conversation {
    struct conversation *next;
    uint8_t event_id[MT_EVENT_ID_SIZE];
    char *text;
    size_t size;
    FILE *stream;
};

#define BUCKETS 4096u

struct dialogue {
    const char *session_id;
    struct conversation *buckets[BUCKETS];
    uint64_t printed;
    bool is_out_of_memory;
};

static struct conversation **conversation_place(struct dialogue *dialogue, struct mt_span event_id)
{
    uint64_t at = mt_hash_bytes(0, event_id) % BUCKETS;
    struct conversation **place = &dialogue->buckets[at];
    while (*place && memcmp((*place)->event_id, event_id.ptr, MT_EVENT_ID_SIZE) != 0)
        place = &(*place)->next;
    return place;
}

static FILE *conversation_stream(struct dialogue *dialogue, struct mt_span event_id)
{
    struct conversation **place = conversation_place(dialogue, event_id);
    if (*place)
        return (*place)->stream;
    struct conversation *made = calloc(1, sizeof(*made));
    if (made)
        made->stream = open_memstream(&made->text, &made->size);
    if (!made || !made->stream) {
        free(made);
        dialogue->is_out_of_memory = true;
        return NULL;
    }
    memcpy(made->event_id, event_id.ptr, MT_EVENT_ID_SIZE);
    *place = made;
    return made->stream;
}

static bool is_wanted(const struct dialogue *dialogue, struct mt_span event_id)
{
    return !dialogue->session_id || mt_span_istarts(event_id, dialogue->session_id);
}

static void put_escaped(FILE *stream, struct mt_span text)
{
    uint8_t chunk[1024];
    while (text.size > 0) {
        /* at most six output bytes for one */
        struct mt_span part = mt_span_head(text, sizeof(chunk) / 6);
        if (part.size < text.size) {
            while (part.size > 1 && (text.ptr[part.size] & 0xc0) == 0x80)
                part.size--; /* not inside a UTF-8 character */
        }
        struct mt_buf b = mt_buf(chunk, sizeof(chunk));
        mt_buf_put_escaped(&b, part);
        fwrite(chunk, 1, b.size, stream);
        text = mt_span_from(text, part.size);
    }
}

static void on_transcript(void *ctx, const struct mt_session *session, enum mt_transcript_kind kind,
                          enum mt_side side, struct mt_span text, uint64_t count, const struct mt_mark *mark)
{
    struct dialogue *dialogue = ctx;
    struct mt_span event_id = mt_session_event_id(session);
    if (!is_wanted(dialogue, event_id))
        return;
    FILE *stream = conversation_stream(dialogue, event_id);
    if (!stream)
        return;
    uint8_t time[40];
    struct mt_buf b = mt_buf(time, sizeof(time));
    mt_buf_put_time(&b, mark->time);
    /* hours to microseconds */
    fprintf(stream, "%.15s %c: ", (const char *)time + 11, side == MT_CLIENT ? 'C' : 'S');
    switch (kind) {
    case MT_TRANSCRIPT_LINE:
        put_escaped(stream, text);
        break;
    case MT_TRANSCRIPT_SECRET:
        fputs("(AUTH response, not kept)", stream);
        break;
    case MT_TRANSCRIPT_CONTENT:
        fprintf(stream, "(%" PRIu64 " octets of content)", count);
        break;
    case MT_TRANSCRIPT_GAP:
        fprintf(stream, "(%" PRIu64 " bytes are missing)", count);
        break;
    case MT_TRANSCRIPT_OPAQUE:
        fputs("(not readable from here on)", stream);
        break;
    case MT_TRANSCRIPT_ANOMALY:
        fputs("! ", stream);
        put_escaped(stream, text);
        break;
    }
    fputc('\n', stream);
}

static void put_endpoint(const struct mt_ip *ip, uint64_t port)
{
    uint8_t text[48];
    struct mt_buf b = mt_buf(text, sizeof(text));
    mt_buf_put_ip(&b, ip);
    printf(ip->family == 6 ? "[%.*s]:%" PRIu64 : "%.*s:%" PRIu64, (int)b.size, (const char *)text, port);
}

static void on_record(void *ctx, const struct mt_record_session *record)
{
    struct dialogue *dialogue = ctx;
    if (!is_wanted(dialogue, record->event_id))
        return;
    uint8_t time[40];
    struct mt_buf b = mt_buf(time, sizeof(time));
    mt_buf_put_time(&b, record->event_start);
    printf("%s# %.*s  ", dialogue->printed++ ? "\n" : "", (int)record->event_id.size,
           (const char *)record->event_id.ptr);
    put_endpoint(&record->source_ip, record->source_port);
    fputs(" > ", stdout);
    put_endpoint(&record->destination_ip, record->destination_port);
    printf("  %.*s  %s, %s, end: %s\n", (int)b.size, (const char *)time, record->pickup, record->direction,
           record->end);
    struct conversation **place = conversation_place(dialogue, record->event_id);
    struct conversation *done = *place;
    if (!done)
        return;
    *place = done->next;
    fclose(done->stream);
    fwrite(done->text, 1, done->size, stdout);
    free(done->text);
    free(done);
}

static int run_dialogue(struct mt_options *options, struct mt_capture *capture)
{
    struct dialogue *dialogue = calloc(1, sizeof(*dialogue));
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    struct mt_pipeline_sink sink = {.transcript = on_transcript, .record = on_record};
    char reason[256] = "out of memory";
    int rc = -ENOMEM;
    if (dialogue && result) {
        dialogue->session_id = options->session_id;
        rc = mt_pipeline_run(&options->pipeline, capture, &sink, dialogue, reason, sizeof(reason), result);
    }
    int code = MT_EXIT_OK;
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        code = MT_EXIT_START;
    }
    for (size_t i = 0; i < capture->damage_count; i++) {
        fprintf(stderr, "mailtap: %s: at byte %" PRIu64 ": %s\n", capture->damage[i].path,
                capture->damage[i].off, capture->damage[i].reason);
        code = MT_EXIT_INCOMPLETE;
    }
    if (rc == 0 && dialogue->is_out_of_memory) {
        fputs(
            "mailtap: out of memory: some conversations are incomplete; --session or --filter picks fewer\n",
            stderr);
        code = MT_EXIT_INCOMPLETE;
    }
    if (rc == 0 && options->session_id && dialogue->printed == 0) {
        fprintf(stderr, "mailtap: no session with the id %s in this capture\n", options->session_id);
        code = MT_EXIT_INCOMPLETE;
    }
    if (fflush(stdout) != 0) {
        fputs("mailtap: standard output: write error\n", stderr);
        code = MT_EXIT_INCOMPLETE;
    }
    free(result);
    free(dialogue);
    return code;
}

int mt_app_dialogue(int argc, char **argv)
{
    struct mt_options options;
    int code = mt_options_parse(&options, argc, argv, help, MT_VERB_BIT_DIALOGUE);
    if (code < 0) {
        char reason[512];
        struct mt_capture_files_config files = {
            .paths = options.paths,
            .path_count = options.path_count,
            .filter = options.filter,
            .is_streamed = true,
        };
        struct mt_capture *capture;
        struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
        if (!stats) {
            fputs("mailtap: out of memory\n", stderr);
            mt_options_fini(&options);
            return MT_EXIT_START;
        }
        memset(stats, 0, sizeof(*stats));
        int rc = mt_capture_files_open(&files, stats, reason, sizeof(reason), &capture);
        if (rc != 0) {
            fprintf(stderr, "mailtap: %s\n", reason);
            code = rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
        } else {
            code = run_dialogue(&options, capture);
            capture->ops->close(capture);
        }
        free(stats);
    }
    mt_options_fini(&options);
    return code;
}
