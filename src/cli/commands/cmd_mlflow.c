/* linnet mlflow: sends what a run could not deliver. */
#include "cli/cli.h"
#include "cli/json.h"

#include "base/file.h"
#include "base/status.h"
#include "report/run_report.h"
#include "tracking/mlflow.h"
#include "training/run/run_record.h"

#include <stdio.h>
#include <unistd.h>

static const cli_option own[] = {
    {"--uri URI", "address of the server (default: that of the run); env: MLFLOW_TRACKING_URI"},
    {"--wait SECONDS", "end after this time, even if records are left (default: 60)"},
    {"--json", "print the result as one JSON object"},
    {0}};
static const cli_manual manual = {
    .usage = "linnet mlflow RUN [--uri URI] [--wait SECONDS] [--json]",
    .text =
        "RUN: the --out folder of a run with --mlflow (its newest logs are used) or one of its folders "
        "logs/ARCH/version_N.\nSends the records in its log folder's mlflow.spool, which the run could not deliver.\n"
        "Without --uri no token or password is sent, unless MLFLOW_TRACKING_URI is the address of the run.",
    .option = own};

static int print_result(const char *logs, long long left, long long skipped, bool json) {
    if (json) {
        json_t *o = json_object();
        json_object_set_new(o, "logs", json_text(logs));
        json_object_set_new(o, "left", json_integer(left));
        json_object_set_new(o, "skipped", json_integer(skipped));
        return json_print(o);
    }
    if (left == 0 && skipped > 0)
        printf("%s: delivered, except %lld records that were skipped\n", logs, skipped);
    else if (left == 0)
        printf("%s: everything is delivered\n", logs);
    return OK;
}

/** *left: number of records that were not delivered; *skipped: of those that never can be. */
static int send(long long *left, long long *skipped, const char *logs, const char *uri, double seconds) {
    char spool[PATH_BYTES], state[PATH_BYTES];
    const char *address = NULL, *why = NULL;
    mlflow *m = NULL;
    int rc = OK, fd = -1;
    *left = *skipped = 0;
    if (uri != NULL)
        TRY(mlflow_address(&address, uri));
    TRY(path_join(spool, logs, "mlflow.spool"));
    TRY(run_record_lock(&fd, logs));
    TRY(path_join(state, logs, "mlflow.json"));
    if (!file_exists(spool)) {
        rc = file_exists(state) ? OK : fail(E_NOTFOUND, "%s: this run was not logged to MLflow (--mlflow)", logs);
        goto done;
    }
    TRY(mlflow_open(&m, logs, address));
    *left = mlflow_close(m, seconds, &why, skipped);
    if (*left > 0)
        rc = fail(E_IO, "%lld records are left in %s: %s", *left, spool, why);
done:
    if (fd >= 0)
        close(fd);
    return rc;
}

int cmd_mlflow(int argc, char **argv) {
    const char *uri = NULL;
    char logs[PATH_BYTES];
    long long left = 0, skipped = 0;
    long long seconds = 60;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    TRY(cli_take_value(&uri, &argc, argv, "--uri"));
    TRY(cli_take_int(&seconds, &argc, argv, "--wait", 0, 1000000));
    if (argc != 1 || argv[0][0] == '-')
        return cli_usage(&manual);
    TRY(run_report_find(logs, argv[0]));
    rc = send(&left, &skipped, logs, uri, (double)seconds);
    if (rc == OK || json) {
        int printed = print_result(logs, left, skipped, json);
        rc = rc == OK ? printed : rc;
    }
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
