/* mailtap-traffic: mail traffic as a capture file, and the truth about it. */
#include "capture_file.h"
#include "traffic.h"
#include "wrap.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_USAGE = 2, EXIT_NOT_STARTED = 3 };

struct options {
    struct mt_traffic_config traffic;
    const char *output, *truth, *site;
    bool is_pcapng;
};

enum {
    OPTION_PROFILE = 1000,
    OPTION_SESSIONS,
    OPTION_SEED,
    OPTION_CONCURRENCY,
    OPTION_START,
    OPTION_CAP,
    OPTION_MEAN_CAP,
    OPTION_BYTES,
    OPTION_DOMAINS,
    OPTION_CLIENTS,
    OPTION_SERVERS,
    OPTION_WRAP,
    OPTION_OUTPUT,
    OPTION_PCAPNG,
    OPTION_TRUTH,
    OPTION_SITE,
    OPTION_HELP,
};

static const char usage[] =
    "usage: mailtap-traffic --output FILE [options]\n"
    "\n"
    "  --output FILE        the capture: pcap with nanoseconds; - is standard output\n"
    "  --pcapng             write pcapng instead\n"
    "  --truth FILE         what a sensor should say about it, a line of JSON for each session\n"
    "  --site FILE          write the site file that goes with it (and let the truth assume it)\n"
    "  --profile NAME       one of the below (ordinary)\n"
    "  --sessions N         how many sessions (1000)\n"
    "  --seed S             other numbers, other traffic (1)\n"
    "  --concurrency C      sessions at a time (500)\n"
    "  --start TIME         seconds since 1970 or YYYY-MM-DDTHH:MM:SSZ (2024-06-03T08:00:00Z)\n"
    "  --cap BYTES          largest message body (25000000)\n"
    "  --mean-cap BYTES     largest mean of the bodies so far (none)\n"
    "  --local-domains N    domains that are at home (16)\n"
    "  --clients CIDR       addresses of clients; once for IPv4, once for IPv6 (198.18.0.0/15)\n"
    "  --servers CIDR       addresses of servers (10.25.0.0/26)\n"
    "  --wrap LIST          put every frame into these, the outermost first\n"
    "\n"
    "profiles:\n";

static void print_usage(FILE *stream)
{
    const char *meaning;
    const char *name;

    fputs(usage, stream);
    for (unsigned i = 0; (name = mt_traffic_profile(i, &meaning)); i++)
        fprintf(stream, "  %-10s %s\n", name, meaning);
    fputs("\nwraps:\n", stream);
    for (unsigned i = 0; (name = mt_wrap_name(i, &meaning)); i++)
        fprintf(stream, "  %-10s %s\n", name, meaning);
}

static bool number_of(const char *text, uint64_t low, uint64_t high, uint64_t *ret_number)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (end == text || *end || errno || text[0] == '-' || number < low || number > high)
        return false;
    *ret_number = number;
    return true;
}

static bool time_of(const char *text, uint64_t *ret_time)
{
    struct tm date = {.tm_sec = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &date);
    uint64_t seconds;

    if (end && !*end)
        seconds = (uint64_t)timegm(&date);
    else if (!number_of(text, 1, UINT64_C(4000000000), &seconds))
        return false;
    *ret_time = seconds * 1000000000;
    return true;
}

