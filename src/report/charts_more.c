/* The learning rate finder, the device, the images most wrong. */
#include "report/charts.h"

#include "base/memory.h"
#include "base/status.h"
#include "report/markdown.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One column of a table over all its rows, times `factor`. */
static int take_column(double **out, picture *p, const table *t, size_t column, double factor) {
    const table_column *c = table_at(t, column);
    double *v;
    size_t at = 0;
    int rc = OK;
    TRY(picture_array(&v, p, t->row_n));
    for (size_t i = 0; i < t->row_n; i++)
        v[i] = factor * table_value(c, i, &at);
    *out = v;
done:
    return rc;
}

enum { FINDER_SETTLED = 10 }; /* first points that suggestions leave out */

/* Lightning divides the running mean by 1 - 0.98^(i + 2): its first points are too low. This is the mean without bias.
 */
static double unbiased(const double *smoothed, size_t i) {
    double k = (double)i + 1;
    return smoothed[i] * (1 - pow(0.98, k + 1)) / (1 - pow(0.98, k));
}

/* What of the loss is worth seeing: from the settled points to the lowest one, noise included. A diverging end would
 * flatten it. */
static void finder_range(plot_axis *y, const double *loss, const double *smoothed, size_t n) {
    size_t from = n > FINDER_SETTLED ? FINDER_SETTLED : 0, lowest = from;
    double low = NAN, high = NAN;
    for (size_t i = from; i < n; i++)
        if (unbiased(smoothed, i) < unbiased(smoothed, lowest) || !isfinite(smoothed[lowest]))
            lowest = i;
    for (size_t i = from; i < n && i <= lowest; i++) {
        low = fmin(low, fmin(loss[i], smoothed[i])); /* fmin, fmax: NaN gives way */
        high = fmax(high, fmax(loss[i], smoothed[i]));
    }
    double margin = 0.15 * fmax(high - low, 0.1 * fabs(high));
    if (!isfinite(margin))
        return;
    y->low = fmin(y->low, low - margin);
    y->high = fmax(y->high, high + 2 * margin);
}

/* Marks the suggestion on the curve, at the step that was nearest to it. */
static void mark_suggestion(picture *p, const run_data *d, const double *lr, const double *y, char label[48]) {
    double wanted = d->info.suggestion, distance = INFINITY;
    size_t nearest = 0;
    char value[32];
    if (!(wanted > 0))
        return;
    for (size_t i = 0; i < d->finder.row_n; i++)
        if (isfinite(y[i]) && lr[i] > 0 && fabs(log(lr[i] / wanted)) < distance) {
            distance = fabs(log(lr[i] / wanted));
            nearest = i;
        }
    if (!isfinite(distance))
        return;
    snprintf(label, 48, "suggestion %s", real_text(value, wanted));
    picture_mark(p, wanted, y[nearest], label);
}

/* One run's curves: with repeats the band over sweeps and its median behind. */
static int finder_curves(picture *p, const run_data *d, size_t n, int color, char label[48]) {
    size_t rows = d->finder.row_n;
    double *lr, *loss, *smoothed, *low, *median, *high;
    int rc = OK;
    TRY(take_column(&lr, p, &d->finder, FINDER_LR, 1));
    TRY(take_column(&loss, p, &d->finder, FINDER_LOSS, 1));
    TRY(take_column(&smoothed, p, &d->finder, FINDER_SMOOTHED, 1));
    TRY(take_column(&low, p, &d->finder, FINDER_LOW, 1));
    TRY(take_column(&median, p, &d->finder, FINDER_MEDIAN, 1));
    TRY(take_column(&high, p, &d->finder, FINDER_HIGH, 1));
    if (n == 1) {
        TRY(picture_band(p, "all sweeps", lr, low, high, rows, color));
        TRY(picture_curve(p, "loss of a step", lr, loss, rows, PLOT_FAINT, color));
        TRY(picture_curve(p, "median of the sweeps", lr, median, rows, PLOT_LINE, color + 1));
    }
    TRY(picture_curve(p, n > 1 ? d->run->name : "smoothed", lr, smoothed, rows, PLOT_LINE, color));
    finder_range(&p->chart[0].y, loss, smoothed, rows);
    if (n == 1)
        mark_suggestion(p, d, lr, smoothed, label);
done:
    return rc;
}

