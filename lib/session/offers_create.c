#include "session/offers_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

static size_t desks_size(uint32_t count)
{
    return count * sizeof(struct mt_offers);
}

/* Reserved, touched as it is used. */
static int reserve(struct mt_offers_board *board)
{
    void *memory = mmap(NULL, desks_size(board->desk_count), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return -ENOMEM;
    board->desks = memory;
    return getrandom(&board->seed, sizeof(board->seed), 0) == (ssize_t)sizeof(board->seed) ? 0 : -EIO;
}

int mt_offers_board_create(uint32_t workers, struct mt_offers_board **ret_board)
{
    struct mt_offers_board *board = workers <= MT_OFFERS_DESKS_MAX ? calloc(1, sizeof(*board)) : NULL;

    if (board == NULL)
        return workers <= MT_OFFERS_DESKS_MAX ? -ENOMEM : -EINVAL;
    board->desk_count = workers;
    int rc = reserve(board);
    if (rc != 0) {
        mt_offers_board_destroy(board);
        return rc;
    }
    *ret_board = board;
    return 0;
}

void mt_offers_board_destroy(struct mt_offers_board *board)
{
    if (board == NULL)
        return;
    if (board->desks != NULL)
        munmap(board->desks, desks_size(board->desk_count));
    free(board);
}

struct mt_offers *mt_offers_open_desk(struct mt_offers_board *board, struct mt_stats *stats)
{
    if (board->opened == board->desk_count)
        return NULL;
    struct mt_offers *offers = &board->desks[board->opened++];
    offers->board = board;
    offers->stats = stats;
    return offers;
}
