/** The command table and the start of the program. */
#include "cli/cli.h"
#include "cli/documents.h"
#include "cli/launcher_link.h"

#include "base/cpu_level.h"
#include "base/json.h"
#include "base/status.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"train", cmd_train, "train a model; --resume auto|FILE continues a run"},
    {"find-lr", cmd_find_lr, "run only the learning rate range test (LR finder)"},
    {"eval", cmd_eval, "evaluate a checkpoint on a dataset: loss, top-1, top-5"},
    {"predict", cmd_predict, "predict the classes of images"},
    {"export", cmd_export, "export a checkpoint as safetensors, .pth or ONNX"},
    {"info", cmd_info, "describe a checkpoint or dataset"},
    {"report", cmd_report, "write viewlogs.md, images/ and report.html from the logs of one or several runs"},
    {"mlflow", cmd_mlflow, "send to an MLflow server what a run could not deliver"},
    {"preview", cmd_preview, "write a contact sheet of the model's input images"},
    {"bench", cmd_bench,
     "measure the throughput of training steps on synthetic data, of data loading or of all-reduce"},
    {"shapes", cmd_shapes, "write the synthetic demo dataset"},
    {"prepare", cmd_prepare, "unpack ImageNet's official archives into class folders"},
    {"pack", cmd_pack, "convert a dataset to WebDataset shards"},
    {"audit", cmd_audit, "find problems in a dataset"},
    {"doctor", cmd_doctor, "check the system and suggest fixes"},
    {"version", cmd_version, "print the version, the commit, the compiler and the libraries of this build"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(FILE *to) {
    fprintf(
        to,
        "linnet trains ResNet image classifiers on ImageNet-style datasets.\n\nusage: linnet COMMAND [options]\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\nFor the options of a command: linnet help COMMAND, or linnet COMMAND --help.\n"
                "To try linnet: linnet shapes data; linnet train data --config demo\n");
}

static const struct command *find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name) {
    const char *nearest = commands[0].name;
    for (int i = 1; i < COMMANDS; i++)
        if (text_distance(name, commands[i].name) < text_distance(name, nearest))
            nearest = commands[i].name;
    fprintf(stderr, "linnet: unknown command '%s'; did you mean '%s'? linnet --help lists all commands\n", name,
            nearest);
    return EXIT_USAGE;
}

enum { DOCUMENTS_MAX = 64 };

/** The commands, each followed by those of its parts that have a manual of their own. @return their number */
static int list_documents(document out[DOCUMENTS_MAX]) {
    int n = 0;
    for (int i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        const cli_manual *m = cli_manual_of(c->run, NULL);
        out[n++] = (document){.command = c->name, .help = c->help, .manual = m};
        for (const cli_option *p = m->part; p != NULL && p->name != NULL; p++) {
            const cli_manual *own = cli_manual_of(c->run, p->name);
            assert(n < DOCUMENTS_MAX);
            if (own != m)
                out[n++] = (document){.command = c->name, .part = p->name, .help = p->help, .manual = own};
        }
    }
    return n;
}

/** linnet help --write DIR: the man pages and the shell completions. */
static int write_documents(int argc, char **argv) {
    document list[DOCUMENTS_MAX];
    if (argc != 1) {
        fprintf(stderr, "usage: linnet help --write DIR\n");
        return EXIT_USAGE;
    }
    int rc = documents_write(argv[0], list, list_documents(list));
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}

/** linnet help [COMMAND [PART]]: prints the help of COMMAND [PART] --help. */
static int help_on(int argc, char **argv) {
    static char flag[] = "--help";
    const struct command *c = argc > 0 ? find(argv[0]) : NULL;
    if (argc == 0)
        return help(stdout), EXIT_DONE;
    if (strcmp(argv[0], "--write") == 0)
        return write_documents(argc - 1, argv + 1);
    if (c == NULL)
        return unknown(argv[0]);
    argv[0] = argc > 1 ? argv[1] : flag;
    if (argc > 1)
        argv[1] = flag;
    return c->run(argc > 1 ? 2 : 1, argv);
}

/** GNU OpenMP's threads spin for long at a barrier; if another program uses the same cores, a step then takes
 *  several times as long (bench/results). The library reads its spin count once, when it is loaded, so the program
 *  restarts itself with the setting. A value set by the user is not changed. */
static void shorten_spinning(char **argv) {
    if (getenv("GOMP_SPINCOUNT") != NULL || getenv("OMP_WAIT_POLICY") != NULL)
        return;
    if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0)
        execv("/proc/self/exe", argv); /* returns only on failure; then the program continues unchanged */
}

/** Ensures that the standard streams are open. Otherwise a file opened later could become standard output and
 *  receive the printed text. */
static void open_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            abort(); /* no /dev/null: nothing can be printed safely */
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help_on(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) {
        puts("linnet " LINNET_VERSION);
        return EXIT_DONE;
    }
    cli_log_to_stderr();
    if (cpu_level_check() != OK)
        return cli_failed(E_OPTION);
    if (launcher_is_present()) {
        cli_catch_signals(CLI_SILENT); /* before the launcher can forward a signal */
        int rc = launcher_attach();
        if (rc != OK)
            return cli_failed(rc);
    }
    const struct command *c = find(argv[1]);
    return c != NULL ? c->run(argc - 2, argv + 2) : unknown(argv[1]);
}

int main(int argc, char **argv) {
    json_watch_memory();
    open_standard_streams();
    shorten_spinning(argv);
    int code = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE)
        code = cli_failed(
            fail(E_IO, "cannot write the complete result to standard output: the disk is full or the pipe was closed"));
    return code;
}
