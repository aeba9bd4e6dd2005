/* The grid of the worst predictions: misclassified validation images with the highest loss. */
#include "report/charts.h"

#include "base/memory.h"
#include "base/status.h"
#include "report/markdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies thumbnail i from the sheet. */
static void cut(uint8_t *out, const report_sheet *sheet, int size, int columns, size_t i) {
    size_t row = (size_t)size * 3, left = i % (size_t)columns * row, top = i / (size_t)columns * (size_t)size;
    for (size_t y = 0; y < (size_t)size; y++)
        memcpy(out + y * row, sheet->rgb + (top + y) * (size_t)sheet->w * 3 + left, row);
}

typedef struct worst_label {
    char truth[160], predicted[160];
} worst_label;

enum { GRID_COLUMNS = 10 };                            /* maximum of plot_grid */
enum { WIDEST = 3, CELL_MARGIN = 13, CHARACTER = 66 }; /* columns; pixels; tenths of one: about */

/* Characters that fit below a thumbnail, about. */
static int label_room(int columns) { return (PLOT_WIDTH / columns - CELL_MARGIN) * 10 / CHARACTER; }

static int characters(const char *s) {
    int n = 0;
    for (; *s != 0; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80; /* UTF-8 */
    return n;
}

/* A class's name cut to `room` characters. */
static void short_name(char out[128], const char *name, int room) {
    size_t n = 0, cut_at = 0;
    int count = 0;
    for (; name[n] != 0 && n < 120; n++) {
        bool begins = ((unsigned char)name[n] & 0xc0) != 0x80;
        count += begins;
        if (begins && count <= room)
            cut_at = n;
    }
    bool whole = count <= room && name[n] == 0;
    snprintf(out, 128, "%.*s%s", (int)(whole ? n : cut_at), name, whole ? "" : "…");
}

enum { PREFIX = 6, PERCENT = 4 }; /* characters of "true: " and "pred: "; of " 97%", which is not to be lost */

int worst_columns(const worst_image *image, size_t n, int most) {
    int longest = 0, columns = most;
    for (size_t i = 0; i < n; i++) {
        int truth = characters(image[i].truth), predicted = characters(image[i].predicted) + PERCENT;
        longest = truth > longest ? truth : longest;
        longest = predicted > longest ? predicted : longest;
    }
    while (columns > WIDEST && label_room(columns) < PREFIX + longest)
        columns--;
    return columns;
}

static void label_image(worst_label *out, const worst_image *w, int columns) {
    char name[128];
    snprintf(out->truth, sizeof out->truth, "true: %s", w->truth);
    if (isfinite(w->probability)) {
        short_name(name, w->predicted, label_room(columns) - PREFIX - PERCENT);
        snprintf(out->predicted, sizeof out->predicted, "pred: %s %.0f%%", name, 100 * w->probability);
    } else
        snprintf(out->predicted, sizeof out->predicted, "pred: %s", w->predicted);
}

/* Number of thumbnails that have both pixels and a row in worst.csv. */
static size_t count_worst(const run_data *d) {
    const report_sheet *sheet = &d->run->worst;
    int size = d->info.worst_size, columns = d->info.worst_columns;
    if (sheet->rgb == NULL || size == 0 || columns == 0 || columns > sheet->w / size)
        return 0;
    size_t n = (size_t)columns * (size_t)(sheet->h / size);
    n = n < d->worst.n ? n : d->worst.n;
    return n < (size_t)d->info.worst_n ? n : (size_t)d->info.worst_n;
}

/* Draws the form for narrow screens; changes the labels. */
static int put_narrow(page *to, const char *title, plot_thumbnail *image, worst_label *label, size_t n,
                      const worst_image *w) {
    text *png;
    int rc = OK;
    for (size_t i = 0; i < n; i++)
        label_image(&label[i], &w[i], 2 * PLOT_NARROW_COLUMNS);
    TRY(page_narrow(&png, to, "worst"));
    TRY(plot_grid_narrow(png, title, image, n));
done:
    return rc;
}

int chart_worst(page *to, const run_data *d) {
    static const char title[] = "Worst predictions on validation images";
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
    int across = worst_columns(d->worst.image, n, columns < GRID_COLUMNS ? columns : GRID_COLUMNS);
    for (size_t i = 0; i < n; i++) {
        cut(pixels + i * bytes, &d->run->worst, size, columns, i);
        label_image(&label[i], &d->worst.image[i], across);
        image[i] = (plot_thumbnail){pixels + i * bytes, size, size, label[i].truth, label[i].predicted, true};
    }
    const char *without = plot_unavailable();
    int drawn = without != NULL ? fail(E_UNSUPPORTED, "%s", without) : plot_grid(&png, title, image, n, across);
    TRY(page_png(to, drawn, &png, "worst", title));
    if (drawn == OK && html_unavailable() == NULL)
        TRY(put_narrow(to, title, image, label, n, d->worst.image));
done:
    text_deinit(&png);
    free(image);
    free(label);
    free(pixels);
    return rc;
}
