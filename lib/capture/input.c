#include "capture/input_priv.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 256 << 10, /* stays in a core's second cache */
    RAW_SIZE = 64 << 10,
    HEAD_SIZE = 32,             /* enough to tell every format apart */
    FIRST_READ_SIZE = 16 << 10, /* the rest of a file may never be wanted: of many the first packet is */
    TRIM_STEP = 16 << 20,
    TRIM_BEHIND = 32 << 20,
    MAP_STEP = MT_WINDOW_NEED_MAX,
};

static void fail(struct mt_capture_input *input, uint64_t off, const char *what, const char *why)
{
    input->is_failed = true;
    input->fault.off = off;
    input->fault.is_end = true;
    snprintf(input->fault.reason, sizeof(input->fault.reason), "%s: %s", what, why);
    input->window.is_last = true;
}

static void fail_cut(struct mt_capture_input *input, uint64_t size)
{
    char what[80];
    snprintf(what, sizeof(what), "the file was cut short while it was read (it had %llu bytes)",
             (unsigned long long)input->file_size);
    fail(input, size, what, "copy what others still write or rotate, and read the copy");
}

/* --- streams --------------------------------------------------------------- */

/* Where the window begins, so that what is read behind what it has left comes to lie
 * as it does in the page cache: copies that are a few bytes askew have cost the
 * kernel three times as much. */
static size_t slack_of(const struct mt_capture_input *input, const uint8_t *buffer, size_t left)
{
    uint64_t off = input->window.off + input->window.size; /* of the next byte in the file */
    uint64_t at = (uintptr_t)buffer + left;

    return input->decompress == NULL ? (size_t)((off - at) % MT_CACHE_LINE) : 0;
}

/* Makes the window start near the front of a buffer that has room for need. */
static bool make_room(struct mt_capture_input *input, size_t need)
{
    struct mt_window *window = &input->window;
    MT_BUG_ON(need > MT_WINDOW_NEED_MAX);
    size_t left = mt_window_left(window);
    uint8_t *buffer = input->buffer;
    if (need > input->buffer_size) {
        buffer = malloc(MT_WINDOW_NEED_MAX + MT_CACHE_LINE);
        if (buffer == NULL)
            return false;
        input->buffer_size = MT_WINDOW_NEED_MAX;
    }
    input->slack = slack_of(input, buffer, left);
    uint8_t *to = buffer + input->slack;
    memmove(to, mt_window_at(window), left);
    if (buffer != input->buffer) {
        free(input->buffer);
        input->buffer = buffer;
    }
    window->ptr = to;
    window->off += window->pos;
    window->size = left;
    window->pos = 0;
    return true;
}

/* read(2) that waits also where standard input was handed over non-blocking. */
static ssize_t read_some(int fd, uint8_t *to, size_t size)
{
    ssize_t n = read(fd, to, size);
    while (n < 0 && errno == EAGAIN) {
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        if (poll(&wanted, 1, -1) < 0)
            return -1;
        n = read(fd, to, size);
    }
    return n;
}

/* Appends what one read gives. False: a signal came. */
static bool read_plain(struct mt_capture_input *input)
{
    struct mt_window *window = &input->window;
    size_t room = input->buffer_size - window->size;
    if (window->off + window->size == 0)
        room = mt_min_u64(room, FIRST_READ_SIZE);
    ssize_t n = read_some(input->fd, input->buffer + input->slack + window->size, room);
    if (n < 0 && errno == EINTR)
        return false;
    if (n < 0)
        fail(input, window->off + window->size, "reading failed", strerror(errno));
    else if (n > 0)
        window->size += (size_t)n;
    else if (window->off + window->size < input->file_size)
        fail_cut(input, window->off + window->size);
    else
        window->is_last = true;
    return true;
}

static bool read_raw(struct mt_capture_input *input)
{
    ssize_t n = read_some(input->fd, input->raw_buffer, RAW_SIZE);
    if (n < 0 && errno == EINTR)
        return false;
    if (n < 0)
        fail(input, input->window.off + input->window.size, "reading failed", strerror(errno));
    else if (n == 0)
        input->is_raw_end = true;
    else
        input->raw = mt_span(input->raw_buffer, (size_t)n);
    return true;
}

