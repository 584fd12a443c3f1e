#include "capture/libpcap_priv.h"

#include "capture/files.h"
#include "capture/linktype_priv.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BUFFER_SIZE = 1 << 20,
};
MT_STATIC_ASSERT((unsigned)BUFFER_SIZE >= MT_CAPTURE_RECORD_MAX, "a walk has room for one packet at least");

struct mt_libpcap {
    struct mt_capture_input *input;
    pcap_t *pcap;
    uint16_t link_type;
    bool is_ended;
    bool has_pending; /* read, but did not fit into the last walk's buffer */
    struct pcap_pkthdr *pending_header;
    const uint8_t *pending_data;
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
};

/* libpcap reads through a stdio stream: this one gives it the input's window. */
static ssize_t read_window(void *cookie, char *buffer, size_t size)
{
    struct mt_capture_input *input = cookie;
    while (mt_window_left(&input->window) == 0 && !input->window.is_last)
        mt_capture_input_more(input, 1);
    size_t part = mt_min_u64(size, mt_window_left(&input->window));
    if (part > 0)
        memcpy(buffer, mt_window_at(&input->window), part);
    input->window.pos += part;
    return (ssize_t)part;
}

static int open_stream(struct mt_libpcap *libpcap, char *ret_reason, size_t reason_size)
{
    FILE *stream = fopencookie(libpcap->input, "r", (cookie_io_functions_t){.read = read_window});
    if (stream == NULL)
        return -ENOMEM;
    char text[PCAP_ERRBUF_SIZE] = "";
    libpcap->pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, text);
    if (libpcap->pcap != NULL)
        return 0; /* which closes the stream with itself */
    fclose(stream);
    snprintf(ret_reason, reason_size, "%s", text);
    return -EBADMSG;
}

int mt_libpcap_open(struct mt_capture_input *input, struct mt_libpcap **ret_libpcap, char *ret_reason,
                    size_t reason_size)
{
    struct mt_libpcap *libpcap = calloc(1, sizeof(*libpcap));
    int rc = -ENOMEM;
    snprintf(ret_reason, reason_size, "%s", strerror(ENOMEM));
    if (libpcap != NULL) {
        libpcap->input = input;
        rc = open_stream(libpcap, ret_reason, reason_size);
    }
    if (rc != 0) {
        free(libpcap);
        return rc;
    }
    libpcap->link_type = mt_linktype_of_dlt(pcap_datalink(libpcap->pcap));
    *ret_libpcap = libpcap;
    return 0;
}

void mt_libpcap_close(struct mt_libpcap *libpcap)
{
    if (libpcap == NULL)
        return;
    pcap_close(libpcap->pcap);
    free(libpcap);
}

static enum mt_walk_status fault_here(struct mt_libpcap *libpcap, bool is_end, struct mt_walk_fault *fault)
{
    fault->off = mt_window_off(&libpcap->input->window);
    fault->is_end = is_end;
    return MT_WALK_FAULT;
}

/* The next packet into pending. False: *ret_status says why not. */
static bool fetch(struct mt_libpcap *libpcap, enum mt_walk_status *ret_status, struct mt_walk_fault *fault)
{
    if (libpcap->has_pending)
        return true;
    *ret_status = MT_WALK_END;
    if (libpcap->is_ended)
        return false;
    int rc = pcap_next_ex(libpcap->pcap, &libpcap->pending_header, &libpcap->pending_data);
    libpcap->has_pending = rc == 1;
    if (rc == 1)
        return true;
    libpcap->is_ended = true;
    if (rc == PCAP_ERROR) {
        snprintf(fault->reason, sizeof(fault->reason), "%.150s", pcap_geterr(libpcap->pcap));
        *ret_status = fault_here(libpcap, true, fault);
    }
    return false;
}

static void copy_frame(struct mt_libpcap *libpcap, struct mt_frame *frame)
{
    const struct pcap_pkthdr *header = libpcap->pending_header;
    uint8_t *to = libpcap->buffer + libpcap->used;
    memcpy(to, libpcap->pending_data, header->caplen);
    libpcap->used += header->caplen;
    *frame = (struct mt_frame){
        .data = to,
        .size = header->caplen,
        .wire_size = mt_walk_wire_size(header->caplen, header->len),
        .mark.time = (uint64_t)header->ts.tv_sec * MT_SEC + (uint64_t)header->ts.tv_usec,
        .link = (uint8_t)mt_linktype_link(libpcap->link_type),
        .link_type = libpcap->link_type,
    };
    libpcap->has_pending = false;
}

size_t mt_libpcap_walk(struct mt_libpcap *libpcap, struct mt_frame *ret_frames, size_t count_max,
                       enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    size_t count = 0;
    libpcap->used = 0;
    *ret_status = MT_WALK_FULL;
    while (count < count_max) {
        if (!fetch(libpcap, ret_status, ret_fault))
            return count;
        uint32_t size = libpcap->pending_header->caplen;
        if (size > MT_CAPTURE_RECORD_MAX) {
            libpcap->has_pending = false;
            snprintf(ret_fault->reason, sizeof(ret_fault->reason), "packet of %u bytes is beyond the limit",
                     size);
            *ret_status = fault_here(libpcap, false, ret_fault);
            return count;
        }
        if (size > BUFFER_SIZE - libpcap->used)
            break;
        copy_frame(libpcap, &ret_frames[count++]);
    }
    return count;
}
