/* Files and folders to a set of rules. */
#include "sigma/rule_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct mt_sigma_error_text {
    struct mt_sigma_error_text *next;
    char text[];
};

#define FOLDERS_DEEP_MAX 16u
#define ERROR_SIZE 1024u
#define FILE_ROOM ((size_t)8 << 10)

static const struct mt_yaml_limits limits = {
    .depth = MT_YAML_DEPTH_MAX, .nodes = 1000000, .has_documents = true};

int mt_sigma_error_add(struct mt_sigma *sigma, const char *text)
{
    size_t size = strlen(text) + 1;
    if (sigma->error_count == MT_SIGMA_ERRORS_MAX) {
        text = "more than 1000 errors; the rest is not shown";
        size = strlen(text) + 1;
    } else if (sigma->error_count > MT_SIGMA_ERRORS_MAX) {
        return 0;
    }
    struct mt_sigma_error_text *error = mt_sigma_alloc(&sigma->memory, sizeof(*error) + size);
    if (!error)
        return -ENOMEM;
    memcpy(error->text, text, size);
    *sigma->errors_last = error;
    sigma->errors_last = &error->next;
    sigma->error_count++;
    return 0;
}

static int file_error(struct mt_sigma *sigma, const char *path, const char *what)
{
    char text[ERROR_SIZE];
    const struct mt_yaml_report report = {path, text, sizeof(text)};
    mt_yaml_report_file(&report, "%s", what);
    return mt_sigma_error_add(sigma, text);
}

/* Of what a file says as a whole. */
static int content_error(struct mt_sigma *sigma, const char *path, const char *what)
{
    char text[ERROR_SIZE];
    const struct mt_yaml_report report = {path, text, sizeof(text)};
    mt_yaml_report_place(&report, 1, 1, "%s", what);
    return mt_sigma_error_add(sigma, text);
}

/* --- placeholders ------------------------------------------------------------ */

const char *const mt_sigma_placeholders[] = {"home_networks", "local_domains", "mail_servers",
                                             "allowed_relays"};
const size_t mt_sigma_placeholder_count = MT_ARRAY_COUNT(mt_sigma_placeholders);

static char *prefix_text(struct mt_sigma_memory *memory, const struct mt_prefix *prefix)
{
    uint8_t storage[MT_IP_TEXT_MAX + 8];
    struct mt_buf b = mt_buf(storage, sizeof(storage));
    mt_buf_put_ip(&b, &prefix->ip);
    mt_buf_put_byte(&b, '/');
    mt_buf_put_u64(&b, prefix->bits);
    return mt_sigma_copy(memory, mt_buf_span(&b));
}

int mt_sigma_placeholder(struct mt_sigma_reading *r, struct mt_span name, struct mt_names *ret_values)
{
    const struct mt_site *site = r->sigma->site;
    const struct mt_prefix *const prefixes[] = {site->home_networks, NULL, site->mail_servers,
                                                site->allowed_relays};
    const size_t counts[] = {site->home_network_count, site->local_domain_count, site->mail_server_count,
                             site->allowed_relay_count};
    size_t which = 0;
    while (which < MT_ARRAY_COUNT(counts) && !mt_span_eq(name, mt_span_cstr(mt_sigma_placeholders[which])))
        which++;
    if (which == MT_ARRAY_COUNT(counts))
        return -ENOENT;
    r->loaded->placeholders |= (uint8_t)(1u << which);
    const char **items = mt_sigma_alloc(&r->sigma->memory, (counts[which] + 1) * sizeof(*items));
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < counts[which]; i++) {
        items[i] = prefixes[which] ? prefix_text(&r->sigma->memory, &prefixes[which][i])
                                   : mt_sigma_copy(&r->sigma->memory, site->local_domains[i]);
        if (!items[i])
            return -ENOMEM;
    }
    *ret_values = (struct mt_names){.items = items, .count = (uint32_t)counts[which]};
    return 0;
}

/* --- documents --------------------------------------------------------------- */

/* A document with an error is left out; the others stay. */
static int take_document(struct mt_sigma *sigma, const char *path, const struct mt_yaml *document)
{
    char text[ERROR_SIZE] = "";
    const struct mt_yaml_report report = {path, text, sizeof(text)};
    struct mt_sigma_loaded *loaded = mt_sigma_alloc(&sigma->memory, sizeof(*loaded));
    if (!loaded)
        return -ENOMEM;
    if (sigma->count == MT_SIGMA_RULES_MAX)
        return file_error(sigma, path, "more than 65536 rules");
    loaded->rule.path = path;
    struct mt_sigma_reading reading = {.sigma = sigma, .report = &report, .loaded = loaded};
    int rc = mt_sigma_read_document(&reading, document);
    if (rc == -EINVAL)
        return mt_sigma_error_add(sigma, text);
    if (rc != 0)
        return rc;
    loaded->index = sigma->count++;
    *sigma->last = loaded;
    sigma->last = &loaded->next;
    return 0;
}

