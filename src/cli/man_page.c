/* Man pages in the macros of man(7). */
#include "base/status.h"
#include "cli/documents.h"

#include <stdio.h>
#include <string.h>

/** Appends text of a page: no request begins in it, and a '-' is the one that is typed. Line ends become spaces. */
static int put(text *out, const char *s) {
    int rc = OK;
    if (*s == '.' || *s == '\'')
        TRY(text_printf(out, "\\&"));
    for (; *s != 0; s++) {
        if (*s == '\\' || *s == '-')
            TRY(text_printf(out, *s == '-' ? "\\-" : "\\e"));
        else
            TRY(text_append(out, *s == '\n' ? " " : s, 1));
    }
done:
    return rc;
}

/** A line in a font: "B", "I", "R". */
static int put_line(text *out, const char *font, const char *s) {
    int rc = OK;
    TRY(text_printf(out, "\\f%s", font));
    TRY(put(out, s));
    TRY(text_printf(out, "\\fR\n"));
done:
    return rc;
}

static int put_text(text *out, const char *s) {
    int rc = OK;
    TRY(put(out, s));
    TRY(text_printf(out, "\n"));
done:
    return rc;
}

static int put_capitals(text *out, const char *s) {
    int rc = OK;
    for (; *s != 0; s++) {
        if (*s == '-')
            TRY(text_printf(out, "\\-"));
        else
            TRY(text_printf(out, "%c", *s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s));
    }
done:
    return rc;
}

static int put_head(text *out, const char *name, const char *help) {
    int rc = OK;
    TRY(text_printf(out, ".\\\" Made by linnet help --write.\n.TH \""));
    TRY(put_capitals(out, name));
    TRY(text_printf(out, "\" 1 \"%s\" \"linnet " LINNET_VERSION "\" \"linnet\"\n.SH NAME\n", cli_date));
    TRY(put(out, name));
    TRY(text_printf(out, " \\- "));
    TRY(put_text(out, help));
done:
    return rc;
}

static const char *const statuses[][2] = {
    {"0", "success"},
    {"1", "failure; the reason is printed on standard error"},
    {"2", "wrong usage"},
    {"3", "stopped by a second signal, without saving"},
    {"129, 130, 143", "stopped by SIGHUP, SIGINT or SIGTERM, after saving"},
};

static int put_statuses(text *out) {
    int rc = OK;
    TRY(text_printf(out, ".SH EXIT STATUS\n"));
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        TRY(text_printf(out, ".TP\n.B %s\n", statuses[i][0]));
        TRY(put_text(out, statuses[i][1]));
    }
done:
    return rc;
}

/** Item of a list: `--name VALUE` and what it means. */
static int put_option(void *context, const char *name, const char *value, const char *help) {
    text *out = context;
    int rc = OK;
    TRY(text_printf(out, ".TP\n\\fB"));
    TRY(put(out, name));
    TRY(text_printf(out, "\\fR%s\\fI", value[0] != 0 ? " " : ""));
    TRY(put(out, value));
    TRY(text_printf(out, "\\fR\n"));
    TRY(put_text(out, help));
done:
    return rc;
}

/** The item of an option of the table, with its alias, values and default. */
static int put_shared(text *out, const config_option *o) {
    int rc = OK;
    TRY(text_printf(out, ".TP\n\\fB\\-\\-"));
    TRY(put(out, o->name));
    if (o->alias != NULL) {
        TRY(text_printf(out, "\\fR, \\fB\\-\\-"));
        TRY(put(out, o->alias));
    }
    TRY(text_printf(out, "\\fR \\fI"));
    TRY(put(out, strlen(o->value) <= 40 ? o->value : "NAME"));
    TRY(text_printf(out, "\\fR\n"));
    TRY(put_text(out, o->help));
    TRY(text_printf(out, ".br\n"));
    TRY(put(out, o->range));
    TRY(text_printf(out, "; default: "));
    TRY(put_text(out, o->initial));
done:
    return rc;
}

static int put_shared_options(text *out) {
    const char *group = "";
    config_option o;
    int rc = OK;
    TRY(text_printf(out, ".SH CONFIGURATION OPTIONS\n"));
    TRY(put_text(out, "A YAML file (--config) contains the same options, by group. If an option is set more than once, "
                      "the last setting wins. A bool without a value is true; --no-NAME is false."));
    TRY(put_option(out, "--config", "FILE",
                   "read options from a YAML file; if there is no such file, from the installed configuration of this "
                   "name (demo, imagenet-resnet50, ...)"));
    TRY(put_option(out, "--print-config", "", "print the values of all options as YAML"));
    for (int i = 0; config_option_at(&o, i); i++) {
        size_t n = strcspn(o.name, ".");
        if (strncmp(group, o.name, n + 1) != 0) {
            TRY(text_printf(out, ".SS %.*s: ", (int)n, o.name));
            TRY(put_text(out, config_group_title(o.name)));
        }
        group = o.name;
        TRY(put_shared(out, &o));
    }
done:
    return rc;
}

