#include "stream/stream_priv.h"

#include <errno.h>
#include <stdlib.h>

#define SEGMENTS_DEFAULT 256
#define BYTES_DEFAULT (UINT32_C(1) << 20)
#define PATIENCE_SEGMENTS_DEFAULT 64
#define PATIENCE_TIME_DEFAULT (2 * MT_SEC)

int mt_stream_engine_create(const struct mt_stream_config *config, struct mt_arena *arena,
                            struct mt_stats *stats, struct mt_stream_engine **ret_engine)
{
    struct mt_stream_engine *engine = calloc(1, sizeof(*engine));

    if (!engine)
        return -ENOMEM;
    engine->config = *config;
    engine->arena = arena;
    engine->stats = stats;
    if (!engine->config.segments_max)
        engine->config.segments_max = SEGMENTS_DEFAULT;
    if (!engine->config.bytes_max)
        engine->config.bytes_max = BYTES_DEFAULT;
    if (!engine->config.patience_segments)
        engine->config.patience_segments = PATIENCE_SEGMENTS_DEFAULT;
    if (!engine->config.patience_time)
        engine->config.patience_time = PATIENCE_TIME_DEFAULT;
    *ret_engine = engine;
    return 0;
}

void mt_stream_engine_destroy(struct mt_stream_engine *engine)
{
    free(engine);
}
