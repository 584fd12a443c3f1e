#include "config/config_priv.h"

#include "pipeline/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX (1u << 20)

enum program_key {
    PROGRAM_SITE,
    PROGRAM_WORKERS,
    PROGRAM_PORTS,
    PROGRAM_FILTER,
    PROGRAM_SESSIONS,
    PROGRAM_ALERTS,
    PROGRAM_STATS,
    PROGRAM_OBSERVER,
    PROGRAM_OUTPUTS,
    PROGRAM_NOTIFY,
    PROGRAM_REDACT,
    PROGRAM_REDACT_KEY_FILE,
    PROGRAM_LIVE,
    PROGRAM_KEY_COUNT,
};

static const char *const program_keys[PROGRAM_KEY_COUNT] = {
    [PROGRAM_SITE] = "site",
    [PROGRAM_WORKERS] = "workers",
    [PROGRAM_PORTS] = "ports",
    [PROGRAM_FILTER] = "filter",
    [PROGRAM_SESSIONS] = "sessions",
    [PROGRAM_ALERTS] = "alerts",
    [PROGRAM_STATS] = "stats",
    [PROGRAM_OBSERVER] = "observer",
    [PROGRAM_OUTPUTS] = "outputs",
    [PROGRAM_NOTIFY] = "notify",
    [PROGRAM_LIVE] = "live",
    [PROGRAM_REDACT] = "redact",
    [PROGRAM_REDACT_KEY_FILE] = "redact_key_file",
};

/* in the order of enum mt_redact_mode */
static const char *const redact_modes[] = {"none", "local-part", "hash", "drop", NULL};

MT_STATIC_ASSERT(sizeof(((struct mt_config *)NULL)->ports) == MT_PORTS_MAX * sizeof(uint16_t),
                 "as many ports as the pipeline takes");

static int take_program_member(void *ctx, size_t key, const struct mt_yaml *value)
{
    struct mt_config_change *change = ctx;
    const struct mt_yaml_report *report = change->report;
    const char *name = program_keys[key];

    switch ((enum program_key)key) {
    case PROGRAM_SITE:
        return mt_config_take_site(change, name, value);
    case PROGRAM_WORKERS:
        return mt_config_number(report, name, value, 1, MT_WORKERS_MAX, &change->workers);
    case PROGRAM_PORTS:
        return mt_config_numbers(report, name, value, 1, UINT16_MAX, MT_PORTS_MAX, change->ports,
                                 &change->port_count);
    case PROGRAM_FILTER:
        return mt_config_text(report, name, value, &change->filter);
    case PROGRAM_SESSIONS:
        return mt_config_text(report, name, value, &change->sessions_path);
    case PROGRAM_ALERTS:
        return mt_config_text(report, name, value, &change->alerts_path);
    case PROGRAM_STATS:
        return mt_config_text(report, name, value, &change->stats_path);
    case PROGRAM_OBSERVER:
        return mt_config_text(report, name, value, &change->observer);
    case PROGRAM_OUTPUTS:
    case PROGRAM_NOTIFY:
        return mt_config_take_outputs(change, name, key == PROGRAM_NOTIFY, value);
    case PROGRAM_REDACT:
        return mt_config_word(report, name, value, redact_modes, &change->redact);
    case PROGRAM_REDACT_KEY_FILE:
        return mt_config_text(report, name, value, &change->redact_key_path);
    case PROGRAM_LIVE:
    case PROGRAM_KEY_COUNT:
        break;
    }
    return mt_config_take_live(change, name, value);
}

/* --- a change and what becomes of it ------------------------------------------- */

static void free_lists(struct mt_config_storage *lists)
{
    free(lists->home_networks.items);
    free(lists->mail_servers.items);
    free(lists->allowed_relays.items);
    free(lists->local_domains.items);
    free(lists->protected_names.items);
}

static void drop_change(struct mt_config_change *change)
{
    free_lists(&change->lists);
    free(change->filter);
    free(change->sessions_path);
    free(change->alerts_path);
    free(change->stats_path);
    free(change->observer);
    free(change->redact_key_path);
    mt_config_free_live(&change->live);
    mt_config_free_outputs(&change->outputs);
    mt_config_free_outputs(&change->notify);
}

static void move_networks(struct mt_config_networks *to, const struct mt_config_networks *from)
{
    if (from->items == NULL)
        return;
    free(to->items);
    *to = *from;
}

