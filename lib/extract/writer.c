/* The thread that writes. Files have descriptors only while there are enough of
 * them; one that lost its own is opened again at its end. */
#include "base/buf.h"
#include "base/codec.h"
#include "base/log.h"
#include "extract/extract_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NAP_NS 1000000
#define LINE_MAX_SIZE 4096u

static void complain(struct mt_extract *extract, const char *name, int error)
{
    atomic_fetch_add(&extract->errors, 1);
    if (!extract->has_complained)
        mt_log(MT_LOG_WARNING,
               "--extract: %s/%s can't be written: %s; further ones are counted (extract.errors)",
               extract->config.folder, name, strerrordesc_np(error));
    extract->has_complained = true;
}

/* --- names ------------------------------------------------------------------ */

/* Letters, digits, dots between them: whatever a text holds, it is a name. */
static void put_safe(struct mt_buf *b, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        bool is_safe = mt_ascii_is_alpha(c) || mt_ascii_is_digit(c) || (c == '.' && i > 0);
        mt_buf_put_byte(b, is_safe ? c : '_');
    }
}

/* 0123...-1.eml, 0123...-1-2.1.part */
static void name_file(struct mt_extract_open *file)
{
    struct mt_buf b = mt_buf(file->name, sizeof(file->name) - 1);

    MT_STATIC_ASSERT(MT_EXTRACT_ID_MAX + MT_EXTRACT_PATH_MAX + 20 - 8 < MT_EXTRACT_NAME_MAX,
                     "an id, two numbers and an ending");
    put_safe(&b, file->what.id, file->what.id_size);
    mt_buf_put_byte(&b, '-');
    mt_buf_put_u64(&b, file->what.transaction);
    if (file->what.path_size > 0) {
        mt_buf_put_byte(&b, '-');
        put_safe(&b, file->what.path, file->what.path_size);
    }
    mt_buf_put_cstr(&b, file->what.path_size > 0 ? ".part" : ".eml");
    file->name[b.size] = '\0';
}

/* --- descriptors ------------------------------------------------------------ */

static void give_up(struct mt_extract *extract, struct mt_extract_open *file)
{
    if (file->fd < 0)
        return;
    if (close(file->fd) != 0 && !file->is_failed) {
        complain(extract, file->name, errno);
        file->is_failed = true;
    }
    file->fd = -1;
    extract->fd_count--;
}

/* Round all files of all desks. */
static void take_descriptor(struct mt_extract *extract)
{
    uint32_t desks = atomic_load_explicit(&extract->desk_count, memory_order_acquire);

    while (extract->fd_count >= MT_EXTRACT_FDS_MAX) {
        if (++extract->fd_file >= MT_EXTRACT_OPEN_MAX) {
            extract->fd_file = 0;
            extract->fd_desk = (extract->fd_desk + 1) % desks;
        }
        struct mt_extract_open *file = &extract->desks[extract->fd_desk]->files[extract->fd_file];
        if (file->is_known)
            give_up(extract, file);
    }
}

/* Before the run has become who it is to be, files are made by who it was. */
static bool take_owner(struct mt_extract *extract, struct mt_extract_open *file)
{
    const struct mt_extract_config *config = &extract->config;

    if (!config->has_owner || fchown(file->fd, config->uid, config->gid) == 0)
        return true;
    complain(extract, file->name, errno);
    file->is_failed = true;
    return false;
}

static bool open_file(struct mt_extract *extract, struct mt_extract_open *file, int how)
{
    if (file->fd >= 0)
        return true;
    if (file->is_failed || file->is_existing)
        return false;
    take_descriptor(extract);
    file->fd = openat(extract->folder, file->name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | how, 0600);
    if (file->fd >= 0) {
        extract->fd_count++;
        return !(how & O_CREAT) || take_owner(extract, file);
    }
    if (errno == EEXIST) {
        file->is_existing = true;
        return false;
    }
    complain(extract, file->name, errno);
    file->is_failed = true;
    return false;
}

/* --- orders ----------------------------------------------------------------- */

/* Files take room of their own, and a line of the index, however little they hold. */
static bool is_full(const struct mt_extract *extract)
{
    return atomic_load_explicit(&extract->total, memory_order_relaxed) >= extract->config.total_max ||
           extract->begun >= extract->config.total_max / MT_EXTRACT_SMALL + MT_EXTRACT_FILES_MIN;
}

static void begin(struct mt_extract *extract, struct mt_extract_open *file, const uint8_t *order)
{
    *file = (struct mt_extract_open){.fd = -1, .is_known = true};
    memcpy(&file->what, order, sizeof(file->what));
    name_file(file);
    file->is_refused = is_full(extract);
    if (file->is_refused) {
        atomic_fetch_add(&extract->refused, 1);
        return;
    }
    extract->begun++;
    if (open_file(extract, file, O_CREAT | O_EXCL))
        atomic_fetch_add(&extract->files, 1);
}

static void put(struct mt_extract *extract, struct mt_extract_open *file, const uint8_t *bytes, size_t size)
{
    uint64_t total = atomic_load_explicit(&extract->total, memory_order_relaxed);
    uint64_t room = mt_min_u64(extract->config.file_max - file->size, extract->config.total_max - total);

    if (file->is_cut || file->is_existing || file->is_failed || file->is_refused)
        return;
    file->is_cut = size > room;
    size = (size_t)mt_min_u64(size, room);
    while (size > 0 && open_file(extract, file, 0)) {
        ssize_t written = write(file->fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            complain(extract, file->name, written < 0 ? errno : EIO);
            file->is_failed = true;
            return;
        }
        bytes += written;
        size -= (size_t)written;
        file->size += (uint64_t)written;
        atomic_fetch_add_explicit(&extract->total, (uint64_t)written, memory_order_relaxed);
    }
}

