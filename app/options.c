#include "options.h"

#include "app.h"
#include "options_list.h"
#include "rule_set.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* What getopt_long gives for an option: its place in the list, above every
 * character. */
enum {
    OPTION_FIRST = 256,
    OPTION_HELP = OPTION_FIRST - 1,
};

struct option_list {
    const struct mt_option *options[MT_OPTIONS_MAX];
    struct option long_options[MT_OPTIONS_MAX + 2];
    size_t count;
};

int mt_options_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("mailtap: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return MT_EXIT_USAGE;
}

bool mt_options_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] < '0' || text[0] > '9' || number < low ||
        number > high)
        return false;
    *ret_number = number;
    return true;
}

static void add_options(struct option_list *list, const struct mt_option *options, size_t count)
{
    for (size_t i = 0; i < count && list->count < MT_OPTIONS_MAX; i++) {
        list->options[list->count] = &options[i];
        list->long_options[list->count] = (struct option){
            options[i].name,
            options[i].has_value,
            NULL,
            OPTION_FIRST + (int)list->count,
        };
        list->count++;
    }
}

/* Every verb knows the options of all, so that it can say whose one is. */
static void fill_list(struct option_list *list)
{
    memset(list, 0, sizeof(*list));
    add_options(list, mt_options_shared, mt_options_shared_count);
    add_options(list, mt_options_live, mt_options_live_count);
    list->long_options[list->count] = (struct option){"help", no_argument, NULL, OPTION_HELP};
}

static const char *verb_name(unsigned verbs)
{
    if (verbs & MT_VERB_BIT_READ)
        return "read";
    if (verbs & MT_VERB_BIT_LIVE)
        return "live";
    return verbs & MT_VERB_BIT_DIALOGUE ? "dialogue" : "correlate";
}

/* --config comes first, whatever its place, so that the command line wins. */
static int read_config(struct mt_options *options, const struct option_list *list, int argc, char **argv)
{
    char error[512];
    for (int found;
         (found = getopt_long(argc, argv, "+", list->long_options, NULL)) != -1 || optind < argc;) {
        if (found == -1)
            optind++; /* a path; options may follow it */
        if (found < OPTION_FIRST || strcmp(list->options[found - OPTION_FIRST]->name, "config") != 0)
            continue;
        if (options->config_count == MT_OPTIONS_CONFIGS_MAX)
            return mt_options_error("--config: more than %u files; join some of them",
                                    MT_OPTIONS_CONFIGS_MAX);
        options->config_paths[options->config_count++] = optarg;
        if (mt_config_read(&options->config, optarg, error, sizeof(error)) != 0)
            return mt_options_error("%s", error);
    }
    const struct mt_config *config = &options->config;
    options->filter = config->filter;
    options->sessions_path = config->sessions_path;
    options->alerts_path = config->alerts_path;
    options->stats_path = config->stats_path;
    options->observer = config->observer;
    options->redact_key_path = config->redact_key_path;
    options->pipeline.workers = config->workers;
    options->pipeline.port_count = config->port_count;
    memcpy(options->pipeline.ports, config->ports, sizeof(config->ports));
    if (options->verb == MT_VERB_BIT_LIVE)
        mt_options_live_start(options);
    return -1;
}

/* text: the option as it stood, for messages. */
static int take_option(struct mt_options *options, const struct option_list *list, int found,
                       const char *text, const char *help)
{
    if (found == OPTION_HELP) {
        fputs(help, stdout);
        return MT_EXIT_OK;
    }
    if (found == ':')
        return mt_options_error("%s needs a value", text);
    if (found < OPTION_FIRST)
        return mt_options_error("unknown option %s; --help lists the options", text);
    const struct mt_option *option = list->options[found - OPTION_FIRST];
    if (!(option->verbs & options->verb))
        return mt_options_error("%s does not take --%s; it is an option of mailtap %s",
                                verb_name(options->verb), option->name, verb_name(option->verbs));
    return option->take(options, optarg);
}

/* Names made with a random key are the same within one run alone. */
static int fill_redact(struct mt_options *options)
{
    struct mt_redact_config *redact = &options->pipeline.redact;
    char error[512];

    redact->mode = options->config.redact;
    redact->key = options->config.redact_key;
    if (options->redact_key_path)
        return mt_config_read_key(options->redact_key_path, error, sizeof(error), &redact->key) == 0
                   ? -1
                   : mt_options_error("%s", error);
    if (options->config.has_redact_key || redact->mode == MT_REDACT_NONE || redact->mode == MT_REDACT_DROP)
        return -1;
    if (getrandom(&redact->key, sizeof(redact->key), 0) != (ssize_t)sizeof(redact->key))
        return mt_options_error("--redact: no random key: %s", strerror(errno));
    fputs("mailtap: --redact: no key is given, so another run will name the same address differently; give "
          "--redact-key-file FILE, or redact_key in the site file\n",
          stderr);
    return -1;
}

