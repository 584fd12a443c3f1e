/* The summary that `mailtap read` and `mailtap live` print for a person.
 *
 * Ownership: borrows all. Thread: main (alerts are noted from the collector's
 * thread while it runs, printed after it ended). Limits: MT_RULE_COUNT
 * rules and MT_LOADED_NOTES_MAX of --rules.
 */
#ifndef MT_APP_SUMMARY_H
#define MT_APP_SUMMARY_H

#include "options.h"
#include "outputs.h"
#include "statistics.h"

#define MT_LEVEL_COUNT (MT_LEVEL_CRITICAL + 1)

/* Alerts of one rule. */
struct mt_alert_note {
    _Atomic uint64_t count[MT_LEVEL_COUNT]; /* read while it runs, too */
    char message[400];                      /* of the worst, first one; escaped */
    enum mt_level level;
    bool is_set;
};

/* Of a rule of --rules. */
#define MT_LOADED_NOTES_MAX 256u
#define MT_LOADED_NAME_MAX 80u
struct mt_loaded_note {
    char name[MT_LOADED_NAME_MAX]; /* escaped */
    struct mt_alert_note note;
};

struct mt_alert_notes {
    struct mt_alert_note rules[MT_RULE_COUNT];
    struct mt_loaded_note loaded[MT_LOADED_NOTES_MAX]; /* the last one: of all further rules */
    _Atomic uint32_t loaded_count;                     /* read while it runs, too */
    uint64_t total;
    enum mt_level worst;
};

void mt_notes_add(struct mt_alert_notes *notes, const struct mt_record_alert *alert, enum mt_rule rule,
                  enum mt_level level);

/* The first line of read's: frames, bytes, from when to when. live has its own
 * part about capturing, with the same times. */
void mt_summary_print_read(const struct mt_pipeline_result *result);
void mt_summary_print_times(const struct mt_pipeline_result *result);

/* Alerts by level and rule. */
void mt_summary_print_alerts(const struct mt_alert_notes *notes);

/* What became of what each output was given; nothing without outputs. */
void mt_summary_print_outputs(const struct mt_output_state *outputs, size_t count);

/* What follows, of both. */
void mt_summary_print(const struct mt_options *options, const struct mt_pipeline_result *result,
                      const struct mt_alert_notes *notes, const struct mt_filter_counts *filters);

#endif
