#include "cli/cli.h"
#include "cli/json.h"
#include "cli/launcher.h"

#include "base/status.h"
#include "base/text.h"
#include "distributed/comm_open.h"
#include "training/batch_size.h"
#include "training/resume.h"
#include "training/run/expectation.h"
#include "training/run/trainer.h"
#include "training/run_precision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {{"--json", "print the result as one JSON object"}, {0}};
static const cli_manual manual = {.usage = "linnet train DATA [--config FILE] [--resume auto|FILE] [options] [--json]",
                                  .option = own,
                                  .shared = true};

/** Images per step of a configuration; 0: not known before the run. */
static long long images_per_step(const config *c, long long ranks) {
    if (c->trainer.global_batch > 0)
        return c->trainer.global_batch;
    return c->data.batch_size > 0 ? (long long)c->data.batch_size * c->trainer.accumulate * ranks : 0;
}

/** Sets expected.differs: against the configuration file that states the expectation, and on a resume as before. */
static int compare_recipe(config *c, const ckpt *from, int argc, char **argv, const comm *all) {
    static config recipe;
    bool found = false;
    int rc = OK;
    TRY(config_read_recipe(&recipe, &found, argc, argv));
    if (found && expectation_given(c)) {
        long long meant = images_per_step(&recipe, recipe.trainer.devices);
        config_add_differences(c, &recipe);
        if (meant > 0 && images_per_step(c, comm_ranks(all)) != meant)
            config_add_differing(c, "images per step");
    }
    TRY(resume_expectation(c, from, images_per_step(c, comm_ranks(all))));
done:
    return rc;
}

/** Sets the options that follow from the recipe, the checkpoint of a resume and the machine. */
static int settle_options(config *c, int argc, char **argv, comm *all) {
    ckpt *from = NULL;
    int rc = OK;
    if (c->trainer.resume[0] != 0 && !cli_gives_arch(argc, argv))
        TRY(resume_choose_arch(c, all));
    TRY(comm_agree(all, comm_rank(all) == 0 ? resume_progress(&from, c) : OK));
    TRY(batch_size_choose(c, from, all));
    TRY(comm_agree(all, compare_recipe(c, from, argc, argv, all)));
    TRY(run_precision_resume(c, from, run_context_device(c), all));
done:
    ckpt_free(from);
    return rc;
}

static int print_json(const config *c, const train_summary *s) {
    json_t *o = json_object();
    json_object_set_new(o, "images_per_second", json_number_or_null(s->images_per_second));
    json_object_set_new(o, "images", json_integer(s->images));
    json_object_set_new(o, "seconds", json_number_or_null(s->seconds));
    json_object_set_new(o, "epochs", json_integer(s->epochs_done));
    json_object_set_new(o, "steps", json_integer(s->global_step));
    json_object_set_new(o, "train_loss", json_number_or_null(metrics_loss(&s->train)));
    json_object_set_new(o, "loss", json_number_or_null(metrics_loss(&s->val)));
    json_object_set_new(o, "top1", json_number_or_null(metrics_top1(&s->val)));
    json_object_set_new(o, "top5", json_number_or_null(metrics_top5(&s->val)));
    bool by_loss = s->monitor == NULL || strcmp(s->monitor, "val_loss") == 0;
    json_object_set_new(o, "monitor", json_text(s->monitor != NULL ? s->monitor : ""));
    json_object_set_new(o, "best_score", json_number_or_null(s->best_score));
    json_object_set_new(o, "best_loss", json_number_or_null(by_loss ? s->best_score : NAN));
    json_object_set_new(o, "best", json_text(s->best));
    json_object_set_new(o, "last", json_text(s->last));
    json_object_set_new(o, "logs", json_text(s->logs));
    if (expectation_given(c))
        json_object_set_new(o, "expected", expectation_json(c, s->val_acc));
    return json_print(o);
}

static void print_summary(const config *c, const train_summary *s) {
    char time[32];
    printf("%lld epochs, %lld steps in %s, %.1f images/s\n", (long long)s->epochs_done, (long long)s->global_step,
           text_duration(time, s->seconds), s->images_per_second);
    if (s->val.images > 0)
        printf("val loss %.4f, top-1 %.2f%%, top-5 %.2f%% on %lld images\n", metrics_loss(&s->val),
               100 * metrics_top1(&s->val), 100 * metrics_top5(&s->val), s->val.images);
    if (expectation_given(c) && isfinite(s->val_acc))
        printf("result     %s\n", expectation_result((char[EXPECTATION_BYTES]){0}, c, s->val_acc));
    if (s->best[0] != 0)
        printf("best       %s\n", s->best);
    if (s->last[0] != 0)
        printf("last       %s\n", s->last);
    if (s->logs[0] != 0)
        printf("logs       %s\n", s->logs);
}

int cmd_train(int argc, char **argv) {
    static config c;
    static train_summary s;
    int code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    code = cli_config_data(&c, argc, argv);
    if (code >= 0)
        return code;
    code = launcher_run(&c, CLI_SAVES);
    if (code >= 0)
        return code;
    train_hooks hooks;
    int rc = cli_open_run(&hooks, &c, CLI_SAVES);
    if (rc != OK)
        return cli_close_run(&hooks, rc);
    rc = settle_options(&c, argc, argv, hooks.comm);
    if (rc != OK)
        return cli_close_run(&hooks, rc);
    rc = c.trainer.dry_run ? train_dry_run(&s, &c, &hooks) : train_run(&s, &c, &hooks);
    bool lead = comm_rank(hooks.comm) == 0;
    if (json && lead) {
        int printed = print_json(&c, &s);
        rc = rc == OK ? printed : rc;
    } else if (rc == OK && !c.trainer.dry_run && lead) {
        print_summary(&c, &s);
    }
    return cli_close_run(&hooks, rc);
}
