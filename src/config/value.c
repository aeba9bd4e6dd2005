/* Converts values of options from and to text. */

#include "base/status.h"
#include "base/text.h"
#include "config/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Restricts the characters: strtod and strtoll alone would accept " 1", "0x10", "inf" and "nan". */
static bool only(const char *s, const char *allowed) { return *s != 0 && s[strspn(s, allowed)] == 0; }

static bool read_real(double *out, const char *s) { return only(s, "0123456789+-.eE") && text_to_double(out, s); }

static bool read_whole(long long *out, const char *s) { return only(s, "0123456789+-") && text_to_int(out, s); }

static bool read_seed(unsigned long long *out, const char *s) {
    if (!only(s, "0123456789"))
        return false;
    errno = 0;
    unsigned long long v = strtoull(s, NULL, 10);
    if (errno != 0)
        return false;
    *out = v;
    return true;
}

bool option_bool(bool *out, const char *value) {
    static const char *const word[] = {"false", "true", "no", "yes", "off", "on"};
    for (int i = 0; i < 6; i++)
        if (strcasecmp(value, word[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return false;
}

static bool in_range(const option *o, double v) { return (o->above ? v > o->min : v >= o->min) && v <= o->max; }

/** "a,b,c" with up to `most` numbers. @return how many; 0: malformed */
static int read_reals(double *out, const option *o, const char *s, int most) {
    for (int i = 0; i < most; i++) {
        char one[64];
        s += strspn(s, " ");
        size_t n = strcspn(s, ", ");
        if (n >= sizeof one)
            return 0;
        memcpy(one, s, n);
        one[n] = 0;
        if (!read_real(&out[i], one) || !in_range(o, out[i]))
            return 0;
        s += n;
        s += strspn(s, " ");
        if (*s == 0)
            return i + 1;
        if (*s != ',')
            return 0;
        s++;
    }
    return 0;
}

static bool read_jitter(double out[4], const option *o, const char *s) {
    static const double automatic[4] = {-1, -1, -1, -1};
    double v[4] = {0};
    if (strcmp(s, "auto") == 0) {
        memcpy(out, automatic, sizeof automatic);
        return true;
    }
    int n = read_reals(v, o, s, 4);
    if (n == 0 || n == 2 || v[3] > 0.5)
        return false;
    if (n == 1)
        v[1] = v[2] = v[0];
    memcpy(out, v, sizeof v);
    return true;
}

static void print_jitter(char out[OPTION_PRINT], const double v[4]) {
    char real[4][40];
    for (int i = 0; i < 4; i++)
        option_print_real(real[i], v[i]);
    if (v[0] < 0)
        snprintf(out, OPTION_PRINT, "auto");
    else if (v[3] > 0)
        snprintf(out, OPTION_PRINT, "%s,%s,%s,%s", real[0], real[1], real[2], real[3]);
    else if (v[0] == v[1] && v[1] == v[2])
        snprintf(out, OPTION_PRINT, "%s", real[0]);
    else
        snprintf(out, OPTION_PRINT, "%s,%s,%s", real[0], real[1], real[2]);
}

static bool read_limit(double *out, const char *s) {
    if (strpbrk(s, ".eE") != NULL)
        return read_real(out, s) && *out >= 0 && *out <= 1;
    long long n;
    if (!read_whole(&n, s) || n < 0 || n > 1000000000)
        return false;
    *out = n == 0 ? 0.0 : -(double)n;
    return true;
}

static bool read_time(double *out, const option *o, const char *s) {
    if (strchr(s, ':') == NULL)
        return read_real(out, s) && in_range(o, *out);
    static const double unit[] = {1, 60, 3600, 86400};
    long long part[4];
    int n = 0;
    for (;;) {
        char one[16];
        size_t k = strcspn(s, ":");
        if (n == 4 || k >= sizeof one)
            return false;
        memcpy(one, s, k);
        one[k] = 0;
        if (!only(one, "0123456789") || !text_to_int(&part[n++], one))
            return false;
        if (s[k] == 0)
            break;
        s += k + 1;
    }
    if (n < 3)
        return false;
    *out = 0;
    for (int i = 0; i < n; i++) /* as in Lightning, only the first part may exceed its unit */
        *out += (double)part[i] * unit[n - 1 - i];
    for (int i = 1; i < n; i++)
        if (part[i] >= (n - 1 - i == 2 ? 24 : 60))
            return false;
    return in_range(o, *out);
}

static bool is_choice(const option *o, const char *s) {
    return text_in_list(o->choices, '|', s) || (o->also != NULL && o->also(s));
}

static bool is_utf8(const char *s) {
    for (size_t left = strlen(s), n = 0; left > 0; s += n, left -= n) {
        n = text_utf8(s, left);
        if (n == 0)
            return false;
    }
    return true;
}

/** "30,60" or "[30, 60]": epochs in increasing order. */
static bool read_epochs(config_epochs *out, const char *s) {
    bool brackets = *s == '[';
    config_epochs list = {0};
    s += brackets;
    for (;;) {
        char *end = NULL;
        s += strspn(s, " ");
        if (list.n == CONFIG_EPOCHS || *s < '0' || *s > '9')
            return false;
        long epoch = strtol(s, &end, 10);
        if (epoch > 1000000 || epoch <= (list.n > 0 ? list.at[list.n - 1] : 0))
            return false;
        list.at[list.n++] = (int)epoch;
        s = end + strspn(end, " ");
        if (*s != ',')
            break;
        s++;
    }
    if (brackets ? strcmp(s, "]") != 0 : *s != 0)
        return false;
    *out = list;
    return true;
}

static void print_epochs(char out[OPTION_PRINT], const config_epochs *list) {
    int used = snprintf(out, OPTION_PRINT, "%s", list->n == 0 ? "none" : "");
    for (int i = 0; i < list->n; i++)
        used += snprintf(out + used, OPTION_PRINT - (size_t)used, "%s%d", i > 0 ? "," : "", list->at[i]);
}

static bool parse_number(void *field, const option *o, const char *value) {
    double v;
    long long whole;
    switch (o->type) {
    case OPTION_INT:
    case OPTION_LONG:
        if (!read_whole(&whole, value) || !in_range(o, (double)whole))
            return false;
        if (o->type == OPTION_INT)
            *(int *)field = (int)whole;
        else
            *(long long *)field = whole;
        return true;
    case OPTION_REAL:
        if (!read_real(&v, value) || !in_range(o, v))
            return false;
        *(double *)field = v;
        return true;
    default: return false;
    }
}

static bool parse_value(void *field, const option *o, const char *value) {
    double v[3];
    switch (o->type) {
    case OPTION_SEED: return read_seed(field, value);
    case OPTION_BOOL: return option_bool(field, value);
    case OPTION_EPOCHS: return read_epochs(field, value);
    case OPTION_TEXT:
    case OPTION_CHOICE:
        if (strlen(value) >= o->size || (o->type == OPTION_TEXT ? !is_utf8(value) : !is_choice(o, value)))
            return false;
        memset(field, 0, o->size); /* so that equal configs have equal bytes */
        memcpy(field, value, strlen(value));
        return true;
    case OPTION_REAL3:
        if (read_reals(v, o, value, 3) != 3)
            return false;
        memcpy(field, v, sizeof v);
        return true;
    case OPTION_JITTER: return read_jitter(field, o, value);
    case OPTION_LIMIT:
    case OPTION_TIME:
        if (o->type == OPTION_LIMIT ? !read_limit(v, value) : !read_time(v, o, value))
            return false;
        *(double *)field = v[0];
        return true;
    default: return parse_number(field, o, value);
    }
}

/** "0,2", "[0, 2]" or "2,": different indices, written to `out` as "0,2". @return how many; 0: malformed */
static int read_list(char *out, size_t bytes, const char *s) {
    int n = 0, used = 0;
    bool brackets = *s == '[', seen[64] = {0};
    s += brackets;
    for (;;) {
        char *end = NULL;
        s += strspn(s, " ");
        if (n > 0 && *s == (brackets ? ']' : 0))
            break;
        long index = *s >= '0' && *s <= '9' ? strtol(s, &end, 10) : -1;
        if (index < 0 || index >= 64 || seen[index])
            return 0;
        seen[index] = true;
        used += snprintf(out + used, bytes - (size_t)used, "%s%ld", n++ > 0 ? "," : "", index);
        if ((size_t)used >= bytes)
            return 0;
        s = end + strspn(end, " ");
        if (*s != ',' && *s != (brackets ? ']' : 0))
            return 0;
        s += *s == ',';
    }
    return !brackets || s[1] == 0 ? n : 0;
}

static bool parse_devices(config *c, const option *o, const char *value) {
    char list[sizeof c->trainer.device_list] = "";
    long long n = 0;
    if (strcmp(value, "auto") == 0)
        n = 0;
    else if (strpbrk(value, ",[") != NULL)
        n = read_list(list, sizeof list, value);
    else if (!read_whole(&n, value) || !in_range(o, (double)n))
        return false;
    if (n == 0 && strcmp(value, "auto") != 0)
        return false;
    c->trainer.devices = (int)n;
    memset(c->trainer.device_list, 0, sizeof c->trainer.device_list); /* so that equal configs have equal bytes */
    memcpy(c->trainer.device_list, list, strlen(list));
    return true;
}

static void print_devices(char out[OPTION_PRINT], const config *c) {
    const char *list = c->trainer.device_list;
    if (c->trainer.devices == 0)
        snprintf(out, OPTION_PRINT, "auto");
    else if (list[0] == 0)
        snprintf(out, OPTION_PRINT, "%d", c->trainer.devices);
    else
        snprintf(out, OPTION_PRINT, "%s%s", list, strchr(list, ',') == NULL ? "," : ""); /* "2," is no number */
}

static void set_word(void *field, const option *o) {
    if (o->type == OPTION_INT)
        *(int *)field = (int)o->word_value;
    else if (o->type == OPTION_EPOCHS)
        *(config_epochs *)field = (config_epochs){0};
    else
        *(double *)field = o->word_value;
}

int option_parse(config *c, const option *o, const char *value, const char *where) {
    void *field = (char *)c + o->offset;
    if (o->word != NULL && strcmp(value, o->word) == 0) {
        set_word(field, o);
        return OK;
    }
    if (o->type == OPTION_DEVICES ? parse_devices(c, o, value) : parse_value(field, o, value))
        return OK;
    char range[256];
    option_range(range, o);
    const char *nearest = foreign_nearest(o, value);
    return fail(E_OPTION, "%s: %s must be %s, not '%.100s'%s%s%s", where, o->name, range, value,
                strlen(value) > 100 ? "..." : "", nearest != NULL ? "; " : "", nearest != NULL ? nearest : "");
}

void option_print_real(char out[40], double v) {
    for (int digits = 1; digits <= 17; digits++) {
        double back;
        snprintf(out, 40, "%.*g", digits, v);
        if (text_to_double(&back, out) && back == v)
            break;
    }
    if (strstr(out, "e+") != NULL && fabs(v) < 1e15)
        snprintf(out, 40, "%.1f", v); /* a whole number: print 100.0 rather than 1.0e+02 */
    if (strchr(out, '.') != NULL)
        return;
    /* YAML 1.1 readers (PyYAML) read 1e-06 as a string; with a decimal point all readers see a number. */
    char exponent[16];
    char *e = out + strcspn(out, "e");
    snprintf(exponent, sizeof exponent, "%s", e);
    snprintf(e, 40 - (size_t)(e - out), ".0%s", exponent);
}

static void print_choice_of_numbers(char out[OPTION_PRINT], const option *o, const void *field) {
    double v = o->type == OPTION_INT ? *(const int *)field : *(const double *)field;
    if (o->word != NULL && v == o->word_value)
        snprintf(out, OPTION_PRINT, "%s", o->word);
    else if (o->type == OPTION_INT)
        snprintf(out, OPTION_PRINT, "%d", *(const int *)field);
    else if (o->type == OPTION_LIMIT && v < 0)
        snprintf(out, OPTION_PRINT, "%.0f", -v);
    else
        option_print_real(out, v);
}

void option_print(char out[OPTION_PRINT], const option *o, const config *c) {
    const void *field = (const char *)c + o->offset;
    char real[3][40];
    switch (o->type) {
    case OPTION_LONG: snprintf(out, OPTION_PRINT, "%lld", *(const long long *)field); break;
    case OPTION_DEVICES: print_devices(out, c); break;
    case OPTION_EPOCHS: print_epochs(out, field); break;
    case OPTION_SEED: snprintf(out, OPTION_PRINT, "%llu", *(const unsigned long long *)field); break;
    case OPTION_BOOL: snprintf(out, OPTION_PRINT, "%s", *(const bool *)field ? "true" : "false"); break;
    case OPTION_TEXT:
    case OPTION_CHOICE: snprintf(out, OPTION_PRINT, "%.*s", (int)o->size, (const char *)field); break;
    case OPTION_REAL3:
        for (int i = 0; i < 3; i++)
            option_print_real(real[i], ((const double *)field)[i]);
        snprintf(out, OPTION_PRINT, "%s,%s,%s", real[0], real[1], real[2]);
        break;
    case OPTION_JITTER: print_jitter(out, field); break;
    default: print_choice_of_numbers(out, o, field);
    }
}

static void number_range(char out[256], const option *o, const char *kind) {
    const char *word = o->word != NULL ? o->word : "", * or = o->word != NULL ? " or " : "";
    if (o->max >= 1e15)
        snprintf(out, 256, "%s%s%s of at least %.15g", word, or, kind, o->min);
    else if (o->above)
        snprintf(out, 256, "%s%s%s in (%.15g, %.15g]", word, or, kind, o->min, o->max);
    else
        snprintf(out, 256, "%s%s%s from %.15g to %.15g", word, or, kind, o->min, o->max);
}

void option_range(char out[256], const option *o) {
    switch (o->type) {
    case OPTION_INT:
    case OPTION_LONG: number_range(out, o, "a whole number"); break;
    case OPTION_REAL: number_range(out, o, "a number"); break;
    case OPTION_DEVICES:
        snprintf(out, 256, "a whole number from 1 to %.0f, auto, or GPU indices such as 0,2", o->max);
        break;
    case OPTION_REAL3: number_range(out, o, "three numbers (R,G,B), each"); break;
    case OPTION_EPOCHS:
        snprintf(out, 256, "%s or at most %d epochs in increasing order, such as 30,60", o->word, CONFIG_EPOCHS);
        break;
    case OPTION_JITTER:
        snprintf(
            out, 256,
            "auto, one number from 0 to %.15g, or three or four numbers (brightness, contrast, saturation and hue, "
            "which is at most 0.5)",
            o->max);
        break;
    case OPTION_SEED: snprintf(out, 256, "a whole number from 0 to 18446744073709551615"); break;
    case OPTION_BOOL: snprintf(out, 256, "true or false"); break;
    case OPTION_TEXT: snprintf(out, 256, "UTF-8 text of at most %zu bytes", o->size - 1); break;
    case OPTION_LIMIT: snprintf(out, 256, "a fraction from 0.0 to 1.0 or a whole number of batches"); break;
    case OPTION_TIME: snprintf(out, 256, "seconds from 0 to %.15g, HH:MM:SS or DD:HH:MM:SS", o->max); break;
    case OPTION_CHOICE: {
        int n = snprintf(out, 256, "one of ");
        for (const char *p = o->choices; *p != 0 && n < 250; p++)
            n += snprintf(out + n, 256 - (size_t)n, *p == '|' ? ", " : "%c", *p);
        if (o->also_form != NULL && n < 250)
            snprintf(out + n, 256 - (size_t)n, ", or %s", o->also_form);
        break;
    }
    }
}
