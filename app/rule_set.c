#include "rule_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Below the folder that holds the program's: where it was installed, wherever that
 * is. Beside a program that was built and not installed: the sources'. */
#define SHARED "../share/mailtap/rules"

static bool is_folder(const char *path)
{
    return access(path, R_OK | X_OK) == 0;
}

bool mt_rule_set_shipped(char ret_path[MT_RULE_PATH_MAX])
{
    static const char build_root[] = MT_BUILD_ROOT "/";
    char program[MT_RULE_PATH_MAX];
    char path[MT_RULE_PATH_MAX + sizeof(SHARED)];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (size > 0) {
        program[size] = '\0';
        bool is_built = strncmp(program, build_root, sizeof(build_root) - 1) == 0;
        char *name = strrchr(program, '/');
        if (is_built)
            snprintf(path, sizeof(path), "%s", MT_RULES_SOURCE);
        else
            snprintf(path, sizeof(path), "%.*s/%s", (int)(name - program), program, SHARED);
        if (is_folder(path) && strlen(path) < MT_RULE_PATH_MAX) {
            strcpy(ret_path, path);
            return true;
        }
    }
    if (!is_folder(MT_RULES_INSTALLED))
        return false;
    snprintf(ret_path, MT_RULE_PATH_MAX, "%s", MT_RULES_INSTALLED);
    return true;
}

/* What was asked for by name and is not there is a mistake of the command line. */
static bool are_there(const struct mt_options *options)
{
    for (size_t i = 0; i < options->rules_count; i++) {
        if (access(options->rules[i], F_OK) == 0)
            continue;
        fprintf(stderr, "mailtap: --rules: %s: %s\n", options->rules[i], strerror(errno));
        return false;
    }
    return true;
}

static size_t add_paths(const struct mt_options *options, char shipped[MT_RULE_PATH_MAX],
                        const char *ret_paths[MT_OPTIONS_RULES_MAX + 1])
{
    size_t count = 0;

    if (!options->no_shipped_rules && options->verb != MT_VERB_BIT_DIALOGUE) {
        if (mt_rule_set_shipped(shipped))
            ret_paths[count++] = shipped;
        else
            fputs("mailtap: the shipped rules are not there (" MT_RULES_INSTALLED
                  "), so mail raises no alerts but those of --rules; --no-shipped-rules says that this is "
                  "right\n",
                  stderr);
    }
    for (size_t i = 0; i < options->rules_count; i++)
        ret_paths[count++] = options->rules[i];
    return count;
}

int mt_rule_set_load(const struct mt_options *options, const struct mt_site *site, uint32_t workers,
                     struct mt_sigma **ret_sigma)
{
    struct mt_sigma *sigma = NULL;
    char shipped[MT_RULE_PATH_MAX];
    const char *paths[MT_OPTIONS_RULES_MAX + 1];
    *ret_sigma = NULL;
    if (!are_there(options))
        return -EINVAL;
    size_t count = add_paths(options, shipped, paths);
    if (count == 0)
        return 0;
    const struct mt_sigma_config config = {
        .paths = paths,
        .path_count = count,
        .site = site,
        .evaluators = workers > 0 ? workers : 1,
    };
    int rc = mt_sigma_load(&config, &sigma);
    if (rc == -ENOMEM) {
        fputs("mailtap: rules: out of memory\n", stderr);
        return rc;
    }
    for (size_t i = 0; i < mt_sigma_error_count(sigma); i++)
        fprintf(stderr, "mailtap: %s\n", mt_sigma_error(sigma, i));
    if (rc != 0 || (options->is_strict && mt_sigma_error_count(sigma) > 0)) {
        mt_sigma_destroy(sigma);
        return -EINVAL;
    }
    *ret_sigma = sigma;
    return 0;
}