/* A JSON string; what is no UTF-8, or a control, is left out of it. */
static void put_text(struct mt_buf *b, const char *key, const char *text, size_t size)
{
    struct mt_span rest = mt_span(text, size);

    if (size == 0)
        return;
    mt_buf_put_cstr(b, ",\"");
    mt_buf_put_cstr(b, key);
    mt_buf_put_cstr(b, "\":\"");
    while (rest.size > 0) {
        size_t one = mt_utf8_char(rest);
        uint8_t first = rest.ptr[0];
        if (one == 0 || first < ' ' || first == 0x7f) {
            mt_buf_put_cstr(b, "\\ufffd");
            one = 1;
        } else {
            if (first == '"' || first == '\\')
                mt_buf_put_byte(b, '\\');
            mt_buf_put(b, rest.ptr, one);
        }
        rest = mt_span_from(rest, one);
    }
    mt_buf_put_byte(b, '"');
}

static void put_flag(struct mt_buf *b, const char *key, bool is_set)
{
    if (!is_set)
        return;
    mt_buf_put_cstr(b, ",\"");
    mt_buf_put_cstr(b, key);
    mt_buf_put_cstr(b, "\":true");
}

static void put_line(struct mt_extract *extract, const struct mt_extract_open *file, unsigned flags)
{
    const struct mt_extract_begin_order *what = &file->what;
    uint8_t line[LINE_MAX_SIZE];
    struct mt_buf b = mt_buf(line, sizeof(line));

    mt_buf_put_cstr(&b, "{\"@timestamp\":\"");
    mt_buf_put_time(&b, what->time);
    mt_buf_put_cstr(&b, "\"");
    put_text(&b, "file", file->name, strlen(file->name));
    put_text(&b, "kind", what->path_size > 0 ? "part" : "message", what->path_size > 0 ? 4 : 7);
    put_text(&b, "event_id", what->id, what->id_size);
    mt_buf_put_cstr(&b, ",\"transaction\":");
    mt_buf_put_u64(&b, what->transaction);
    put_text(&b, "path", what->path, what->path_size);
    put_text(&b, "content_type", what->type, what->type_size);
    put_text(&b, "name", what->name, what->name_size);
    mt_buf_put_cstr(&b, ",\"size\":");
    mt_buf_put_u64(&b, file->size);
    put_flag(&b, "incomplete", !(flags & MT_EXTRACT_WHOLE));
    put_flag(&b, "cut", file->is_cut || (flags & MT_EXTRACT_LOST));
    put_flag(&b, "existing", file->is_existing);
    put_flag(&b, "failed", file->is_failed);
    mt_buf_put_cstr(&b, "}\n");
    if (write(extract->index, line, b.size) != (ssize_t)b.size)
        complain(extract, "index.jsonl", errno != 0 ? errno : EIO);
}

static void end(struct mt_extract *extract, struct mt_extract_open *file, unsigned flags)
{
    file->is_known = false;
    if (file->is_refused)
        return;
    give_up(extract, file);
    atomic_fetch_add(&extract->cut, file->is_cut || (flags & MT_EXTRACT_LOST));
    atomic_fetch_add(&extract->existing, file->is_existing);
    put_line(extract, file, flags);
}

/* --- the thread ------------------------------------------------------------- */

static bool serve(struct mt_extract *extract, struct mt_extract_desk *desk)
{
    uint64_t done = atomic_load_explicit(&desk->done, memory_order_relaxed);
    uint64_t put_to = atomic_load_explicit(&desk->put, memory_order_acquire);

    if (done == put_to)
        return false;
    while (done != put_to) {
        const uint8_t *at = desk->ring + done % MT_EXTRACT_RING;
        struct mt_extract_order what;
        memcpy(&what, at, sizeof(what));
        struct mt_extract_open *file = &desk->files[what.file];
        uint64_t space = (sizeof(what) + what.size + 15) & ~(uint64_t)15;
        switch (what.what) {
        case MT_EXTRACT_SKIP:
            space = what.size;
            break;
        case MT_EXTRACT_BEGIN:
            begin(extract, file, at + sizeof(what));
            break;
        case MT_EXTRACT_PUT:
            put(extract, file, at + sizeof(what), what.size);
            break;
        default:
            end(extract, file, what.flags);
            break;
        }
        done += space;
        atomic_store_explicit(&desk->done, done, memory_order_release);
    }
    return true;
}

static void close_rest(struct mt_extract *extract)
{
    for (uint32_t d = 0; d < atomic_load(&extract->desk_count); d++) {
        struct mt_extract_desk *desk = extract->desks[d];
        for (uint32_t i = 0; i < MT_EXTRACT_OPEN_MAX; i++) {
            if (desk->files[i].is_known)
                end(extract, &desk->files[i], desk->lost[i]);
        }
    }
}

void *mt_extract_writer_main(void *ctx)
{
    struct mt_extract *extract = ctx;
    bool is_ending;

    do {
        bool was_busy = false;
        is_ending = atomic_load(&extract->is_ending); /* before the last look at the rings */
        uint32_t count = atomic_load_explicit(&extract->desk_count, memory_order_acquire);
        for (uint32_t i = 0; i < count; i++)
            was_busy |= serve(extract, extract->desks[i]);
        if (!was_busy && !is_ending)
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    } while (!is_ending);
    close_rest(extract);
    return NULL;
}