static void fail_decompress(struct mt_capture_input *input, const char *why)
{
    char what[64];
    snprintf(what, sizeof(what), "%s data end at byte %llu of the file",
             mt_compression_name(input->compression), (unsigned long long)input->raw_off);
    fail(input, input->window.off + input->window.size, what, why);
}

/* Appends what some compressed bytes give. False: a signal came. */
static bool read_compressed(struct mt_capture_input *input)
{
    struct mt_window *window = &input->window;
    if (input->raw.size == 0 && !input->is_raw_end && !read_raw(input))
        return false;
    if (input->is_failed)
        return true;
    struct mt_buf out = {.ptr = input->buffer, .size = window->size, .cap = input->buffer_size};
    size_t raw_size = input->raw.size;
    bool is_good = mt_decompress_run(input->decompress, &input->raw, &out);
    bool is_moved = out.size > window->size || input->raw.size < raw_size;
    input->raw_off += raw_size - input->raw.size;
    window->size = out.size;
    if (!is_good) {
        fail_decompress(input, mt_decompress_reason(input->decompress));
    } else if (!is_moved && input->is_raw_end) {
        window->is_last = true;
        if (input->raw_off + input->raw.size < input->file_size)
            fail_cut(input, window->off + window->size);
        else if (!mt_decompress_is_complete(input->decompress))
            fail_decompress(input, "they are cut off");
    }
    return true;
}

/* --- mapped files ---------------------------------------------------------- */

/* How many bytes of it are known to be there, from its start on. A fault when they are
 * not all of them: what lies behind the window's end was never shown, so it is cut off. */
static size_t size_now(struct mt_capture_input *input)
{
    struct stat st;
    size_t lost = mt_mapping_lost(&input->mapping);
    uint64_t size = input->file_size;
    if (input->fd >= 0 && fstat(input->fd, &st) == 0)
        size = mt_min_u64(size, (uint64_t)st.st_size);
    if (size < input->file_size)
        fail_cut(input, size);
    else if (lost < size)
        fail(input, lost, "reading failed", strerror(EIO));
    return (size_t)mt_min_u64(size, lost);
}

static void show_more(struct mt_capture_input *input, size_t need)
{
    struct mt_window *window = &input->window;
    size_t size = size_now(input);
    size_t wanted = window->pos + mt_max_u64(need, MAP_STEP);
    window->size = mt_max_u64(window->pos, mt_min_u64(size, wanted));
    window->is_last = size <= wanted; /* also where it has failed: what is left is still good */
}

bool mt_capture_input_settle(struct mt_capture_input *input)
{
    bool was_failed = input->is_failed;
    if (input->mapping.ptr != NULL && !was_failed)
        size_now(input);
    if (input->mapping.ptr != NULL && input->fd >= 0) {
        close(input->fd);
        input->fd = -1;
    }
    return was_failed || !input->is_failed;
}

bool mt_capture_input_more(struct mt_capture_input *input, size_t need)
{
    struct mt_window *window = &input->window;
    if (window->is_last)
        return true;
    if (window->is_mapped) {
        show_more(input, need);
        return true;
    }
    if (!make_room(input, need)) {
        fail(input, window->off + window->pos, "no memory", strerror(ENOMEM));
        return true;
    }
    while (window->size < need && !window->is_last) {
        bool is_read = input->decompress != NULL ? read_compressed(input) : read_plain(input);
        if (!is_read)
            return false;
    }
    return true;
}

/* --- opening --------------------------------------------------------------- */

static int refuse(char *ret_reason, size_t reason_size, int error, const char *what)
{
    snprintf(ret_reason, reason_size, "%s", what);
    return -error;
}

/* From here on the window shows what decompression gives. The first raw bytes are in
 * the buffer, which becomes that of the raw bytes. */
static int start_decompress(struct mt_capture_input *input)
{
    int rc = mt_decompress_create(input->compression, &input->decompress);
    if (rc != 0)
        return rc;
    uint8_t *buffer = malloc(BUFFER_SIZE + MT_CACHE_LINE);
    if (buffer == NULL)
        return -ENOMEM;
    input->raw = mt_span(mt_window_at(&input->window), mt_window_left(&input->window));
    input->is_raw_end = input->window.is_last;
    input->raw_buffer = input->buffer;
    MT_STATIC_ASSERT((int)RAW_SIZE <= (int)BUFFER_SIZE, "the raw bytes take over the buffer");
    input->buffer = buffer;
    input->buffer_size = BUFFER_SIZE;
    input->window = (struct mt_window){.ptr = buffer};
    return 0;
}

