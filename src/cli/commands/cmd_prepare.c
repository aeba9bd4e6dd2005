#include "cli/cli.h"

#include "base/status.h"
#include "tools/prepare.h"

#include <stdio.h>
#include <string.h>

static const cli_option own[] = {{"--devkit FILE", "ILSVRC2012_devkit_t12.tar.gz"},
                                 {"--train FILE", "ILSVRC2012_img_train.tar"},
                                 {"--val FILE", "ILSVRC2012_img_val.tar"},
                                 {"--out DIR", "output folder for train/ and val/"},
                                 {"--no-md5", "do not verify the archives' MD5 sums"},
                                 {0}};
static const cli_option parts[] = {{"imagenet", "ILSVRC2012, classification"}, {0}};
static const cli_manual manual = {
    .part = parts,
    .usage = "linnet prepare imagenet --devkit FILE --out DIR [--train FILE] [--val FILE] [--no-md5]",
    .option = own};

static void show(void *context, const char *phase, int64_t done, int64_t total) {
    cli_counter_show(context, phase, "bytes", done, total);
}

static void print_result(const prepare_result *r, const char *out) {
    printf("%s: %d classes; unpacked %lld training and %lld validation images\n", out, r->classes,
           (long long)r->train_images, (long long)r->val_images);
    if (r->classes_before > 0)
        printf("%d training classes had already been unpacked and were skipped\n", r->classes_before);
    if (r->val_before)
        printf("the validation images had already been unpacked and were skipped\n");
}

int cmd_prepare(int argc, char **argv) {
    cli_counter counter = {0};
    prepare_options o = {.progress = show, .context = &counter, .stop = &cli_stop};
    prepare_result r = {0};
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    o.check_md5 = !cli_take_flag(&argc, argv, "--no-md5");
    TRY(cli_take_value(&o.train, &argc, argv, "--train"));
    TRY(cli_take_value(&o.val, &argc, argv, "--val"));
    TRY(cli_take_value(&o.devkit, &argc, argv, "--devkit"));
    TRY(cli_take_value(&o.out, &argc, argv, "--out"));
    if (argc != 1 || strcmp(argv[0], "imagenet") != 0 || o.devkit == NULL || o.out == NULL ||
        (o.train == NULL && o.val == NULL))
        return cli_usage(&manual);
    cli_catch_signals(CLI_STOPS);
    TRY(prepare_imagenet(&r, &o));
    print_result(&r, o.out);
done:
    return rc == OK ? EXIT_DONE : cli_stopped(rc);
}