static void fill_pipeline(struct mt_options *options)
{
    if (!options->observer) {
        gethostname(options->observer_host, sizeof(options->observer_host) - 1);
        options->observer = options->observer_host;
    }
    options->pipeline.detect = options->config.detect;
    options->pipeline.site = &options->config.site;
    options->pipeline.limits.helo_threshold = options->config.detect.helo_score;
    options->pipeline.observer_name = mt_span_cstr(options->observer);
    options->pipeline.observer_version = MT_VERSION_TEXT;
}

static int check_message(const struct mt_options *options)
{
    const struct mt_session_limits *limits = &options->pipeline.limits;

    if (options->extract.folder != NULL && options->config.redact != MT_REDACT_NONE)
        return mt_options_error(
            "--extract writes messages as they are, addresses and all: not with --redact");
    if (options->extract.folder == NULL && (options->extract.file_max > 0 || options->extract.total_max > 0))
        return mt_options_error("--extract-file-max and --extract-total-max are limits of --extract DIR");
    if (limits->content == 0 || limits->message_level != MT_MESSAGE_HEADERS)
        return -1;
    return mt_options_error(
        "--message headers does not look at parts, which --hash, --urls, --magic and --extract are about");
}

static int check_paths(const struct mt_options *options)
{
    if (options->verb == MT_VERB_BIT_LIVE) {
        if (options->path_count == 0)
            return -1;
        return mt_options_error("live takes no '%s'; give --port or --interface, or read files with "
                                "mailtap read",
                                options->paths[0]);
    }
    if (options->verb == MT_VERB_BIT_CORRELATE) {
        if (options->path_count > 0)
            return mt_options_error("correlate takes no '%s'; give --from kafka://BROKERS/TOPIC",
                                    options->paths[0]);
        return options->correlate.from
                   ? -1
                   : mt_options_error("nothing to correlate: give --from kafka://BROKERS/TOPIC; see mailtap "
                                      "correlate --help");
    }
    if (options->path_count > 0)
        return -1;
    return mt_options_error("nothing to read: give capture files, directories or -; see mailtap %s --help",
                            verb_name(options->verb));
}

int mt_options_parse(struct mt_options *options, int argc, char **argv, const char *help,
                     enum mt_verb_bit verb)
{
    struct option_list list;

    memset(options, 0, sizeof(*options));
    options->verb = verb;
    mt_config_init(&options->config);
    fill_list(&list);
    opterr = 0;
    int code = read_config(options, &list, argc, argv);
    if (code >= 0)
        return code;
    optind = 0;
    for (int found; (found = getopt_long(argc, argv, ":", list.long_options, NULL)) != -1;) {
        code = take_option(options, &list, found, argv[optind - 1], help);
        if (code >= 0)
            return code;
    }
    options->paths = (const char *const *)(argv + optind);
    options->path_count = (size_t)(argc - optind);
    code = check_message(options);
    if (code < 0)
        code = check_paths(options);
    if (code < 0 && verb == MT_VERB_BIT_LIVE)
        code = mt_options_live_check(options);
    if (code >= 0)
        return code;
    char error[512];
    if (options->site_path &&
        mt_config_read_site(&options->config, options->site_path, error, sizeof(error)) != 0)
        return mt_options_error("%s", error);
    code = fill_redact(options);
    if (code < 0 && options->correlate_to && options->config.redact != MT_REDACT_NONE)
        return mt_options_error(
            "--correlate-to sends what is counted by, addresses and all: not with --redact; "
            "give that to mailtap correlate");
    if (code >= 0)
        return code;
    fill_pipeline(options);
    if (mt_rule_set_load(options, &options->config.site, options->pipeline.workers, &options->sigma) != 0)
        return MT_EXIT_USAGE;
    options->pipeline.sigma = options->sigma;
    return -1;
}

int mt_options_read_site(const struct mt_options *options, struct mt_config *ret_config, char *ret_error,
                         size_t error_size)
{
    int rc = 0;

    mt_config_init(ret_config);
    for (size_t i = 0; i < options->config_count && rc == 0; i++)
        rc = mt_config_read(ret_config, options->config_paths[i], ret_error, error_size);
    if (rc == 0 && options->site_path)
        rc = mt_config_read_site(ret_config, options->site_path, ret_error, error_size);
    if (rc != 0)
        mt_config_destroy(ret_config);
    return rc;
}

void mt_options_fini(struct mt_options *options)
{
    mt_sigma_destroy(options->sigma);
    mt_config_destroy(&options->config);
}
