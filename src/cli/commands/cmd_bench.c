#include "cli/commands/cmd_bench.h"

#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "linnet bench train|data|allreduce [options]; linnet bench train --help lists those of train";

int cmd_bench(int argc, char **argv) {
    if (argc > 0 && strcmp(argv[0], "train") == 0)
        return cmd_bench_train(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "data") == 0)
        return cmd_bench_data(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "allreduce") == 0)
        return cmd_bench_allreduce(argc - 1, argv + 1);
    if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
        return printf("usage: %s\n", usage), EXIT_DONE;
    return cli_usage(usage);
}
