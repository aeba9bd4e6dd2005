#include "logging/progress.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 512
#define REDRAW_SECONDS 0.2
#define PLAIN_SECONDS 10.0
#define BAR_MIN 5
#define BAR_MAX 30

struct progress {
    progress_options o;
    char phase[32];
    int64_t epoch, epochs, total;
    double began, drawn; /* clock_seconds */
};

int progress_open(progress **out, const progress_options *o) {
    progress *p = NULL;
    int rc = memory_zeroed(&p, 1, sizeof *p);
    if (rc != 0)
        return rc;
    p->o = *o;
    if (p->o.width <= 0)
        p->o.width = 80;
    *out = p;
    return 0;
}

void progress_close(progress *p) { free(p); }

void progress_begin(progress *p, const char *phase, int64_t epoch, int64_t epochs, int64_t done, int64_t total) {
    (void)done; /* a resumed epoch: the caller supplies rates and times */
    snprintf(p->phase, sizeof p->phase, "%s", phase);
    p->epoch = epoch;
    p->epochs = epochs;
    p->total = total;
    p->began = clock_seconds();
    p->drawn = p->o.terminal ? 0 : p->began; /* a bar is drawn at once, plain lines after an interval */
}

/* The parts of a line besides the bar, and the order in which they are omitted if the line is too long. */
enum { LOSS, TOP1, RATE, WAIT, COMM, SLOWEST, TIME, RUN, PARTS };
static const int give_up[PARTS] = {SLOWEST, COMM, WAIT, RATE, RUN, TOP1, TIME, LOSS};

static const char *rate_text(char out[48], double rate) {
    char count[32];
    if (rate < 10)
        snprintf(out, 48, "  %.1f img/s", rate);
    else
        snprintf(out, 48, "  %s img/s", text_count(count, (unsigned long long)(rate + 0.5)));
    return out;
}

static void format_parts(char part[PARTS][48], const progress *p, const progress_state *s, bool final) {
    char duration[32];
    memset(part, 0, PARTS * sizeof part[0]);
    if (!isnan(s->loss))
        snprintf(part[LOSS], 48, fabs(s->loss) < 1000 ? "  loss %.3f" : "  loss %.3g", s->loss);
    if (!isnan(s->top1))
        snprintf(part[TOP1], 48, "  top-1 %.1f%%", 100 * s->top1);
    if (s->images_per_second > 0 && s->images_per_second < 1e12)
        rate_text(part[RATE], s->images_per_second);
    if (s->wait_share >= 0)
        snprintf(part[WAIT], 48, "  data wait %.0f%%", 100 * fmin(s->wait_share, 1));
    if (s->ranks > 1 && s->slowest >= 0) {
        snprintf(part[COMM], 48, "  comm %.0f%%", 100 * s->comm_share);
        snprintf(part[SLOWEST], 48, "  slowest rank %d (+%.0f%%)", s->slowest, 100 * fmin(s->excess, 100));
    }
    if (final)
        snprintf(part[TIME], 48, "  took %s", text_duration(duration, clock_seconds() - p->began));
    else if (s->remaining_seconds >= 0 && s->remaining_seconds < 1e9)
        snprintf(part[TIME], 48, "  eta %s", text_duration(duration, s->remaining_seconds));
    if (!final && s->run_seconds > 0 && s->run_seconds < 1e9)
        snprintf(part[RUN], 48, "  run %s", text_duration(duration, s->run_seconds));
}

/* "[=====>    ] " with `width` columns between the brackets. */
static void format_bar(char out[BAR_MAX + 4], int width, int64_t done, int64_t total) {
    int64_t full = total > 0 ? (int64_t)((double)width * (double)done / (double)total) : width;
    int n = 0;
    out[n++] = '[';
    for (int i = 0; i < width; i++)
        out[n++] = i < full ? '=' : i == full ? '>' : ' ';
    out[n++] = ']';
    out[n++] = ' ';
    out[n] = 0;
}

static void format(char *out, int bytes, const progress *p, const progress_state *s, bool final) {
    char head[128], count[80], bar[BAR_MAX + 4] = "", part[PARTS][48], done[32], total[32], epoch[32], epochs[32];
    int64_t at = s->done < 0 ? 0 : s->done > p->total ? p->total : s->done;
    if (p->epochs > 0)
        snprintf(head, sizeof head, "epoch %s/%s %s ", text_count(epoch, (unsigned long long)p->epoch + 1),
                 text_count(epochs, (unsigned long long)p->epochs), p->phase);
    else
        snprintf(head, sizeof head, "%s ", p->phase);
    int n = snprintf(count, sizeof count, "%s/%s", text_count(done, (unsigned long long)at),
                     text_count(total, (unsigned long long)p->total));
    bool with_bar = p->o.terminal && !final;
    if (!p->o.terminal && !final && p->total > 0)
        snprintf(count + n, sizeof count - (size_t)n, " (%.0f%%)", 100.0 * (double)at / (double)p->total);
    format_parts(part, p, s, final);
    /* some terminals wrap a line of full width */
    int limit = p->o.terminal ? p->o.width - 1 : LINE, room = limit - (int)(strlen(head) + strlen(count));
    for (int i = 0; i < PARTS; i++)
        room -= (int)strlen(part[i]);
    for (int i = 0; i < PARTS && room < 0; i++) {
        room += (int)strlen(part[give_up[i]]);
        part[give_up[i]][0] = 0;
    }
    int width = room - 3 < BAR_MAX ? room - 3 : BAR_MAX;
    if (with_bar && width >= BAR_MIN)
        format_bar(bar, width, at, p->total);
    if (bytes > limit + 1)
        bytes = limit + 1;
    snprintf(out, (size_t)(bytes > 0 ? bytes : 0), "%s%s%s%s%s%s%s%s%s%s%s", head, bar, count, part[LOSS], part[TOP1],
             part[RATE], part[WAIT], part[COMM], part[SLOWEST], part[TIME], part[RUN]);
}

void progress_format(char *out, int bytes, const progress *p, const progress_state *s) {
    format(out, bytes, p, s, false);
}

void progress_update(progress *p, const progress_state *s) {
    if (p->o.sink == NULL)
        return;
    double now = clock_seconds();
    if (now - p->drawn < (p->o.terminal ? REDRAW_SECONDS : PLAIN_SECONDS))
        return;
    p->drawn = now;
    char line[LINE];
    format(line, sizeof line, p, s, false);
    p->o.sink(p->o.context, line, !p->o.terminal);
}

void progress_end(progress *p, const progress_state *s) {
    if (p->o.sink == NULL)
        return;
    char line[LINE];
    format(line, sizeof line, p, s, true);
    p->o.sink(p->o.context, line, true);
}
