/* replay: a capture, or traffic of our own making, onto net_memif. */
#include "send.h"
#include "trace.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_DONE, EXIT_LOST, EXIT_USAGE, EXIT_NOT_STARTED };

static const char usage[] =
    "replay [OPTION...] CAPTURE\n"
    "replay [OPTION...] profile:NAME | size:BYTES\n"
    "\n"
    "Sends frames onto net_memif, a device made of memory that two processes share,\n"
    "to whoever polls its other end, for instance:\n"
    "\n"
    "  mailtap live --port net_memif0,role=server,socket=/run/mailtap.sock,socket-abstract=no\n"
    "  scripts/replay --socket /run/mailtap.sock pcaps/postfix-delivery.pcap\n"
    "\n"
    "CAPTURE is whatever mailtap reads, of Ethernet. profile:NAME is traffic of\n"
    "mailtap-traffic; size:BYTES is mail whose content comes in frames of that size\n"
    "(60 to 1514). All frames are loaded before the first is sent. From the second\n"
    "loop on the clients have other addresses, so that every loop brings new sessions;\n"
    "checksums are not mended, which mailtap does not judge.\n"
    "\n"
    "  --socket PATH      of the memif (/tmp/mailtap-replay.sock)\n"
    "  --role ROLE        client (default) or server; the other side has the other one\n"
    "  --queues N         spread by a symmetric hash over N queues (1)\n"
    "  --tap              two ports, id 0 and 1: what clients send, what servers send\n"
    "  --ring LOG2        frames in a queue: 2^LOG2, 6 to 14 (12)\n"
    "  --rate PPS         frames a second (as fast as they are taken)\n"
    "  --speed FACTOR     as in the capture, FACTOR times as fast\n"
    "  --drop             a frame that finds its queue full is lost and counted;\n"
    "                     the default with --rate and --speed\n"
    "  --lossless         it waits; the default otherwise\n"
    "  --loops N          (1)\n"
    "  --frames N         no more than about N frames, in whole bursts of 32\n"
    "  --seconds S        no longer than S seconds\n"
    "  --sessions N       of profile: and size: (1000)\n"
    "  --seed N           of profile: (1)\n"
    "  --flood N          behind every frame N SYNs of strangers\n"
    "  --flood-sources N  how many strangers there are (1048576)\n"
    "  --wait S           for the other side to appear (30)\n"
    "  --stall S          gives up when a queue has been full that long (10)\n"
    "  --linger S         stays connected that long after the last frame, so that the\n"
    "                     queue can be emptied (1); SIGTERM ends it\n"
    "  --core N           the processor to run on\n"
    "  --json             the result as a line of JSON\n"
    "  --help             this text\n"
    "\n"
    "Exit codes: 0 every frame was taken; 1 some were lost or the other side stopped\n"
    "taking them; 2 usage; 3 could not start.\n";

struct options {
    struct mt_send_config send;
    const char *input;
    uint64_t sessions, seed;
    double linger;
    bool is_json, is_lossless;
};

static atomic_bool stop_wanted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop_wanted, true);
}

enum {
    OPTION_NUMBER = 1000, /* and the index into numbers[] */
    OPTION_SOCKET = 2000,
    OPTION_ROLE,
    OPTION_TAP,
    OPTION_DROP,
    OPTION_LOSSLESS,
    OPTION_CORE,
    OPTION_JSON,
    OPTION_HELP,
};

/* Options with a number, and the range of it. */
struct number {
    const char *name;
    double low, high, fallback;
    bool is_whole;
};

enum {
    QUEUES,
    RING,
    RATE,
    SPEED,
    LOOPS,
    FRAMES,
    SECONDS,
    SESSIONS,
    SEED,
    FLOOD,
    FLOOD_SOURCES,
    WAIT,
    STALL,
    LINGER,
    NUMBER_COUNT,
};

static const struct number numbers[NUMBER_COUNT] = {
    [QUEUES] = {"queues", 1, 8, 1, true},
    [RING] = {"ring", 6, 14, 12, true},
    [RATE] = {"rate", 1, 1e9, 0, false},
    [SPEED] = {"speed", 0.001, 1e6, 0, false},
    [LOOPS] = {"loops", 1, 1e12, 1, true},
    [FRAMES] = {"frames", 1, 1e15, 0, true},
    [SECONDS] = {"seconds", 0.01, 1e6, 0, false},
    [SESSIONS] = {"sessions", 1, 16e6, 1000, true},
    [SEED] = {"seed", 0, 1e15, 1, true},
    [FLOOD] = {"flood", 1, 1000, 0, true},
    [FLOOD_SOURCES] = {"flood-sources", 1, 16777216, 1048576, true},
    [WAIT] = {"wait", 0, 3600, 30, true},
    [STALL] = {"stall", 1, 3600, 10, true},
    [LINGER] = {"linger", 0, 3600, 1, false},
};

