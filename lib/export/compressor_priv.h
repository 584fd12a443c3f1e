/* Files that are put aside, compressed with zstd by a thread of its own:
 * PATH becomes PATH.zst, in one step, and goes.
 *
 * Ownership: owns its thread and copies of paths. Thread: one adds. Limits: 64
 * files may wait; further ones stay as they are, which is logged.
 */
#ifndef MT_EXPORT_COMPRESSOR_PRIV_H
#define MT_EXPORT_COMPRESSOR_PRIV_H

#include "export/target_priv.h"

struct mt_compressor;

int mt_compressor_create(const struct mt_target_hooks *hooks, struct mt_compressor **ret_compressor);

/* Finishes what waits unless all is to be given up; that stays uncompressed. */
void mt_compressor_destroy(struct mt_compressor *compressor);
void mt_compressor_add(struct mt_compressor *compressor, const char *path);

#endif
