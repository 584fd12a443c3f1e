#include "rule_set.h"

#include <errno.h>
#include <stdio.h>

int mt_rule_set_load(const struct mt_options *options, const struct mt_site *site, uint32_t workers,
                     struct mt_sigma **ret_sigma)
{
    struct mt_sigma *sigma = NULL;
    *ret_sigma = NULL;
    if (options->rules_count == 0)
        return 0;
    const struct mt_sigma_config config = {
        .paths = options->rules,
        .path_count = options->rules_count,
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
