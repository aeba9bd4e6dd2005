/* Completions of bash, zsh and fish. */
#include "base/status.h"
#include "cli/documents.h"

#include <stdio.h>
#include <string.h>

static const char heading[] = "# %s completion for linnet. Made by linnet help --write.\n";

static bool is_command(const document *d) { return d->part == NULL; }

static bool has_parts(const document *d) { return d->part == NULL && d->manual->part != NULL; }

/** The words among the alternatives of a value, with `between` in front of each. */
static int put_words(text *out, const char *value, const char *between) {
    const char *word = NULL;
    int rc = OK;
    for (size_t n = 0; (n = document_alternative(&word, &value)) > 0;)
        if (!document_placeholder(word, n))
            TRY(text_printf(out, "%s%.*s", between, (int)n, word));
done:
    return rc;
}

/** "bench train" */
static int put_key(text *out, const document *d) {
    return text_printf(out, "%s%s%s", d->command, d->part != NULL ? " " : "", d->part != NULL ? d->part : "");
}

static int put_names(text *out, const document *d, int n) {
    int rc = OK;
    for (int i = 0; i < n; i++)
        if (is_command(&d[i]))
            TRY(text_printf(out, "%s ", d[i].command));
    TRY(text_printf(out, "help"));
done:
    return rc;
}

/* bash */

static int bash_name(void *context, const char *name, const char *value, const char *help) {
    (void)value;
    (void)help;
    return text_printf(context, "%s ", name);
}

/** A case of the option's value, for _linnet_value. */
static int bash_value(void *context, const char *name, const char *value, const char *help) {
    (void)help;
    return value[0] != 0 ? text_printf(context, "      %s) value='%s' ;;\n", name, value) : OK;
}

static const char bash_functions[] =
    "\n"
    "# the words of a value (auto|FILE) that begin with $cur, and files or folders\n"
    "_linnet_value() {\n"
    "  local word IFS=$'|\\n'\n"
    "  for word in $1; do\n"
    "    case $word in\n"
    "      FILE) COMPREPLY+=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null ;;\n"
    "      DIR) COMPREPLY+=($(compgen -d -- \"$cur\")); compopt -o filenames 2>/dev/null ;;\n"
    "      [[:upper:]]*) ;;\n"
    "      *) COMPREPLY+=($(compgen -W \"$word\" -- \"$cur\")) ;;\n"
    "    esac\n"
    "  done\n"
    "}\n"
    "\n"
    "_linnet() {\n"
    "  local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} value=\n"
    "  COMPREPLY=()\n"
    "  if [ \"$cur\" = = ]; then cur= # --name=value is three words\n"
    "  elif [ \"$before\" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "  fi\n"
    "  if [ \"$COMP_CWORD\" = 1 ]; then _linnet_value \"${_linnet_commands// /|}|--help|--version\"; return; fi\n"
    "  if [ \"$command\" = help ]; then\n"
    "    if [ \"$COMP_CWORD\" = 2 ]; then _linnet_value \"${_linnet_commands// /|}\"; fi\n"
    "    return\n"
    "  fi\n"
    "  if [ -n \"${_linnet_parts[$command]}\" ]; then\n"
    "    if [ \"$COMP_CWORD\" = 2 ]; then _linnet_value \"${_linnet_parts[$command]// /|}\"; return; fi\n"
    "    if [ -n \"${_linnet_options[$command ${COMP_WORDS[2]}]}\" ]; then command+=\" ${COMP_WORDS[2]}\"; fi\n"
    "  fi\n"
    "  _linnet_takes \"$command\" \"$before\"\n"
    "  if [ -n \"$value\" ]; then\n"
    "    _linnet_value \"$value\"\n"
    "    # a bool needs no value: after one, anything may follow\n"
    "    if [ \"$value\" != 'true|false' ] || [ -n \"$COMPREPLY\" ]; then return; fi\n"
    "  fi\n"
    "  case $cur in\n"
    "    -*) COMPREPLY=($(compgen -W \"${_linnet_options[$command]}\" -- \"$cur\")) ;;\n"
    "    *) _linnet_value FILE ;;\n"
    "  esac\n"
    "}\n"
    "complete -F _linnet linnet\n";

static int bash_tables(text *out, const document *d, int n) {
    int rc = OK;
    TRY(text_printf(out, "_linnet_shared='"));
    TRY(document_shared_options(bash_name, out));
    TRY(text_printf(out, "'\ndeclare -gA _linnet_parts=("));
    for (int i = 0; i < n; i++) {
        if (!has_parts(&d[i]))
            continue;
        TRY(text_printf(out, " [%s]='", d[i].command));
        for (const cli_option *p = d[i].manual->part; p->name != NULL; p++)
            TRY(text_printf(out, "%s%s", p == d[i].manual->part ? "" : " ", p->name));
        TRY(text_printf(out, "'"));
    }
    TRY(text_printf(out, " )\ndeclare -gA _linnet_options=(\n"));
    for (int i = 0; i < n; i++) {
        TRY(text_printf(out, "  ['"));
        TRY(put_key(out, &d[i]));
        TRY(text_printf(out, "']=\""));
        TRY(document_own_options(&d[i], bash_name, out));
        TRY(text_printf(out, "%s\"\n", d[i].manual->shared ? "$_linnet_shared" : ""));
    }
    TRY(text_printf(out, ")\n"));
done:
    return rc;
}

