/* Writes event files with every kind of summary for tests/interop:
 *     logging_tool_events FOLDER IMAGE FIRST LAST WHAT...
 * Steps FIRST..LAST, with an image (the file) and a histogram every tenth step; WHAT is any of
 *     start     writes the hyperparameters first
 *     success   writes the end of the session last; also failure */
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "logging/tensorboard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 2002

/* The tests compute the same values. */
static double loss_at(long long step) { return 7.0 / (double)(step + 1); }

static void fill(double value[VALUES], long long step) {
    for (int i = 0; i < VALUES - 2; i++)
        value[i] = (double)(i * 37 % 1001 - 500) * 0.001 * (double)(step + 1);
    value[VALUES - 2] = NAN;
    value[VALUES - 1] = -INFINITY;
}

static int write_start(tb_events *e) {
    static const tb_events_hparam h[] = {{"optimizer.lr", 'd', 0.1, NULL}, {"net.arch", 's', 0, "resnet50"},
                                         {"data.flip", 'b', 1, NULL},      {"data.pack", 'b', 0, NULL},
                                         {"weight_decay", 'd', 0, NULL},   {"clip", 'd', INFINITY, NULL}};
    static const char *const metric[] = {"val_loss", "val_acc"};
    return tb_events_hparams(e, h, sizeof h / sizeof *h, metric, 2, NULL);
}

static int write_steps(tb_events *e, const unsigned char *image, size_t image_n, long long first, long long last) {
    double value[VALUES];
    histogram h = {0};
    int rc = OK;
    TRY(histogram_init(&h));
    for (long long step = first; step <= last; step++) {
        TRY(tb_events_scalar(e, "val_loss", step, loss_at(step)));
        if (step % 10 != 0)
            continue;
        fill(value, step);
        histogram_reset(&h);
        histogram_add(&h, value, VALUES);
        TRY(tb_events_histogram(e, "weights/conv1", step, &h));
        TRY(tb_events_image(e, "predictions", step, image, image_n, 300, 200));
    }
    histogram_reset(&h);
    TRY(tb_events_histogram(e, "empty", last, &h));
done:
    histogram_deinit(&h);
    return rc;
}

static int write_all(char **argument, int n, long long first, long long last) {
    unsigned char *image = NULL;
    size_t image_n;
    tb_events *e = NULL;
    int rc = OK;
    TRY(file_read(&image, &image_n, argument[1], 0));
    TRY(tb_events_open(&e, argument[0]));
    for (int i = 4; i < n; i++)
        if (strcmp(argument[i], "start") == 0)
            TRY(write_start(e));
    TRY(write_steps(e, image, image_n, first, last));
    for (int i = 4; i < n; i++)
        if (strcmp(argument[i], "start") != 0)
            TRY(tb_events_hparams_end(e, strcmp(argument[i], "success") == 0));
done:;
    int closed = tb_events_close(e);
    free(image);
    return rc != OK ? rc : closed;
}

int main(int argc, char **argv) {
    long long first = 0, last = 0;
    int rc = E_OPTION;
    if (argc >= 5 && text_to_int(&first, argv[3]) && text_to_int(&last, argv[4]))
        rc = write_all(argv + 1, argc - 1, first, last);
    if (rc != OK)
        fprintf(stderr, "%s\n", status_message());
    return rc != OK;
}
