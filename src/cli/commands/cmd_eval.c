/* linnet eval: a checkpoint on the validation set: loss, accuracy, confusion matrix, calibration. */
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/launcher.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "dataset/splits/dataset_checks.h"
#include "tools/checkpoint_options.h"
#include "training/checkpoint.h"
#include "training/evaluate.h"
#include "training/rank_events.h"
#include "training/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {
    {"--flip", "test-time augmentation: also evaluate the horizontally flipped image and average the logits"},
    {"--worst N", "number of classes to print, lowest accuracy first (default: 10; 0: none)"},
    {"--tables DIR", "write classes.csv, confusion.csv, calibration.csv and confusion.png to DIR"},
    {"--json", "print the result as one JSON object, with all classes"},
    {0}};
static const cli_manual manual = {
    .usage = "linnet eval CHECKPOINT DATA [--flip] [--worst N] [--tables DIR] [options] [--json]",
    .text = "Evaluates a checkpoint on the validation images of DATA. The model, image size and normalisation\n"
            "are read from the checkpoint unless they are set by options.",
    .option = own,
    .shared = true};

enum { WORST_SHOWN = 10, WORST_MAX = 1000000, NAME_WIDTH = 32 };

/** The options of this command besides those of the configuration. */
typedef struct request {
    const char *path; /* the checkpoint */
    const char *key;  /* of its weights */
    const char *tables;
    long long worst;
    bool flip, json;
} request;

typedef struct outcome {
    metrics m;
    double seconds;
    long long bad;
    const evaluation_report *a;
    const class_result *worst; /* (classes) lowest accuracy first */
} outcome;

static double share(int64_t part, int64_t of) { return of > 0 ? (double)part / (double)of : NAN; }

static void print_text(const outcome *o, const request *q) {
    const evaluation_report *a = o->a;
    int n = 0, absent = 0;
    printf("loss %.4f, top-1 %.2f%%, top-5 %.2f%% on %lld images%s (%.1f images/s)\n", metrics_loss(&o->m),
           100 * metrics_top1(&o->m), 100 * metrics_top5(&o->m), o->m.images, q->flip ? ", with horizontal flip" : "",
           (double)o->m.images / o->seconds);
    printf("expected calibration error %.4f (%d bins)\n", evaluation_report_ece(a), CALIBRATION_BINS);
    for (int i = a->classes - 1; i >= 0 && o->worst[i].images == 0; i--) /* classes without images are sorted last */
        printf("%s%s", absent++ > 0 ? ", " : "classes without validation images: ", a->name[o->worst[i].index]);
    if (absent > 0)
        printf("\n");
    if (q->worst == 0)
        return;
    printf("\n%-*s %8s %8s %8s  %s\n", NAME_WIDTH, "class (lowest top-1 first)", "images", "top-1", "top-5",
           "most often confused with");
    for (; n < a->classes && n < q->worst && o->worst[n].images > 0; n++) {
        const class_result *r = &o->worst[n];
        printf("%-*.*s %8lld %7.2f%% %7.2f%%", NAME_WIDTH, NAME_WIDTH, a->name[r->index], (long long)r->images,
               100 * share(r->top1, r->images), 100 * share(r->top5, r->images));
        if (r->confused >= 0)
            printf("  %s (%lld)", a->name[r->confused], (long long)r->confused_n);
        printf("\n");
    }
    if (n < a->classes - absent)
        printf("and %d more\n", a->classes - absent - n);
}

