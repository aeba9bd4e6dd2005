/** Man pages and shell completions. They are made from the command table, the commands' manuals and the option table,
 * so they never differ from --help. */
#ifndef LINNET_CLI_DOCUMENTS_H
#define LINNET_CLI_DOCUMENTS_H

#include "cli/cli.h"

/** A command, or a command and its first argument. */
typedef struct document {
    const char *command; /* "bench" */
    const char *part;    /* "train"; NULL: the command itself */
    const char *help;    /* one line */
    const cli_manual *manual;
} document;

/** Writes under `folder`, which has the layout of /usr/share: man/man1/linnet.1 and one page for each document,
 *  bash-completion/completions/linnet, zsh/site-functions/_linnet and fish/vendor_completions.d/linnet.fish.
 *  @return 0, E_IO, E_FULL, E_NOMEM */
int documents_write(const char *folder, const document *d, int n);

/** The page linnet(1), and the page of one command. They append to `out`. @return 0, E_NOMEM */
int man_page_program(text *out, const document *d, int n);
int man_page_command(text *out, const document *d);

/** The completion of a shell. They append to `out`. @return 0, E_NOMEM */
int completion_bash(text *out, const document *d, int n);
int completion_zsh(text *out, const document *d, int n);
int completion_fish(text *out, const document *d, int n);

/** Visits the options of a command as a command line takes them: its own, then the aliases and names of the shared
 * ones, then --config, --print-config and --help. name begins with "--"; value as in config_option, "" for a flag.
 *  @return 0, or the first result of visit that is not 0 */
typedef int document_visit(void *context, const char *name, const char *value, const char *help);
int document_own_options(const document *d, document_visit *visit, void *context);
int document_shared_options(document_visit *visit, void *context);

/** Appends s with `before` in front of each character that is in `special`. */
int document_escape(text *out, const char *s, const char *special, const char *before);
/** Takes the next alternative of a value ("auto|FILE") off *value. @return its length; *value is behind it; 0: none */
size_t document_alternative(const char **word, const char **value);
/** Whether an alternative stands for something ("FILE", "N") rather than for itself ("auto"). */
bool document_placeholder(const char *word, size_t n);
/** Whether the value may be a file, or a folder. */
bool document_takes(const char *value, const char *placeholder);

#endif
