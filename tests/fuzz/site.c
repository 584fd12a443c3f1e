/* Bytes as a site file and as a configuration file: they are taken, or refused
 * with one printable sentence and without a trace. */
#include "fuzz.h"

#include "base/check.h"
#include "config/config_priv.h"

/* libfyaml 0.7.12 forgets a buffer on some syntax errors. A program reads one
 * file or two before it gives up, so that is left to libfyaml. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void read_as(enum mt_config_kind kind, struct mt_span text)
{
    struct mt_config config;
    struct mt_config before;
    char error[256] = "";

    mt_config_init(&config);
    memcpy(&before, &config, sizeof(before));
    int rc = mt_config_read_text(&config, kind, "fuzz", text, error, sizeof(error));
    if (rc == 0) {
        MT_BUG_ON(config.site.home_network_count == 0);
        /* what was taken once is taken again, over itself */
        MT_BUG_ON(mt_config_read_text(&config, kind, "fuzz", text, error, sizeof(error)) != 0);
    } else {
        MT_BUG_ON(memcmp(&config, &before, sizeof(before)) != 0);
        MT_BUG_ON(memcmp(error, "fuzz:", 5) != 0);
        for (const char *p = error; *p != '\0'; p++)
            MT_BUG_ON((uint8_t)*p < 0x20 || *p == 0x7f);
    }
    mt_config_destroy(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as(MT_CONFIG_SITE, mt_span(data, size));
    read_as(MT_CONFIG_PROGRAM, mt_span(data, size));
    return 0;
}
