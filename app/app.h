/* The verbs of the program, one file each. Each takes its own argv (argv[0] is
 * the verb) and returns the exit code.
 *
 * Ownership: borrows argv. Thread: main. Limits: none.
 */
#ifndef MT_APP_APP_H
#define MT_APP_APP_H

/* Exit codes (docs/operations.md). */
enum {
    MT_EXIT_OK = 0,
    MT_EXIT_INCOMPLETE = 1, /* done, but something was unreadable or shed: named on standard error */
    MT_EXIT_USAGE = 2,      /* usage or configuration error */
    MT_EXIT_START = 3,      /* could not start */
    MT_EXIT_ALERT = 4,      /* --fail-on: an alert of that level or above was raised */
};

#define MT_VERSION_TEXT "0.1.0"

int mt_app_read(int argc, char **argv);
int mt_app_live(int argc, char **argv);
int mt_app_dialogue(int argc, char **argv);
int mt_app_devices(int argc, char **argv);
int mt_app_fields(int argc, char **argv);
int mt_app_correlate(int argc, char **argv);
int mt_app_rules(int argc, char **argv);

#endif