static int take_text(struct mt_sigma *sigma, const char *path, struct mt_span content)
{
    char text[ERROR_SIZE] = "";
    const struct mt_yaml_report report = {path, text, sizeof(text)};
    struct mt_yaml *nodes;
    const struct mt_yaml *document;
    if (content.size > MT_SIGMA_FILE_MAX)
        return content_error(sigma, path, "larger than 10 MiB, which no rules are");
    const char *copy = mt_sigma_copy(&sigma->memory, mt_span_cstr(path));
    if (!copy)
        return -ENOMEM;
    int rc = mt_yaml_parse(content, &limits, &report, &nodes, &document);
    if (rc == -EINVAL)
        rc = mt_sigma_error_add(sigma, text);
    else if (rc == 0 && !document)
        rc = content_error(sigma, path, "no rule in it");
    else {
        for (; document && rc == 0; document = document->next) {
            if (document->kind != MT_YAML_NOTHING) /* of a --- too many */
                rc = take_document(sigma, copy, document);
        }
    }
    mt_yaml_free(nodes);
    return rc;
}

/* --- files ------------------------------------------------------------------- */

/* Grows with what comes: a block of the largest size would be mapped and given back
 * for each file, and make malloc clear all that is taken later. */
static int read_all(int fd, uint8_t **memory, size_t *ret_size)
{
    size_t cap = 0;
    size_t size = 0;
    ssize_t n = 1;
    while (n != 0 && size <= MT_SIGMA_FILE_MAX) {
        if (size == cap) {
            cap = cap ? cap * 2 : FILE_ROOM;
            uint8_t *more = realloc(*memory, cap);
            if (!more)
                return -ENOMEM;
            *memory = more;
        }
        n = read(fd, *memory + size, cap - size);
        if (n < 0 && errno != EINTR)
            return -errno;
        size += n > 0 ? (size_t)n : 0;
    }
    *ret_size = size;
    return 0;
}

static int take_file(struct mt_sigma *sigma, const char *path)
{
    if (sigma->file_count++ == MT_SIGMA_FILES_MAX)
        return file_error(sigma, path, "more than 4096 files; this one and those behind it are left out");
    if (sigma->file_count > MT_SIGMA_FILES_MAX)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return file_error(sigma, path, strerrordesc_np(errno));
    uint8_t *memory = NULL;
    size_t size = 0;
    int rc = read_all(fd, &memory, &size);
    close(fd);
    if (rc == 0)
        rc = take_text(sigma, path, mt_span(memory, size));
    else if (rc != -ENOMEM)
        rc = file_error(sigma, path, strerrordesc_np(-rc));
    free(memory);
    return rc;
}

static bool is_rule_file(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && ((size > 4 && strcmp(name + size - 4, ".yml") == 0) ||
                              (size > 5 && strcmp(name + size - 5, ".yaml") == 0));
}

/* What a folder holds under the name of a rule file. To open a pipe that nobody
 * writes to would be to wait for ever. */
static int take_entry(struct mt_sigma *sigma, const char *path, mode_t mode)
{
    if (mode == 0)
        return file_error(sigma, path, "it can't be read: a link to nothing, or a path that is too long");
    return S_ISREG(mode) ? take_file(sigma, path) : file_error(sigma, path, "no ordinary file; left out");
}

