/* The memory of digests: all that is ever allocated here. */
#include "dpi/prints_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

int mt_tls_memory_create(struct mt_tls_memory **ret_memory)
{
    struct mt_tls_memory *memory = calloc(1, sizeof(*memory));

    if (memory == NULL)
        return -ENOMEM;
    if (getrandom(&memory->seed, sizeof(memory->seed), 0) != (ssize_t)sizeof(memory->seed)) {
        free(memory);
        return -EIO;
    }
    *ret_memory = memory;
    return 0;
}

void mt_tls_memory_destroy(struct mt_tls_memory *memory)
{
    free(memory);
}