static bool number_of(const struct number *number, const char *text, double *ret_value)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    bool is_good = end != text && !*end && errno == 0 && value >= number->low && value <= number->high;
    if (is_good && number->is_whole)
        is_good = value == (double)(uint64_t)value;
    if (is_good)
        *ret_value = value;
    else
        fprintf(stderr, "replay: --%s takes a%s number from %g to %g, not \"%s\"\n", number->name,
                number->is_whole ? " whole" : "", number->low, number->high, text);
    return is_good;
}

static void use_numbers(struct options *options, const double *values)
{
    struct mt_send_config *send = &options->send;
    send->queues = (uint32_t)values[QUEUES];
    send->ring_log2 = (uint32_t)values[RING];
    send->rate = values[RATE];
    send->speed = values[SPEED];
    send->loops = (uint64_t)values[LOOPS];
    send->frames_max = (uint64_t)values[FRAMES];
    send->seconds_max = values[SECONDS];
    send->flood = (uint32_t)values[FLOOD];
    send->flood_sources = (uint32_t)values[FLOOD_SOURCES];
    send->wait_seconds = (uint32_t)values[WAIT];
    send->stall_seconds = (uint32_t)values[STALL];
    options->sessions = (uint64_t)values[SESSIONS];
    options->seed = (uint64_t)values[SEED];
    options->linger = values[LINGER];
    send->is_dropping |= (send->rate > 0 || send->speed > 0) && !options->is_lossless;
}

/* 0, or why the command line is no good, said on standard error. */
static int use_word(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPTION_SOCKET:
        options->send.socket = value;
        return 0;
    case OPTION_ROLE:
        options->send.role = value;
        if (strcmp(value, "client") == 0 || strcmp(value, "server") == 0)
            return 0;
        fprintf(stderr, "replay: --role is client or server, not \"%s\"\n", value);
        return -EINVAL;
    case OPTION_TAP:
        options->send.is_tap = true;
        return 0;
    case OPTION_DROP:
        options->send.is_dropping = true;
        return 0;
    case OPTION_LOSSLESS:
        options->is_lossless = true;
        return 0;
    case OPTION_CORE:
        options->send.core = value;
        return 0;
    case OPTION_JSON:
        options->is_json = true;
        return 0;
    case OPTION_HELP:
        fputs(usage, stdout);
        exit(EXIT_DONE);
    default:
        fprintf(stderr, "replay: see --help\n");
        return -EINVAL;
    }
}

static int parse(int argc, char **argv, struct options *options)
{
    struct option names[NUMBER_COUNT + 9] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"role", required_argument, NULL, OPTION_ROLE},
        {"tap", no_argument, NULL, OPTION_TAP},
        {"drop", no_argument, NULL, OPTION_DROP},
        {"lossless", no_argument, NULL, OPTION_LOSSLESS},
        {"core", required_argument, NULL, OPTION_CORE},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, OPTION_HELP},
    };
    double values[NUMBER_COUNT];
    int option;
    for (int i = 0; i < NUMBER_COUNT; i++) {
        names[8 + i] = (struct option){numbers[i].name, required_argument, NULL, OPTION_NUMBER + i};
        values[i] = numbers[i].fallback;
    }
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        int index = option - OPTION_NUMBER;
        if (index >= 0 && index < NUMBER_COUNT) {
            if (!number_of(&numbers[index], optarg, &values[index]))
                return -EINVAL;
        } else if (use_word(options, option, optarg) != 0) {
            return -EINVAL;
        }
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "replay: name one capture, profile:NAME or size:BYTES; see --help\n");
        return -EINVAL;
    }
    options->input = argv[optind];
    use_numbers(options, values);
    if (options->send.queues * (options->send.is_tap ? 2 : 1) <= MT_SEND_LANES_MAX)
        return 0;
    fprintf(stderr, "replay: more than %u queues in all\n", MT_SEND_LANES_MAX);
    return -EINVAL;
}

