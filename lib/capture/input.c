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
};

static void fail(struct mt_capture_input *input, uint64_t off, const char *what, const char *why)
{
    input->is_failed = true;
    input->fault.off = off;
    input->fault.is_end = true;
    snprintf(input->fault.reason, sizeof(input->fault.reason), "%s: %s", what, why);
    input->window.is_last = true;
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
    else if (n == 0)
        window->is_last = true;
    else
        window->size += (size_t)n;
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
        if (!mt_decompress_is_complete(input->decompress))
            fail_decompress(input, "they are cut off");
    }
    return true;
}

bool mt_capture_input_more(struct mt_capture_input *input, size_t need)
{
    struct mt_window *window = &input->window;
    if (window->is_last)
        return true;
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

static int map_file(struct mt_capture_input *input)
{
    void *map = mmap(NULL, input->file_size, PROT_READ, MAP_PRIVATE, input->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    input->map = map;
    input->map_size = input->file_size;
    madvise(map, input->map_size, MADV_SEQUENTIAL);
    close(input->fd);
    input->fd = -1;
    return 0;
}

/* From here on the window shows what decompression gives. The first raw bytes
 * are in the map or, of a stream, in the buffer, which the raw bytes get. */
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

static int show_bytes(struct mt_capture_input *input)
{
    if (input->is_regular && !input->is_streamed && input->file_size > 0) {
        int rc = map_file(input);
        input->window = (struct mt_window){
            .ptr = input->map,
            .size = input->map_size,
            .is_last = true,
            .is_mapped = true,
        };
        return rc;
    }
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
    int rc = show_bytes(input);
    if (rc != 0)
        return rc;
    wait_for_head(input);
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
    if (input->map != NULL)
        munmap((void *)(uintptr_t)input->map, input->map_size);
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
    if (input->map == NULL)
        return;
    size_t pos = input->decompress != NULL ? (size_t)(input->raw.ptr - input->map) : input->window.pos;
    if (pos < input->dropped + TRIM_BEHIND + TRIM_STEP)
        return;
    madvise((void *)(uintptr_t)(input->map + input->dropped), TRIM_STEP, MADV_DONTNEED);
    input->dropped += TRIM_STEP;
}
