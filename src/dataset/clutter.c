#include "dataset/clutter.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/** A name that ends with '*' stands for all names that begin so. */
static const struct {
    const char *name;
    bool folder;
} kinds[] = {{"__MACOSX", true},
             {".ipynb_checkpoints", true},
             {"@eaDir", true},
             {".git", true},
             {"lost+found", true},
             {"$RECYCLE.BIN", true},
             {"System Volume Information", true},
             {"#recycle", true},
             {".Trash*", true},
             {".Spotlight-V100", true},
             {".fseventsd", true},
             {"._*", false},
             {".DS_Store", false},
             {"Thumbs.db", false},
             {"desktop.ini", false}};

enum { KINDS = sizeof kinds / sizeof *kinds };

_Static_assert(sizeof kinds / sizeof *kinds <= sizeof((clutter *)0)->n / sizeof *((clutter *)0)->n,
               "the counts have room for all kinds");

/** Windows and macOS write some of the names in several cases. @return the kind, or -1 */
static int find(const char *name, bool folder) {
    for (int k = 0; k < KINDS; k++) {
        size_t n = strcspn(kinds[k].name, "*");
        bool whole = kinds[k].name[n] == 0;
        if (kinds[k].folder == folder && strncasecmp(name, kinds[k].name, n) == 0 && (!whole || name[n] == 0))
            return k;
    }
    return -1;
}

bool clutter_is_folder(const char *name) { return find(name, true) >= 0; }

bool clutter_is_file(const char *name) { return find(name, false) >= 0; }

bool clutter_count(clutter *c, const char *name, bool folder) {
    int k = find(name, folder);
    if (k >= 0)
        c->n[k]++;
    return k >= 0;
}

const char *clutter_text(char out[CLUTTER_TEXT], const clutter *c) {
    size_t used = 0;
    out[0] = 0;
    for (int k = 0; k < KINDS && used + 64 < CLUTTER_TEXT; k++)
        if (c->n[k] > 0)
            used += (size_t)snprintf(out + used, CLUTTER_TEXT - used, "%s%lld %s", used > 0 ? ", " : "",
                                     (long long)c->n[k], kinds[k].name);
    return out;
}

void clutter_log(const clutter *c, const char *path) {
    char names[CLUTTER_TEXT];
    if (clutter_text(names, c)[0] != 0)
        log_once(LOG_INFO, "%s: ignored because they are neither classes nor images: %s", path, names);
}
