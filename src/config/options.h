/** The option table and how values become text and back. Private to config. */
#ifndef LINNET_CONFIG_OPTIONS_H
#define LINNET_CONFIG_OPTIONS_H

#include "config/config.h"

#define OPTION_PRINT 2048 /* bytes that any value's text fits into */

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
    OPTION_TIME    /* double, seconds; read as seconds, HH:MM:SS or DD:HH:MM:SS too */
} option_type;

typedef struct option {
    const char *name;  /* "group.field" */
    const char *alias; /* NULL: none */
    option_type type;
    size_t offset, size; /* in config */
    const char *initial; /* the default, as text */
    double min, max;
    bool above;          /* min itself is out of range */
    const char *choices; /* OPTION_CHOICE: "a|b|c" */
    const char *word;    /* a word that stands for word_value; NULL: none */
    double word_value;
    const char *help;
} option;

extern const option option_table[];
extern const int option_n;

/** The option of that full name or alias; NULL when there is none. */
const option *option_find(const char *name);
/** The option whose name, alias or field is nearest to `name`; never NULL. */
const option *option_nearest(const char *name);

/** Reads `value` into c. @return 0 or E_OPTION; the message starts with `where` */
int option_parse(config *c, const option *o, const char *value, const char *where);
/** The value as text that option_parse takes back to an equal one. */
void option_print(char out[OPTION_PRINT], const option *o, const config *c);
/** What values the option takes, in words: "a whole number from 1 to 65536". */
void option_range(char out[256], const option *o);
/** true, false, yes, no, on, off. @return false when it is none of them */
bool option_bool(bool *out, const char *value);

/** Applies one option of a YAML file or a command line; as config_set, but without the aliases for `full_only`. */
int option_set(config *c, const char *name, const char *value, const char *where, bool full_only);

/** A readable number that reads back to the same double, always with a point: "0.1", "1.0e-06". */
void option_print_real(char out[40], double v);

#endif
