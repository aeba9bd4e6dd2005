#include "cli/cli.h"
#include "cli/json.h"
#include "cli/launcher.h"

#include "base/status.h"
#include "distributed/comm_open.h"
#include "training/batch_size.h"
#include "training/run/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const cli_option own[] = {{"--json", "print the suggestion as one JSON object"}, {0}};
static const cli_manual manual = {.usage = "linnet find-lr DATA [--config FILE] [--sweeps N] [options] [--json]",
                                  .text = "Prints a suggested learning rate; --lr is ignored.",
                                  .option = own,
                                  .shared = true};

static int print_result(const lr_finding *f, const char *plot, bool json) {
    if (json) {
        json_t *o = json_object();
        json_object_set_new(o, "suggestion", json_number_or_null(f->suggestion));
        json_object_set_new(o, "plain_suggestion", json_number_or_null(f->plain));
        json_object_set_new(o, "loss", json_number_or_null(f->loss));
        json_object_set_new(o, "steps", json_integer(f->n));
        json_object_set_new(o, "why", json_text(f->why));
        json_object_set_new(o, "plot", json_text(plot));
        return json_print(o);
    }
    if (!isnan(f->suggestion)) {
        printf("suggested learning rate %.4g (exact value: --lr %.17g)\n", f->suggestion, f->suggestion);
        if (plot[0] != 0)
            printf("plot       %s\n", plot);
    }
    return OK;
}

int cmd_find_lr(int argc, char **argv) {
    static config c;
    lr_finding f = {.suggestion = NAN, .loss = NAN, .plain = NAN};
    char plot[PATH_BYTES] = "";
    int code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    code = cli_config_data(&c, argc, argv);
    if (code >= 0)
        return code;
    if (c.trainer.resume[0] != 0 || c.trainer.dry_run) {
        fprintf(stderr, "linnet: find-lr does not support %s; to start from the weights of a checkpoint, use --init\n",
                c.trainer.dry_run ? "--dry-run" : "--resume");
        return cli_usage(&manual);
    }
    code = launcher_run(&c, CLI_STOPS);
    if (code >= 0)
        return code;
    train_hooks hooks;
    int rc = cli_open_run(&hooks, &c, CLI_STOPS);
    rc = rc != OK ? rc : batch_size_choose(&c, NULL, hooks.comm);
    if (rc != OK)
        return cli_close_run(&hooks, rc);
    rc = train_find_lr(&f, plot, &c, &hooks);
    bool lead = comm_rank(hooks.comm) == 0;
    if (lead && (rc == OK || f.n > 0)) {
        int printed = print_result(&f, plot, json);
        rc = rc == OK ? printed : rc;
    }
    lr_finding_deinit(&f);
    return cli_close_run(&hooks, rc);
}
