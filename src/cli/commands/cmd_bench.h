/** The subcommands of `linnet bench`; each gets the arguments after its name. */
#ifndef LINNET_CLI_COMMANDS_CMD_BENCH_H
#define LINNET_CLI_COMMANDS_CMD_BENCH_H

int cmd_bench_train(int argc, char **argv);
int cmd_bench_eval(int argc, char **argv);
int cmd_bench_data(int argc, char **argv);
int cmd_bench_allreduce(int argc, char **argv);

#endif
