/* The help of all options, for the terminal and as Markdown. */

#include "base/status.h"
#include "config/options.h"

#include <stdio.h>
#include <string.h>

#define NAME_COLUMN 2
#define ALIAS_COLUMN 36
#define HELP_COLUMN 51
#define WIDTH 100

const char *config_group_title(const char *name) {
    static const char *const title[][2] = {
        {"data", "images, transforms and data loader"},
        {"model", "architecture and initial weights"},
        {"optimizer", "optimizer, learning rates, weight decay, label smoothing"},
        {"lr_finder", "learning rate range test; runs if optimizer.lr is auto"},
        {"schedule", "learning rate schedule"},
        {"trainer", "training loop, device and output"},
        {"dist", "distributed training"},
        {"checkpoint", "which checkpoints to keep"},
        {"early_stopping", "when to end a run that no longer improves"},
        {"monitor", "report and monitoring"},
        {"expected", "the measured result of a configuration"},
    };
    for (size_t i = 0; i < sizeof title / sizeof *title; i++)
        if (strncmp(title[i][0], name, strcspn(name, ".")) == 0 && title[i][0][strcspn(name, ".")] == 0)
            return title[i][1];
    return "";
}

/* Wraps at WIDTH. Starts at HELP_COLUMN, where the text already ends, and indents further lines to HELP_COLUMN. */
static int put_wrapped(text *out, const char *s) {
    int rc = OK, column = HELP_COLUMN;
    while (*s != 0) {
        int n = (int)strcspn(s, " ");
        if (column > HELP_COLUMN && column + 1 + n > WIDTH) {
            TRY(text_printf(out, "\n%*s", HELP_COLUMN, ""));
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            TRY(text_append(out, " ", 1));
            column++;
        }
        TRY(text_append(out, s, (size_t)n));
        column += n;
        s += n;
        s += *s == ' ';
    }
    TRY(text_append(out, "\n", 1));
done:
    return rc;
}

static const char *initial_of(const option *o) { return *o->initial != 0 ? o->initial : "none"; }

/* "8..4096", "auto, > 0", "in (0, 1]"; empty if the default shows enough. */
static void short_range(char out[256], const option *o) {
    const char *word = o->word != NULL ? o->word : "", *comma = o->word != NULL ? ", " : "";
    bool number = o->type == OPTION_INT || o->type == OPTION_LONG || o->type == OPTION_REAL;
    out[0] = 0;
    if (o->type == OPTION_CHOICE)
        option_range(out, o);
    else if (number && o->max >= 1e6)
        snprintf(out, 256, "%s%s%s %.15g", word, comma, o->above ? ">" : ">=", o->min);
    else if (number && o->above)
        snprintf(out, 256, "%s%sin (%.15g, %.15g]", word, comma, o->min, o->max);
    else if (number)
        snprintf(out, 256, "%s%s%.15g..%.15g", word, comma, o->min, o->max);
}

static int put_option(text *out, const option *o) {
    char range[256], alias[40] = "";
    text meaning = {0};
    int rc = OK;
    short_range(range, o);
    if (o->alias != NULL)
        snprintf(alias, sizeof alias, "--%s", o->alias);
    TRY(text_printf(out, "%*s--%-*s%-*s", NAME_COLUMN, "", ALIAS_COLUMN - NAME_COLUMN - 2, o->name,
                    HELP_COLUMN - ALIAS_COLUMN, alias));
    TRY(text_printf(&meaning, "%s%s%s [%s]", o->help, range[0] != 0 ? "; " : "", range, initial_of(o)));
    TRY(put_wrapped(out, text_string(&meaning)));
done:
    text_deinit(&meaning);
    return rc;
}

static int put_row(text *out, const option *o) {
    char range[256];
    option_range(range, o);
    text aliases = {0};
    int rc = OK;
    if (o->alias != NULL)
        TRY(text_printf(&aliases, "`--%s`", o->alias));
    TRY(foreign_list(&aliases, o));
    TRY(text_printf(out, "| `--%s` | %s | `%s` | %s | %s |\n", o->name, text_string(&aliases), initial_of(o), range,
                    o->help));
done:
    text_deinit(&aliases);
    return rc;
}

static const char introduction[] =
    "# Options\n\n"
    "Generated from the option table in `src/config/options.c`; do not edit by hand.\n\n"
    "Set an option with `--group.name value` or `--group.name=value`, or with `name: value` under `group:` in a YAML\n"
    "file (`--config FILE`). If an option is set more than once, the last setting wins; `--config` is read at its\n"
    "position on the command line. `-` and `_` are equivalent in names. A bool without a value is true; `--no-NAME`\n"
    "is false. Aliases work on the command line only; most are the option's names in PyTorch Lightning, torchvision "
    "and\n"
    "timm ([migrating](migrating.md)).\n";

int config_help(text *out, bool markdown) {
    int rc = OK;
    const char *group = "";
    if (markdown)
        TRY(text_printf(out, "%s", introduction));
    for (int i = 0; i < option_n; i++) {
        const option *o = &option_table[i];
        size_t n = strcspn(o->name, ".");
        if (strncmp(group, o->name, n + 1) != 0) {
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)n, o->name);
            if (markdown)
                TRY(text_printf(out, "\n## %s: %s\n\n%s", name, config_group_title(o->name),
                                "| Option | Alias | Default | Values | Meaning |\n|---|---|---|---|---|\n"));
            else
                TRY(text_printf(out, "%s%s: %s\n", i > 0 ? "\n" : "", name, config_group_title(o->name)));
        }
        group = o->name;
        TRY(markdown ? put_row(out, o) : put_option(out, o));
    }
done:
    return rc;
}

static void print_value(char out[256], const option *o) {
    static const char *const placeholder[] = {
        [OPTION_INT] = "N",           [OPTION_LONG] = "N",      [OPTION_SEED] = "N",
        [OPTION_REAL] = "X",          [OPTION_REAL3] = "R,G,B", [OPTION_JITTER] = "auto|B|B,C,S|B,C,S,H",
        [OPTION_BOOL] = "true|false", [OPTION_TEXT] = "TEXT",   [OPTION_CHOICE] = "",
        [OPTION_LIMIT] = "X",         [OPTION_TIME] = "TIME",   [OPTION_DEVICES] = "N|auto|LIST",
        [OPTION_EPOCHS] = "N,N,...",
    };
    const char *takes = o->takes != NULL ? o->takes : placeholder[o->type];
    snprintf(out, 256, "%s%s%s", o->word != NULL ? o->word : "", o->word != NULL ? "|" : "",
             o->type == OPTION_CHOICE ? o->choices : takes);
}

bool config_option_at(config_option *out, int i) {
    if (i < 0 || i >= option_n)
        return false;
    const option *o = &option_table[i];
    *out = (config_option){.name = o->name, .alias = o->alias, .help = o->help, .initial = initial_of(o)};
    print_value(out->value, o);
    option_range(out->range, o);
    return true;
}