static json_t *classes_json(const evaluation_report *a) {
    json_t *list = json_array();
    for (int i = 0; i < a->classes; i++) {
        class_result r = evaluation_report_class(a, i);
        json_t *o = json_pack("{s:o,s:I,s:o,s:o}", "class", json_text(a->name[i]), "images", (json_int_t)r.images,
                              "top1", json_number_or_null(share(r.top1, r.images)), "top5",
                              json_number_or_null(share(r.top5, r.images)));
        if (r.confused >= 0) {
            json_object_set_new(o, "confused_with", json_text(a->name[r.confused]));
            json_object_set_new(o, "confused_images", json_integer(r.confused_n));
        }
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *absent_json(const evaluation_report *a) {
    json_t *list = json_array();
    for (int i = 0; i < a->classes; i++)
        if (evaluation_report_class(a, i).images == 0)
            json_array_append_new(list, json_text(a->name[i]));
    return list;
}

static int print_json(const outcome *r, const request *q) {
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
    json_object_set_new(o, "absent_classes", absent_json(r->a));
    json_object_set_new(o, "classes", classes_json(r->a));
    return json_print(o);
}

/** Writes the tables and the picture into the folder. */
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

/** Prints and writes the results on rank 0. */
static int tell(outcome *r, const request *q, const run_context *s) {
    class_result *worst = NULL;
    const bad_image *bad = NULL;
    int rc = OK;
    r->bad = loader_bad(&bad, s->val_loader);
    for (long long i = 0; i < r->bad; i++)
        log_warn("image omitted: %s", bad[i].message);
    TRY(dataset_warn(NULL, s->val));
    TRY(evaluation_report_worst(&worst, r->a));
    r->worst = worst;
    if (q->tables != NULL)
        TRY(write_tables(r->a, q->tables));
    if (q->json)
        rc = print_json(r, q);
    else
        print_text(r, q);
done:
    free(worst);
    r->worst = NULL;
    return rc;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/** The checkpoint's class names if they differ from each other, so that they identify the classes, else NULL. */
static int find_names(const ckpt_item **out, const ckpt *k, int classes) {
    const ckpt_item *names = ckpt_class_names(k);
    char **sorted = NULL;
    int rc = OK;
    *out = NULL;
    if (names == NULL || names->i != classes)
        return OK;
    TRY(memory_zeroed(&sorted, (size_t)classes, sizeof *sorted));
    memcpy(sorted, names->list, (size_t)classes * sizeof *sorted);
    qsort(sorted, (size_t)classes, sizeof *sorted, by_name);
    *out = names;
    for (int i = 1; i < classes; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            *out = NULL;
done:
    free(sorted);
    return rc;
}

static int run(config *c, const ckpt *k, const request *q, const train_hooks *h) {
    run_context s = {0};
    progress *p = NULL;
    evaluation_report a = {0};
    outcome r = {.a = &a};
    const ckpt_item *names = NULL;
    int classes = 0, rc = OK;
    TRY(weights_classes(&classes, k, q->path));
    TRY(find_names(&names, k, classes));
    TRY(run_context_open_evaluation(&s, c, classes, names != NULL ? names->list : NULL, q->path, h->comm));
    if (s.val_batches == 0) {
        rc = fail(E_OPTION,
                  "trainer.limit_val_batches is 0, so there are no images to evaluate: raise it or leave it out");
        goto done;
    }
    TRY(checkpoint_check_classes(s.val, k, q->path));
    TRY(weights_restore(&s, k, q->path));
    TRY(evaluation_report_init(&a, s.val->class_name, classes));
    TRY(progress_open(&p, ranks_lead(&s.ranks) ? &h->progress : &(progress_options){0}));
    double start = clock_seconds();
    s.ranks.stop = h->stop;
    TRY(evaluate(&r.m, &(evaluate_extras){.evaluated = &a, .flip = q->flip}, &s, p, -1));
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

/** @param argv the original arguments, which override the checkpoint's options */
static int with_checkpoint(const request *q, int argc, char **argv, const char **file, const config *given,
                           const train_hooks *h) {
    static config c;
    ckpt *k = NULL;
    int n = 0, rc = OK;
    TRY(ckpt_load_key(&k, q->path, q->key));
    config_defaults(&c);
    TRY(checkpoint_options(&c, k, q->path));
    TRY(config_read_arguments(&c, argc, argv, file, &n));
    /* the dataset is the one that is given, not that of the training */
    TRY(config_set(&c, "data.path", given->data.path, "the dataset"));
    TRY(config_set(&c, "data.val", given->data.val, "the dataset"));
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
    q.key = overridden.model.init_key;
    code = launcher_run(&overridden, CLI_STOPS);
    if (code >= 0)
        goto done;
    rc = cli_open_run(&hooks, &overridden, CLI_STOPS);
    if (rc == OK)
        rc = with_checkpoint(&q, argc, argv, file, &overridden, &hooks);
    code = cli_close_run(&hooks, rc);
done:
    free(file);
    return code >= 0 ? code : cli_failed(rc);
}
