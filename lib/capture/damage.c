#include "capture/damage_priv.h"

#include <stdio.h>
#include <stdlib.h>

static bool make_room(struct mt_capture_damage_list *list)
{
    if (list->count < list->room)
        return true;
    size_t room = list->room == 0 ? 16 : list->room * 2;
    struct mt_capture_damage *larger = realloc(list->items, room * sizeof(*larger));
    if (larger == NULL)
        return false;
    list->items = larger;
    list->room = room;
    return true;
}

void mt_capture_damage_add(struct mt_capture_damage_list *list, const char *path, uint64_t off,
                           const char *reason)
{
    if (list->count == MT_CAPTURE_DAMAGE_MAX) {
        struct mt_capture_damage *last = &list->items[list->count - 1];
        list->unlisted++;
        if (list->unlisted == 1) /* the place that stood here is one of them */
            list->unlisted++;
        snprintf(last->reason, sizeof(last->reason),
                 "%llu more places are damaged; this is the first of them",
                 (unsigned long long)list->unlisted);
        return;
    }
    if (!make_room(list))
        return; /* the counter of damaged places has it all the same */
    struct mt_capture_damage *damage = &list->items[list->count++];
    *damage = (struct mt_capture_damage){.path = path, .off = off};
    snprintf(damage->reason, sizeof(damage->reason), "%s", reason);
}

void mt_capture_damage_fini(struct mt_capture_damage_list *list)
{
    free(list->items);
    *list = (struct mt_capture_damage_list){0};
}
