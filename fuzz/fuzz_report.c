/* The report of a log folder: the parts of the input are its files (metrics.csv, run.json, hparams.yaml, journal.log,
 * device.csv, ranks.csv, lr_finder.csv, worst.csv). Damage is text on the page, never an error. */
#include "report/report.h"
#include "scratch.h"

static bool is_log(const char *name) {
    static const char *const known[] = {"metrics.csv", "run.json",      "hparams.yaml", "journal.log",    "events.log",
                                        "device.csv",  "lr_finder.csv", "worst.csv",    "bad_images.txt", "ranks.csv"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char logs[PATH_BYTES], out[PATH_BYTES], name[PATH_BYTES];
    report_result result = {0};
    part p;
    bool any = false;
    if (folder_make(scratch_path(logs, "logs")) != OK || folder_make(scratch_path(out, "out")) != OK)
        abort();
    for (size_t at = 0; part_next(&p, &at, bytes, n);) {
        if (!is_log(p.name))
            continue;
        snprintf(name, sizeof name, "logs/%s", p.name);
        scratch_write(name, p.bytes, p.n);
        any = any || report_is_logs(logs, NULL);
    }
    report_run run = {.logs = logs, .name = "fuzz"};
    int rc = report_write(&result, out, &run, 1);
    if (rc != (any ? OK : E_NOTFOUND))
        abort();
    scratch_empty(scratch());
    return 0;
}
