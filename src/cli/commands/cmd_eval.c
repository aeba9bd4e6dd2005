/* linnet eval: a checkpoint on the validation set: loss, accuracy, confusion matrix, calibration. */
#include "cli/checkpoint_options.h"
#include "cli/cli.h"
#include "cli/json.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "training/checkpoint.h"
#include "training/evaluate.h"
#include "training/rank_events.h"
#include "training/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const cli_option own[] = {
    {"--flip", "also evaluate each image mirrored, and average the logits of both"},
    {"--worst N", "number of classes to list, lowest accuracy first (10); 0: none"},
    {"--tables DIR", "write classes.csv, confusion.csv, calibration.csv and confusion.png to DIR"},
    {"--json", "print the result as one JSON object, with all classes"},
    {0}};
static const cli_manual manual = {
    .usage = "linnet eval CHECKPOINT DATA [--flip] [--worst N] [--tables DIR] [options] [--json]",
    .text = "Evaluates a checkpoint on the validation images of DATA. The model, image size and normalisation are the\n"
            "checkpoint's unless set by options.",
    .option = own,
    .shared = true};

enum { WORST_SHOWN = 10, WORST_MAX = 1000000, NAME_WIDTH = 32 };

/** What is asked beside the options of the configuration. */
typedef struct request {
    const char *path; /* the checkpoint */
    const char *tables;
    long long worst;
    bool flip, json;
} request;

typedef struct outcome {
    metrics m;
    double seconds;
    long long bad;
    const evaluation_report *a;
    const class_result *worst; /* (classes) the lowest accuracy first */
} outcome;

static double share(int64_t part, int64_t of) { return of > 0 ? (double)part / (double)of : NAN; }

static void print_text(const outcome *o, const request *q) {
    const evaluation_report *a = o->a;
    int n = 0;
    printf("loss %.4f, top-1 %.2f%%, top-5 %.2f%% on %lld images%s (%.1f images/s)\n", metrics_loss(&o->m),
           100 * metrics_top1(&o->m), 100 * metrics_top5(&o->m), o->m.images, q->flip ? ", each also mirrored" : "",
           (double)o->m.images / o->seconds);
    printf("expected calibration error %.4f (%d bins)\n", evaluation_report_ece(a), CALIBRATION_BINS);
    if (q->worst == 0)
        return;
    printf("\n%-*s %8s %8s %8s  %s\n", NAME_WIDTH, "class, worst first", "images", "top-1", "top-5",
           "most often confused with");
    for (; n < a->classes && n < q->worst && o->worst[n].images > 0; n++) {
        const class_result *r = &o->worst[n];
        printf("%-*.*s %8lld %7.2f%% %7.2f%%", NAME_WIDTH, NAME_WIDTH, a->name[r->index], (long long)r->images,
               100 * share(r->top1, r->images), 100 * share(r->top5, r->images));
        if (r->confused >= 0)
            printf("  %s (%lld)", a->name[r->confused], (long long)r->confused_n);
        printf("\n");
    }
    if (n < a->classes)
        printf("and %d more\n", a->classes - n);
}

static json_t *classes_json(const evaluation_report *a) {
    json_t *list = json_array();
    for (int i = 0; i < a->classes; i++) {
        class_result r = evaluation_report_class(a, i);
        json_t *o = json_pack("{s:o,s:I,s:o,s:o}", "class", json_string_nocheck(a->name[i]), "images",
                              (json_int_t)r.images, "top1", json_number_or_null(share(r.top1, r.images)), "top5",
                              json_number_or_null(share(r.top5, r.images)));
        if (r.confused >= 0) {
            json_object_set_new(o, "confused_with", json_string_nocheck(a->name[r.confused]));
            json_object_set_new(o, "confused_images", json_integer(r.confused_n));
        }
        json_array_append_new(list, o);
    }
    return list;
}

static void print_json(const outcome *r, const request *q) {
    const metrics *m = &r->m;
    json_t *o = json_object();
    json_object_set_new(o, "loss", json_number_or_null(metrics_loss(m)));
    json_object_set_new(o, "top1", json_number_or_null(metrics_top1(m)));
    json_object_set_new(o, "top5", json_number_or_null(metrics_top5(m)));
    json_object_set_new(o, "calibration_error", json_number_or_null(evaluation_report_ece(r->a)));
    json_object_set_new(o, "flip", json_boolean(q->flip));
    json_object_set_new(o, "images", json_integer(m->images));
    json_object_set_new(o, "bad_images", json_integer(r->bad));
    json_object_set_new(o, "seconds", json_number_or_null(r->seconds));
    json_object_set_new(o, "images_per_second", json_number_or_null((double)m->images / r->seconds));
    json_object_set_new(o, "classes", classes_json(r->a));
    json_print(o);
}

