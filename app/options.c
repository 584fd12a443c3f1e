#include "options.h"

#include "app.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    OPT_JSON = 1,
    OPT_SESSIONS,
    OPT_ALERTS,
    OPT_STATS,
    OPT_WORKERS,
    OPT_PORTS,
    OPT_FILTER,
    OPT_SITE,
    OPT_CONFIG,
    OPT_FAIL_ON,
    OPT_QUIET,
    OPT_OBSERVER,
    OPT_SESSION,
    OPT_OVERLAP,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPT_JSON},
    {"sessions", required_argument, NULL, OPT_SESSIONS},
    {"alerts", required_argument, NULL, OPT_ALERTS},
    {"stats", required_argument, NULL, OPT_STATS},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"ports", required_argument, NULL, OPT_PORTS},
    {"filter", required_argument, NULL, OPT_FILTER},
    {"site", required_argument, NULL, OPT_SITE},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"observer", required_argument, NULL, OPT_OBSERVER},
    {"overlap", required_argument, NULL, OPT_OVERLAP},
    {"session", required_argument, NULL, OPT_SESSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static bool is_dialogue_option(int option)
{
    return option == OPT_PORTS || option == OPT_FILTER || option == OPT_SESSION || option == OPT_CONFIG ||
           option == OPT_OVERLAP || option == OPT_HELP;
}

static int usage_error(const char *format, const char *what)
{
    fputs("mailtap: ", stderr);
    fprintf(stderr, format, what);
    fputc('\n', stderr);
    return MT_EXIT_USAGE;
}

/* A whole number in [low, high]; false otherwise. */
static bool parse_number(const char *text, unsigned long low, unsigned long high, unsigned long *ret_number)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || number < low || number > high)
        return false;
    *ret_number = number;
    return true;
}

static int parse_ports(struct mt_options *options, const char *text)
{
    char copy[1024];
    if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
        return usage_error("--ports: the list is too long: %.64s...", text);
    options->pipeline.port_count = 0;
    char *rest = copy;
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        unsigned long port;
        if (!parse_number(word, 1, 65535, &port))
            return usage_error(
                "--ports: '%s' is not a port; give numbers from 1 to 65535 with commas between", word);
        if (options->pipeline.port_count == MT_PORTS_MAX)
            return usage_error("--ports: more than 64 ports: %s", text);
        options->pipeline.ports[options->pipeline.port_count++] = (uint16_t)port;
    }
    return -1;
}

static int parse_workers(struct mt_options *options, const char *text)
{
    unsigned long workers;
    if (!parse_number(text, 1, MT_WORKERS_MAX, &workers))
        return usage_error("--workers: '%s' is not a number from 1 to 64", text);
    options->pipeline.workers = (uint32_t)workers;
    return -1;
}

static int parse_fail_on(struct mt_options *options, const char *text)
{
    options->has_fail_on = true;
    if (mt_level_parse(mt_span_cstr(text), &options->fail_on))
        return -1;
    return usage_error("--fail-on: '%s' is no level; give informational, low, medium, high or critical",
                       text);
}

static int parse_overlap(struct mt_options *options, const char *text)
{
    options->pipeline.stream.last_wins = strcmp(text, "last") == 0;
    if (options->pipeline.stream.last_wins || strcmp(text, "first") == 0)
        return -1;
    return usage_error("--overlap: '%s' is neither first nor last", text);
}

/* option_text: the option as it stood, for messages. */
static int take_option(struct mt_options *options, int option, const char *option_text, const char *help)
{
    switch (option) {
    case OPT_JSON:
        options->is_json = true;
        return -1;
    case OPT_SESSIONS:
        options->sessions_path = optarg;
        return -1;
    case OPT_ALERTS:
        options->alerts_path = optarg;
        return -1;
    case OPT_STATS:
        options->stats_path = optarg;
        return -1;
    case OPT_WORKERS:
        return parse_workers(options, optarg);
    case OPT_PORTS:
        return parse_ports(options, optarg);
    case OPT_FILTER:
        options->filter = optarg;
        return -1;
    case OPT_SITE:
        options->site_path = optarg;
        return -1;
    case OPT_CONFIG:
        return -1; /* read before all others */
    case OPT_FAIL_ON:
        return parse_fail_on(options, optarg);
    case OPT_QUIET:
        options->is_quiet = true;
        return -1;
    case OPT_OBSERVER:
        options->observer = optarg;
        return -1;
    case OPT_OVERLAP:
        return parse_overlap(options, optarg);
    case OPT_SESSION:
        options->session_id = optarg;
        return -1;
    case OPT_HELP:
        fputs(help, stdout);
        return MT_EXIT_OK;
    case ':':
        return usage_error("%s needs a value", option_text);
    default:
        return usage_error("unknown option %s; --help lists the options", option_text);
    }
}

static int config_error(const char *message)
{
    fprintf(stderr, "mailtap: %s\n", message);
    return MT_EXIT_USAGE;
}

/* --config comes first, whatever its place, so that the command line wins. */
static int read_config(struct mt_options *options, int argc, char **argv)
{
    char error[512];
    for (int option; (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1 || optind < argc;) {
        if (option == -1)
            optind++; /* a path; options may follow it */
        if (option != OPT_CONFIG)
            continue;
        if (mt_config_read(&options->config, optarg, error, sizeof(error)) != 0)
            return config_error(error);
    }
    const struct mt_config *config = &options->config;
    options->filter = config->filter;
    options->sessions_path = config->sessions_path;
    options->alerts_path = config->alerts_path;
    options->stats_path = config->stats_path;
    options->pipeline.workers = config->workers;
    options->pipeline.port_count = config->port_count;
    memcpy(options->pipeline.ports, config->ports, sizeof(config->ports));
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

int mt_options_parse(struct mt_options *options, int argc, char **argv, const char *help, bool is_dialogue)
{
    memset(options, 0, sizeof(*options));
    mt_config_init(&options->config);
    opterr = 0;
    int code = read_config(options, argc, argv);
    if (code >= 0)
        return code;
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        if (is_dialogue && option != '?' && option != ':' && !is_dialogue_option(option))
            return usage_error("dialogue does not take '%s'; see mailtap dialogue --help", argv[optind - 1]);
        if (!is_dialogue && option == OPT_SESSION)
            return usage_error("read does not take '%s'; it is an option of mailtap dialogue", "--session");
        code = take_option(options, option, argv[optind - 1], help);
        if (code >= 0)
            return code;
    }
    options->paths = (const char *const *)(argv + optind);
    options->path_count = (size_t)(argc - optind);
    if (options->path_count == 0)
        return usage_error("nothing to read: give capture files, directories or -; see mailtap %s --help",
                           argv[0]);
    char error[512];
    if (options->site_path &&
        mt_config_read_site(&options->config, options->site_path, error, sizeof(error)) != 0)
        return config_error(error);
    fill_pipeline(options);
    return -1;
}

void mt_options_fini(struct mt_options *options)
{
    mt_config_destroy(&options->config);
}
