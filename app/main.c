/* mailtap: one program, one verb a file. */
#include "app.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "mailtap " MT_VERSION_TEXT " - what mail traffic did, from its packets\n"
    "\n"
    "  mailtap read FILE|DIR|- ...       captures to records, alerts and a summary\n"
    "  mailtap live ...                  the same from ports and interfaces, as it comes\n"
    "  mailtap dialogue FILE|DIR|- ...   the conversation of each session\n"
    "  mailtap correlate --from ...      correlations of several sensors, judged together\n"
    "  mailtap devices                   what can be captured from here, and what is missing\n"
    "  mailtap fields                    the fields of the records\n"
    "  mailtap rules ...                 Sigma rules: check, list, explain, test\n"
    "\n"
    "'mailtap VERB --help' tells the options of a verb.\n";

static void log_to_stderr(enum mt_log_level level, const char *message)
{
    static const char *const names[] = {"error", "warning", "note", "debug"};
    /* a progress or status line may stand there */
    const char *erase = isatty(STDERR_FILENO) ? "\r\033[K" : "";
    fprintf(stderr, "%smailtap: %s: %s\n", erase, names[level], message);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"read", mt_app_read},           {"live", mt_app_live},     {"dialogue", mt_app_dialogue},
    {"devices", mt_app_devices},     {"fields", mt_app_fields}, {"rules", mt_app_rules},
    {"correlate", mt_app_correlate},
};

int main(int argc, char **argv)
{
    mt_log_set_sink(log_to_stderr);
    /* a reader that goes away is a write error like any other, with its message */
    signal(SIGPIPE, SIG_IGN);
    /* so is a file size limit */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        fputs(usage, stderr);
        return MT_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(usage, stdout);
        return MT_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("mailtap " MT_VERSION_TEXT);
        return MT_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "mailtap: no verb '%s'\n\n%s", argv[1], usage);
    return MT_EXIT_USAGE;
}
