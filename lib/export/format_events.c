/* No format: what is put for --correlate-to are bytes already (sigma/wire.h). */
#include "export/format_priv.h"
#include "export/output_config_priv.h"

static bool put_alert(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    (void)format;
    (void)alert;
    (void)emit;
    (void)ctx;
    return true;
}

const struct mt_format_ops mt_format_events = {
    .name = "correlate-to",
    .meaning = "events of correlations",
    .streams = {""},
    .create = mt_format_create_whole,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = mt_format_no_session,
    .alert = put_alert,
};