/** A section; its title is in capitals. */
static int put_list(text *out, const char *title, const cli_option *list) {
    int rc = OK;
    if (list == NULL)
        return OK;
    TRY(text_printf(out, ".SH "));
    TRY(put_capitals(out, title));
    TRY(text_printf(out, "\n"));
    for (const cli_option *o = list; o->name != NULL; o++)
        TRY(put_option(out, o->name, "", o->help));
done:
    return rc;
}

int man_page_command(text *out, const document *d) {
    const cli_manual *m = d->manual;
    char name[64];
    int rc = OK;
    snprintf(name, sizeof name, "linnet-%s%s%s", d->command, d->part != NULL ? "-" : "",
             d->part != NULL ? d->part : "");
    TRY(put_head(out, name, d->help));
    TRY(text_printf(out, ".SH SYNOPSIS\n"));
    TRY(put_line(out, "B", m->usage));
    if (m->text != NULL) {
        TRY(text_printf(out, ".SH DESCRIPTION\n"));
        TRY(put_text(out, m->text));
    }
    TRY(put_list(out, "the first argument", m->part));
    TRY(text_printf(out, ".SH OPTIONS\n"));
    TRY(document_own_options(d, put_option, out));
    TRY(put_list(out, m->list_title, m->list));
    if (m->shared)
        TRY(put_shared_options(out));
    TRY(put_statuses(out));
    TRY(text_printf(out, ".SH SEE ALSO\n.BR linnet (1)\n"));
done:
    return rc;
}

static const char *const environment[][2] = {
    {"LINNET_CPU", "CPU level: sse41, avx2, avx512, avx512_bf16 or amx; at most that of the machine"},
    {"LINNET_NCCL", "path of libnccl.so.2"},
    {"LINNET_CUDNN", "path of libcudnn.so.9"},
    {"XDG_CACHE_HOME", "caches are stored in its folder linnet: indexes of datasets, copies of shards, timings of "
                       "cuDNN engines; default: ~/.cache"},
    {"CUDA_VISIBLE_DEVICES", "GPUs that the program may use"},
};

static int put_commands(text *out, const document *d, int n) {
    int rc = OK;
    TRY(text_printf(out, ".SH COMMANDS\n"));
    for (int i = 0; i < n; i++) {
        TRY(text_printf(out, ".TP\n.BR linnet\\-"));
        TRY(put(out, d[i].command));
        if (d[i].part != NULL) {
            TRY(text_printf(out, "\\-"));
            TRY(put(out, d[i].part));
        }
        TRY(text_printf(out, " (1)\n"));
        TRY(put_text(out, d[i].help));
    }
    TRY(text_printf(out, ".TP\n.B help\n"));
    TRY(put_text(out,
                 "linnet help COMMAND prints the help of a command. linnet help --write DIR writes these man pages "
                 "and the completions for bash, zsh and fish to DIR, which has the layout of /usr/share."));
done:
    return rc;
}

int man_page_program(text *out, const document *d, int n) {
    int rc = OK;
    TRY(put_head(out, "linnet", "train ResNet image classifiers"));
    TRY(text_printf(out, ".SH SYNOPSIS\n"));
    TRY(put_line(out, "B", "linnet COMMAND [options]"));
    TRY(text_printf(out, ".SH DESCRIPTION\n"));
    TRY(put_text(out,
                 "linnet trains ResNet image classifiers on ImageNet or on any folder with one folder of images per "
                 "class. Its checkpoints and logs open in PyTorch, Lightning and TensorBoard."));
    TRY(put_commands(out, d, n));
    TRY(put_statuses(out));
    TRY(text_printf(out, ".SH ENVIRONMENT\n"));
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) {
        TRY(text_printf(out, ".TP\n.B %s\n", environment[i][0]));
        TRY(put_text(out, environment[i][1]));
    }
    TRY(text_printf(out, ".SH FILES\n.TP\n.I PREFIX/" LINNET_DATA_NAME "/configs\n"));
    TRY(put_text(out, "configurations for --config, by name"));
    TRY(text_printf(out, ".SH EXAMPLES\n"));
    TRY(put_text(out, "Write the demo dataset and train on it:"));
    TRY(text_printf(out, ".PP\n.nf\nlinnet shapes data\n"
                         "linnet train data \\-\\-config demo \\-\\-out runs\n.fi\n"));
    TRY(text_printf(out, ".SH SEE ALSO\n.BR linnet\\-train (1),\n.BR linnet\\-doctor (1)\n"));
done:
    return rc;
}