static int load(const struct options *options, struct mt_trace *trace, char *reason, size_t reason_size)
{
    static const struct number size_range = {"size", 60, 1514, 0, true};
    double size;
    int rc;
    if (strncmp(options->input, "profile:", 8) == 0) {
        rc = mt_trace_generate(trace, options->input + 8, options->sessions, options->seed, reason,
                               reason_size);
    } else if (strncmp(options->input, "size:", 5) == 0) {
        if (!number_of(&size_range, options->input + 5, &size))
            return -EINVAL;
        rc = mt_trace_fixed(trace, (uint32_t)size, (uint32_t)options->sessions, 200);
    } else {
        rc = mt_trace_read(trace, options->input, reason, reason_size);
    }
    if (rc == 0)
        rc = mt_trace_finish(trace);
    if (rc == 0 && trace->count == 0) {
        snprintf(reason, reason_size, "%s: no frame that can be sent", options->input);
        rc = -ENODATA;
    }
    if (trace->skipped_link)
        fprintf(stderr, "replay: %llu frames are not Ethernet and are left out\n",
                (unsigned long long)trace->skipped_link);
    if (trace->skipped_large)
        fprintf(stderr, "replay: %llu frames are larger than %u bytes and are left out\n",
                (unsigned long long)trace->skipped_large, MT_TRACE_FRAME_MAX);
    if (trace->cut)
        fprintf(stderr, "replay: %llu frames are cut in the capture and sent as they are\n",
                (unsigned long long)trace->cut);
    return rc;
}

static void report_json(const struct mt_trace *trace, const struct mt_send_result *result)
{
    printf("{\"frames\":%llu,\"bytes\":%llu,\"flood\":%llu,\"dropped\":%llu,\"loops\":%llu,"
           "\"seconds\":%.6f,\"stalled\":%s,\"trace_frames\":%llu,\"left_out\":%llu,\"queues\":[",
           (unsigned long long)result->frames, (unsigned long long)result->bytes,
           (unsigned long long)result->flood, (unsigned long long)result->dropped,
           (unsigned long long)result->loops, result->seconds, result->is_stalled ? "true" : "false",
           (unsigned long long)trace->count,
           (unsigned long long)trace->skipped_large + (unsigned long long)trace->skipped_link);
    for (uint32_t i = 0; i < result->lane_count; i++)
        printf("%s%llu", i ? "," : "", (unsigned long long)result->lane_frames[i]);
    printf("]}\n");
}

static void report(const struct mt_send_result *result)
{
    double seconds = result->seconds > 0 ? result->seconds : 1e-9;
    printf("%llu frames, %llu bytes in %llu loops; %.2f s, %.3f Mpps, %.2f Gbit/s\n",
           (unsigned long long)result->frames, (unsigned long long)result->bytes,
           (unsigned long long)result->loops, result->seconds, (double)result->frames / seconds / 1e6,
           (double)result->bytes * 8 / seconds / 1e9);
    if (result->flood)
        printf("%llu of them SYNs of strangers\n", (unsigned long long)result->flood);
    for (uint32_t i = 0; result->lane_count > 1 && i < result->lane_count; i++)
        printf("queue %u: %llu frames\n", i, (unsigned long long)result->lane_frames[i]);
    if (result->dropped)
        printf("%llu frames were lost because their queue was full\n", (unsigned long long)result->dropped);
}

/* What lies in the queue is lost when the sender goes. */
static void linger(const struct mt_send *send, double seconds)
{
    for (double left = seconds; left > 0 && !atomic_load(&stop_wanted) && mt_send_is_connected(send);
         left -= 0.02)
        usleep(20000);
}

static int replay(const struct options *options, struct mt_trace *trace)
{
    struct mt_send_result result;
    struct mt_send *send;
    char reason[512] = "no memory";
    int rc = load(options, trace, reason, sizeof(reason));
    if (rc == 0)
        rc = mt_send_open(&options->send, reason, sizeof(reason), &send);
    if (rc != 0) {
        fprintf(stderr, "replay: %s\n", reason);
        return rc == -EINVAL ? EXIT_USAGE : EXIT_NOT_STARTED;
    }
    mt_send_run(send, trace, &stop_wanted, &result);
    if (options->is_json)
        report_json(trace, &result);
    else
        report(&result);
    fflush(stdout);
    if (result.is_stalled)
        fprintf(stderr,
                "replay: the queue stayed full for %u s; does the other side poll, and as many queues?\n",
                options->send.stall_seconds);
    linger(send, options->linger);
    mt_send_close(send);
    return result.dropped || result.is_stalled ? EXIT_LOST : EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct options options = {.send = {.socket = "/tmp/mailtap-replay.sock", .role = "client"}};
    struct sigaction action = {.sa_handler = on_signal};
    struct mt_trace *trace;
    if (parse(argc, argv, &options) != 0)
        return EXIT_USAGE;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (mt_trace_create(&trace) != 0) {
        fprintf(stderr, "replay: no address space for the frames\n");
        return EXIT_NOT_STARTED;
    }
    int code = replay(&options, trace);
    mt_trace_destroy(trace);
    return code;
}
