#include "capture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (1u << 20)
#define FRAME_ROOM 2048u
/* Headers and trailer of an enhanced packet block, the longer of the two. */
#define RECORD_ROOM 40u

struct mt_capture_file {
    int fd;
    int error;
    bool is_pcapng;
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
};

static void flush(struct mt_capture_file *file)
{
    size_t done = 0;

    while (done < file->used && !file->error) {
        ssize_t size = write(file->fd, file->buffer + done, file->used - done);

        if (size < 0 && errno != EINTR)
            file->error = -errno;
        else if (size > 0)
            done += (size_t)size;
    }
    file->used = 0;
}

static void put32(struct mt_capture_file *file, uint32_t value)
{
    memcpy(file->buffer + file->used, &value, 4);
    file->used += 4;
}

/* https://www.tcpdump.org/manpages/pcap-savefile.5.html */
static void put_pcap_header(struct mt_capture_file *file)
{
    put32(file, 0xa1b23c4d);
    put32(file, 4u << 16 | 2);
    put32(file, 0);
    put32(file, 0);
    put32(file, 262144);
    put32(file, 1);
}

/* Section header and one interface of Ethernet with if_tsresol 9. */
static void put_pcapng_header(struct mt_capture_file *file)
{
    static const uint32_t words[] = {
        0x0a0d0d0a, 28, 0x1a2b3c4d, 1,      0xffffffff,   0xffffffff, 28,     /* section */
        1,          32, 1,          262144, 1u << 16 | 9, 9,          0,  32, /* interface */
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        put32(file, words[i]);
}

struct mt_capture_file *mt_capture_file_open(const char *path, bool is_pcapng)
{
    struct mt_capture_file *file = malloc(sizeof(*file));

    if (!file)
        return NULL;
    file->error = 0;
    file->used = 0;
    file->is_pcapng = is_pcapng;
    file->fd =
        strcmp(path, "-") == 0 ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        free(file);
        return NULL;
    }
    if (is_pcapng)
        put_pcapng_header(file);
    else
        put_pcap_header(file);
    return file;
}

uint8_t *mt_capture_file_room(struct mt_capture_file *file)
{
    if (BUFFER_SIZE - file->used < FRAME_ROOM + RECORD_ROOM)
        flush(file);
    return file->buffer + file->used + (file->is_pcapng ? 28 : 16);
}

void mt_capture_file_commit(struct mt_capture_file *file, size_t size, uint64_t time)
{
    uint32_t padded = ((uint32_t)size + 3) & ~3u;

    if (!file->is_pcapng) {
        put32(file, (uint32_t)(time / 1000000000));
        put32(file, (uint32_t)(time % 1000000000));
        put32(file, (uint32_t)size);
        put32(file, (uint32_t)size);
        file->used += size;
        return;
    }
    put32(file, 6);
    put32(file, 32 + padded);
    put32(file, 0);
    put32(file, (uint32_t)(time >> 32));
    put32(file, (uint32_t)time);
    put32(file, (uint32_t)size);
    put32(file, (uint32_t)size);
    memset(file->buffer + file->used + size, 0, padded - size);
    file->used += padded;
    put32(file, 32 + padded);
}

int mt_capture_file_close(struct mt_capture_file *file)
{
    int error;

    flush(file);
    if (file->fd != STDOUT_FILENO && close(file->fd) && !file->error)
        file->error = -errno;
    error = file->error;
    free(file);
    return error;
}