int completion_bash(text *out, const document *d, int n) {
    int rc = OK;
    TRY(text_printf(out, heading, "bash"));
    TRY(text_printf(out, "_linnet_commands='"));
    TRY(put_names(out, d, n));
    TRY(text_printf(out, "'\n"));
    TRY(bash_tables(out, d, n));
    TRY(text_printf(out, "\n# sets value to what the option $2 of the command $1 takes\n_linnet_takes() {\n"
                         "  value=\n  case $1 in\n"));
    for (int i = 0; i < n; i++) {
        TRY(text_printf(out, "    '"));
        TRY(put_key(out, &d[i]));
        TRY(text_printf(out, "') case $2 in\n"));
        TRY(document_own_options(&d[i], bash_value, out));
        TRY(text_printf(out, "    esac ;;\n"));
    }
    TRY(text_printf(out,
                    "  esac\n  case ${_linnet_options[$1]} in\n    *' --config '*) [ -n \"$value\" ] || case $2 in\n"));
    TRY(document_shared_options(bash_value, out));
    TRY(text_printf(out, "    esac ;;\n  esac\n}\n%s", bash_functions));
done:
    return rc;
}

/* zsh */

/** Appends s for single quotes. special: characters that get a backslash. */
static int zsh_quoted(text *out, const char *s, const char *special) {
    int rc = OK;
    for (; *s != 0; s++) {
        if (strchr(special, *s) != NULL)
            TRY(text_append(out, "\\", 1));
        TRY(*s == '\'' ? text_printf(out, "'\\''") : text_append(out, s, 1));
    }
done:
    return rc;
}

/** What _arguments does for a value: "(true false)", "_files", "{compadd auto; _files}". */
static int zsh_action(text *out, const char *value) {
    const char *files = document_takes(value, "FILE") ? "_files" : document_takes(value, "DIR") ? "_files -/" : "";
    text words = {0};
    int rc = OK;
    TRY(put_words(&words, value, " "));
    if (words.n == 0)
        TRY(text_printf(out, "%s", files[0] != 0 ? files : " "));
    else if (files[0] == 0)
        TRY(text_printf(out, "(%s)", words.data + 1));
    else
        TRY(text_printf(out, "{compadd%s; %s}", words.data, files));
done:
    text_deinit(&words);
    return rc;
}

/** An option as _arguments takes it: '--name=[help]:value:(words)'; the value of a bool is optional. */
static int zsh_option(void *context, const char *name, const char *value, const char *help) {
    text *out = context;
    int rc = OK;
    TRY(text_printf(out, " '%s%s[", name, value[0] != 0 ? "=" : ""));
    TRY(zsh_quoted(out, help, "[]\\"));
    TRY(text_printf(out, "]"));
    if (value[0] != 0) {
        TRY(text_printf(out, strcmp(value, "true|false") == 0 ? "::value:" : ":value:"));
        TRY(zsh_action(out, value));
    }
    TRY(text_printf(out, "'"));
done:
    return rc;
}

/** 'name:help' */
static int zsh_described(text *out, const char *name, const char *help) {
    int rc = OK;
    TRY(text_printf(out, "\n    '%s:", name));
    TRY(zsh_quoted(out, help, ""));
    TRY(text_printf(out, "'"));
done:
    return rc;
}

static const char zsh_begin[] = "  local -a commands parts shared\n"
                                "  local key=$words[2]\n";
static const char zsh_choose[] = "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                                 "  shift words; (( CURRENT-- ))\n"
                                 "  if [[ $key == help ]]; then _describe command commands; return; fi\n";

static int zsh_parts(text *out, const document *d) {
    int rc = OK;
    TRY(text_printf(out, "  if [[ $key == %s ]]; then\n    parts=(", d->command));
    for (const cli_option *p = d->manual->part; p->name != NULL; p++)
        TRY(zsh_described(out, p->name, p->help));
    TRY(text_printf(out, ")\n    if (( CURRENT == 2 )); then _describe argument parts; return; fi\n"
                         "    key+=\" $words[2]\"; shift words; (( CURRENT-- ))\n  fi\n"));
done:
    return rc;
}

