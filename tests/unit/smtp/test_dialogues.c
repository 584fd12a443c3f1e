/* Literate dialogues: each file of tests/golden/smtp tells in a ```dialogue
 * block what client and server say, and in a ```events block exactly what the
 * parsers make of it. MAILTAP_BLESS=1 rewrites the events and fails.
 *
 * A dialogue's lines:
 *   C: text    the client says text and CRLF; S: likewise the server
 *   C~ text    the same without CRLF
 *   gap C 100  100 bytes of the client are missing
 *   mode NAME  the session, on evidence, sets the client parser's mode
 * Escapes: \r \n \t \\ \xNN, and \{N*text} for N times text.
 */
#include "replay.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER MT_SOURCE_ROOT "/tests/golden/smtp"
#define FILES_MAX 64
#define STEPS_MAX 256

struct step {
    enum { STEP_BYTES, STEP_GAP, STEP_MODE } kind;
    enum mt_side side;
    struct replay_text bytes;
    uint64_t size;
    enum mt_smtp_client_mode mode;
};

struct dialogue {
    char name[128];
    struct replay_text file;
    struct mt_span events; /* within file */
    struct step steps[STEPS_MAX];
    size_t step_count;
    size_t byte_count; /* of all steps */
};

static struct dialogue *dialogues[FILES_MAX];
static size_t dialogue_count;

/* --- files ------------------------------------------------------------------ */

static bool read_file(const char *path, struct replay_text *ret_text)
{
    char block[4096];
    size_t size;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return false;
    while ((size = fread(block, 1, sizeof(block), file)) > 0)
        replay_put_bytes(ret_text, mt_span(block, size));
    fclose(file);
    return true;
}

/* The text between a line "```kind" and the next "```". */
static struct mt_span find_block(const struct replay_text *file, const char *kind)
{
    char mark[32];

    snprintf(mark, sizeof(mark), "\n```%s\n", kind);
    const char *start = strstr(file->ptr, mark);
    if (start == NULL)
        return mt_span_none();
    start += strlen(mark);
    const char *end = strstr(start, "```\n");
    return end != NULL ? mt_span(start, (size_t)(end - start)) : mt_span_none();
}

static uint64_t number_at(const char *text, int base)
{
    char *end;
    uint64_t number = strtoull(text, &end, base);

    if (end == text)
        replay_broken("a number is due at: %s", text);
    return number;
}

static void put_unescaped(struct replay_text *bytes, const char *text, const char *end)
{
    while (text < end) {
        if (*text != '\\') {
            replay_put_bytes(bytes, mt_span(text++, 1));
            continue;
        }
        char kind = text[1];
        text += 2;
        if (kind == 'r' || kind == 'n' || kind == 't' || kind == '\\') {
            const char *byte = kind == 'r' ? "\r" : kind == 'n' ? "\n" : kind == 't' ? "\t" : "\\";
            replay_put_bytes(bytes, mt_span(byte, 1));
        } else if (kind == 'x') {
            char digits[3] = {text[0], text[1], 0};
            uint8_t byte = (uint8_t)number_at(digits, 16);
            replay_put_bytes(bytes, mt_span(&byte, 1));
            text += 2;
        } else if (kind == '{') {
            const char *star = memchr(text, '*', (size_t)(end - text));
            const char *close = memchr(text, '}', (size_t)(end - text));
            if (star == NULL || close < star)
                replay_broken("\\{N*text} is due at: %s", text);
            for (uint64_t times = number_at(text, 10); times > 0; times--)
                put_unescaped(bytes, star + 1, close);
            text = close + 1;
        } else {
            replay_broken("unknown escape at: %s", text - 2);
        }
    }
}

static struct step *add_step(struct dialogue *d, int kind, enum mt_side side)
{
    struct step *last = d->step_count > 0 ? &d->steps[d->step_count - 1] : NULL;

    if (kind == STEP_BYTES && last != NULL && last->kind == STEP_BYTES && last->side == side)
        return last;
    if (d->step_count == STEPS_MAX)
        replay_broken("%s: too many steps", d->name);
    struct step *step = &d->steps[d->step_count++];
    *step = (struct step){.kind = kind, .side = side};
    return step;
}

