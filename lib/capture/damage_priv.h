/* The list of places that could not be read.
 *
 * Ownership: the list owns its array; paths are borrowed. Thread: one. Limits:
 * MT_CAPTURE_DAMAGE_MAX places; the last one then says how many more.
 */
#ifndef MT_CAPTURE_DAMAGE_PRIV_H
#define MT_CAPTURE_DAMAGE_PRIV_H

#include "capture/capture.h"

#define MT_CAPTURE_DAMAGE_MAX 1000

struct mt_capture_damage_list {
    struct mt_capture_damage *items;
    size_t count;
    size_t room;
    uint64_t unlisted;
};

void mt_capture_damage_add(struct mt_capture_damage_list *list, const char *path, uint64_t off,
                           const char *reason);
void mt_capture_damage_fini(struct mt_capture_damage_list *list);

#endif
