#include "late/late.h"

#include "base/check.h"
#include "late/late_priv.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *soname;
    const char *package;
} libraries[] = {
#define MT_LATE_LIBRARY(name, soname, package, feature, meaning) {soname, package},
#include "late/libraries.def"
#undef MT_LATE_LIBRARY
};

/* What packaging tools read to find the packages that a program may need:
 * the Dlopen Metadata specification of the UAPI group. */
#ifdef __clang__ /* which would put poisoned room behind each; gcc does not where a section is named */
#define NOTE_PLAIN __attribute__((no_sanitize("address")))
#else
#define NOTE_PLAIN
#endif
#define NOTE_TYPE UINT32_C(0x407c0c0a)
#define NOTE_OWNER "FDO"
#define NOTE_JSON(soname, feature, meaning)                                                \
    "[{\"soname\":[\"" soname "\"],\"feature\":\"" feature "\",\"description\":\"" meaning \
    "\",\"priority\":\"recommended\"}]"

#define MT_LATE_LIBRARY(name, soname, package, feature, meaning)                                \
    __attribute__((used, section(".note.dlopen"))) NOTE_PLAIN _Alignas(4) static const struct { \
        uint32_t owner_size;                                                                    \
        uint32_t json_size;                                                                     \
        uint32_t type;                                                                          \
        char owner[sizeof(NOTE_OWNER)];                                                         \
        _Alignas(4) char json[sizeof(NOTE_JSON(soname, feature, meaning))];                     \
    } note_##name = {                                                                           \
        .owner_size = sizeof(NOTE_OWNER),                                                       \
        .json_size = sizeof(NOTE_JSON(soname, feature, meaning)),                               \
        .type = NOTE_TYPE,                                                                      \
        .owner = NOTE_OWNER,                                                                    \
        .json = NOTE_JSON(soname, feature, meaning),                                            \
    };
#include "late/libraries.def"
#undef MT_LATE_LIBRARY

/* dlerror's words, without the name that stands before them anyway. */
static void say_why(const char *soname, const char *package, char *ret_reason, size_t reason_size)
{
    const char *why = dlerror();
    size_t size = strlen(soname);

    if (why == NULL)
        why = "no reason is given";
    if (strncmp(why, soname, size) == 0 && strncmp(why + size, ": ", 2) == 0)
        why += size + 2;
    snprintf(ret_reason, reason_size, "%s can't be loaded (%s); it is in the Debian package %s", soname, why,
             package);
}

int mt_late_open(const char *soname, const char *package, const char *const *names, size_t count,
                 void *ret_calls, char *ret_reason, size_t reason_size)
{
    /* RTLD_NOW: what the library itself misses is said now, not when it is called */
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

    for (size_t i = 0; library != NULL && i < count; i++) {
        void *address = dlsym(library, names[i]);
        if (address == NULL)
            library = NULL;
        else
            memcpy((char *)ret_calls + i * sizeof(address), &address, sizeof(address));
    }
    if (library != NULL)
        return 0;
    say_why(soname, package, ret_reason, reason_size);
    return -ELIBACC;
}

int mt_late_load(enum mt_late library, const char *const *names, size_t count, void *ret_calls,
                 char *ret_reason, size_t reason_size)
{
    MT_BUG_ON((size_t)library >= MT_ARRAY_COUNT(libraries));
    return mt_late_open(libraries[library].soname, libraries[library].package, names, count, ret_calls,
                        ret_reason, reason_size);
}
