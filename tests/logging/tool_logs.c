/* Writes and trims logs for tests/interop:
 *     logging_tool_logs events FOLDER FIRST LAST    one event file: steps FIRST..LAST of every tag
 *     logging_tool_logs csv FILE FIRST LAST         the same as rows
 *     logging_tool_logs trim-events FOLDER LAST,  logging_tool_logs trim-csv FILE LAST */
#include "base/status.h"
#include "base/text.h"
#include "logging/csv.h"
#include "logging/tensorboard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The tests compute the same values. */
static double loss_at(long long step) { return 7.0 / (double)(step + 1); }

static int write_events(const char *folder, long long first, long long last) {
    tb_events *e = NULL;
    int rc = OK;
    TRY(tb_events_open(&e, folder));
    TRY(tb_events_text(e, "hparams", first, "| lr | 0.1 |"));
    for (long long step = first; step <= last; step++) {
        TRY(tb_events_scalar(e, "train_loss_step", step, loss_at(step)));
        TRY(tb_events_scalar(e, "lr-SGD", step, 0.1));
        if (step % 10 == 9)
            TRY(tb_events_scalar(e, "val_loss", step, step == 19 ? NAN : -loss_at(step)));
    }
done:;
    int closed = e != NULL ? tb_events_close(e) : OK;
    return rc != OK ? rc : closed;
}

static int write_csv(const char *path, long long first, long long last) {
    static const char *const column[] = {"train_loss_step", "lr-SGD", "val_loss"};
    csv *c = NULL;
    int rc = OK;
    TRY(csv_open(&c, path, column, 3));
    for (long long step = first; step <= last; step++) {
        double value[3] = {loss_at(step), 0.1, step == 19 ? NAN : -loss_at(step)};
        TRY(csv_row(c, step / 10, step, value, (char[]){1, 1, step % 10 == 9}));
    }
done:;
    int closed = csv_close(c);
    return rc != OK ? rc : closed;
}

int main(int argc, char **argv) {
    long long first = 0, last = 0;
    int rc = E_OPTION;
    if (argc == 5 && text_to_int(&first, argv[3]) && text_to_int(&last, argv[4]))
        rc = strcmp(argv[1], "events") == 0 ? write_events(argv[2], first, last) : write_csv(argv[2], first, last);
    else if (argc == 4 && text_to_int(&last, argv[3]))
        rc = strcmp(argv[1], "trim-events") == 0 ? tb_events_trim(argv[2], last) : csv_trim(argv[2], last, false, NULL);
    if (rc != OK)
        fprintf(stderr, "%s\n", status_message());
    return rc != OK;
}
