#include "cli/cli.h"

#include "base/status.h"
#include "tools/demo_dataset.h"

#include <stdio.h>

static const cli_option own[] = {{"--train N", "training images per class (default: 300)"},
                                 {"--val N", "validation images per class (default: 60)"},
                                 {"--size PIXELS", "side of each square image in pixels (default: 96)"},
                                 {"--seed N", "random seed (default: 0)"},
                                 {0}};
static const cli_manual manual = {.usage = "linnet shapes DIR [--train N] [--val N] [--size PIXELS] [--seed N]",
                                  .option = own};

int cmd_shapes(int argc, char **argv) {
    long long train = 300, val = 60, size = 96, seed = 0;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    TRY(cli_take_int(&train, &argc, argv, "--train", 1, 1000000));
    TRY(cli_take_int(&val, &argc, argv, "--val", 1, 1000000));
    TRY(cli_take_int(&size, &argc, argv, "--size", 16, 4096));
    TRY(cli_take_int(&seed, &argc, argv, "--seed", 0, 1LL << 62));
    if (argc != 1 || argv[0][0] == '-')
        return cli_usage(&manual);
    demo_dataset_options o = {.train_n = (int)train, .val_n = (int)val, .size = (int)size, .seed = (uint64_t)seed};
    TRY(demo_dataset_write(argv[0], &o));
    printf("%s: %d classes, %lld training and %lld validation images\n", argv[0], DEMO_DATASET_CLASSES,
           train * DEMO_DATASET_CLASSES, val * DEMO_DATASET_CLASSES);
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
