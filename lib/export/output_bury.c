/* The file of documents that a receiver refused. */
#include "export/output_priv.h"

#include "export/clock_priv.h"
#include "export/json.h"

#include "base/log.h"
#include "base/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ESCAPED_MAX 6u /* bytes of JSON for one of a document */
#define SUFFIX ".1"
#define TELL_PAUSE (10 * MT_SEC)

/* Closes fd; -1 has none. */
static uint64_t count_lines(int fd)
{
    uint8_t bytes[65536];
    uint64_t lines = 0;
    ssize_t n;

    if (fd < 0)
        return 0;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    }
    close(fd);
    return lines;
}

/* The file becomes the one that is aside; what was aside is forgotten, and counted.
 * False: it can't, and must not grow either. */
static bool put_aside(struct mt_output *output)
{
    const char *path = output->config.dead_letter;
    char *aside = NULL;

    if (asprintf(&aside, "%s" SUFFIX, path) < 0)
        return false;
    int old = open(aside, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool is_aside = rename(path, aside) == 0;
    free(aside);
    if (!is_aside) {
        if (old >= 0)
            close(old);
        return false;
    }
    uint64_t lost = count_lines(old);
    mt_count(&output->counts.forgotten, lost);
    if (lost > 0)
        mt_log(MT_LOG_WARNING,
               "output %s: %s is full and put aside; %llu refused documents of before are gone",
               output->config.name, path, (unsigned long long)lost);
    return true;
}

/* Whole or not at all: a torn line would make the next one unreadable too. */
static bool write_whole(int fd, off_t size, struct mt_span bytes)
{
    ssize_t n = write(fd, bytes.ptr, bytes.size);

    if (n == (ssize_t)bytes.size)
        return true;
    if (n > 0)
        (void)!ftruncate(fd, size);
    return false;
}

static bool keep(struct mt_output *output, struct mt_span line)
{
    const struct mt_output_config *config = &output->config;
    struct stat st;

    if (config->dead_letter == NULL)
        return false;
    if (stat(config->dead_letter, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size + line.size > config->dead_letter_max && !put_aside(output))
        return false;
    int fd =
        open(config->dead_letter, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return false;
    bool is_kept = fstat(fd, &st) == 0 && write_whole(fd, st.st_size, line);
    close(fd);
    return is_kept;
}

/* A receiver that refuses everything must not fill the log. */
static void tell(struct mt_output *output, const struct mt_document *document, const char *reason,
                 bool is_kept)
{
    const struct mt_output_config *config = &output->config;
    uint64_t now = mt_clock_steady();
    char before[64] = "";

    if (output->refusal_told_at != 0 && now < output->refusal_told_at + TELL_PAUSE) {
        output->refusals_untold++;
        return;
    }
    if (output->refusals_untold > 0)
        snprintf(before, sizeof(before), ", after %llu others", (unsigned long long)output->refusals_untold);
    mt_log(MT_LOG_WARNING, "output %s: the receiver refuses document %.*s%s: %s; %s%s", config->name,
           (int)mt_min_u64(document->id.size, 100), (const char *)document->id.ptr, before, reason,
           is_kept ? "it is kept in " : "it is lost, because there is no dead_letter that can be written",
           is_kept ? config->dead_letter : "");
    output->refusal_told_at = now;
    output->refusals_untold = 0;
}

void mt_output_bury(struct mt_output *output, const struct mt_document *document, const char *reason)
{
    const struct mt_output_config *config = &output->config;
    size_t cap = 1024 + ESCAPED_MAX *
                            (strlen(config->name) + strlen(reason) + document->id.size + document->text.size);
    char *space = config->dead_letter == NULL ? NULL : malloc(cap);
    struct mt_buf line = mt_buf(space, space == NULL ? 0 : cap);
    bool is_json = config->format != NULL && config->format->is_json;

    mt_buf_put_cstr(&line, "{\"time\":\"");
    mt_buf_put_time(&line, mt_clock_wall());
    mt_buf_put_cstr(&line, "\",\"output\":");
    mt_json_put_string(&line, mt_span_cstr(config->name));
    mt_buf_put_cstr(&line, ",\"reason\":");
    mt_json_put_string(&line, mt_span_cstr(reason));
    mt_buf_put_cstr(&line, ",\"id\":");
    mt_json_put_string(&line, document->id);
    mt_buf_put_cstr(&line, ",\"document\":");
    if (is_json)
        mt_buf_put_span(&line, document->text);
    else
        mt_json_put_string(&line, document->text);
    mt_buf_put_cstr(&line, "}\n");
    bool is_kept = space != NULL && !line.overflow && keep(output, mt_buf_span(&line));
    free(space);
    if (!is_kept)
        mt_count(&output->counts.forgotten, 1);
    tell(output, document, reason, is_kept);
}