/* label: 48 bytes that live as long as the picture */
static int finder_picture(picture *p, const run_data *d, size_t n, char *label) {
    plot_axis x = axis("learning rate");
    int rc = OK;
    x.log = true;
    picture_panel(p, "Learning rate finder", x, axis("loss"));
    for (size_t i = 0; i < n; i++)
        TRY(finder_curves(p, &d[i], n, (int)i, label));
done:
    return rc;
}

int report_finder(text *png, const char *logs) {
    const report_run run = {.logs = logs};
    run_data d = {0};
    picture p = {0};
    char label[48];
    int rc = OK;
    TRY(run_load(&d, &run));
    TRY(finder_picture(&p, &d, 1, label));
    TRY(plot_charts(png, p.chart, p.chart_n, 1));
done:
    picture_deinit(&p);
    run_unload(&d);
    return rc;
}

int chart_finder(page *to, const run_data *d, size_t n) {
    picture p = {0};
    char label[48];
    int rc = OK;
    TRY(finder_picture(&p, d, n, label));
    TRY(picture_put(to, &p, "lr_finder", "Learning rate finder", 1));
done:
    picture_deinit(&p);
    return rc;
}

/* The axis of time since the run began, and what its seconds are multiplied by. */
static plot_axis time_axis(const run_data *d, double *factor) {
    double last = 0;
    for (size_t i = 0; i < d->device.row_n; i++)
        last = fmax(last, d->device_time[i]);
    *factor = last < 600 ? 1 : last < 7200 ? 1.0 / 60 : 1.0 / 3600;
    return axis(last < 600 ? "seconds" : last < 7200 ? "minutes" : "hours");
}

static int device_curve(picture *p, const run_data *d, size_t column, double factor, const char *name, int color) {
    double *x, *y, seconds;
    int rc = OK;
    time_axis(d, &seconds);
    TRY(picture_array(&x, p, d->device.row_n));
    for (size_t i = 0; i < d->device.row_n; i++)
        x[i] = seconds * d->device_time[i];
    TRY(take_column(&y, p, &d->device, column, factor));
    TRY(picture_curve(p, name, x, y, d->device.row_n, PLOT_LINE, color));
done:
    return rc;
}

enum { GRID_COLUMNS = 10 }; /* most that plot_grid takes */
#define GIB (1.0 / (1 << 30))

int chart_device(page *to, const run_data *d) {
    picture p = {0};
    double factor;
    plot_axis time = time_axis(d, &factor);
    int rc = OK;
    picture_panel(&p, "CPU", time, axis_from("%", 0));
    TRY(device_curve(&p, d, DEV_CPU, 1, "all processes", 1));
    TRY(device_curve(&p, d, DEV_PROCESS_CPU, 1, "this run", 0));
    picture_panel(&p, "Memory", time, axis_from("GiB", 0));
    TRY(device_curve(&p, d, DEV_MEMORY_USED, GIB, "all processes", 1));
    TRY(device_curve(&p, d, DEV_PROCESS_MEMORY, GIB, "this run", 0));
    TRY(picture_put(to, &p, "device", "CPU and memory over time", 2));
done:
    picture_deinit(&p);
    return rc;
}

int chart_gpus(page *to, const run_data *d) {
    static const struct {
        const char *title, *unit;
        int value;
        double factor;
        bool from_0;
    } panel[] = {{"Utilisation", "%", GPU_USE, 1, true},     {"Memory", "GiB", GPU_MEMORY, GIB, true},
                 {"Power", "W", GPU_POWER, 1, true},         {"Temperature", "°C", GPU_HEAT, 1, false},
                 {"SM clock", "MHz", GPU_SM_CLOCK, 1, true}, {"Memory clock", "MHz", GPU_MEMORY_CLOCK, 1, true}};
    picture p = {0};
    double factor;
    char name[REPORT_GPUS][16];
    plot_axis time = time_axis(d, &factor);
    int rc = OK;
    for (size_t k = 0; k < sizeof panel / sizeof *panel; k++) {
        picture_panel(&p, panel[k].title, time, axis_from(panel[k].unit, panel[k].from_0 ? 0 : NAN));
        for (int g = 0; g < d->gpu_n; g++) {
            snprintf(name[g], sizeof name[g], "GPU %d", g);
            TRY(device_curve(&p, d, gpu_column(g, panel[k].value), panel[k].factor, name[g], g));
        }
    }
    TRY(picture_put(to, &p, "gpus", "GPUs over time", 2));
done:
    picture_deinit(&p);
    return rc;
}

