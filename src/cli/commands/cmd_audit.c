#include "cli/audit_report.h"
#include "cli/cli.h"
#include "cli/json.h"

#include "base/status.h"
#include "distributed/affinity.h"
#include "training/run_context.h"

#include <stdio.h>

static const cli_option own[] = {
    CLI_DATA_OPTIONS,
    {"--quick", "check only file contents and headers; damaged pixels and near duplicates are not found"},
    {"--mean-std", "print the mean and standard deviation of the training pixels, for --data.mean and --data.std"},
    {"--threads N", "number of threads that read and decode images (default: one per core)"},
    {"--out DIR", "write audit.md with thumbnails, and audit.json"},
    {"--json", "print the problems found as one JSON object"},
    {0}};
static cli_option kinds[AUDIT_KINDS + 1];
static const cli_manual manual = {.usage =
                                      "linnet audit DATA [--quick | --mean-std] [--threads N] [--out DIR] [--json]",
                                  .option = own,
                                  .list_title = "kinds of problems",
                                  .list = kinds};

static void show(void *context, int64_t done, int64_t total) {
    cli_counter_show(context, "audit", "images", done, total);
}

static int help(int argc, char **argv) {
    for (int k = 0; k < AUDIT_KINDS; k++)
        kinds[k] = (cli_option){audit_name[k], audit_text[k]};
    return cli_help(argc, argv, &manual);
}

int cmd_audit(int argc, char **argv) {
    long long threads = affinity_cores();
    static config c;
    const char *out = NULL;
    bool given = false;
    cli_counter counter = {0};
    audit a = {0};
    int rc = OK, code = help(argc, argv);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json"), quick = cli_take_flag(&argc, argv, "--quick");
    bool colours = cli_take_flag(&argc, argv, "--mean-std");
    TRY(cli_take_int(&threads, &argc, argv, "--threads", 1, 1024));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    TRY(cli_take_data(&given, &c, &argc, argv));
    if (!given)
        return cli_usage(&manual);
    if (quick && colours)
        TRY(fail(E_OPTION, "--quick reads no pixels: use either --quick or --mean-std"));
    cli_catch_signals(CLI_STOPS);
    audit_options o = {.quick = quick,
                       .colours = colours,
                       .threads = (int)threads,
                       .progress = show,
                       .context = &counter,
                       .stop = &cli_stop};
    splits_request data = run_context_data(&c);
    TRY(audit_run(&a, &data, &o));
    if (out != NULL)
        TRY(audit_write(&a, out));
    if (json)
        rc = json_print(audit_json(&a));
    else
        audit_print(&a);
done:
    audit_deinit(&a);
    return rc == OK ? EXIT_DONE : cli_stopped(rc);
}
