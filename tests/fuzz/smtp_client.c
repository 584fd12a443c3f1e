#include "fuzz.h"
#include "smtp_pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smtp_pieces_agree(MT_CLIENT, data, size);
    return 0;
}
