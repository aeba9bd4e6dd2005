/* Writes the man pages and the completions, and what their makers share. */
#define _GNU_SOURCE
#include "cli/documents.h"

#include "base/file.h"
#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int document_own_options(const document *d, document_visit *visit, void *context) {
    int rc = OK;
    for (const cli_option *o = d->manual->option; o != NULL && o->name != NULL; o++) {
        char name[64];
        size_t n = strcspn(o->name, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, o->name);
        TRY(visit(context, name, o->name[n] != 0 ? o->name + n + 1 : "", o->help));
    }
    TRY(visit(context, "--help", "", "print the help of this command"));
done:
    return rc;
}

int document_shared_options(document_visit *visit, void *context) {
    config_option o;
    char name[128];
    int rc = OK;
    TRY(visit(context, "--config", "FILE", "read options from a YAML file, or from an installed configuration"));
    TRY(visit(context, "--print-config", "", "print the values of all options as YAML"));
    for (int alias = 1; alias >= 0; alias--)
        for (int i = 0; config_option_at(&o, i); i++) {
            if (alias && o.alias == NULL)
                continue;
            snprintf(name, sizeof name, "--%s", alias ? o.alias : o.name);
            TRY(visit(context, name, o.value, o.help));
        }
done:
    return rc;
}

int document_escape(text *out, const char *s, const char *special, const char *before) {
    int rc = OK;
    for (; *s != 0; s++) {
        if (strchr(special, *s) != NULL)
            TRY(text_printf(out, "%s", before));
        TRY(text_append(out, s, 1));
    }
done:
    return rc;
}

size_t document_alternative(const char **word, const char **value) {
    size_t n = strcspn(*value, "|");
    *word = *value;
    *value += n + ((*value)[n] == '|');
    return n;
}

bool document_placeholder(const char *word, size_t n) { return n > 0 && word[0] >= 'A' && word[0] <= 'Z'; }

bool document_takes(const char *value, const char *placeholder) {
    const char *word = NULL;
    for (size_t n = 0; (n = document_alternative(&word, &value)) > 0;)
        if (n == strlen(placeholder) && strncmp(word, placeholder, n) == 0)
            return true;
    return false;
}

/** Takes the text, whatever the result. */
static int write_file(const char *folder, const char *name, int rc, text *content) {
    char path[PATH_BYTES];
    FILE *file = NULL;
    TRY(rc);
    TRY(path_join(path, folder, name));
    file = fopen(path, "we");
    if (file == NULL)
        rc = fail_errno(errno, "cannot write %s", path);
    else {
        bool failed = fputs(text_string(content), file) < 0;
        if (fclose(file) != 0 || failed)
            rc = fail_errno(errno, "cannot write %s", path);
    }
done:
    text_deinit(content);
    *content = (text){0};
    return rc;
}

static int write_completion(const char *folder, const char *subfolder, const char *name,
                            int make(text *, const document *, int), const document *d, int n) {
    char path[PATH_BYTES];
    text t = {0};
    int rc = OK;
    TRY(path_join(path, folder, subfolder));
    TRY(folder_make(path));
    rc = make(&t, d, n);
    rc = write_file(path, name, rc, &t);
done:
    return rc;
}

int documents_write(const char *folder, const document *d, int n) {
    char pages[PATH_BYTES], name[64];
    text t = {0};
    int rc = OK;
    TRY(path_join(pages, folder, "man/man1"));
    TRY(folder_make(pages));
    rc = man_page_program(&t, d, n);
    TRY(write_file(pages, "linnet.1", rc, &t));
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "linnet-%s%s%s.1", d[i].command, d[i].part != NULL ? "-" : "",
                 d[i].part != NULL ? d[i].part : "");
        rc = man_page_command(&t, &d[i]);
        TRY(write_file(pages, name, rc, &t));
    }
    TRY(write_completion(folder, "bash-completion/completions", "linnet", completion_bash, d, n));
    TRY(write_completion(folder, "zsh/site-functions", "_linnet", completion_zsh, d, n));
    TRY(write_completion(folder, "fish/vendor_completions.d", "linnet.fish", completion_fish, d, n));
done:
    return rc;
}
