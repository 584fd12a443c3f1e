/* The engine and its scratch: all that is ever allocated here. */
#include "session/other_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SESSIONS_MAX (1u << 20)
/* How far limits may be raised; what a block's and a queue's 16-bit fields hold. */
#define BYTES_MAX (1u << 20)
#define TEXT_MAX 2000u
#define LIST_MAX 65535u

static uint32_t limit(uint32_t given, uint32_t fallback, uint32_t most)
{
    if (given == 0)
        return fallback;
    return given < most ? given : most;
}

static struct mt_session_limits resolve(const struct mt_session_limits *given)
{
    return (struct mt_session_limits){
        .transactions_max = limit(given->transactions_max, 256, LIST_MAX),
        .recipients_max = limit(given->recipients_max, 128, LIST_MAX),
        .probes_max = limit(given->probes_max, 128, LIST_MAX),
        .auths_max = limit(given->auths_max, 32, UINT8_MAX),
        /* the queue behind its head is one arena block */
        .outstanding_max = limit(given->outstanding_max, 1024, MT_ARENA_BLOCK_MAX / sizeof(struct mt_expect)),
        .text_max = limit(given->text_max, 512, TEXT_MAX),
        .bytes_max = limit(given->bytes_max, 64 * 1024, BYTES_MAX),
        .helo_threshold = limit(given->helo_threshold, 5, UINT16_MAX),
        .header_max = limit(given->header_max, 0, LIST_MAX),
        .message_level = given->message_level == MT_MESSAGE_DEFAULT ? MT_MESSAGE_FULL : given->message_level,
        .content = given->message_level == MT_MESSAGE_HEADERS ? 0 : given->content,
    };
}

/* --- scratch ---------------------------------------------------------------- */

/* Entries of each kind have a least size, so what a session may keep bounds
 * every list; address space that no record needs is never touched. */
static bool allocate(struct mt_build *build, const struct mt_session_limits *limits)
{
    build->transactions_cap = limits->transactions_max;
    build->recipients_cap = limits->bytes_max / sizeof(struct mt_entry_rcpt) + 1;
    build->parameters_cap = limits->bytes_max / 2 + 1;
    build->texts_cap = limits->bytes_max;
    build->hops_cap = limits->bytes_max / 8 + 1;
    build->signatures_cap = limits->bytes_max / 8 + 1;
    build->parts_cap = limits->bytes_max / sizeof(struct mt_entry_part) + 1;
    build->headers_cap = limits->header_max == 0 ? 1 : limits->bytes_max / sizeof(struct mt_entry_header) + 1;
    build->chunks_cap = limits->bytes_max / sizeof(struct mt_entry_chunk) + 1;
    build->names_cap =
        (size_t)limits->transactions_max * (MT_BUILD_FINDINGS_MAX + MT_BUILD_MESSAGE_FINDINGS_MAX) +
        build->parts_cap * MT_BUILD_PART_FINDINGS_MAX;
    build->text_cap = 8 * (size_t)limits->bytes_max;
    build->transactions = calloc(build->transactions_cap, sizeof(*build->transactions));
    build->slots = calloc(build->transactions_cap, sizeof(*build->slots));
    build->recipients = calloc(build->recipients_cap, sizeof(*build->recipients));
    build->parameters = calloc(build->parameters_cap, sizeof(*build->parameters));
    build->auths = calloc(limits->auths_max, sizeof(*build->auths));
    build->probes[0] = calloc(limits->probes_max, sizeof(*build->probes[0]));
    build->probes[1] = calloc(limits->probes_max, sizeof(*build->probes[1]));
    build->texts = calloc(build->texts_cap, sizeof(*build->texts));
    build->hops = calloc(build->hops_cap, sizeof(*build->hops));
    build->signatures = calloc(build->signatures_cap, sizeof(*build->signatures));
    build->parts = calloc(build->parts_cap, sizeof(*build->parts));
    build->urls_cap = limits->bytes_max / sizeof(struct mt_entry_url) + 1;
    build->urls = calloc(build->urls_cap, sizeof(*build->urls));
    build->attachments = calloc(build->parts_cap, sizeof(*build->attachments));
    build->headers = calloc(build->headers_cap, sizeof(*build->headers));
    build->chunks = calloc(build->chunks_cap, sizeof(*build->chunks));
    build->names = calloc(build->names_cap, sizeof(*build->names));
    build->text = calloc(build->text_cap, 1);
    return build->transactions && build->slots && build->recipients && build->parameters && build->auths &&
           build->probes[0] && build->probes[1] && build->texts && build->hops && build->signatures &&
           build->parts && build->urls && build->attachments && build->headers && build->chunks &&
           build->names && build->text;
}