int completion_zsh(text *out, const document *d, int n) {
    int rc = OK;
    TRY(text_printf(out, "#compdef linnet\n"));
    TRY(text_printf(out, heading, "zsh"));
    TRY(text_printf(out, "_linnet() {\n%s  commands=(", zsh_begin));
    for (int i = 0; i < n; i++)
        if (is_command(&d[i]))
            TRY(zsh_described(out, d[i].command, d[i].help));
    TRY(zsh_described(out, "help", "print the help of a command"));
    TRY(text_printf(out, ")\n  shared=("));
    TRY(document_shared_options(zsh_option, out));
    TRY(text_printf(out, ")\n%s", zsh_choose));
    for (int i = 0; i < n; i++)
        if (has_parts(&d[i]))
            TRY(zsh_parts(out, &d[i]));
    TRY(text_printf(out, "  case $key in\n"));
    for (int i = n - 1; i >= 0; i--) { /* the parts of a command before the command, whose pattern they match */
        TRY(text_printf(out, "    '"));
        TRY(put_key(out, &d[i]));
        TRY(text_printf(out, "'%s) _arguments", has_parts(&d[i]) ? "*" : ""));
        TRY(document_own_options(&d[i], zsh_option, out));
        TRY(text_printf(out, "%s '*:file:_files' ;;\n", d[i].manual->shared ? " $shared" : ""));
    }
    TRY(text_printf(out, "  esac\n}\n_linnet \"$@\"\n"));
done:
    return rc;
}

/* fish */

static const char fish_functions[] =
    "\n"
    "# whether the command, with its first argument if that selects a command, is one of the arguments\n"
    "function __linnet_command\n"
    "    set -l words (commandline -opc)\n"
    "    test (count $words) -ge 2; or return 1\n"
    "    set -l key $words[2]\n"
    "    if test (count $words) -ge 3; and contains -- \"$words[2] $words[3]\" $__linnet_parts\n"
    "        set key \"$words[2] $words[3]\"\n"
    "    end\n"
    "    contains -- $key $argv\n"
    "end\n"
    "\n";

typedef struct fish_context {
    text *out;
    text condition; /* the commands that have the option, as arguments of __linnet_command */
} fish_context;

static int fish_option(void *context, const char *name, const char *value, const char *help) {
    fish_context *f = context;
    text words = {0};
    int rc = OK;
    TRY(text_printf(f->out, "complete -c linnet -n '__linnet_command%s' -l %s", text_string(&f->condition), name + 2));
    TRY(put_words(&words, value, " "));
    if (document_takes(value, "FILE"))
        TRY(text_printf(f->out, " -r -F"));
    else if (document_takes(value, "DIR"))
        TRY(text_printf(f->out, " -x -a '(__fish_complete_directories)'"));
    else if (value[0] != 0 && strcmp(value, "true|false") != 0)
        TRY(text_printf(f->out, " -x"));
    if (words.n > 0 && strcmp(value, "true|false") != 0)
        TRY(text_printf(f->out, " -a '%s'", words.data + 1));
    TRY(text_printf(f->out, " -d '"));
    TRY(document_escape(f->out, help, "'\\", "\\"));
    TRY(text_printf(f->out, "'\n"));
done:
    text_deinit(&words);
    return rc;
}

static int fish_argument(text *out, const char *condition, const char *name, const char *help) {
    int rc = OK;
    TRY(text_printf(out, "complete -c linnet -n '%s' -f -a %s -d '", condition, name));
    TRY(document_escape(out, help, "'\\", "\\"));
    TRY(text_printf(out, "'\n"));
done:
    return rc;
}

static int fish_arguments(text *out, const document *d, int n) {
    static const char first[] = "test (count (commandline -opc)) -eq 1";
    char condition[64];
    int rc = OK;
    for (int i = 0; i < n; i++) {
        if (is_command(&d[i]))
            TRY(fish_argument(out, first, d[i].command, d[i].help));
        snprintf(condition, sizeof condition, "__linnet_command %s", d[i].command);
        if (has_parts(&d[i]))
            for (const cli_option *p = d[i].manual->part; p->name != NULL; p++)
                TRY(fish_argument(out, condition, p->name, p->help));
    }
    TRY(fish_argument(out, first, "help", "print the help of a command"));
    TRY(text_printf(out, "complete -c linnet -n '__linnet_command help' -f -a '"));
    TRY(put_names(out, d, n));
    TRY(text_printf(out, "'\n"));
done:
    return rc;
}

int completion_fish(text *out, const document *d, int n) {
    fish_context own = {.out = out}, shared = {.out = out};
    int rc = OK;
    TRY(text_printf(out, heading, "fish"));
    TRY(text_printf(out, "set -g __linnet_parts"));
    for (int i = 0; i < n; i++)
        if (d[i].part != NULL)
            TRY(text_printf(out, " '%s %s'", d[i].command, d[i].part));
    TRY(text_printf(out, "\n%s", fish_functions));
    TRY(fish_arguments(out, d, n));
    for (int i = 0; i < n; i++) {
        const char *between = d[i].part != NULL ? "\\ " : "", *part = d[i].part != NULL ? d[i].part : "";
        own.condition.n = 0;
        TRY(text_printf(&own.condition, " %s%s%s", d[i].command, between, part));
        TRY(document_own_options(&d[i], fish_option, &own));
        if (d[i].manual->shared)
            TRY(text_printf(&shared.condition, "%s", text_string(&own.condition)));
    }
    TRY(document_shared_options(fish_option, &shared));
done:
    text_deinit(&own.condition);
    text_deinit(&shared.condition);
    return rc;
}
