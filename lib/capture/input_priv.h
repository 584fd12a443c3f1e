/* The bytes of one file as a window: a regular file mapped whole, unless a stream
 * is asked for; everything else (pipes, standard input, compressed files) as a
 * stream through a buffer.
 *
 * A file that is cut short while it is read ends where it was cut, with a fault that
 * says so. Of a mapped one the window therefore grows by steps, with a look at the
 * file's size before each; what was shown before may turn into zeros (mapping_priv.h).
 *
 * Ownership: the input owns mapping, buffer and descriptor; what the window
 * shows stays in place until mt_capture_input_more, of a mapped file until
 * close. Thread: one. Limits: MT_WINDOW_NEED_MAX bytes of a stream at once.
 */
#ifndef MT_CAPTURE_INPUT_PRIV_H
#define MT_CAPTURE_INPUT_PRIV_H

#include "capture/decompress_priv.h"
#include "capture/mapping_priv.h"
#include "capture/walk_priv.h"

struct mt_capture_input {
    struct mt_window window;
    int fd; /* -1 once nothing more is asked of it */
    enum mt_compression compression;
    bool is_standard; /* standard input, which is not ours to close */
    bool is_regular;
    bool is_streamed; /* though it is regular */
    bool is_failed;   /* reading or decompression ended before its time: fault */
    struct mt_walk_fault fault;
    uint64_t file_size; /* 0 for what isn't a regular file */

    struct mt_mapping mapping; /* of a regular file that is no stream */
    size_t dropped;            /* bytes at the start whose pages were given back */

    uint8_t *buffer;    /* behind the window of a stream */
    size_t buffer_size; /* without MT_CACHE_LINE of room for slack */
    size_t slack;       /* before the window */
    struct mt_decompress *decompress;
    struct mt_span raw;  /* compressed bytes not used yet */
    uint8_t *raw_buffer; /* where they lie when the file is not mapped */
    uint64_t raw_off;    /* bytes of the file before raw */
    bool is_raw_end;
};

/* Opens path ("-": standard input) and looks at its first bytes. 0, or -errno
 * and the reason without the path. */
int mt_capture_input_open(const char *path, bool is_streamed, struct mt_capture_input **ret_input,
                          char *ret_reason, size_t reason_size);
void mt_capture_input_close(struct mt_capture_input *input);

/* Waits until the window has need bytes from pos on, or is the last. The bytes
 * before pos are gone afterwards. False: a signal came, try again. */
bool mt_capture_input_more(struct mt_capture_input *input, size_t need);

/* Reading is over: has the file lost anything meanwhile that was shown? False, and the
 * fault, when it has and no fault was there before. Gives the descriptor back. */
bool mt_capture_input_settle(struct mt_capture_input *input);

/* Bytes of the file (as stored) behind which reading is. */
uint64_t mt_capture_input_done(const struct mt_capture_input *input);

/* Gives back pages of a mapped file that the walk left long ago, so that
 * reading a large file doesn't look like using its size in memory. Their bytes
 * stay valid: whoever still looks gets them from the page cache. */
void mt_capture_input_trim(struct mt_capture_input *input);

#endif
