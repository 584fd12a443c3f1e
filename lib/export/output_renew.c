/* Secrets and certificates of an output, read again while it runs. */
#include "export/output_config_priv.h"
#include "export/output_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static bool has_files(const struct mt_output_config *config)
{
    return config->secret_files.count > 0 || config->ca != NULL || config->cert != NULL ||
           config->target == MT_TARGET_KAFKA;
}

/* The members that secrets are in change places. */
static void swap_secrets(struct mt_output_config *a, struct mt_output_config *b)
{
    char **const pairs[][2] = {
        {&a->token, &b->token},
        {&a->password, &b->password},
        {&a->url, &b->url},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(pairs); i++) {
        char *kept = *pairs[i][0];
        *pairs[i][0] = *pairs[i][1];
        *pairs[i][1] = kept;
    }
    struct mt_output_list kept = a->properties;
    a->properties = b->properties;
    b->properties = kept;
}

/* "token_file=PATH" again. */
static int read_again(struct mt_output_config *fresh, char *ret_reason, size_t size)
{
    int error = 0;

    for (uint32_t i = 0; error == 0 && i < fresh->secret_files.count; i++) {
        char key[64];
        const char *pair = fresh->secret_files.items[i];
        const char *value = strchr(pair, '=') + 1;
        snprintf(key, sizeof(key), "%.*s", (int)(value - 1 - pair), pair);
        error = mt_output_config_set(fresh, key, value, ret_reason, size);
    }
    return error;
}

/* A target reads its files when it is made, so a new one is made; the old one
 * goes only when that has worked. */
static int make_target(struct mt_output *output, struct mt_output_config *fresh, char *ret_reason,
                       size_t size)
{
    struct mt_target *target;

    swap_secrets(&output->config, fresh);
    int error = output->ops->create(&output->config, &output->hooks, ret_reason, size, &target);
    if (error != 0) {
        swap_secrets(&output->config, fresh);
        return error;
    }
    if (output->ops->inherit != NULL)
        output->ops->inherit(target, output->target);
    output->ops->destroy(output->target);
    output->target = target;
    return 0;
}

void mt_output_renew(struct mt_output *output)
{
    struct mt_output_config fresh;
    char reason[512] = "there is no memory for it";

    if (!has_files(&output->config))
        return;
    int error = mt_output_config_copy(&output->config, &fresh);
    if (error == 0) {
        error = read_again(&fresh, reason, sizeof(reason));
        if (error == 0)
            error = make_target(output, &fresh, reason, sizeof(reason));
        mt_output_config_fini(&fresh);
    }
    if (error != 0)
        mt_log(MT_LOG_WARNING, "output %s: %s; what was read before stays in force", output->config.name,
               reason);
    else
        mt_log(MT_LOG_INFO, "output %s: secrets and certificates were read again", output->config.name);
}
