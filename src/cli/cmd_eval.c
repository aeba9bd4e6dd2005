#include "cli/checkpoint_options.h"
#include "cli/cli.h"
#include "cli/json.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "ckpt/checkpoint.h"
#include "train/evaluate.h"
#include "train/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "linnet eval CHECKPOINT --data DIR [options] [--json]";

static void print_result(const metrics *m, double seconds, long long bad, bool json) {
    if (!json) {
        printf("loss %.4f, top-1 %.2f%%, top-5 %.2f%% on %lld images (%.1f images/s)\n", metrics_loss(m),
               100 * metrics_top1(m), 100 * metrics_top5(m), m->images, (double)m->images / seconds);
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "loss", json_number_or_null(metrics_loss(m)));
    json_object_set_new(o, "top1", json_number_or_null(metrics_top1(m)));
    json_object_set_new(o, "top5", json_number_or_null(metrics_top5(m)));
    json_object_set_new(o, "images", json_integer(m->images));
    json_object_set_new(o, "bad_images", json_integer(bad));
    json_object_set_new(o, "seconds", json_number_or_null(seconds));
    json_object_set_new(o, "images_per_second", json_number_or_null((double)m->images / seconds));
    json_print(o);
}

static int run(config *c, const ckpt *k, const char *path, bool json) {
    setup s = {0};
    progress *p = NULL;
    metrics m;
    int classes = 0, rc = OK;
    TRY(checkpoint_classes(&classes, k, path));
    TRY(setup_open_evaluation(&s, c, classes));
    if (s.val_batches == 0) {
        rc = fail(E_OPTION, "trainer.limit_val_batches leaves nothing to evaluate");
        goto done;
    }
    TRY(snapshot_check_classes(s.val, k, path));
    TRY(snapshot_restore_weights(&s, k, path));
    progress_options o = cli_progress();
    TRY(progress_open(&p, &o));
    double start = clock_seconds();
    s.ranks.stop = &cli_stop;
    TRY(evaluate(&m, NULL, &s, p, 0));
    const bad_image *bad = NULL;
    long long bad_n = loader_bad(&bad, s.val_loader);
    for (long long i = 0; i < bad_n; i++)
        log_warn("left out: %s", bad[i].message);
    print_result(&m, clock_seconds() - start, bad_n, json);
done:
    progress_close(p);
    setup_close(&s);
    return rc;
}

int cmd_eval(int argc, char **argv) {
    static config c, overridden;
    bool json = cli_take_flag(&argc, argv, "--json");
    ckpt *k = NULL;
    int n = 0, rc = OK;
    const char **file = calloc((size_t)argc + 1, sizeof *file);
    if (file == NULL)
        return EXIT_FAILED;
    int code = cli_config(&overridden, argc, argv, usage, file, &n);
    if (code < 0 && (n != 1 || overridden.data.path[0] == 0))
        code = cli_usage(usage);
    if (code >= 0) {
        free(file);
        return code;
    }
    cli_catch_signals();
    const char *path = file[0];
    TRY(ckpt_load(&k, path));
    config_defaults(&c);
    TRY(checkpoint_options(&c, k));
    TRY(config_read_arguments(&c, argc, argv, file, &n));
    TRY(config_check(&c));
    TRY(run(&c, k, path, json));
done:
    free(file);
    ckpt_free(k);
    if (rc == E_STOPPED)
        return 128 + (int)cli_stop;
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
