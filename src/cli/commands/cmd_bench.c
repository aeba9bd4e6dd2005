#include "cli/commands/cmd_bench.h"

#include "cli/cli.h"

#include <string.h>

static const cli_option parts[] = {{"train", "measure the throughput of training steps on synthetic data"},
                                   {"eval", "measure the throughput of evaluation on synthetic data"},
                                   {"data", "measure the throughput of the image pipeline"},
                                   {"allreduce", "measure the all-reduce between the ranks that mpirun starts"},
                                   {0}};
static const cli_manual manual = {.usage = "linnet bench train|eval|data|allreduce [options]",
                                  .text = "For the options, see linnet bench train --help, and so on.",
                                  .part = parts};

int cmd_bench(int argc, char **argv) {
    if (argc > 0 && strcmp(argv[0], "train") == 0)
        return cmd_bench_train(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "eval") == 0)
        return cmd_bench_eval(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "data") == 0)
        return cmd_bench_data(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "allreduce") == 0)
        return cmd_bench_allreduce(argc - 1, argv + 1);
    int code = cli_help(argc, argv, &manual);
    return code >= 0 ? code : cli_usage(&manual);
}
