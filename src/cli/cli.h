/** What the commands share. Only src/cli prints results or decides exit codes:
 *  0 done, 1 failed, 2 usage, 3 quit by a second signal without saving, 130 and 143 stopped by SIGINT and SIGTERM after
 *  saving. */
#ifndef LINNET_CLI_CLI_H
#define LINNET_CLI_CLI_H

#include "config/config.h"
#include "distributed/communicator.h"
#include "logging/progress.h"
#include "training/run/trainer.h"

#include <signal.h>
#include <stdbool.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_QUIT = 3 };

/** A command gets what follows its name. */
int cmd_train(int argc, char **argv);
int cmd_find_lr(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_preview(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_shapes(int argc, char **argv);
int cmd_prepare(int argc, char **argv);
int cmd_pack(int argc, char **argv);
int cmd_audit(int argc, char **argv);

/** Prints "linnet: MESSAGE" on stderr. @return the exit code for rc: 2 for E_OPTION, else 1 */
int cli_failed(int rc);
/** Tells the launcher, if there is one, when another start would fail with rc in the same way. cli_failed does it too.
 */
void cli_mark_permanent(int rc);
/** As cli_failed, but 128 + signal for E_STOPPED. */
int cli_stopped(int rc);
/** 128 + the signal that stopped this run; a rank that was stopped with the others need not have seen it itself. */
int cli_stop_code(void);

/** An option that a command has beside those of src/config. */
typedef struct cli_option {
    const char *name; /* with what follows it: "--worst N" */
    const char *help;
} cli_option;

/** What a command's help says. */
typedef struct cli_manual {
    const char *usage;        /* "linnet eval CHECKPOINT DATA [options]" */
    const char *text;         /* what else there is to say; NULL: nothing */
    const cli_option *option; /* its own, up to one without a name; NULL: none */
    bool shared;              /* takes the options of src/config too */
} cli_manual;

/** Prints the help when -h or --help is among the arguments. Before anything is taken off them.
 *  @return -1 to go on, else the exit code the command ends with */
int cli_help(int argc, char **argv, const cli_manual *m);
/** Prints the usage on stderr. @return 2 */
int cli_usage(const cli_manual *m);
/** @return E_OPTION, with a message that names the argument */
int cli_unexpected(const char *argument);

/** Removes `flag` from the arguments. Neither this nor what follows looks behind a "--". @return whether it was there
 */
bool cli_take_flag(int *argc, char **argv, const char *flag);
/** Removes "--name VALUE" or "--name=VALUE". *value = NULL when absent. @return 0, E_OPTION (no value) */
int cli_take_value(const char **value, int *argc, char **argv, const char *name);
/** The same for a whole number from low to high; *out is left as it is when the option is absent. */
int cli_take_int(long long *out, int *argc, char **argv, const char *name, long long low, long long high);

/** --print-config, then the options of src/config into c (defaults first). Positional arguments go to `positional` (at
 *  least argc entries).
 *  @return -1 to go on, else the exit code the command ends with */
int cli_config(config *c, int argc, char **argv, const char **positional, int *positional_n);

/** The dataset of a command that has read its options with cli_config: the one argument in `positional`, which goes
 * into c, or --data. @return 0, E_OPTION: none, more than one argument, or both and not the same folder */
int cli_data(config *c, int argc, char **argv, const char *const *positional, int positional_n);
/** cli_config and cli_data of a command that takes nothing but a dataset. @return as cli_config */
int cli_config_data(config *c, int argc, char **argv);
/** Whether the arguments, or a YAML file among them, set model.arch. They were read before. */
bool cli_gives_arch(int argc, char **argv);
/** As cli_data for a command without the options of src/config, once its own are taken off. *data = NULL when absent.
 *  @return 0, E_OPTION: an argument more, or both and not the same folder */
int cli_take_data(const char **data, int *argc, char **argv);

/** What a process says when it is asked to stop. */
typedef enum cli_answer {
    CLI_SILENT, /* nothing: another process does */
    CLI_STOPS,  /* that it stops */
    CLI_SAVES   /* that it saves first */
} cli_answer;

/** Joins the ranks of the run, if a launcher started several (launch.h): rank 0 alone logs from then on, the others'
 *  warnings go through it. A rank that is lost for `timeout` seconds (0: not watched) ends this process, and one rank
 *  says which. cli_close_ranks is due in any case. @return as comm_open, watchdog_open */
int cli_open_ranks(comm **out, double timeout);
/** What the command ends with, `rc`, goes to the other ranks. NULL is allowed. */
void cli_close_ranks(comm *ranks, int rc);
/** The beginning of a command that ranks may run together: cli_open_ranks, catches signals, fills *h. cli_close_run is
 *  due in any case. */
int cli_open_run(train_hooks *h, double timeout, cli_answer answer);
/** The end of such a command, with what it came to: rank 0 alone prints, the other ranks are told. @return the exit
 * code */
int cli_close_run(train_hooks *h, int rc);
/** Sends log lines and progress to stderr. */
void cli_log_to_stderr(void);
progress_options cli_progress(void);

/** How far a long job has come, about five times a second on a terminal, else about every ten seconds. {0} to begin. */
typedef struct cli_counter {
    double last; /* when it was shown */
    const char *phase;
    double start; /* of the phase */
    int64_t first;
} cli_counter;

/** "train  1,200 of 50,000 images, 812/s"; the last one of a phase stays. unit "bytes" is shown as MiB and GiB. */
void cli_counter_show(cli_counter *c, const char *phase, const char *unit, int64_t done, int64_t total);

/** SIGINT, SIGTERM and SIGUSR2, which stands for SIGTERM where mpirun passes signals on, set cli_stop, and the process
 *  says so at once; a second one ends it, with EXIT_QUIT. SIGUSR1 sets cli_save. */
void cli_catch_signals(cli_answer answer);
/** The first signal's line on stderr; safe in a signal handler. */
void cli_answer_stop(cli_answer answer, int signal);
extern volatile sig_atomic_t cli_stop, cli_save;

#endif
