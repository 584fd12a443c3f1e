/* Bytes as the fields of a session record or an alert: every format writes texts
 * that its own reader takes, and the name of HELO, the sender and the message read
 * back as they were. */
#include "fuzz.h"
#include "record_pieces.h"

#include "../unit/export/format_check.h"
#include "../unit/export/json_check.h"
#include "base/check.h"
#include "base/codec.h"
#include "export/notice_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* Names that decide something, so that the fuzzer need not spell them. */
static void set_names(struct record_pieces *source, struct mt_record_session *session)
{
    static const char *const ends[] = {NULL,      "quit",    "fin",         "rst",
                                       "timeout", "evicted", "capture_end", "other"};
    static const char *const outcomes[] = {NULL, "delivered", "rejected", "deferred"};
    uint8_t byte = record_pieces_byte(source);

    session->end = ends[byte & 7];
    session->starttls_outcome = (byte & 8) != 0 ? "established" : NULL;
    session->network_protocol = (byte & 16) != 0 ? "smtp" : NULL;
    for (uint32_t i = 0; i < session->transactions.count; i++) {
        struct mt_record_transaction *transaction =
            (struct mt_record_transaction *)(uintptr_t)&session->transactions.items[i];
        transaction->outcome = outcomes[byte >> 6];
    }
}

/* The value of a record that a text must give back. */
struct promise {
    const char *format;
    const char *stream;
    const char *id; /* the fifth field of CEF's and LEEF's headers; NULL: any */
    const char *name;
    size_t max;
    struct mt_span value;
};

struct check {
    const struct mt_format_ops *ops;
    const struct mt_format *format;
    const struct promise *promises;
    size_t count;
};

/* tsv has no sign for an absent value. */
static bool is_same(struct mt_span found, struct mt_span expected, bool is_absent_empty)
{
    if (found.ptr == NULL || expected.ptr == NULL)
        return found.size == 0 && expected.size == 0 && (found.ptr == expected.ptr || is_absent_empty);
    return mt_span_eq(found, expected);
}

/* Behind four bars that no backslash escapes; in LEEF none does. */
static struct mt_span header_id(struct mt_span text)
{
    bool is_cef = text.size > 0 && text.ptr[0] == 'C';
    size_t begin = 0;
    unsigned bars = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '\\' && is_cef)
            i++;
        else if (text.ptr[i] == '|' && ++bars == 5)
            return mt_span(text.ptr + begin, i - begin);
        else if (text.ptr[i] == '|')
            begin = i + 1;
    }
    return mt_span_none();
}

static void check_promise(const struct check *check, const struct mt_format_text *text,
                          const struct promise *promise)
{
    if (strcmp(promise->format, check->ops->name) != 0 ||
        strcmp(promise->stream, check->ops->streams[text->stream]) != 0 ||
        (promise->id != NULL && !mt_span_eq(header_id(text->text), mt_span_cstr(promise->id))))
        return;
    uint8_t *found_memory = malloc(text->text.size + 1);
    uint8_t *expected_memory = malloc(3 * promise->value.size + 3);
    MT_BUG_ON(found_memory == NULL || expected_memory == NULL);
    struct mt_span found = format_check_value(check->ops, check->format, text, promise->name, found_memory);
    struct mt_span expected =
        promise->value.ptr != NULL
            ? format_check_expected(check->ops, promise->value, promise->max, expected_memory)
            : mt_span_none();
    if (!is_same(found, expected, strcmp(promise->format, "tsv") == 0)) {
        fprintf(stderr, "%s %s\n     got: %.*s\nexpected: %.*s\n", promise->format, promise->name,
                (int)found.size, (const char *)found.ptr, (int)expected.size, (const char *)expected.ptr);
        abort();
    }
    free(found_memory);
    free(expected_memory);
}

static void check_text(void *ctx, const struct mt_format_text *text)
{
    const struct check *check = ctx;
    const char *wrong = format_check(check->ops, check->format, text);

    if (wrong != NULL) {
        fprintf(stderr, "%s: %s: %.*s\n", check->ops->name, wrong, (int)text->text.size,
                (const char *)text->text.ptr);
        abort();
    }
    for (size_t i = 0; i < check->count; i++)
        check_promise(check, text, &check->promises[i]);
}

