/* The line-by-line sections of a page: the table of epochs and the journal. */
#define _GNU_SOURCE
#include "report/sections.h"

#include "base/status.h"
#include "report/markdown.h"

#include <math.h>
#include <string.h>

enum { JOURNAL_LINES = 200, EPOCHS_ALL = 60, EPOCHS_FIRST = 10, EPOCHS_LAST = 40 };

static int epoch_cell(text *out, const epoch_row *e, epoch_value k, bool bold) {
    int rc = OK;
    TRY(text_printf(out, bold ? "| **" : "| "));
    if ((e->has >> k & 1u) != 0)
        switch (k) {
        case TRAIN_TOP1:
        case VAL_TOP1:
        case VAL_TOP5: TRY(md_real(out, "%.2f %%", 100 * e->v[k])); break;
        case DATA_WAIT: TRY(md_real(out, "%.1f %%", 100 * e->v[k])); break;
        case SPEED: TRY(md_real(out, e->v[k] < 100 ? "%.1f" : "%.0f", e->v[k])); break;
        case EPOCH_LR: TRY(md_real(out, "%.4g", e->v[k])); break;
        default: TRY(md_loss(out, e->v[k]));
        }
    TRY(text_printf(out, bold ? "** " : " "));
done:
    return rc;
}

int section_epochs(page *p, const run_data *d) {
    static const char *const title[] = {"epoch",     "train loss",    "train top-1", "val loss", "val top-1",
                                        "val top-5", "learning rate", "images/s",    "data wait"};
    static const epoch_value shown[] = {TRAIN_LOSS, TRAIN_TOP1, VAL_LOSS, VAL_TOP1,
                                        VAL_TOP5,   EPOCH_LR,   SPEED,    DATA_WAIT};
    const epoch_row *loss = run_best(d, VAL_LOSS, -1), *top1 = run_best(d, VAL_TOP1, 1);
    int rc = OK;
    TRY(text_printf(&p->body, "## Epochs\n\n"));
    if (d->epoch_n == 0)
        return section_words(p, d->metrics_problem, "No finished epoch yet");
    if (d->epoch_n > EPOCHS_ALL)
        TRY(text_printf(&p->body, "Of %zu epochs, the first %d, the best (bold) and the last %d are shown.\n\n",
                        d->epoch_n, EPOCHS_FIRST, EPOCHS_LAST));
    TRY(md_head(&p->body, title, "rrrrrrrrr", sizeof title / sizeof *title));
    for (size_t i = 0; i < d->epoch_n; i++) {
        const epoch_row *e = &d->epoch[i];
        bool best = e == loss || e == top1;
        if (d->epoch_n > EPOCHS_ALL && i >= EPOCHS_FIRST && i + EPOCHS_LAST < d->epoch_n && !best)
            continue;
        TRY(text_printf(&p->body, "| %.0f ", e->epoch));
        for (size_t k = 0; k < sizeof shown / sizeof *shown; k++)
            TRY(epoch_cell(&p->body, e, shown[k],
                           (e == loss && shown[k] == VAL_LOSS) || (e == top1 && shown[k] == VAL_TOP1)));
        TRY(text_printf(&p->body, "|\n"));
    }
    TRY(text_printf(&p->body, "\n"));
done:
    return rc;
}

typedef struct event_line {
    const char *field[5]; /* time, epoch, step, kind, text */
    int n[5];
} event_line;

/* Parses one line of the journal; false if it is malformed. */
static bool parse_event(event_line *out, const char *line, size_t n) {
    const char *end = line + n;
    for (int k = 0; k < 5; k++) {
        const char *tab = k < 4 ? memchr(line, '\t', (size_t)(end - line)) : end;
        if (tab == NULL || tab - line > 1 << 20)
            return false;
        out->field[k] = line;
        out->n[k] = (int)(tab - line);
        line = tab + 1;
    }
    return out->n[0] >= 19 && out->field[0][10] == 'T';
}

/* Parses the events of the file; the ring keeps the last JOURNAL_LINES of them. @return the number of events */
static size_t read_events(event_line ring[JOURNAL_LINES], const char *bytes, size_t n) {
    size_t count = 0;
    for (const char *end; n > 0 && (end = memchr(bytes, '\n', n)) != NULL;) {
        size_t length = (size_t)(end - bytes);
        count += parse_event(&ring[count % JOURNAL_LINES], bytes, length);
        bytes += length + 1;
        n -= length + 1;
    }
    return count;
}

int section_journal(page *p, const run_data *d) {
    event_line ring[JOURNAL_LINES];
    text lines = {0};
    int rc = OK;
    TRY(text_printf(&p->body, "## Event log\n\n"));
    size_t n = d->journal != NULL ? read_events(ring, (const char *)d->journal, d->journal_n) : 0;
    size_t first = n > JOURNAL_LINES ? n - JOURNAL_LINES : 0;
    if (n == 0)
        return section_words(p, d->journal_problem, "No entries yet");
    if (first > 0)
        TRY(text_printf(&p->body, "The last %d of %zu entries, newest last", JOURNAL_LINES, n));
    else
        TRY(text_printf(&p->body, n == 1 ? "One entry" : "%zu entries, newest last", n));
    TRY(text_printf(&p->body, "; times are UTC.\n\n"));
    for (size_t i = first; i < n; i++) {
        const event_line *e = &ring[i % JOURNAL_LINES];
        TRY(text_printf(&lines, "%.10s %.8s  epoch %3.*s  step %7.*s  %-9.*s  %.*s\n", e->field[0], e->field[0] + 11,
                        e->n[1], e->field[1], e->n[2], e->field[2], e->n[3], e->field[3], e->n[4], e->field[4]));
    }
    TRY(md_block(&p->body, "text", text_string(&lines), lines.n));
done:
    text_deinit(&lines);
    return rc;
}