/* Copies thumbnail i out of the sheet. */
static void cut(uint8_t *out, const report_sheet *sheet, int size, int columns, size_t i) {
    size_t row = (size_t)size * 3, left = i % (size_t)columns * row, top = i / (size_t)columns * (size_t)size;
    for (size_t y = 0; y < (size_t)size; y++)
        memcpy(out + y * row, sheet->rgb + (top + y) * (size_t)sheet->w * 3 + left, row);
}

typedef struct worst_label {
    char truth[160], predicted[160];
} worst_label;

/* A class's name cut to about what fits below a thumbnail with `other` characters beside it: the probability behind it
 * is not to be lost. */
static void short_name(char out[128], const char *name, int columns, int other) {
    enum { MARGIN = 13, CHARACTER = 66 }; /* pixels, tenths of one: about */
    int room = (PLOT_WIDTH / columns - MARGIN) * 10 / CHARACTER - other, characters = 0;
    size_t n = 0, cut_at = 0;
    room = room < 6 ? 6 : room;
    for (; name[n] != 0 && n < 120; n++) {
        characters += ((unsigned char)name[n] & 0xc0) != 0x80; /* UTF-8: not within one */
        if (characters == room - 1 && ((unsigned char)name[n] & 0xc0) != 0x80)
            cut_at = n;
    }
    bool whole = characters <= room && name[n] == 0;
    snprintf(out, 128, "%.*s%s", (int)(whole ? n : cut_at), name, whole ? "" : "…");
}

static void label_image(worst_label *out, const worst_image *w, int columns) {
    char name[128];
    snprintf(out->truth, sizeof out->truth, "true: %s", w->truth);
    if (isfinite(w->probability)) {
        short_name(name, w->predicted, columns, 10); /* "pred: ", " 97%" */
        snprintf(out->predicted, sizeof out->predicted, "pred: %s %.0f%%", name, 100 * w->probability);
    } else
        snprintf(out->predicted, sizeof out->predicted, "pred: %s", w->predicted);
}

/* How many thumbnails there are both pixels and words for. */
static size_t count_worst(const run_data *d) {
    const report_sheet *sheet = &d->run->worst;
    int size = d->info.worst_size, columns = d->info.worst_columns;
    if (sheet->rgb == NULL || size == 0 || columns == 0 || columns > sheet->w / size)
        return 0;
    size_t n = (size_t)columns * (size_t)(sheet->h / size);
    n = n < d->worst.n ? n : d->worst.n;
    return n < (size_t)d->info.worst_n ? n : (size_t)d->info.worst_n;
}

int chart_worst(page *to, const run_data *d) {
    static const char title[] = "Validation images the model gets most wrong";
    int size = d->info.worst_size, columns = d->info.worst_columns, rc = OK;
    text png = {0};
    plot_thumbnail *image = NULL;
    worst_label *label = NULL;
    uint8_t *pixels = NULL;
    size_t n = count_worst(d), bytes = (size_t)size * (size_t)size * 3;
    if (n == 0)
        return OK;
    TRY(memory_zeroed(&image, n, sizeof *image));
    TRY(memory_zeroed(&label, n, sizeof *label));
    TRY(memory_zeroed(&pixels, n, bytes));
    int across = columns < GRID_COLUMNS ? columns : GRID_COLUMNS;
    for (size_t i = 0; i < n; i++) {
        cut(pixels + i * bytes, &d->run->worst, size, columns, i);
        label_image(&label[i], &d->worst.image[i], across);
        image[i] = (plot_thumbnail){pixels + i * bytes, size, size, label[i].truth, label[i].predicted, true};
    }
    const char *without = plot_unavailable();
    int drawn = without != NULL ? fail(E_UNSUPPORTED, "%s", without) : plot_grid(&png, title, image, n, across);
    TRY(page_png(to, drawn, &png, "worst", title));
done:
    text_deinit(&png);
    free(image);
    free(label);
    free(pixels);
    return rc;
}