static void check_session(struct check *check, struct mt_format *format,
                          const struct mt_record_session *session)
{
    const struct promise promises[] = {
        {"zeek", "smtp", NULL, "helo", 0, session->helo_name},
        {"csv", "", NULL, "smtp.helo.name", 0, session->helo_name},
        {"tsv", "", NULL, "smtp.helo.name", 0, session->helo_name},
        {"cef", "", "smtp_session", "cs1", 4000, session->helo_name},
        {"leef", "", "smtp_session", "helo", 4000, session->helo_name},
        {"cef", "", "smtp_session", "cs6", 4000, session->banner_text},
        {"leef", "", "smtp_session", "banner", 4000, session->banner_text},
    };

    check->promises = promises;
    check->count = MT_ARRAY_COUNT(promises);
    MT_BUG_ON(!check->ops->session(format, session, check_text, check));
}

static void check_alert(struct check *check, struct mt_format *format, const struct mt_record_alert *alert)
{
    const struct promise promises[] = {
        {"zeek", "notice", NULL, "msg", 0, alert->message}, {"csv", "", NULL, "message", 0, alert->message},
        {"tsv", "", NULL, "message", 0, alert->message},    {"cef", "", NULL, "msg", 1023, alert->message},
        {"leef", "", NULL, "msg", 1023, alert->message},
    };

    check->promises = promises;
    check->count = MT_ARRAY_COUNT(promises);
    MT_BUG_ON(!check->ops->alert(format, alert, check_text, check));
}

/* A message for people: JSON, or a few lines without controls, whatever strangers wrote. */
static void check_notice(void *ctx, const struct mt_format_text *text)
{
    const struct mt_format_ops *ops = ctx;
    unsigned lines = 1;
    size_t off;

    MT_BUG_ON(!mt_utf8_valid(text->text));
    for (size_t i = 0; i < text->text.size; i++) {
        uint8_t c = text->text.ptr[i];
        lines += c == '\n';
        MT_BUG_ON((c < 0x20 && (c != '\n' || ops->is_json)) || c == 0x7f);
    }
    MT_BUG_ON(lines > 10);
    MT_BUG_ON(ops->is_json && !json_check(text->text, NULL, NULL, &off));
}

static void check_notices(const struct mt_record_alert *alert)
{
    static struct mt_format *formats[8];
    const struct mt_format_options options = {.field_count = 0};
    const struct mt_format_ops *ops;
    char reason[128];

    for (size_t i = 0; (ops = mt_notice_at(i)) != NULL; i++) {
        MT_BUG_ON(i >= MT_ARRAY_COUNT(formats));
        if (formats[i] == NULL)
            MT_BUG_ON(ops->create(&options, reason, sizeof(reason), &formats[i]) != 0);
        MT_BUG_ON(!ops->alert(formats[i], alert, check_notice, (void *)(uintptr_t)ops));
    }
}

/* Made once: each has a megabyte. */
static struct mt_format *format_at(size_t index)
{
    static struct mt_format *formats[16];
    const struct mt_format_options options = {.observer_name = mt_span("probe", 5), .observer_version = "1"};
    char reason[128];

    MT_BUG_ON(index >= MT_ARRAY_COUNT(formats));
    if (formats[index] == NULL)
        MT_BUG_ON(mt_format_at(index)->create(&options, reason, sizeof(reason), &formats[index]) != 0);
    return formats[index];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_pieces source;
    struct mt_record_session session = {0};
    struct mt_record_alert alert = {0};
    const struct mt_format_ops *ops;

    record_pieces_init(&source, data, size);
    bool is_alert = record_pieces_byte(&source) % 2 != 0;
    record_pieces_fill(&source, is_alert ? &mt_group_alert : &mt_group_session,
                       is_alert ? (void *)&alert : (void *)&session);
    if (!is_alert)
        set_names(&source, &session);
    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        struct check check = {.ops = ops, .format = format_at(i)};
        if (is_alert)
            check_alert(&check, format_at(i), &alert);
        else
            check_session(&check, format_at(i), &session);
    }
    if (is_alert)
        check_notices(&alert);
    record_pieces_fini(&source);
    return 0;
}
