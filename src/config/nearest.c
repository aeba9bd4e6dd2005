/* Suggests an option for an unknown name. */
#include "base/status.h"
#include "base/text.h"
#include "config/options.h"

#include <limits.h>
#include <string.h>

enum { NAME_BYTES = 64 };

/* Into `out` with - as _. */
static void with_underscores(char out[NAME_BYTES], const char *name) {
    size_t i = 0;
    for (; i < NAME_BYTES - 1 && name[i] != 0; i++)
        out[i] = (char)(name[i] == '-' ? '_' : name[i]);
    out[i] = 0;
}

/* The word that begins at *at, which is moved behind it and its separator. "" at the end. */
static void next_word(char out[NAME_BYTES], const char **at) {
    size_t n = strcspn(*at, "_.");
    memcpy(out, *at, n); /* names are shorter than NAME_BYTES */
    out[n] = 0;
    *at += n + ((*at)[n] != 0);
}

/* Edits from one word to the other; "epoch" and "epochs" are one word. */
static int word_distance(const char *a, const char *b) {
    size_t an = strlen(a), bn = strlen(b), shorter = an < bn ? an : bn;
    bool plural =
        an != bn && shorter > 2 && strncmp(a, b, shorter) == 0 && strcmp((an > bn ? a : b) + shorter, "s") == 0;
    return plural ? 0 : text_distance(a, b);
}

/* Edits from the word to the nearest one of the name; at most its length, which leaves it out. */
static int distance_to_words(const char *word, const char *name) {
    int least = (int)strlen(word);
    char other[NAME_BYTES];
    while (*name != 0) {
        next_word(other, &name);
        int distance = word_distance(word, other);
        least = distance < least ? distance : least;
    }
    return least;
}

/* Word by word, in any order; 1 for a word of `known` that is not wanted. */
static int words_distance(const char *wanted, const char *known) {
    char word[NAME_BYTES];
    int distance = 0;
    for (const char *p = wanted; *p != 0;) {
        next_word(word, &p);
        distance += distance_to_words(word, known);
    }
    for (const char *p = known; *p != 0;) {
        next_word(word, &p);
        distance += distance_to_words(word, wanted) > 0;
    }
    return distance;
}

/* How far a name that is wanted is from one that is known. */
static int name_distance(const char *wanted, const char *known) {
    const char *field = strchr(wanted, '.');
    if (field != NULL && strchr(known, '.') == NULL)
        return 1 + name_distance(field + 1, known); /* maybe the right field in the wrong group */
    int letters = text_distance(wanted, known), words = words_distance(wanted, known);
    return letters < words ? letters : words;
}

static const option *of_other_program(const char *name) {
    const char *field = strrchr(name, '.');
    const foreign_name *f = foreign_find(field != NULL ? field + 1 : name);
    return f != NULL ? option_find(f->option) : NULL;
}

/* The options of `expected` describe a configuration. They are suggested only if the group is given. */
static bool may_be_meant(const option *o, const char *wanted) {
    static const char group[] = "expected.";
    return strncmp(o->name, group, sizeof group - 1) != 0 || strncmp(wanted, group, sizeof group - 1) == 0;
}

const option *option_nearest(const char *name) {
    char wanted[NAME_BYTES], normalised[NAME_BYTES];
    const option *best = of_other_program(name);
    int least = INT_MAX;
    with_underscores(wanted, name);
    for (int i = 0; best == NULL && i < option_n; i++)
        if (may_be_meant(&option_table[i], wanted) && option_same_name(wanted, strchr(option_table[i].name, '.') + 1))
            best = &option_table[i];
    if (best != NULL)
        return best;
    for (int i = 0; i < option_n; i++) {
        const option *o = &option_table[i];
        const char *known[3] = {o->name, strchr(o->name, '.') + 1, o->alias};
        for (int k = 0; k < 3 && known[k] != NULL && may_be_meant(o, wanted); k++) {
            with_underscores(normalised, known[k]);
            int distance = name_distance(wanted, normalised);
            bool common = distance == least && best != NULL && best->alias == NULL && o->alias != NULL;
            if (distance < least || common) {
                least = distance;
                best = o;
            }
        }
    }
    return 3 * least <= (int)strlen(wanted) + 1 ? best : NULL; /* a more distant name would mislead */
}

int option_unknown(const char *name, const char *where) {
    const option *near = option_nearest(name);
    bool line = where[0] == '-', alias = line && near != NULL && near->alias != NULL && strchr(name, '.') == NULL;
    const char *form = line && where[1] != '-' ? "; options begin with --" : "";
    if (near == NULL)
        return fail(E_OPTION, "%s: unknown option '%.100s'%s; --print-config prints all options", where, name, form);
    return fail(E_OPTION, "%s: unknown option '%.100s'%s; did you mean %s%s?", where, name, form, line ? "--" : "",
                alias ? near->alias : near->name);
}