static void move_domains(struct mt_config_domains *to, const struct mt_config_domains *from)
{
    if (from->items == NULL)
        return;
    free(to->items);
    *to = *from;
}

static void move_text(char **to, char *from)
{
    if (from == NULL)
        return;
    free(*to);
    *to = from;
}

static void show_lists(struct mt_site *site, const struct mt_config_storage *lists)
{
    if (lists->home_networks.items != NULL) {
        site->home_networks = lists->home_networks.items;
        site->home_network_count = lists->home_networks.count;
    }
    site->mail_servers = lists->mail_servers.items;
    site->mail_server_count = lists->mail_servers.count;
    site->allowed_relays = lists->allowed_relays.items;
    site->allowed_relay_count = lists->allowed_relays.count;
    site->local_domains = lists->local_domains.items;
    site->local_domain_count = lists->local_domains.count;
    site->protected_names = lists->protected_names.items;
    site->protected_name_count = lists->protected_names.count;
}

/* Takes over what the change holds. */
static int apply_change(struct mt_config *config, const struct mt_config_change *change)
{
    if (config->storage == NULL)
        config->storage = calloc(1, sizeof(*config->storage));
    if (config->storage == NULL)
        return -ENOMEM;

    struct mt_config_storage *lists = config->storage;
    move_networks(&lists->home_networks, &change->lists.home_networks);
    move_networks(&lists->mail_servers, &change->lists.mail_servers);
    move_networks(&lists->allowed_relays, &change->lists.allowed_relays);
    move_domains(&lists->local_domains, &change->lists.local_domains);
    move_domains(&lists->protected_names, &change->lists.protected_names);
    show_lists(&config->site, lists);
    config->site.given |= change->has_site;
    config->detect = change->detect;

    move_text(&config->filter, change->filter);
    move_text(&config->sessions_path, change->sessions_path);
    move_text(&config->alerts_path, change->alerts_path);
    move_text(&config->stats_path, change->stats_path);
    move_text(&config->observer, change->observer);
    move_text(&config->redact_key_path, change->redact_key_path);
    config->redact = (enum mt_redact_mode)change->redact;
    if (change->has_redact_key) {
        config->redact_key = change->redact_key;
        config->has_redact_key = true;
    }
    mt_config_move_live(&config->live, &change->live);
    mt_config_move_outputs(&config->outputs, &change->outputs);
    mt_config_move_outputs(&config->notify, &change->notify);
    if (change->workers != 0)
        config->workers = change->workers;
    if (change->port_count != 0) {
        memcpy(config->ports, change->ports, sizeof(config->ports));
        config->port_count = change->port_count;
    }
    return 0;
}

/* --- reading -------------------------------------------------------------------- */

static int take_root(struct mt_config_change *change, enum mt_config_kind kind, const struct mt_yaml *root)
{
    /* an empty file, or one with comments only, leaves everything as it is */
    if (kind == MT_CONFIG_SITE) {
        change->has_site = true;
        if (root == NULL || root->kind == MT_YAML_NOTHING)
            return 0;
        return mt_config_take_site(change, "site file", root);
    }
    if (root == NULL || root->kind == MT_YAML_NOTHING)
        return 0;
    return mt_config_map(change->report, "configuration file", root, program_keys, PROGRAM_KEY_COUNT,
                         take_program_member, change);
}

int mt_config_read_text(struct mt_config *config, enum mt_config_kind kind, const char *path,
                        struct mt_span text, char *ret_error, size_t error_size)
{
    const struct mt_yaml_report report = {.path = path, .text = ret_error, .size = error_size};
    struct mt_config_change change = {.report = &report, .detect = config->detect, .redact = config->redact};
    struct mt_yaml *nodes;
    const struct mt_yaml *root;

    mt_config_start_live(&change.live, &config->live);
    int rc = mt_yaml_parse(text, &mt_yaml_limits_default, &report, &nodes, &root);
    if (rc == 0)
        rc = take_root(&change, kind, root);
    if (rc == 0)
        rc = apply_change(config, &change);
    if (rc == -ENOMEM)
        mt_yaml_report_file(&report, "out of memory");
    if (rc != 0)
        drop_change(&change);
    mt_yaml_free(nodes);
    return rc;
}