static bool set_number(const char *text, uint64_t low, uint64_t high, uint32_t *ret_number)
{
    uint64_t number;

    if (!number_of(text, low, high, &number))
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool set_option(struct options *options, int option, const char *value)
{
    struct mt_traffic_config *traffic = &options->traffic;

    switch (option) {
    case OPTION_PROFILE:
        traffic->profile = value;
        return true;
    case OPTION_SESSIONS:
        return number_of(value, 1, UINT32_MAX, &traffic->sessions);
    case OPTION_SEED:
        return number_of(value, 0, UINT64_MAX, &traffic->seed);
    case OPTION_CONCURRENCY:
        return set_number(value, 1, 16u << 20, &traffic->concurrency);
    case OPTION_START:
        return time_of(value, &traffic->start);
    case OPTION_CAP:
        return set_number(value, 200, 1u << 30, &traffic->size_cap);
    case OPTION_MEAN_CAP:
        return set_number(value, 200, 1u << 30, &traffic->size_mean_cap);
    case OPTION_DOMAINS:
        return set_number(value, 1, 1000, &traffic->local_domains);
    case OPTION_CLIENTS:
        return mt_traffic_range_parse(value, traffic->clients);
    case OPTION_SERVERS:
        return mt_traffic_range_parse(value, traffic->servers);
    case OPTION_OUTPUT:
        options->output = value;
        return true;
    case OPTION_PCAPNG:
        options->is_pcapng = true;
        return true;
    case OPTION_TRUTH:
        options->truth = value;
        return true;
    case OPTION_SITE:
        options->site = value;
        traffic->has_site = true;
        return true;
    case OPTION_WRAP:
        return mt_wrap_parse(value, &traffic->wrap);
    default:
        return false;
    }
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"profile", required_argument, NULL, OPTION_PROFILE},
        {"sessions", required_argument, NULL, OPTION_SESSIONS},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"concurrency", required_argument, NULL, OPTION_CONCURRENCY},
        {"start", required_argument, NULL, OPTION_START},
        {"cap", required_argument, NULL, OPTION_CAP},
        {"mean-cap", required_argument, NULL, OPTION_MEAN_CAP},
        {"local-domains", required_argument, NULL, OPTION_DOMAINS},
        {"clients", required_argument, NULL, OPTION_CLIENTS},
        {"servers", required_argument, NULL, OPTION_SERVERS},
        {"wrap", required_argument, NULL, OPTION_WRAP},
        {"output", required_argument, NULL, OPTION_OUTPUT},
        {"pcapng", no_argument, NULL, OPTION_PCAPNG},
        {"truth", required_argument, NULL, OPTION_TRUTH},
        {"site", required_argument, NULL, OPTION_SITE},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    int index = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", names, &index)) != -1) {
        if (option == OPTION_HELP) {
            print_usage(stdout);
            exit(0);
        }
        if (option == '?')
            return -EINVAL;
        if (!set_option(options, option, optarg)) {
            fprintf(stderr, "mailtap-traffic: --%s can't be \"%s\"\n", names[index].name, optarg);
            return -EINVAL;
        }
    }
    if (optind < argc || !options->output) {
        print_usage(stderr);
        return -EINVAL;
    }
    return 0;
}

static void write_truth(void *ctx, const char *line, size_t size)
{
    fwrite(line, 1, size, ctx);
}

static void write_alerts(FILE *truth, const struct mt_traffic_totals *totals)
{
    const char *separator = "";

    fputs("{\"alerts\":{", truth);
    for (int i = 0; i < MT_TRUTH_RULE_COUNT; i++) {
        fprintf(truth, "%s\"%s\":[%llu,%llu]", separator, mt_truth_rule_name((enum mt_truth_rule)i),
                (unsigned long long)totals->alerts_low[i], (unsigned long long)totals->alerts_high[i]);
        separator = ",";
    }
    fputs("}}\n", truth);
}

static int write_site(const struct options *options)
{
    static char text[65536];
    size_t size = mt_traffic_site(&options->traffic, text, sizeof(text));
    FILE *file = fopen(options->site, "w");

    if (!file)
        return -errno;
    fwrite(text, 1, size, file);
    return fclose(file) ? -errno : 0;
}

static int write_frames(struct mt_traffic *traffic, struct mt_capture_file *capture)
{
    uint64_t time;
    size_t size;

    while ((size = mt_traffic_next(traffic, mt_capture_file_room(capture), &time)))
        mt_capture_file_commit(capture, size, time);
    return mt_traffic_error(traffic);
}

static int complain(const char *what, int error)
{
    fprintf(stderr, "mailtap-traffic: %s: %s\n", what, strerror(-error));
    return EXIT_NOT_STARTED;
}

static int run(const struct options *options, FILE *truth)
{
    struct mt_capture_file *capture;
    struct mt_traffic_totals totals;
    struct mt_traffic *traffic;
    int error = mt_traffic_create(&options->traffic, &traffic);
    int closed;

    if (error == -ENOENT)
        return complain(options->traffic.profile, error);
    if (error)
        return complain("can't start", error);
    capture = mt_capture_file_open(options->output, options->is_pcapng);
    if (!capture) {
        mt_traffic_destroy(traffic);
        return complain(options->output, -errno);
    }
    error = write_frames(traffic, capture);
    closed = mt_capture_file_close(capture);
    mt_traffic_totals(traffic, &totals);
    mt_traffic_destroy(traffic);
    if (error || closed)
        return complain(options->output, error ? error : closed);
    if (truth)
        write_alerts(truth, &totals);
    fprintf(stderr, "%llu sessions, %llu frames, %llu bytes\n", (unsigned long long)totals.sessions,
            (unsigned long long)totals.frames, (unsigned long long)totals.bytes);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {.output = NULL};
    FILE *truth = NULL;
    int result;

    mt_traffic_config_init(&options.traffic);
    if (parse(argc, argv, &options))
        return EXIT_USAGE;
    if (options.site && (result = write_site(&options)))
        return complain(options.site, result);
    if (options.truth) {
        truth = fopen(options.truth, "w");
        if (!truth)
            return complain(options.truth, -errno);
        options.traffic.truth = write_truth;
        options.traffic.truth_ctx = truth;
    }
    result = run(&options, truth);
    if (truth && fclose(truth))
        return complain(options.truth, -errno);
    return result;
}
