#include "cli/cli.h"
#include "cli/json.h"
#include "cli/launcher.h"

#include "base/status.h"
#include "distributed/launch.h"
#include "training/run/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "linnet find-lr --data DIR [--config FILE] [--repeats N] [options] [--json]\n(--lr is what it looks for: ignored)";

static void print_result(const lr_finding *f, const char *plot, bool json) {
    if (json) {
        json_t *o = json_object();
        json_object_set_new(o, "suggestion", json_number_or_null(f->suggestion));
        json_object_set_new(o, "plain_suggestion", json_number_or_null(f->plain));
        json_object_set_new(o, "loss", json_number_or_null(f->loss));
        json_object_set_new(o, "steps", json_integer(f->n));
        json_object_set_new(o, "why", json_string(f->why));
        json_object_set_new(o, "plot", json_string(plot));
        json_print(o);
    } else if (!isnan(f->suggestion)) {
        printf("suggested learning rate %.4g (to the last digit: --lr %.17g)\n", f->suggestion, f->suggestion);
        if (plot[0] != 0)
            printf("picture    %s\n", plot);
    }
}

int cmd_find_lr(int argc, char **argv) {
    static config c;
    lr_finding f = {.suggestion = NAN, .loss = NAN, .plain = NAN};
    char plot[PATH_BYTES] = "";
    bool json = cli_take_flag(&argc, argv, "--json");
    int positional_n = 0;
    const char **positional = calloc((size_t)argc + 1, sizeof *positional);
    int code = positional == NULL ? EXIT_FAILED : cli_config(&c, argc, argv, usage, positional, &positional_n);
    free(positional);
    if (code >= 0)
        return code;
    if (positional_n > 0 || c.data.path[0] == 0) {
        fprintf(stderr, "linnet: find-lr needs --data DIR, a folder with train/CLASS/ and val/CLASS/ in it\n");
        return cli_usage(usage);
    }
    if (c.trainer.resume[0] != 0 || c.trainer.dry_run) {
        fprintf(stderr,
                "linnet: find-lr begins anew: start from a checkpoint's weights with --init, and leave out %s\n",
                c.trainer.dry_run ? "--dry-run" : "--resume");
        return cli_usage(usage);
    }
    code = launcher_run(&c);
    if (code >= 0)
        return code;
    train_hooks hooks;
    int rc = cli_open_run(&hooks, c.dist.timeout);
    if (rc != OK)
        return cli_close_run(&hooks, rc);
    rc = train_find_lr(&f, plot, &c, &hooks);
    bool lead = comm_rank(hooks.comm) == 0;
    if (lead && (rc == OK || f.n > 0))
        print_result(&f, plot, json);
    lr_finding_deinit(&f);
    return cli_close_run(&hooks, rc);
}