static void add_line(struct dialogue *d, const char *line, const char *end)
{
    static const char *const modes[] = {"command", "auth", "content", "chunk", "hold", "opaque"};
    enum mt_side side = line[0] == 'C' ? MT_CLIENT : MT_SERVER;
    size_t size = (size_t)(end - line);

    if ((line[0] == 'C' || line[0] == 'S') && (line[1] == ':' || line[1] == '~')) {
        struct step *step = add_step(d, STEP_BYTES, side);
        put_unescaped(&step->bytes, size > 2 && line[2] == ' ' ? line + 3 : line + 2, end);
        if (line[1] == ':')
            replay_put_bytes(&step->bytes, mt_span("\r\n", 2));
        return;
    }
    if (size > 6 && memcmp(line, "gap ", 4) == 0) {
        add_step(d, STEP_GAP, line[4] == 'C' ? MT_CLIENT : MT_SERVER)->size = number_at(line + 6, 10);
        return;
    }
    for (size_t i = 0; size > 5 && memcmp(line, "mode ", 5) == 0 && i < MT_ARRAY_COUNT(modes); i++) {
        if (mt_span_ieq_cstr(mt_span(line + 5, size - 5), modes[i])) {
            add_step(d, STEP_MODE, MT_CLIENT)->mode = (enum mt_smtp_client_mode)i;
            return;
        }
    }
    replay_broken("%s: not a line of a dialogue: %.*s", d->name, (int)size, line);
}

static struct dialogue *load(const char *name)
{
    struct dialogue *d = calloc(1, sizeof(*d));
    char path[512];

    if (d == NULL)
        replay_broken("out of memory");
    snprintf(d->name, sizeof(d->name), "%s", name);
    snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
    if (!read_file(path, &d->file))
        replay_broken("%s is listed in files.txt, but can't be read", name);
    struct mt_span block = find_block(&d->file, "dialogue");
    if (block.ptr == NULL)
        replay_broken("%s has no dialogue block", name);
    d->events = find_block(&d->file, "events");

    const char *line = (const char *)block.ptr;
    const char *end = line + block.size;
    while (line < end) {
        const char *lf = memchr(line, '\n', (size_t)(end - line));
        add_line(d, line, lf);
        line = lf + 1;
    }
    for (size_t i = 0; i < d->step_count; i++)
        d->byte_count += d->steps[i].bytes.size;
    return d;
}

/* files.txt names them, so that one that got lost is missed. */
static int load_all(void **state)
{
    struct replay_text list = {0};
    char *save;

    (void)state;
    if (!read_file(FOLDER "/files.txt", &list))
        replay_broken("%s/files.txt can't be read", FOLDER);
    for (char *name = strtok_r(list.ptr, "\n", &save); name != NULL; name = strtok_r(NULL, "\n", &save)) {
        if (dialogue_count == FILES_MAX)
            replay_broken("too many dialogues");
        dialogues[dialogue_count++] = load(name);
    }
    free(list.ptr);
    return dialogue_count > 0 ? 0 : -1;
}

static int free_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < dialogue_count; i++) {
        for (size_t k = 0; k < dialogues[i]->step_count; k++)
            free(dialogues[i]->steps[k].bytes.ptr);
        free(dialogues[i]->file.ptr);
        free(dialogues[i]);
    }
    return 0;
}

/* --- replays ---------------------------------------------------------------- */

/* Plays d with its bytes in pieces: first up to offset `cut` of all its bytes,
 * then in pieces of at most piece_max; turns are never joined. */
static void play(const struct dialogue *d, struct replay *r, size_t cut, size_t piece_max)
{
    size_t done = 0;

    for (size_t i = 0; i < d->step_count; i++) {
        const struct step *step = &d->steps[i];
        struct mt_span rest = mt_span(step->bytes.ptr, step->bytes.size);
        if (step->kind == STEP_GAP)
            replay_gap(r, step->side, step->size);
        if (step->kind == STEP_MODE)
            replay_mode(r, step->mode);
        while (rest.size > 0) {
            size_t size = mt_min_u64(rest.size, piece_max);
            if (done < cut && done + size > cut)
                size = cut - done;
            replay_bytes(r, step->side, mt_span_head(rest, size));
            rest = mt_span_from(rest, size);
            done += size;
        }
        replay_turn(r);
    }
    replay_end(r);
}

static void print_difference(const struct dialogue *d, const char *how, struct mt_span expected,
                             struct mt_span got)
{
    size_t same = 0;

