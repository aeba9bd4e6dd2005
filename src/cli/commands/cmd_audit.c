#include "cli/audit_report.h"
#include "cli/cli.h"
#include "cli/json.h"

#include "base/status.h"
#include "distributed/affinity.h"

#include <stdio.h>

static const char usage[] = "linnet audit DATA [--quick] [--threads N] [--out DIR] [--json]\n"
                            "--quick looks at bytes and headers alone: no damage within, no near duplicates.\n"
                            "--out writes audit.md with thumbnails, and audit.json.";

static void show(void *context, int64_t done, int64_t total) {
    cli_counter_show(context, "audit", "images", done, total);
}

static void help(void) {
    printf("usage: %s\n\nWhat is found:\n", usage);
    for (int k = 0; k < AUDIT_KINDS; k++)
        printf("  %-17s %s\n", audit_name[k], audit_text[k]);
}

int cmd_audit(int argc, char **argv) {
    long long threads = cores_usable();
    const char *out = NULL;
    cli_counter counter = {0};
    audit a = {0};
    int rc = OK;
    if (cli_take_flag(&argc, argv, "--help"))
        return help(), EXIT_DONE;
    bool json = cli_take_flag(&argc, argv, "--json"), quick = cli_take_flag(&argc, argv, "--quick");
    TRY(cli_take_int(&threads, &argc, argv, "--threads", 1, 1024));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    if (argc != 1 || argv[0][0] == '-')
        return cli_usage(usage);
    cli_catch_signals();
    audit_options o = {
        .quick = quick, .threads = (int)threads, .progress = show, .context = &counter, .stop = &cli_stop};
    TRY(audit_run(&a, argv[0], &o));
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
