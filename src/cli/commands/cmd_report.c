#include "cli/cli.h"
#include "cli/json.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "report/html.h"
#include "report/run_report.h"
#include "training/run/run_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {
    {"--out DIR", "output folder (default: RUN if it is a single --out folder, otherwise the current folder)"},
    {"--json", "print the result as one JSON object"},
    {0}};
static const cli_manual manual = {
    .usage = "linnet report RUN [RUN...] [--out DIR] [--json]",
    .text = "RUN: the --out folder of a run (its newest logs are used) or one of its folders logs/ARCH/version_N.",
    .option = own};

static int print_result(const report_result *r, const char *folder, bool json) {
    char page[PATH_BYTES], html[PATH_BYTES];
    int rc = OK;
    TRY(path_join(page, folder, "viewlogs.md"));
    TRY(path_join(html, folder, "report.html"));
    if (json) {
        json_t *o = json_object();
        json_object_set_new(o, "report", json_text(page));
        json_object_set_new(o, "html", r->html ? json_text(html) : json_null());
        json_object_set_new(o, "pictures", json_integer(r->pictures));
        json_object_set_new(o, "missing", json_text(r->missing));
        return json_print(o);
    }
    printf("%s, %d images\n", page, r->pictures);
    if (r->html)
        printf("%s, the same as one file\n", html);
    else
        printf("no report.html: %s\n", html_unavailable());
    if (r->missing[0] != 0)
        printf("not included in the report: %s\n", r->missing);
done:
    return rc;
}

/** The report of one run goes to the run's own --out folder; that of several runs, or of a log folder, to --out. */
static const char *choose_folder(const char *out, char *const *run, int n, const char *logs) {
    if (out != NULL)
        return out;
    return n == 1 && strcmp(run[0], logs) != 0 ? run[0] : ".";
}

int cmd_report(int argc, char **argv) {
    const char *out = NULL, **logs = NULL;
    char(*path)[PATH_BYTES] = NULL;
    report_result result;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    if (argc < 1 || argv[0][0] == '-')
        return cli_usage(&manual);
    TRY(memory_zeroed(&path, (size_t)argc, sizeof *path));
    TRY(memory_zeroed(&logs, (size_t)argc, sizeof *logs));
    for (int i = 0; i < argc; i++) {
        TRY(run_report_find(path[i], argv[i]));
        if (run_record_check(path[i]) != OK)
            log_warn("%s", status_message());
        logs[i] = path[i];
    }
    const char *folder = choose_folder(out, argv, argc, path[0]);
    TRY(run_report(&result, folder, logs, (size_t)argc));
    TRY(print_result(&result, folder, json));
done:
    free(logs);
    free(path);
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
