/* What nDPI is shown: pieces of both sides. What must hold: it ends, reads nothing
 * beyond them, and gives the same answer twice.
 *
 * Input: pieces: a byte with the side in its lowest bit and the size above it, then
 * the bytes. */
#include "dpi/other.h"
#include "base/check.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mt_other_asker *asker;
    struct mt_other_piece pieces[MT_OTHER_PIECES];
    size_t count = 0;

    if (asker == NULL && mt_other_create(&asker) != 0)
        abort();
    while (size > 1 && count < MT_OTHER_PIECES) {
        size_t part = (size_t)(data[0] >> 1) * 2 < size - 1 ? (size_t)(data[0] >> 1) * 2 : size - 1;
        uint8_t *bytes = malloc(part + 1);
        if (bytes == NULL)
            abort();
        memcpy(bytes, data + 1, part);
        pieces[count++] =
            (struct mt_other_piece){.side = (enum mt_side)(data[0] & 1), .bytes = mt_span(bytes, part)};
        data += 1 + part;
        size -= 1 + part;
    }
    const char *name = mt_other_ask(asker, pieces, count);
    MT_BUG_ON(name != mt_other_ask(asker, pieces, count));
    while (count > 0)
        free((void *)(uintptr_t)pieces[--count].bytes.ptr);
    return 0;
}