/* In the order of names, so that a run is like the one before. */
static int take_folder(struct mt_sigma *sigma, const char *path, unsigned depth)
{
    struct dirent **entries;
    if (depth == FOLDERS_DEEP_MAX)
        return file_error(sigma, path, "more than 16 folders deep");
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return errno == ENOMEM ? -ENOMEM : file_error(sigma, path, strerrordesc_np(errno));
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char inner[4096];
        struct stat st;
        const char *name = entries[i]->d_name;
        size_t size = (size_t)snprintf(inner, sizeof(inner), "%s/%s", path, name);
        bool is_there = rc == 0 && size < sizeof(inner) && name[0] != '.' && stat(inner, &st) == 0;
        if (is_there && S_ISDIR(st.st_mode))
            rc = take_folder(sigma, inner, depth + 1);
        else if (rc == 0 && is_rule_file(name))
            rc = take_entry(sigma, inner, is_there ? st.st_mode : 0);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int take_path(struct mt_sigma *sigma, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return file_error(sigma, path, strerrordesc_np(errno));
    return S_ISDIR(st.st_mode) ? take_folder(sigma, path, 0) : take_file(sigma, path);
}

/* --- sets -------------------------------------------------------------------- */

static struct mt_sigma *sigma_make(const struct mt_sigma_config *config)
{
    struct mt_sigma *sigma = calloc(1, sizeof(*sigma));
    if (!sigma)
        return NULL;
    sigma->site = config->site ? config->site : &mt_site_default;
    sigma->evaluator_count = config->evaluators;
    sigma->scan_from = config->scan_from;
    sigma->last = &sigma->first;
    sigma->errors_last = &sigma->errors;
    return sigma;
}

static int finish(struct mt_sigma *sigma)
{
    sigma->all = mt_sigma_alloc(&sigma->memory, (sigma->count + 1) * sizeof(struct mt_sigma_loaded *));
    if (!sigma->all)
        return -ENOMEM;
    for (struct mt_sigma_loaded *l = sigma->first; l; l = l->next)
        sigma->all[l->index] = l;
    int rc = mt_sigma_link(sigma);
    return rc != 0 ? rc : mt_sigma_compile(sigma);
}

int mt_sigma_load(const struct mt_sigma_config *config, struct mt_sigma **ret_sigma)
{
    struct mt_sigma *sigma = sigma_make(config);
    int rc = sigma ? 0 : -ENOMEM;
    for (size_t i = 0; i < config->path_count && rc == 0; i++)
        rc = take_path(sigma, config->paths[i]);
    if (rc == 0)
        rc = finish(sigma);
    if (rc != 0) {
        mt_sigma_destroy(sigma);
        return rc;
    }
    sigma->site = NULL; /* it was the caller's */
    *ret_sigma = sigma;
    return sigma->file_count == 0 && sigma->error_count > 0 ? -EINVAL : 0;
}

int mt_sigma_load_text(const struct mt_sigma_config *config, const char *path, struct mt_span text,
                       struct mt_sigma **ret_sigma)
{
    struct mt_sigma *sigma = sigma_make(config);
    int rc = sigma ? take_text(sigma, path, text) : -ENOMEM;
    if (rc == 0)
        rc = finish(sigma);
    if (rc != 0) {
        mt_sigma_destroy(sigma);
        return rc;
    }
    sigma->site = NULL;
    *ret_sigma = sigma;
    return 0;
}

void mt_sigma_destroy(struct mt_sigma *sigma)
{
    if (!sigma)
        return;
    for (uint32_t i = 0; i <= sigma->evaluator_count && sigma->evals; i++)
        mt_sigma_eval_free(sigma->evals[i]);
    free(sigma->evals);
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++)
        mt_sigma_program_free(sigma->programs[i]);
    mt_sigma_memory_free(&sigma->memory);
    free(sigma);
}

size_t mt_sigma_error_count(const struct mt_sigma *sigma)
{
    return sigma->error_count;
}

const char *mt_sigma_error(const struct mt_sigma *sigma, size_t i)
{
    const struct mt_sigma_error_text *error = sigma->errors;
    while (i-- > 0)
        error = error->next;
    return error->text;
}

size_t mt_sigma_rule_count(const struct mt_sigma *sigma)
{
    return sigma->count;
}

const struct mt_sigma_rule *mt_sigma_rule(const struct mt_sigma *sigma, size_t i)
{
    return &sigma->all[i]->rule;
}

size_t mt_sigma_active_count(const struct mt_sigma *sigma)
{
    size_t count = 0;
    for (uint32_t i = 0; i < sigma->count; i++)
        count += sigma->all[i]->rule.kind == MT_SIGMA_KIND_RULE && !sigma->all[i]->rule.inactive;
    return count;
}

bool mt_sigma_has_correlations(const struct mt_sigma *sigma)
{
    return sigma->correlation_count > 0;
}

const struct mt_sigma_rule *mt_sigma_named_by(const struct mt_sigma_rule *rule, size_t i)
{
    const struct mt_sigma_loaded *l = mt_sigma_loaded_of(rule);
    return i < l->ref_count && l->refs[i].rule ? &l->refs[i].rule->rule : NULL;
}

const struct mt_sigma_rule *mt_sigma_find(const struct mt_sigma *sigma, const char *name)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        const struct mt_sigma_rule *rule = &sigma->all[i]->rule;
        if (strcmp(rule->name, name) == 0 || strcmp(rule->title, name) == 0 ||
            (rule->id && mt_span_ieq_cstr(mt_span_cstr(name), rule->id)))
            return rule;
    }
    return NULL;
}
