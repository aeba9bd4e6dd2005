/** Functions that all commands use. Only src/cli prints results and chooses exit codes: 0 success, 1 failure, 2
 *  usage, 3 stopped by a second signal without saving, 129, 130 and 143 stopped by SIGHUP, SIGINT and SIGTERM after
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

/** A command gets the arguments after its name. @return the exit code */
int cmd_train(int argc, char **argv);
int cmd_find_lr(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_preview(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_mlflow(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_shapes(int argc, char **argv);
int cmd_prepare(int argc, char **argv);
int cmd_pack(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_version(int argc, char **argv);

/** Prints "linnet: MESSAGE" on stderr. @return the exit code for rc: 2 for E_OPTION, else 1 */
int cli_failed(int rc);
/** Informs the launcher, if there is one, that a restart would not avoid the error rc. cli_failed does so too. */
void cli_mark_permanent(int rc);
/** As cli_failed, but 128 + signal for E_STOPPED. */
int cli_stopped(int rc);
/** 128 + the signal that stopped this run. A rank that did not receive the signal itself counts it as SIGTERM. */
int cli_stop_code(void);
/** Whether an exit code means that a run was stopped by a signal after saving: 129, 130 or 143. */
bool cli_is_stop_code(int code);

/** The commit that the program was built from, "-dirty" appended if files differed from it, and its date
 *  (YYYY-MM-DD); "" if unknown. Generated (cmake/revision.cmake). */
extern const char cli_commit[], cli_date[];

/** An option of a command that is not in src/config. */
typedef struct cli_option {
    const char *name; /* with its value: "--worst N" */
    const char *help;
} cli_option;

/** The help of a command. */
typedef struct cli_manual {
    const char *usage;        /* "linnet eval CHECKPOINT DATA [options]" */
    const char *text;         /* a description; NULL: none */
    const cli_option *option; /* its own options, ended by one without a name; NULL: none */
    const cli_option *part;   /* what its first argument may be, in the same form; NULL: anything */
    const char *list_title;   /* of: */
    const cli_option *list;   /* what is explained after the options, in the same form; NULL: none */
    bool shared;              /* also takes the options of src/config */
} cli_manual;

/** The manual that a command gives to cli_help. part: its first argument, NULL for none. */
const cli_manual *cli_manual_of(int (*run)(int argc, char **argv), const char *part);
/** Prints the help if the arguments contain -h or --help. To be called before other arguments are removed.
 *  @return -1 to continue, else the exit code of the command */
int cli_help(int argc, char **argv, const cli_manual *m);
/** Prints the usage on stderr. @return 2 */
int cli_usage(const cli_manual *m);
/** @return E_OPTION, with the argument in the message */
int cli_unexpected(const char *argument);

/** Removes `flag` from the arguments. Like the functions below, it ignores arguments after "--". @return whether it was
 *  present */
bool cli_take_flag(int *argc, char **argv, const char *flag);
/** Removes "--name VALUE" or "--name=VALUE". *value = NULL when absent. @return 0, E_OPTION (no value) */
int cli_take_value(const char **value, int *argc, char **argv, const char *name);
/** The same for a whole number from low to high; *out is unchanged if the option is absent. */
int cli_take_int(long long *out, int *argc, char **argv, const char *name, long long low, long long high);

/** --print-config, then the options of src/config into c (defaults first). Positional arguments go to `positional` (at
 *  least argc entries).
 *  @return -1 to continue, else the exit code of the command */
int cli_config(config *c, int argc, char **argv, const char **positional, int *positional_n);

/** Sets c->data.path to the dataset of a command, after cli_config: the only argument in `positional`, or --data.
 *  @return 0, E_OPTION (none, more than one argument, or both with different folders) */
int cli_data(config *c, int argc, char **argv, const char *const *positional, int positional_n);
/** cli_config and cli_data, for a command whose only argument is a dataset. @return as cli_config */
int cli_config_data(config *c, int argc, char **argv);
/** Whether the arguments, or a YAML file among them, set model.arch. They must have been read without error before. */
bool cli_gives_arch(int argc, char **argv);
/** For a command that does not take the options of src/config. Call it after the command's own options have been
 * removed. Sets *c to the defaults, then sets the dataset from the positional argument or --data, and from the options
 *  CLI_DATA_OPTIONS. *given: whether a dataset was given.
 *  @return 0, E_OPTION (another argument, or both with different folders) */
int cli_take_data(bool *given, config *c, int *argc, char **argv);
/** Rows of the options that cli_take_data accepts besides --data, for a cli_manual. */
/* clang-format off */
#define CLI_DATA_OPTIONS                                                                   \
    {"--data.train PATH", "the training images, if DATA does not contain them"},           \
    {"--data.val PATH", "the validation images, if DATA does not contain them"},           \
    {"--data.list FILE", "a CSV or TSV file with the images and their labels"},            \
    {"--data.val_split F", "fraction of the training images to use for validation"},      \
    {"--data.class_list FILE", "a file with the names of the classes, in their order"},    \
    {"--seed N", "the seed that selects the images of --data.val_split (default: 0)"},     \
    {"--data.image_key KEY", "shards: suffix of the image to use, such as left.jpg"},    \
    {"--data.cache_dir DIR", "folder for local copies of compressed and remote shards"},      \
    {"--data.cache_size GB", "maximum total size of these copies in GB (1e9 bytes)"},                           \
    {"--data.timeout SECONDS", "seconds without data after which a download fails"}
/* clang-format on */

/** What a process prints when it receives a stop signal. */
typedef enum cli_answer {
    CLI_SILENT, /* nothing: another process prints it */
    CLI_STOPS,  /* that it stops */
    CLI_SAVES   /* that it saves first */
} cli_answer;

/** Connects to the other ranks of the run, if a launcher started several (comm_open.h). Afterwards only rank 0 logs,
 *  and it prints the warnings of the others. If a rank is lost for dist.timeout seconds, this process ends, and one
 * rank reports which one was lost. dist.timeout 0 and c NULL: no watchdog. cli_close_ranks must be called in any case.
 *  @return as comm_open, watchdog_open */
int cli_open_ranks(comm **out, const config *c);
/** Sends the result of the command, `rc`, to the other ranks and disconnects. NULL is allowed. */
void cli_close_ranks(comm *ranks, int rc);
/** Starts a command that may run on several ranks: cli_open_ranks, signal handlers, *h. cli_close_run must be called in
 *  any case. */
int cli_open_run(train_hooks *h, const config *c, cli_answer answer);
/** Ends such a command with its result rc: only rank 0 prints, and the other ranks are informed. @return the exit code
 */
int cli_close_run(train_hooks *h, int rc);
/** Sends log lines and progress to stderr. */
void cli_log_to_stderr(void);
progress_options cli_progress(void);

/** Progress of a long job, shown about five times per second on a terminal, else about every ten seconds. {0} to start.
 */
typedef struct cli_counter {
    double last; /* clock_seconds when it was last shown */
    const char *phase;
    double start;  /* clock_seconds at the start of the phase */
    int64_t first; /* `done` at the start of the phase */
} cli_counter;

/** Shows "train  1,200 of 50,000 images, 812/s"; the last line of a phase is kept. Unit "bytes" is shown as MiB and
 * GiB. */
void cli_counter_show(cli_counter *c, const char *phase, const char *unit, int64_t done, int64_t total);

/** SIGINT, SIGTERM, SIGHUP and SIGUSR2 (which mpirun forwards in place of the others) set cli_stop, and the process
 * prints `answer` immediately; a second signal ends the process with EXIT_QUIT. SIGUSR1 sets cli_save. A
 * SIGHUP that is ignored, as under nohup, remains ignored. */
void cli_catch_signals(cli_answer answer);
/** Counts a stop signal; safe in a signal handler. A SIGHUP does not count, because the shell and the kernel both send
 * one when a connection is lost, and systemd may send one together with SIGTERM. @return whether this signal is the
 * second, which ends the process without saving */
bool cli_stop_again(int signal);
/** Whether this process ignores SIGHUP, as under nohup. */
bool cli_hangup_ignored(void);
/** Prints the line for the first signal on stderr; safe in a signal handler. */
void cli_answer_stop(cli_answer answer, int signal);
extern volatile sig_atomic_t cli_stop, cli_save;
/** Whether the terminal shows a progress line without a line end. */
extern volatile sig_atomic_t cli_line_open;

#endif
