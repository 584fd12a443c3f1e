/* Where in the capture something happened: the time and number of the frame
 * that completed it. Marks order events across workers.
 *
 * Ownership: plain values. Thread: any. Limits: number counts all frames of
 * one run, over all files, from 1.
 */
#ifndef MT_BASE_MARK_H
#define MT_BASE_MARK_H

#include "base/compiler.h"

struct mt_mark {
    uint64_t time;   /* ns since the epoch, never runs backwards (DESIGN rule 8) */
    uint64_t number; /* frame number */
};

#define MT_MSEC UINT64_C(1000000)
#define MT_SEC UINT64_C(1000000000)

#endif
