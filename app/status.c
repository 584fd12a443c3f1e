#include "status.h"

#include "text.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0 && now > before ? (double)(now - before) / seconds : 0;
}

const char *mt_status_text(const struct mt_live_view *view, const struct mt_live_view *before,
                           char text[MT_STATUS_SIZE])
{
    char packets[MT_TEXT_SIZE];
    char open[MT_TEXT_SIZE];
    char total[MT_TEXT_SIZE];
    char lost[MT_TEXT_SIZE];
    char share[MT_TEXT_SIZE];
    char alerts[MT_TEXT_SIZE];
    double seconds = (double)(view->up_time - before->up_time) / 1e9;
    double bits = 8 * rate(mt_live_view_bytes(view), mt_live_view_bytes(before), seconds);
    uint64_t lost_frames = mt_live_view_lost(view);
    uint64_t begun = mt_live_view_open(view) + mt_stats_get(&view->stats, MT_COUNTER_SESSIONS);

    snprintf(text, MT_STATUS_SIZE,
             "%s packets/s, %.3f Gbit/s; sessions %s open of %s; lost %s (%s); alerts %s",
             mt_text_rate(rate(mt_live_view_frames(view), mt_live_view_frames(before), seconds), packets),
             bits / 1e9, mt_text_number(mt_live_view_open(view), open), mt_text_number(begun, total),
             mt_text_number(lost_frames, lost), mt_text_share(lost_frames, mt_live_view_known(view), share),
             mt_text_number(mt_stats_get(&view->stats, MT_COUNTER_ALERTS), alerts));
    return text;
}

void mt_status_init(struct mt_status *status, bool is_wanted)
{
    status->is_wanted = is_wanted && isatty(STDERR_FILENO);
    status->is_drawn = false;
}

void mt_status_draw(struct mt_status *status, const char *text)
{
    struct winsize size;
    if (!status->is_wanted)
        return;
    /* a line that wraps could not be erased */
    bool has_width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    fprintf(stderr, "\r\033[K%.*s", has_width ? size.ws_col - 1 : 79, text);
    fflush(stderr);
    status->is_drawn = true;
}

void mt_status_erase(struct mt_status *status)
{
    if (status->is_drawn)
        fputs("\r\033[K", stderr);
    status->is_drawn = false;
}

void mt_status_say(struct mt_status *status, const char *line)
{
    mt_status_erase(status);
    fprintf(stderr, "mailtap: %s\n", line);
}