/** The tables and the picture under q->tables. */
static int write_tables(const evaluation_report *a, const char *folder) {
    static const struct {
        const char *name;
        int (*make)(text *out, const evaluation_report *a);
    } file[] = {{"classes.csv", evaluation_report_classes_csv},
                {"confusion.csv", evaluation_report_confusion_csv},
                {"calibration.csv", evaluation_report_calibration_csv},
                {"confusion.png", evaluation_report_picture}};
    char path[PATH_BYTES];
    text t = {0};
    int rc = OK;
    TRY(folder_make(folder));
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        t.n = 0;
        rc = file[i].make(&t, a);
        if (rc == E_UNSUPPORTED) {
            log_warn("cannot draw %s: %s", file[i].name, status_message());
            rc = OK;
            continue;
        }
        TRY(rc);
        TRY(path_join(path, folder, file[i].name));
        TRY(file_write_atomic(path, t.data, t.n));
    }
done:
    text_deinit(&t);
    return rc;
}

/** What rank 0 tells and writes when all is counted. */
static int tell(outcome *r, const request *q, const run_context *s) {
    class_result *worst = NULL;
    const bad_image *bad = NULL;
    int rc = OK;
    r->bad = loader_bad(&bad, s->val_loader);
    for (long long i = 0; i < r->bad; i++)
        log_warn("image omitted: %s", bad[i].message);
    TRY(evaluation_report_worst(&worst, r->a));
    r->worst = worst;
    if (q->tables != NULL)
        TRY(write_tables(r->a, q->tables));
    if (q->json)
        print_json(r, q);
    else
        print_text(r, q);
done:
    free(worst);
    r->worst = NULL;
    return rc;
}

static int run(config *c, const ckpt *k, const request *q, const train_hooks *h) {
    run_context s = {0};
    progress *p = NULL;
    evaluation_report a = {0};
    outcome r = {.a = &a};
    int classes = 0, rc = OK;
    TRY(weights_classes(&classes, k, q->path));
    TRY(run_context_open_evaluation(&s, c, classes, h->comm));
    if (s.val_batches == 0) {
        rc = fail(E_OPTION, "trainer.limit_val_batches leaves no images to evaluate");
        goto done;
    }
    TRY(checkpoint_check_classes(s.val, k, q->path));
    TRY(weights_restore(&s, k, q->path));
    TRY(evaluation_report_init(&a, s.val->class_name, classes));
    TRY(progress_open(&p, ranks_lead(&s.ranks) ? &h->progress : &(progress_options){0}));
    double start = clock_seconds();
    s.ranks.stop = h->stop;
    TRY(evaluate(&r.m, &(evaluate_extras){.evaluated = &a, .flip = q->flip}, &s, p, 0));
    r.seconds = clock_seconds() - start;
    TRY(rank_events_finish(&s));
    if (ranks_lead(&s.ranks))
        TRY(tell(&r, q, &s));
done:
    evaluation_report_deinit(&a);
    progress_close(p);
    run_context_close(&s);
    return rc;
}

/** @param argv as given, for what overrides the checkpoint's options */
static int with_checkpoint(const request *q, int argc, char **argv, const char **file, const char *data,
                           const train_hooks *h) {
    static config c;
    ckpt *k = NULL;
    int n = 0, rc = OK;
    TRY(ckpt_load(&k, q->path));
    config_defaults(&c);
    TRY(checkpoint_options(&c, k, q->path));
    TRY(config_read_arguments(&c, argc, argv, file, &n));
    TRY(config_set(&c, "data.path", data, "the dataset"));
    TRY(config_check(&c));
    rc = run(&c, k, q, h);
done:
    ranks_failed(h->comm, rc);
    ckpt_free(k);
    return rc;
}

int cmd_eval(int argc, char **argv) {
    static config overridden;
    train_hooks hooks;
    request q = {.worst = WORST_SHOWN};
    int n = 0, rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    const char **file = calloc((size_t)argc + 1, sizeof *file);
    if (file == NULL)
        return EXIT_FAILED;
    q.json = cli_take_flag(&argc, argv, "--json");
    q.flip = cli_take_flag(&argc, argv, "--flip");
    TRY(cli_take_int(&q.worst, &argc, argv, "--worst", 0, WORST_MAX));
    TRY(cli_take_value(&q.tables, &argc, argv, "--tables"));
    code = cli_config(&overridden, argc, argv, file, &n);
    if (code < 0 && n < 1)
        code = cli_usage(&manual);
    if (code >= 0)
        goto done;
    TRY(cli_data(&overridden, argc, argv, file + 1, n - 1));
    q.path = file[0];
    rc = cli_open_run(&hooks, overridden.dist.timeout, CLI_STOPS);
    if (rc == OK)
        rc = with_checkpoint(&q, argc, argv, file, overridden.data.path, &hooks);
    code = cli_close_run(&hooks, rc);
done:
    free(file);
    return code >= 0 ? code : cli_failed(rc);
}
