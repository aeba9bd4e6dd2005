/** The option table and the conversion of values from and to text. Private to config. */
#ifndef LINNET_CONFIG_OPTIONS_H
#define LINNET_CONFIG_OPTIONS_H

#include "config/config.h"

#define OPTION_PRINT 2048 /* large enough for the text of any value */

typedef enum option_type {
    OPTION_INT,     /* int */
    OPTION_LONG,    /* long long */
    OPTION_SEED,    /* unsigned long long, any */
    OPTION_REAL,    /* double */
    OPTION_REAL3,   /* double[3], "a,b,c" */
    OPTION_JITTER,  /* double[4], "b", "b,c,s" or "b,c,s,h"; -1 for `auto` */
    OPTION_BOOL,    /* bool */
    OPTION_TEXT,    /* char[], UTF-8 */
    OPTION_CHOICE,  /* char[], one of `choices` */
    OPTION_LIMIT,   /* double: fraction, or -n for n batches (config_limit) */
    OPTION_TIME,    /* double, seconds; given as seconds, HH:MM:SS or DD:HH:MM:SS */
    OPTION_DEVICES, /* trainer.devices and device_list: a number, auto, or a list of GPU indices */
    OPTION_EPOCHS   /* config_epochs, "a,b,..." */
} option_type;

typedef struct option {
    const char *name;  /* "group.field" */
    const char *alias; /* NULL: none */
    option_type type;
    size_t offset, size; /* in config */
    const char *initial; /* the default, as text */
    double min, max;
    bool above;                      /* min itself is excluded */
    const char *choices;             /* OPTION_CHOICE: "a|b|c" */
    bool (*also)(const char *value); /* OPTION_CHOICE: accepts values of another form; NULL: none */
    const char *also_form;           /* that form */
    const char *takes;               /* OPTION_TEXT: its value, as in config_option; NULL: TEXT */
    const char *word;                /* a word that stands for word_value, such as "auto"; NULL: none */
    double word_value;
    const char *help;
} option;

extern const option option_table[];
extern const int option_n;

/** The option with this full name or alias, or with this former name; NULL if there is none. */
const option *option_find(const char *name);
/** Whether two names are equal; - and _ are the same. */
bool option_same_name(const char *a, const char *b);

/** The name of an option in another program. */
typedef struct foreign_name {
    const char *name;   /* with _ */
    const char *option; /* full name here */
    const char *words;  /* "theirs=ours|...": words that differ from the option's; NULL: none */
    bool flag;          /* without a value it is the word "true" */
    bool other;         /* its values have another form or meaning: it is only suggested */
} foreign_name;

enum { FOREIGN_WORD = 32 };

/** The foreign name, also one that is only suggested. NULL: unknown */
const foreign_name *foreign_find(const char *name);
/** The foreign name that is an alias of an option on a command line; Lightning's may begin with "trainer.". NULL: none
 */
const foreign_name *foreign_alias(const char *name);
/** The value in this program's words: `value` itself, or a word in `out`. */
const char *foreign_value(char out[FOREIGN_WORD], const foreign_name *f, const char *value);
/** Appends the foreign aliases of an option: "`--num-workers`, ...". @return 0, E_NOMEM */
int foreign_list(text *out, const option *o);

/** The option that is probably meant: what other programs call so, else the nearest by words and letters. NULL: none.
 */
const option *option_nearest(const char *name);
/** @return E_OPTION, with a message that starts with `where` and suggests an option if one is near */
int option_unknown(const char *name, const char *where);

/** What to use in place of another program's value that the option does not have. NULL: nothing is known */
const char *foreign_nearest(const option *o, const char *value);

/** Reads `value` into c. @return 0 or E_OPTION; the message starts with `where` */
int option_parse(config *c, const option *o, const char *value, const char *where);
/** The value as text; option_parse turns it back into an equal value. */
void option_print(char out[OPTION_PRINT], const option *o, const config *c);
/** The accepted values in words: "a whole number from 1 to 65536". */
void option_range(char out[256], const option *o);
/** true, false, yes, no, on, off. @return false for any other value */
bool option_bool(bool *out, const char *value);

/** Applies one option of a YAML file or a command line, as config_set does. `full_only`: aliases are refused. */
int option_set(config *c, const char *name, const char *value, const char *where, bool full_only);

/** The shortest number that parses to the same double, always with a decimal point: "0.1", "1.0e-06". */
void option_print_real(char out[40], double v);

#endif