void mt_build_destroy(struct mt_build *build)
{
    if (build == NULL)
        return;
    free(build->transactions);
    free(build->slots);
    free(build->recipients);
    free(build->parameters);
    free(build->auths);
    free(build->probes[0]);
    free(build->probes[1]);
    free(build->texts);
    free(build->hops);
    free(build->signatures);
    free(build->parts);
    free(build->urls);
    free(build->attachments);
    free(build->headers);
    free(build->chunks);
    free(build->names);
    free(build->text);
    free(build);
}

int mt_build_create(const struct mt_session_limits *limits, struct mt_build **ret_build)
{
    struct mt_build *build = calloc(1, sizeof(*build));

    if (build == NULL || !allocate(build, limits)) {
        mt_build_destroy(build);
        return -ENOMEM;
    }
    *ret_build = build;
    return 0;
}

/* --- the engine ------------------------------------------------------------- */

/* Eight megabytes that most runs never touch. */
static int reserve_others(struct mt_session_engine *engine)
{
    void *others = mmap(NULL, sizeof(*engine->others), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (others == MAP_FAILED)
        return -ENOMEM;
    engine->others = others;
    return 0;
}

int mt_session_engine_create(const struct mt_session_config *config, struct mt_arena *arena,
                             const struct mt_session_events *events, void *ctx, struct mt_stats *stats,
                             struct mt_session_engine **ret_engine)
{
    struct mt_session_engine *engine = calloc(1, sizeof(*engine));

    if (engine == NULL)
        return -ENOMEM;
    engine->limits = resolve(&config->limits);
    engine->site = config->site != NULL ? config->site : &mt_site_default;
    engine->names = config->names;
    engine->offers = config->offers;
    engine->arena = arena;
    engine->stats = stats;
    engine->events = *events;
    engine->ctx = ctx;
    engine->observer_name = config->observer_name;
    engine->observer_version = config->observer_version;
    engine->convert = config->convert;
    engine->convert_ctx = config->convert_ctx;
    engine->magic = config->magic;
    engine->extract = config->extract;
    if (engine->extract.begin == NULL)
        engine->limits.content &= ~(uint32_t)MT_CONTENT_EXTRACT;
    if (engine->magic.ask == NULL)
        engine->limits.content &= ~(uint32_t)MT_CONTENT_MAGIC;
    int rc = mt_tls_memory_create(&engine->tls);
    if (rc == 0)
        rc = mt_pool_create(sizeof(struct mt_session),
                            config->sessions_max ? config->sessions_max : SESSIONS_MAX, &engine->pool);
    if (rc == 0)
        rc = reserve_others(engine);
    if (rc == 0 && config->is_long_run)
        rc = mt_other_create(&engine->other);
    if (rc == 0)
        rc = mt_build_create(&engine->limits, &engine->build);
    if (rc != 0) {
        mt_session_engine_destroy(engine);
        return rc;
    }
    *ret_engine = engine;
    return 0;
}

void mt_session_engine_reload(struct mt_session_engine *engine, const struct mt_site *site,
                              uint32_t helo_threshold)
{
    engine->site = site;
    engine->limits.helo_threshold = limit(helo_threshold, 5, UINT16_MAX);
}

void mt_session_engine_want(struct mt_session_engine *engine, unsigned wants)
{
    engine->wants = wants;
}

void mt_session_engine_destroy(struct mt_session_engine *engine)
{
    if (engine == NULL)
        return;
    mt_build_destroy(engine->build);
    mt_pool_destroy(engine->pool);
    mt_tls_memory_destroy(engine->tls);
    mt_other_destroy(engine->other);
    if (engine->others != NULL)
        munmap(engine->others, sizeof(*engine->others));
    free(engine);
}
