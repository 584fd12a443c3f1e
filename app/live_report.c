#include "live_report.h"

#include "statistics.h"
#include "summary.h"
#include "text.h"

#include <inttypes.h>

/* Shares are judged once so many frames have come since they were last: fewer
 * say little, as one connection has all of its frames in one place. */
#define JUDGED_FRAMES 100000u

/* --- statistics on demand ------------------------------------------------------- */

static const char *port_state(const struct mt_port_counts *port)
{
    if (port->is_gone)
        return "gone";
    return port->is_up ? "up" : "no link";
}

static void print_ports(FILE *file, const struct mt_live_view *view)
{
    char a[MT_TEXT_SIZE];
    char b[MT_TEXT_SIZE];

    for (size_t i = 0; i < view->port_count; i++) {
        const struct mt_port_counts *port = &view->ports[i];
        uint64_t lost = port->missed + port->no_buffer + port->errors;
        fprintf(file, "  port %s (%s, %s): %s frames, ", port->name, port->driver, port_state(port),
                mt_text_number(port->frames, a));
        fprintf(file, "%s lost (%s)\n", mt_text_number(lost, a), mt_text_share(lost, port->frames + lost, b));
    }
}

static void print_workers(FILE *file, const struct mt_live_view *view)
{
    uint64_t total = 0;

    for (size_t i = 0; i < view->worker_count; i++)
        total += view->worker_frames[i];
    for (size_t i = 0; i < view->worker_count; i++) {
        char a[MT_TEXT_SIZE];
        char b[MT_TEXT_SIZE];
        fprintf(file, "  worker %zu: %s frames (%s)\n", i, mt_text_number(view->worker_frames[i], a),
                mt_text_share(view->worker_frames[i], total, b));
    }
}

static const struct mt_live_cause *cause_of(int counter)
{
    for (size_t i = 0; i < mt_live_cause_count; i++) {
        if ((int)mt_live_causes[i].counter == counter)
            return &mt_live_causes[i];
    }
    return NULL;
}

void mt_live_report_statistics(FILE *file, const struct mt_live_view *view)
{
    char a[MT_TEXT_SIZE];
    char b[MT_TEXT_SIZE];
    uint64_t known = mt_live_view_known(view);
    uint64_t lost = mt_live_view_lost(view);

    fprintf(file, "mailtap: statistics after %" PRIu64 " s: %s frames lost (%s), ",
            view->up_time / 1000000000, mt_text_number(lost, a), mt_text_share(lost, known, b));
    fprintf(file, "%s sessions open\n", mt_text_number(mt_live_view_open(view), a));
    print_ports(file, view);
    print_workers(file, view);
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        const char *name = mt_statistics_name(i);
        uint64_t value = name ? mt_stats_get(&view->stats, (enum mt_counter)i) : 0;
        if (value == 0)
            continue;
        fprintf(file, "  %-32s %20s", name, mt_text_number(value, a));
        if (cause_of(i))
            fprintf(file, " (%s)", mt_text_share(value, known, b));
        fputc('\n', file);
    }
    fflush(file);
}

/* --- at the end ----------------------------------------------------------------- */

void mt_live_report_capture(const struct mt_live_view *view, const struct mt_pipeline_result *result)
{
    char a[MT_TEXT_SIZE];
    char b[MT_TEXT_SIZE];
    uint64_t known = mt_live_view_known(view);
    uint64_t lost = mt_live_view_lost(view);
    uint64_t filtered = mt_stats_get(&view->stats, MT_COUNTER_FILTERED);

    printf("Capture      %s frames, ", mt_text_number(mt_live_view_frames(view), a));
    printf("%s", mt_text_bytes(mt_live_view_bytes(view), a));
    mt_summary_print_times(result);
    putchar('\n');
    for (size_t i = 0; i < view->port_count; i++) {
        const struct mt_port_counts *port = &view->ports[i];
        printf("             %s (%s): %s frames, ", port->name, port->driver,
               mt_text_number(port->frames, a));
        printf("%s%s\n", mt_text_bytes(port->bytes, a), port->is_gone ? ", gone at the end" : "");
    }
    if (filtered > 0)
        printf("             %s left out by --filter\n", mt_text_number(filtered, a));
    printf("Lost         %s frames (%s)\n", mt_text_number(lost, a), mt_text_share(lost, known, b));
    for (size_t i = 0; i < mt_live_cause_count; i++) {
        uint64_t count = mt_stats_get(&view->stats, mt_live_causes[i].counter);
        if (count > 0)
            printf("             %s (%s): %s\n", mt_text_number(count, a), mt_text_share(count, known, b),
                   mt_live_causes[i].what);
    }
}

bool mt_live_report_losses(FILE *file, const struct mt_live_view *view)
{
    uint64_t known = mt_live_view_known(view);
    bool is_any = false;

    for (size_t i = 0; i < mt_live_cause_count; i++) {
        const struct mt_live_cause *cause = &mt_live_causes[i];
        uint64_t count = mt_stats_get(&view->stats, cause->counter);
        char a[MT_TEXT_SIZE];
        char b[MT_TEXT_SIZE];
        if (count == 0)
            continue;
        is_any = true;
        fprintf(file, "mailtap: %s frames (%s) were lost because %s; %s\n", mt_text_number(count, a),
                mt_text_share(count, known, b), cause->what, cause->mend);
    }
    return is_any;
}

/* --- while it runs -------------------------------------------------------------- */

/* That a port has gone or returned is said by the room that opens it again. */
static void look_at_link(struct mt_live_watch *watch, size_t index, const struct mt_port_counts *port,
                         mt_live_say *say, void *ctx)
{
    bool is_down = !port->is_gone && !port->is_up;
    char line[256];

    if (is_down == watch->is_down[index] || port->is_gone)
        return;
    snprintf(line, sizeof(line), is_down ? "port %s has no link" : "port %s has link", port->name);
    watch->is_down[index] = is_down;
    say(ctx, line);
}

/* More than twice the mean; of two workers one can't have that, so there it is
 * nine tenths. */
static bool is_too_much(uint64_t most, uint64_t total, size_t workers)
{
    return workers > 2 ? most * workers > 2 * total : most * 10 > total * 9;
}

static void look_at_shares(struct mt_live_watch *watch, const struct mt_live_view *view, mt_live_say *say,
                           void *ctx)
{
    uint64_t total = 0;
    uint64_t most = 0;
    size_t busiest = 0;

    for (size_t i = 0; i < view->worker_count; i++) {
        uint64_t frames = view->worker_frames[i] - watch->judged_frames[i];
        total += frames;
        if (frames > most) {
            most = frames;
            busiest = i;
        }
    }
    if (watch->is_share_told || view->worker_count < 2 || total < JUDGED_FRAMES)
        return;
    memcpy(watch->judged_frames, view->worker_frames, sizeof(watch->judged_frames));
    if (!is_too_much(most, total, view->worker_count))
        return;
    char line[256];
    char share[MT_TEXT_SIZE];
    watch->is_share_told = true;
    snprintf(line, sizeof(line),
             "worker %zu of %zu has %s of the frames: a few connections carry most of the traffic, or the "
             "device does not spread it well; --spread software spreads by connection",
             busiest, view->worker_count, mt_text_share(most, total, share));
    say(ctx, line);
}

void mt_live_watch_look(struct mt_live_watch *watch, const struct mt_live_view *view, mt_live_say *say,
                        void *ctx)
{
    for (size_t i = 0; i < view->port_count; i++)
        look_at_link(watch, i, &view->ports[i], say, ctx);
    look_at_shares(watch, view, say, ctx);
}
