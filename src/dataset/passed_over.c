#include "dataset/passed_over.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *suffix_of(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot : "";
}

bool passed_over_is_image(const char *name) {
    static const char *const known[] = {"",      ".jfif", ".jpe",  ".jif", ".jp2", ".jxl", ".gif",
                                        ".avif", ".heic", ".heif", ".tga", ".exr", ".dng"};
    for (size_t i = 0; name[0] != '.' && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(suffix_of(name), known[i]) == 0)
            return true;
    return false;
}

void passed_over_add(passed_over *p, const char *name) {
    char suffix[PASSED_SUFFIX];
    int k = 0;
    if (name[0] == '.')
        return;
    snprintf(suffix, sizeof suffix, "%s", suffix_of(name));
    for (char *c = suffix; *c != 0; c++)
        *c = (char)tolower((unsigned char)*c);
    while (k < p->kinds && strcmp(p->kind[k].suffix, suffix) != 0)
        k++;
    p->n++;
    if (k == PASSED_KINDS)
        return;
    if (k == p->kinds)
        snprintf(p->kind[p->kinds++].suffix, PASSED_SUFFIX, "%s", suffix);
    p->kind[k].n++;
}

const char *passed_over_text(char out[PASSED_TEXT], const passed_over *p) {
    size_t used = 0;
    bool listed[PASSED_KINDS] = {false};
    out[0] = 0;
    for (int i = 0; i < p->kinds && used + 48 < PASSED_TEXT; i++) {
        int most = -1;
        for (int k = 0; k < p->kinds; k++)
            if (!listed[k] && (most < 0 || p->kind[k].n > p->kind[most].n))
                most = k;
        listed[most] = true;
        const char *suffix = p->kind[most].suffix;
        used += (size_t)snprintf(out + used, PASSED_TEXT - used, "%s%lld %s", i > 0 ? ", " : "",
                                 (long long)p->kind[most].n, suffix[0] != 0 ? suffix : "without a suffix");
    }
    return out;
}