    while (same < expected.size && same < got.size && expected.ptr[same] == got.ptr[same])
        same++;
    while (same > 0 && expected.ptr[same - 1] != '\n')
        same--;
    expected = mt_span_head(mt_span_from(expected, same), 400);
    got = mt_span_head(mt_span_from(got, same), 400);
    print_error("%s, %s, differs from here on\n--- expected\n%.*s\n--- got\n%.*s\n", d->name, how,
                (int)expected.size, (const char *)expected.ptr, (int)got.size, (const char *)got.ptr);
}

static bool plays_as(const struct dialogue *d, enum replay_place place, size_t cut, size_t piece_max,
                     const char *how, struct mt_span expected)
{
    struct replay r;

    replay_start(&r, place);
    play(d, &r, cut, piece_max);
    struct mt_span got = mt_span(r.log.ptr, r.log.size);
    bool is_same = mt_span_eq(got, expected);
    if (!is_same)
        print_difference(d, how, expected, got);
    replay_free(&r);
    return is_same;
}

static void bless(struct dialogue *d)
{
    struct replay r;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", FOLDER, d->name);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        replay_broken("%s can't be written", path);
    replay_start(&r, REPLAY_END);
    play(d, &r, 0, SIZE_MAX);
    if (d->events.ptr != NULL) {
        size_t head = (size_t)(d->events.ptr - (const uint8_t *)d->file.ptr);
        fwrite(d->file.ptr, 1, head, file);
        fwrite(r.log.ptr, 1, r.log.size, file);
        fwrite(d->events.ptr + d->events.size, 1, d->file.size - head - d->events.size, file);
    } else {
        fprintf(file, "%s\n```events\n%s```\n", d->file.ptr, r.log.ptr);
    }
    fclose(file);
    replay_free(&r);
}

/* --- tests ------------------------------------------------------------------ */

static void every_file_of_the_folder_is_listed(void **state)
{
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    size_t unlisted = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        size_t i = 0;
        bool is_dialogue = strstr(entry->d_name, ".md") != NULL;
        while (i < dialogue_count && strcmp(dialogues[i]->name, entry->d_name) != 0)
            i++;
        if (is_dialogue && i == dialogue_count) {
            print_error("%s is not listed in files.txt\n", entry->d_name);
            unlisted++;
        }
    }
    closedir(folder);
    assert_int_equal(unlisted, 0);
}

static void every_dialogue_gives_its_expected_events(void **state)
{
    bool is_blessing = getenv("MAILTAP_BLESS") != NULL;
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < dialogue_count; i++) {
        struct dialogue *d = dialogues[i];
        if (is_blessing) {
            bless(d);
            continue;
        }
        if (d->events.ptr == NULL) {
            print_error("%s has no events block\n", d->name);
            wrong++;
            continue;
        }
        wrong += !plays_as(d, REPLAY_END, 0, SIZE_MAX, "whole", d->events);
        wrong += !plays_as(d, REPLAY_START, 0, SIZE_MAX, "whole, at the start of a page", d->events);
    }
    if (is_blessing)
        fail_msg(
            "the expected events were rewritten: read the difference, then run again without MAILTAP_BLESS");
    assert_int_equal(wrong, 0);
}

static void a_dialogue_cut_at_any_byte_gives_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < dialogue_count; i++) {
        const struct dialogue *d = dialogues[i];
        for (size_t cut = 1; cut < d->byte_count; cut++) {
            char how[64];
            enum replay_place place = cut % 2 == 0 ? REPLAY_END : REPLAY_START;
            snprintf(how, sizeof(how), "cut at byte %zu", cut);
            assert_true(plays_as(d, place, cut, SIZE_MAX, how, d->events));
        }
    }
}

static void a_dialogue_in_single_bytes_gives_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < dialogue_count; i++) {
        assert_true(plays_as(dialogues[i], REPLAY_END, 0, 1, "in single bytes", dialogues[i]->events));
        assert_true(plays_as(dialogues[i], REPLAY_HEAP, 0, 2, "in pairs of bytes", dialogues[i]->events));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_of_the_folder_is_listed),
        cmocka_unit_test(every_dialogue_gives_its_expected_events),
        cmocka_unit_test(a_dialogue_cut_at_any_byte_gives_the_same_events),
        cmocka_unit_test(a_dialogue_in_single_bytes_gives_the_same_events),
    };
    return cmocka_run_group_tests_name("smtp dialogues", tests, load_all, free_all);
}
