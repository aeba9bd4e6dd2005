#include "cli/audit_report.h"
#include "cli/cli.h"
#include "cli/json.h"

#include "base/status.h"
#include "distributed/affinity.h"

#include <stdio.h>

static const cli_option own[] = {
    {"--quick", "check only bytes and headers: does not find damaged pixels or near duplicates"},
    {"--threads N", "threads that read and decode images (one per core)"},
    {"--out DIR", "write audit.md with thumbnails, and audit.json"},
    {"--json", "print the findings as one JSON object"},
    {0}};
static const cli_manual manual = {.usage = "linnet audit DATA [--quick] [--threads N] [--out DIR] [--json]",
                                  .option = own};

static void show(void *context, int64_t done, int64_t total) {
    cli_counter_show(context, "audit", "images", done, total);
}

static int help(int argc, char **argv) {
    int code = cli_help(argc, argv, &manual);
    if (code != EXIT_DONE)
        return code;
    printf("\nkinds of problems\n");
    for (int k = 0; k < AUDIT_KINDS; k++)
        printf("  %-17s %s\n", audit_name[k], audit_text[k]);
    return code;
}

int cmd_audit(int argc, char **argv) {
    long long threads = affinity_cores();
    const char *data = NULL, *out = NULL;
    cli_counter counter = {0};
    audit a = {0};
    int rc = OK, code = help(argc, argv);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json"), quick = cli_take_flag(&argc, argv, "--quick");
    TRY(cli_take_int(&threads, &argc, argv, "--threads", 1, 1024));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    TRY(cli_take_data(&data, &argc, argv));
    if (data == NULL)
        return cli_usage(&manual);
    cli_catch_signals(CLI_STOPS);
    audit_options o = {
        .quick = quick, .threads = (int)threads, .progress = show, .context = &counter, .stop = &cli_stop};
    TRY(audit_run(&a, data, &o));
    if (out != NULL)
        TRY(audit_write(&a, out));
    if (json)
        json_print(audit_json(&a));
    else
        audit_print(&a);
done:
    audit_deinit(&a);
    return rc == OK ? EXIT_DONE : cli_stopped(rc);
}
