/* What --output asks for: records and alerts in the forms of other systems, on
 * their way to them (export/outputs.h).
 *
 * Ownership: owns configs, formats and delivery. Thread: open and close from main;
 * session and alert from the collector's thread in between. Limits:
 * MT_OUTPUTS_MAX outputs.
 */
#ifndef MT_APP_OUTPUTS_H
#define MT_APP_OUTPUTS_H

#include "export/outputs.h"
#include "options.h"

struct mt_app_outputs;

/* Who the process will become. */
struct mt_output_owner {
    uint32_t user;
    uint32_t group;
};

struct mt_output_state {
    char name[MT_OUTPUT_NAME_MAX];
    struct mt_output_stats stats;
};

/* Starts what options name, and tells the pipeline which encodings workers are to
 * make. *ret_outputs is NULL when none is asked for. -EINVAL for a spec that is
 * wrong, -errno for what can't be started, with a sentence. With an owner nothing
 * is sent, opened or run before mt_app_outputs_begin; NULL: it begins at once. */
int mt_app_outputs_open(struct mt_options *options, const struct mt_output_owner *owner, char *ret_reason,
                        size_t reason_size, struct mt_app_outputs **ret_outputs);

/* The process has become the owner. */
void mt_app_outputs_begin(struct mt_app_outputs *outputs);

void mt_app_outputs_document(struct mt_app_outputs *outputs, const struct mt_pipeline_document *document);
void mt_app_outputs_alert(struct mt_app_outputs *outputs, const struct mt_record_alert *alert,
                          enum mt_level level);

/* Nothing waits in memory: all of it is delivered, refused or in a spool. */
bool mt_app_outputs_are_safe(const struct mt_app_outputs *outputs);

/* Is there a --correlate-to? */
bool mt_app_outputs_has_events(const struct mt_app_outputs *outputs);
/* key and event of the pipeline's sink; is_last: no more follow. */
void mt_app_outputs_event(struct mt_app_outputs *outputs, struct mt_span key, struct mt_span event,
                          bool is_last);

/* Files are opened anew, for who has moved them away; with rotate they are put aside first. */
void mt_app_outputs_reopen(struct mt_app_outputs *outputs, bool rotate);

/* What each output has come to: at most MT_OUTPUTS_MAX; returns how many. */
size_t mt_app_outputs_states(const struct mt_app_outputs *outputs, struct mt_output_state *ret_states);

bool mt_app_outputs_has_stdout(const struct mt_app_outputs *outputs);

/* Sends what can be sent in grace_ms. True when everything is delivered or safe in
 * a spool; says on standard error what is not, and what waits. ret_states: what
 * each came to, as many as there are. */
bool mt_app_outputs_close(struct mt_app_outputs *outputs, uint32_t grace_ms,
                          struct mt_output_state *ret_states);

#endif
