/* Writes frames as a capture file: pcap with nanoseconds, or pcapng.
 *
 * Ownership: the writer owns its descriptor and buffer. Thread: one. Limits:
 * frames up to 64 KiB; after the first error nothing more is written.
 */
#ifndef MT_TRAFFIC_CAPTURE_FILE_H
#define MT_TRAFFIC_CAPTURE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mt_capture_file;

/* path "-" is standard output. NULL with errno set when it can't be opened. */
struct mt_capture_file *mt_capture_file_open(const char *path, bool is_pcapng);

/* Where to write the next frame of up to 2048 bytes. */
uint8_t *mt_capture_file_room(struct mt_capture_file *file);

/* The frame that was written there. */
void mt_capture_file_commit(struct mt_capture_file *file, size_t size, uint64_t time);

/* 0 or -errno. */
int mt_capture_file_close(struct mt_capture_file *file);

#endif