/* One byte more than allowed, to know that there is more. */
static int read_all(int fd, uint8_t *memory, size_t *ret_size)
{
    size_t size = 0;
    ssize_t n;

    do {
        n = read(fd, memory + size, FILE_SIZE_MAX + 1 - size);
        if (n < 0 && errno != EINTR)
            return -errno;
        size += n > 0 ? (size_t)n : 0;
    } while (n != 0 && size <= FILE_SIZE_MAX);
    *ret_size = size;
    return size > FILE_SIZE_MAX ? -EFBIG : 0;
}

static int read_file(const char *path, uint8_t *memory, size_t *ret_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) != 0 ? -errno : 0;
    if (rc == 0)
        rc = S_ISDIR(st.st_mode) ? -EISDIR : read_all(fd, memory, ret_size);
    close(fd);
    return rc;
}

bool mt_config_parse_key(struct mt_span text, struct mt_siphash_key *ret_key)
{
    static const char digits[] = "0123456789abcdef";
    struct mt_siphash_key key;

    if (text.size != 2 * sizeof(key.bytes))
        return false;
    for (size_t i = 0; i < sizeof(key.bytes); i++) {
        const char *high = memchr(digits, mt_ascii_lower(text.ptr[2 * i]), 16);
        const char *low = memchr(digits, mt_ascii_lower(text.ptr[2 * i + 1]), 16);
        if (high == NULL || low == NULL)
            return false;
        key.bytes[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    *ret_key = key;
    return true;
}

static struct mt_span without_ends(struct mt_span text)
{
    text = mt_span_trim(text);
    while (text.size > 0 && (text.ptr[text.size - 1] == '\n' || text.ptr[text.size - 1] == '\r'))
        text = mt_span_trim(mt_span_head(text, text.size - 1));
    return text;
}

int mt_config_read_key(const char *path, char *ret_error, size_t error_size, struct mt_siphash_key *ret_key)
{
    const struct mt_yaml_report report = {.path = path, .text = ret_error, .size = error_size};
    uint8_t *memory = malloc(FILE_SIZE_MAX + 1);
    size_t size = 0;

    int rc = memory != NULL ? read_file(path, memory, &size) : -ENOMEM;
    if (rc != 0) {
        mt_yaml_report_file(&report, "can't be read: %s", strerrordesc_np(-rc));
    } else if (!mt_config_parse_key(without_ends(mt_span(memory, size)), ret_key)) {
        mt_yaml_report_file(
            &report, "holds no key: 32 hexadecimal digits are one, as `openssl rand -hex 16` makes them");
        rc = -EINVAL;
    }
    free(memory);
    return rc;
}

static int read_config(struct mt_config *config, enum mt_config_kind kind, const char *path, char *ret_error,
                       size_t error_size)
{
    const struct mt_yaml_report report = {.path = path, .text = ret_error, .size = error_size};
    uint8_t *memory = malloc(FILE_SIZE_MAX + 1);
    size_t size = 0;

    int rc = memory != NULL ? read_file(path, memory, &size) : -ENOMEM;
    if (rc == 0)
        rc = mt_config_read_text(config, kind, path, mt_span(memory, size), ret_error, error_size);
    else if (rc == -EFBIG)
        mt_yaml_report_file(&report, "larger than 1 MiB, which no configuration is");
    else
        mt_yaml_report_file(&report, "can't be read: %s", strerrordesc_np(-rc));
    free(memory);
    return rc;
}

int mt_config_read_site(struct mt_config *config, const char *path, char *ret_error, size_t error_size)
{
    return read_config(config, MT_CONFIG_SITE, path, ret_error, error_size);
}

int mt_config_read(struct mt_config *config, const char *path, char *ret_error, size_t error_size)
{
    return read_config(config, MT_CONFIG_PROGRAM, path, ret_error, error_size);
}

void mt_config_init(struct mt_config *config)
{
    *config = (struct mt_config){.site = mt_site_default};
    mt_detect_config_init(&config->detect);
}

void mt_config_destroy(struct mt_config *config)
{
    if (config->storage != NULL)
        free_lists(config->storage);
    free(config->storage);
    free(config->filter);
    free(config->sessions_path);
    free(config->alerts_path);
    free(config->stats_path);
    free(config->observer);
    free(config->redact_key_path);
    mt_config_free_live(&config->live);
    mt_config_free_outputs(&config->outputs);
    mt_config_free_outputs(&config->notify);
    *config = (struct mt_config){.site = mt_site_default};
}
