/* Does what a part says that it is agree with what its first octets are? Only where
 * both are sure: a mistake here would be in every record. */
#include "session/body_priv.h"

static bool is_one_of(struct mt_span type, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mt_span_istarts(type, names[i]))
            return true;
    }
    return false;
}

/* Programs, which nothing but a program may be. */
static bool is_program(struct mt_span type)
{
    static const char *const programs[] = {
        "application/x-dosexec",    "application/vnd.microsoft.portable-executable",
        "application/x-executable", "application/x-pie-executable",
        "application/x-sharedlib",  "application/x-mach-binary",
        "application/x-msi",
    };

    return is_one_of(type, programs, MT_ARRAY_COUNT(programs));
}

/* All that is sent as text of some kind. */
static bool is_text(struct mt_span type)
{
    static const char *const texts[] = {
        "text/",
        "message/",
        "image/svg",
        "application/json",
        "application/javascript",
        "application/x-ndjson",
        "application/pgp",
        "application/xml",
        "application/xhtml",
    };

    return is_one_of(type, texts, MT_ARRAY_COUNT(texts));
}

/* Sound and moving pictures share containers. */
static bool is_played(struct mt_span type)
{
    static const char *const played[] = {"audio/", "video/", "application/ogg", "application/mxf"};

    return is_one_of(type, played, MT_ARRAY_COUNT(played));
}

bool mt_part_type_differs(struct mt_span declared, struct mt_span type)
{
    if (mt_span_istarts(type, "application/octet-stream") || mt_span_istarts(type, "inode/"))
        return false;
    if (mt_span_istarts(declared, "application/pdf"))
        return !mt_span_istarts(type, "application/pdf");
    if (mt_span_istarts(declared, "text/"))
        return !is_text(type);
    if (mt_span_istarts(declared, "image/"))
        return !mt_span_istarts(type, "image/") && !is_text(type);
    if (mt_span_istarts(declared, "audio/") || mt_span_istarts(declared, "video/"))
        return !is_played(type);
    /* of an application anything may be true, but a document of an office is no program */
    return is_program(type) &&
           (mt_span_istarts(declared, "application/vnd.openxml") ||
            mt_span_istarts(declared, "application/vnd.oasis") ||
            mt_span_istarts(declared, "application/msword") || mt_span_istarts(declared, "application/zip"));
}
