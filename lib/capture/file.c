#include "capture/file_priv.h"

#include "base/endian.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    uint8_t head[4];
    uint8_t size;
    const char *name;
} strangers[] = {
    {{0xfd, '7', 'z', 'X'}, 4, "compressed with xz"},
    {{'B', 'Z', 'h', 0}, 3, "compressed with bzip2"},
    {{'P', 'K', 3, 4}, 4, "a zip archive"},
    {{'7', 'z', 0xbc, 0xaf}, 4, "a 7z archive"},
    {{0x02, 0x21, 0x4c, 0x18}, 4, "compressed with the old lz4 format"},
    {{0x1f, 0x8b, 0, 0}, 2, "compressed twice"},
};

static const char *stranger_name(struct mt_span head)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(strangers); i++) {
        if (head.size >= strangers[i].size && memcmp(head.ptr, strangers[i].head, strangers[i].size) == 0)
            return strangers[i].name;
    }
    return NULL;
}

/* Formats that a capture can have: then libpcap's own words say what is wrong. */
static bool is_capture_magic(struct mt_span head)
{
    if (head.size < 4)
        return false;
    uint32_t magic = mt_load_le32(head.ptr);
    if (magic == 0x0a0d0d0a)
        return true;
    uint32_t swapped = __builtin_bswap32(magic);
    return magic == 0xa1b2c3d4 || magic == 0xa1b23c4d || magic == 0xa1b2cd34 || swapped == 0xa1b2c3d4 ||
           swapped == 0xa1b23c4d || swapped == 0xa1b2cd34;
}

static int refuse_format(struct mt_span head, const char *libpcap_reason, char *ret_reason,
                         size_t reason_size)
{
    if (is_capture_magic(head)) {
        snprintf(ret_reason, reason_size, "the file header is damaged: %s", libpcap_reason);
        return -EBADMSG;
    }
    const char *name = stranger_name(head);
    if (name != NULL) {
        snprintf(ret_reason, reason_size,
                 "%s: unpack it first (pcap and pcapng are read, also compressed with gzip, zstd or lz4)",
                 name);
        return -ENOMSG;
    }
    snprintf(ret_reason, reason_size,
             "not a capture file (pcap and pcapng are read, also compressed with gzip, zstd or lz4)");
    return -ENOMSG;
}

static int open_libpcap(struct mt_capture_file *file, char *ret_reason, size_t reason_size)
{
    char head_bytes[8];
    const struct mt_window *window = &file->input->window;
    struct mt_span head =
        mt_span_head(mt_span(mt_window_at(window), mt_window_left(window)), sizeof(head_bytes));
    if (head.size > 0) /* a stream's window moves on while libpcap looks */
        memcpy(head_bytes, head.ptr, head.size);
    head.ptr = (const uint8_t *)head_bytes;
    char text[256];
    file->format = MT_CAPTURE_LIBPCAP;
    if (mt_libpcap_open(file->input, &file->libpcap, text, sizeof(text)) == 0)
        return 0;
    return refuse_format(head, text, ret_reason, reason_size);
}

static int open_format(struct mt_capture_file *file, char *ret_reason, size_t reason_size)
{
    struct mt_window *window = &file->input->window;
    size_t size = mt_window_left(window);
    if (size == 0 && file->input->is_failed) {
        snprintf(ret_reason, reason_size, "%s", file->input->fault.reason);
        return -EBADMSG;
    }
    if (size == 0) {
        snprintf(ret_reason, reason_size, "the file is empty");
        return -ENODATA;
    }
    if (size >= MT_PCAP_HEADER_SIZE && mt_pcap_open(&file->pcap, mt_window_at(window))) {
        file->format = MT_CAPTURE_PCAP;
        window->pos += MT_PCAP_HEADER_SIZE;
        return 0;
    }
    if (size >= MT_PCAPNG_BLOCK_MIN && mt_pcapng_open(&file->pcapng, mt_window_at(window))) {
        file->format = MT_CAPTURE_PCAPNG;
        return 0;
    }
    return open_libpcap(file, ret_reason, reason_size);
}

int mt_capture_file_open(const char *path, bool is_streamed, struct mt_capture_file **ret_file,
                         char *ret_reason, size_t reason_size)
{
    struct mt_capture_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        snprintf(ret_reason, reason_size, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    int rc = mt_capture_input_open(path, is_streamed, &file->input, ret_reason, reason_size);
    if (rc == 0)
        rc = open_format(file, ret_reason, reason_size);
    if (rc != 0) {
        mt_capture_file_close(file);
        return rc;
    }
    *ret_file = file;
    return 0;
}

void mt_capture_file_close(struct mt_capture_file *file)
{
    if (file == NULL)
        return;
    mt_pcapng_fini(&file->pcapng);
    mt_libpcap_close(file->libpcap);
    mt_capture_input_close(file->input);
    free(file);
}

bool mt_capture_file_is_persistent(const struct mt_capture_file *file)
{
    return file->format != MT_CAPTURE_LIBPCAP && file->input->window.is_mapped;
}

static size_t walk_format(struct mt_capture_file *file, struct mt_frame *ret_frames, size_t count_max,
                          enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    struct mt_window *window = &file->input->window;
    switch (file->format) {
    case MT_CAPTURE_PCAP:
        return mt_pcap_walk(&file->pcap, window, ret_frames, count_max, ret_status, ret_fault);
    case MT_CAPTURE_PCAPNG:
        return mt_pcapng_walk(&file->pcapng, window, ret_frames, count_max, ret_status, ret_fault);
    case MT_CAPTURE_LIBPCAP:
        break;
    }
    return mt_libpcap_walk(file->libpcap, ret_frames, count_max, ret_status, ret_fault);
}

/* When the bytes ended before their time, that is what there is to say, not
 * that a record was cut by it. */
static void prefer_input_fault(struct mt_capture_file *file, enum mt_walk_status *status,
                               struct mt_walk_fault *fault)
{
    bool is_end = *status == MT_WALK_END || (*status == MT_WALK_FAULT && fault->is_end);
    if (!is_end || !file->input->is_failed || file->is_input_fault_told)
        return;
    file->is_input_fault_told = true;
    *fault = file->input->fault;
    *status = MT_WALK_FAULT;
}

size_t mt_capture_file_walk(struct mt_capture_file *file, struct mt_frame *ret_frames, size_t count_max,
                            enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    size_t count;
    do {
        count = walk_format(file, ret_frames, count_max, ret_status, ret_fault);
    } while (count == 0 && *ret_status == MT_WALK_MORE &&
             mt_capture_input_more(file->input, file->input->window.need));
    prefer_input_fault(file, ret_status, ret_fault);
    mt_capture_input_trim(file->input);
    return count;
}