/* What is compressed is read as a stream: its bytes don't stay in any case. */
static bool is_worth_mapping(const struct mt_capture_input *input)
{
    uint8_t head[HEAD_SIZE];
    if (!input->is_regular || input->is_streamed || input->file_size == 0)
        return false;
    ssize_t size = pread(input->fd, head, sizeof(head), 0);
    return size > 0 && mt_compression_of(mt_span(head, (size_t)size)) == MT_COMPRESSION_NONE;
}

static int show_map(struct mt_capture_input *input)
{
    int rc = mt_mapping_open(&input->mapping, input->fd, input->file_size);
    if (rc != 0)
        return rc;
    madvise((void *)(uintptr_t)input->mapping.ptr, input->mapping.size, MADV_SEQUENTIAL);
    input->window = (struct mt_window){.ptr = input->mapping.ptr, .is_mapped = true};
    return 0;
}

static int show_buffer(struct mt_capture_input *input)
{
    input->buffer = malloc(BUFFER_SIZE + MT_CACHE_LINE);
    if (input->buffer == NULL)
        return -ENOMEM;
    input->buffer_size = BUFFER_SIZE;
    input->window = (struct mt_window){.ptr = input->buffer};
    return 0;
}

/* The bytes that tell the format; a signal is no reason to give up here. */
static void wait_for_head(struct mt_capture_input *input)
{
    while (!mt_capture_input_more(input, HEAD_SIZE))
        continue;
}

static int open_bytes(struct mt_capture_input *input)
{
    bool is_mapped = is_worth_mapping(input);
    int rc = is_mapped ? show_map(input) : show_buffer(input);
    if (rc != 0)
        return rc;
    wait_for_head(input);
    if (is_mapped)
        return 0;
    input->compression =
        mt_compression_of(mt_span(mt_window_at(&input->window), mt_window_left(&input->window)));
    if (input->compression == MT_COMPRESSION_NONE)
        return 0;
    rc = start_decompress(input);
    if (rc == 0)
        wait_for_head(input);
    return rc;
}

static int open_file(struct mt_capture_input *input, const char *path)
{
    input->is_standard = strcmp(path, "-") == 0;
    input->fd = input->is_standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (input->fd < 0 || fstat(input->fd, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    /* standard input is a stream whatever is behind it: it may stand anywhere in a file */
    input->is_regular = S_ISREG(st.st_mode) && !input->is_standard;
    input->file_size = input->is_regular ? (uint64_t)st.st_size : 0;
    return 0;
}

int mt_capture_input_open(const char *path, bool is_streamed, struct mt_capture_input **ret_input,
                          char *ret_reason, size_t reason_size)
{
    struct mt_capture_input *input = calloc(1, sizeof(*input));
    if (input == NULL)
        return refuse(ret_reason, reason_size, ENOMEM, strerror(ENOMEM));
    input->fd = -1;
    input->is_streamed = is_streamed;
    int rc = open_file(input, path);
    if (rc == 0)
        rc = open_bytes(input);
    if (rc != 0) {
        mt_capture_input_close(input);
        return refuse(ret_reason, reason_size, -rc, strerror(-rc));
    }
    *ret_input = input;
    return 0;
}

void mt_capture_input_close(struct mt_capture_input *input)
{
    if (input == NULL)
        return;
    if (input->fd >= 0 && !input->is_standard)
        close(input->fd);
    mt_mapping_close(&input->mapping);
    mt_decompress_destroy(input->decompress);
    free(input->raw_buffer);
    free(input->buffer);
    free(input);
}

uint64_t mt_capture_input_done(const struct mt_capture_input *input)
{
    if (input->decompress != NULL)
        return input->raw_off;
    return mt_window_off(&input->window);
}

void mt_capture_input_trim(struct mt_capture_input *input)
{
    if (input->mapping.ptr == NULL || input->window.pos < input->dropped + TRIM_BEHIND + TRIM_STEP)
        return;
    madvise((void *)(uintptr_t)(input->mapping.ptr + input->dropped), TRIM_STEP, MADV_DONTNEED);
    input->dropped += TRIM_STEP;
}
