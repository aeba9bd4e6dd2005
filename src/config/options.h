/** The option table and how values become text and back. Private to config. */
#ifndef LINNET_CONFIG_OPTIONS_H
#define LINNET_CONFIG_OPTIONS_H

#include "config/config.h"

#define OPTION_PRINT 2048 /* bytes that hold the text of any value */

typedef enum option_type {
    OPTION_INT,    /* int */
    OPTION_LONG,   /* long long */
    OPTION_SEED,   /* unsigned long long, any */
    OPTION_REAL,   /* double */
    OPTION_REAL3,  /* double[3], "a,b,c" */
    OPTION_BOOL,   /* bool */
    OPTION_TEXT,   /* char[], UTF-8 */
    OPTION_CHOICE, /* char[], one of `choices` */
    OPTION_LIMIT,  /* double: fraction, or -n for n batches (config_limit) */
    OPTION_TIME    /* double, seconds; given as seconds, HH:MM:SS or DD:HH:MM:SS */
} option_type;

typedef struct option {
    const char *name;  /* "group.field" */
    const char *alias; /* NULL: none */
    option_type type;
    size_t offset, size; /* in config */
    const char *initial; /* the default, as text */
    double min, max;
    bool above;          /* min itself is excluded */
    const char *choices; /* OPTION_CHOICE: "a|b|c" */
    const char *word;    /* a word for word_value, such as "auto"; NULL: none */
    double word_value;
    const char *help;
} option;

extern const option option_table[];
extern const int option_n;

/** The option of that full name or alias, or that had it in an earlier version; NULL when there is none. */
const option *option_find(const char *name);
/** The option whose name, alias or field is nearest to `name`; never NULL. */
const option *option_nearest(const char *name);

/** Reads `value` into c. @return 0 or E_OPTION; the message starts with `where` */
int option_parse(config *c, const option *o, const char *value, const char *where);
/** The value as text, from which option_parse gives an equal value. */
void option_print(char out[OPTION_PRINT], const option *o, const config *c);
/** The values that the option takes, in words: "a whole number from 1 to 65536". */
void option_range(char out[256], const option *o);
/** true, false, yes, no, on, off. @return false for any other value */
bool option_bool(bool *out, const char *value);

/** Applies one option of a YAML file or a command line, as config_set does; `full_only`: aliases are refused. */
int option_set(config *c, const char *name, const char *value, const char *where, bool full_only);

/** The shortest number that reads back to the same double, always with a point: "0.1", "1.0e-06". */
void option_print_real(char out[40], double v);

#endif
