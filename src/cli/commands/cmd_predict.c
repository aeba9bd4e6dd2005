/* linnet predict: the most probable classes of images, as a table, CSV or JSON lines. */
#define _GNU_SOURCE
#include "cli/cli.h"
#include "cli/json.h"

#include "base/log.h"
#include "base/status.h"
#include "dataset/image_list.h"
#include "tools/checkpoint_options.h"
#include "tools/predict.h"
#include "training/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {{"--top K", "classes per image, most probable first (default: 5)"},
                                 {"--csv", "print CSV, one row per image and class"},
                                 {"--json", "print one JSON object per image, one per line (JSON Lines)"},
                                 {0}};
static const cli_manual manual = {.usage =
                                      "linnet predict CHECKPOINT FILE|DIR|- ... [--top K] [--csv | --json] [options]",
                                  .text = "With -, the paths of the images are read from standard input, one per line.",
                                  .option = own,
                                  .shared = true};

typedef enum style { STYLE_TABLE, STYLE_CSV, STYLE_JSON } style;

/** The output of predictions. */
typedef struct printer {
    style style;
    const dataset *images;
    const ckpt_item *names; /* class names; NULL: not in the checkpoint */
} printer;

/** The name of a class, or its number if there are no names. */
static const char *class_of(const printer *p, int label, char room[16]) {
    if (p->names != NULL && label < p->names->i)
        return p->names->list[label];
    snprintf(room, 16, "%d", label);
    return room;
}

static int print_json(const printer *p, const top_k_prediction *one) {
    json_t *top = json_array(), *o = json_object();
    char room[16];
    for (int i = 0; i < one->n; i++)
        json_array_append_new(top,
                              json_pack("{s:o,s:i,s:o}", "class", json_text(class_of(p, one->label[i], room)), "index",
                                        one->label[i], "probability", json_number_or_null(one->probability[i])));
    json_object_set_new(o, "file", json_text(dataset_name(p->images, one->index)));
    json_object_set_new(o, "top", top);
    return json_print(o);
}

static int print_csv(const printer *p, const top_k_prediction *one) {
    text rows = {0};
    char room[16];
    int rc = OK;
    for (int i = 0; i < one->n; i++) {
        TRY(text_csv_cell(&rows, dataset_name(p->images, one->index)));
        TRY(text_printf(&rows, ",%d,", i + 1));
        TRY(text_csv_cell(&rows, class_of(p, one->label[i], room)));
        TRY(text_printf(&rows, ",%d,%.6g\n", one->label[i], one->probability[i]));
    }
    fputs(text_string(&rows), stdout);
done:
    text_deinit(&rows);
    return rc;
}

static void print_table(const printer *p, const top_k_prediction *one) {
    char room[16];
    printf("%s\n", dataset_name(p->images, one->index));
    for (int i = 0; i < one->n; i++)
        printf("  %6.2f%%  %s\n", 100 * one->probability[i], class_of(p, one->label[i], room));
}

static int print(void *context, const top_k_prediction *one) {
    const printer *p = context;
    int rc = OK;
    switch (p->style) {
    case STYLE_JSON: rc = print_json(p, one); break;
    case STYLE_CSV: rc = print_csv(p, one); break;
    case STYLE_TABLE: print_table(p, one); break;
    }
    if (rc == OK && ferror(stdout))
        rc = fail(E_IO, "cannot write to standard output: %s", strerror(errno));
    return rc;
}

static int add_names_of_stdin(text *list) {
    char *line = NULL;
    size_t room = 0;
    ssize_t n = 0;
    int rc = OK;
    while (rc == OK && (n = getline(&line, &room, stdin)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (line[0] != 0)
            rc = image_list_add(list, line);
    }
    free(line);
    return rc;
}

static int open_images(dataset **out, const char *const *path, int n) {
    text list = {0};
    int rc = OK;
    for (int i = 0; i < n; i++)
        TRY(strcmp(path[i], "-") == 0 ? add_names_of_stdin(&list) : image_list_add(&list, path[i]));
    TRY(image_list_dataset(out, &list));
done:
    text_deinit(&list);
    return rc;
}

/** @param path the checkpoint, followed by the images */
static int run(const config *c, const ckpt *k, const char *const *path, int n, int top, style how) {
    run_context s = {0};
    dataset *images = NULL;
    const bad_image *bad = NULL;
    printer p = {.style = how, .names = ckpt_class_names(k)};
    int classes = 0, rc = OK;
    TRY(weights_classes(&classes, k, path[0]));
    TRY(open_images(&images, path + 1, n - 1));
    TRY(run_context_open_prediction(&s, c, classes, images)); /* now owns the images */
    TRY(weights_restore(&s, k, path[0]));
    p.images = images;
    if (how == STYLE_CSV)
        printf("file,rank,class,index,probability\n");
    TRY(predict(&s, top, print, &p, &cli_stop));
    int64_t bad_n = loader_bad(&bad, s.val_loader);
    for (int64_t i = 0; i < bad_n; i++)
        log_warn("image omitted: %s", bad[i].message);
    if (bad_n > 0)
        rc = fail(E_DATA, "%lld of %lld images cannot be read", (long long)bad_n, (long long)images->image_n);
done:
    run_context_close(&s);
    return rc;
}

int cmd_predict(int argc, char **argv) {
    static config c, overridden;
    ckpt *k = NULL;
    long long top = 5;
    int n = 0, rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    style how = cli_take_flag(&argc, argv, "--json") ? STYLE_JSON : STYLE_TABLE;
    how = cli_take_flag(&argc, argv, "--csv") ? STYLE_CSV : how;
    const char **path = calloc((size_t)argc + 1, sizeof *path);
    if (path == NULL)
        return EXIT_FAILED;
    TRY(cli_take_int(&top, &argc, argv, "--top", 1, PREDICT_TOP_MAX));
    code = cli_config(&overridden, argc, argv, path, &n);
    if (code < 0 && n < 2)
        code = cli_usage(&manual);
    if (code >= 0)
        goto done;
    if (overridden.trainer.devices > 1 || overridden.trainer.device_list[0] != 0) {
        rc = fail(E_OPTION, "linnet predict uses one device, but trainer.devices is %s%d: set --devices 1",
                  overridden.trainer.device_list[0] != 0 ? "a list of " : "", overridden.trainer.devices);
        goto done;
    }
    cli_catch_signals(CLI_STOPS);
    TRY(ckpt_load_key(&k, path[0], overridden.model.init_key));
    config_defaults(&c);
    TRY(checkpoint_options(&c, k, path[0]));
    TRY(config_read_arguments(&c, argc, argv, path, &n));
    TRY(config_check(&c));
    TRY(run(&c, k, path, n, (int)top, how));
done:
    free(path);
    ckpt_free(k);
    return code >= 0 ? code : rc == OK ? EXIT_DONE : cli_stopped(rc);
}
