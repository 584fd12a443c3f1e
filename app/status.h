/* The line on a terminal that says each second how a live run goes, and lines of
 * text in between.
 *
 * Ownership: none. Thread: control. Limits: one line, cut to the terminal's width.
 */
#ifndef MT_APP_STATUS_H
#define MT_APP_STATUS_H

#include "live_view.h"

struct mt_status {
    bool is_wanted; /* standard error is a terminal */
    bool is_drawn;
};

#define MT_STATUS_SIZE 256

/* "1.20 M packets/s, 8.31 Gbit/s; ...": what happened since before. */
const char *mt_status_text(const struct mt_live_view *view, const struct mt_live_view *before,
                           char text[MT_STATUS_SIZE]);

void mt_status_init(struct mt_status *status, bool is_wanted);
void mt_status_draw(struct mt_status *status, const char *text);
void mt_status_erase(struct mt_status *status);

/* "mailtap: line" on standard error, on a line of its own. */
void mt_status_say(struct mt_status *status, const char *line);

#endif
