/* Lines of both directions: where the next one ends, and the limit.
 *
 * Ownership: spans into the caller's bytes. Thread: any. Limits:
 * MT_SMTP_LINE_MAX.
 */
#ifndef MT_SMTP_LINE_PRIV_H
#define MT_SMTP_LINE_PRIV_H

#include "base/scan.h"
#include "smtp/smtp.h"

struct mt_smtp_line {
    struct mt_span text; /* without its line end */
    size_t taken;        /* with it */
    bool is_cut;         /* over the limit: its end is yet to come */
    bool is_open;        /* forced: its end was not seen */
    bool has_bare_lf;
    bool is_odd; /* text holds bytes that are no printable ASCII */
};

/* The line at the start of rest; false when its end is not there yet. Whether a
 * line is cut depends on its bytes alone, never on how they were split: its LF
 * must be among the first MT_SMTP_LINE_MAX bytes. A partial line is scanned
 * again with each new segment, which that limit keeps cheaper than the segment
 * itself. */
static inline bool mt_smtp_line_next(struct mt_span rest, bool is_forced, struct mt_smtp_line *ret_line)
{
    struct mt_span window = mt_span_head(rest, MT_SMTP_LINE_MAX);
    bool is_odd;
    size_t lf = mt_scan_line(window, &is_odd);
    struct mt_smtp_line line = {.text = mt_span_head(window, lf), .taken = lf, .is_odd = is_odd};

    if (lf < window.size)
        line.taken++;
    else if (window.size == MT_SMTP_LINE_MAX)
        line.is_cut = true;
    else if (is_forced)
        line.is_open = true;
    else
        return false;

    bool has_cr = lf > 0 && window.ptr[lf - 1] == '\r';
    if (has_cr)
        line.text.size--;
    line.has_bare_lf = !has_cr && !line.is_cut && !line.is_open;
    *ret_line = line;
    return true;
}

#endif
