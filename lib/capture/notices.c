#include "capture/notices_priv.h"

#include "capture/linktype_priv.h"

#include <stdio.h>

void mt_capture_notices_count(struct mt_capture_notices *notices, uint16_t link_type, const char *path)
{
    struct mt_capture_notice *notice = &notices->others;
    for (size_t i = 0; i < notices->count; i++) {
        if (notices->notice[i].link_type == link_type) {
            notices->notice[i].frames++;
            return;
        }
    }
    if (notices->count < MT_CAPTURE_LINK_TYPES_MAX)
        notice = &notices->notice[notices->count++];
    if (notice->path == NULL)
        notice->path = path;
    notice->link_type = link_type;
    notice->frames++;
}

static void tell(struct mt_capture_damage_list *damage, const struct mt_capture_notice *notice,
                 const char *kind, const char *what)
{
    char reason[256];
    snprintf(reason, sizeof(reason), "link type %s %s: %llu frame%s skipped", kind, what,
             (unsigned long long)notice->frames, notice->frames == 1 ? "" : "s");
    mt_capture_damage_add(damage, notice->path, 0, reason);
}

static void name_kind(uint16_t link_type, char *kind, size_t size)
{
    snprintf(kind, size, "%u (%s)", link_type, mt_linktype_name(link_type));
}

void mt_capture_notices_tell_unsupported(const struct mt_capture_notices *notices,
                                         struct mt_capture_damage_list *damage)
{
    char kind[64];
    for (size_t i = 0; i < notices->count; i++) {
        name_kind(notices->notice[i].link_type, kind, sizeof(kind));
        tell(damage, &notices->notice[i], kind, "is not supported");
    }
    if (notices->others.frames > 0)
        tell(damage, &notices->others, "(further ones)", "is not supported");
}

void mt_capture_notices_tell_unfiltered(const struct mt_capture_notices *notices,
                                        struct mt_capture_filter *filter,
                                        struct mt_capture_damage_list *damage)
{
    char kind[64];
    char what[96];
    for (size_t i = 0; i < notices->count; i++) {
        const char *reason = mt_capture_filter_check(filter, notices->notice[i].link_type);
        name_kind(notices->notice[i].link_type, kind, sizeof(kind));
        snprintf(what, sizeof(what), "can't be filtered (%.70s)", reason != NULL ? reason : "");
        tell(damage, &notices->notice[i], kind, what);
    }
    if (notices->others.frames > 0)
        tell(damage, &notices->others, "(further ones)", "can't be filtered");
}
