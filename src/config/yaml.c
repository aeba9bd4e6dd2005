/* Reads and writes the configuration as YAML. */

#include "base/file.h"
#include "base/status.h"
#include "config/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define YAML_BYTES (1 << 20) /* largest configuration file */
#define SEEN_MAX 256
#define WHERE_BYTES 512

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; owned */
    config *c;
    const char *name;
    unsigned seen[SEEN_MAX];       /* line at which option i was set; 0: not yet */
    unsigned group_seen[SEEN_MAX]; /* line at which the group whose first option is i began; 0: not yet */
} reader;

static unsigned line_of(const reader *r) { return (unsigned)r->event.start_mark.line + 1; }

static const char *where_of(char out[WHERE_BYTES], const reader *r, unsigned line) {
    snprintf(out, WHERE_BYTES, "%.400s:%u", r->name, line);
    return out;
}

static int wrong(const reader *r, const char *what) {
    return fail(E_FORMAT, "%.400s:%u: %s", r->name, line_of(r), what);
}

/* Anchors and aliases would let a small file expand to a huge one, and tags change the meaning of a value. Neither
 * is needed, so both are refused. */
static int check_plain(const reader *r) {
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT: anchor = e->data.alias.anchor; break;
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
            return wrong(r, "a value contains a NUL byte");
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default: break;
    }
    if (anchor != NULL)
        return wrong(r, "anchors and aliases are not supported: write the value out");
    return tag != NULL ? wrong(r, "tags are not supported: write the plain value") : OK;
}

static int next(reader *r) {
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return check_plain(r);
    if (r->parser.error == YAML_MEMORY_ERROR)
        return fail(E_NOMEM, "%.400s: out of memory", r->name);
    bool reading = r->parser.error == YAML_READER_ERROR;
    return fail(E_FORMAT, "%.400s:%zu: invalid YAML: %s", r->name,
                reading ? r->parser.mark.line + 1 : r->parser.problem_mark.line + 1,
                r->parser.problem != NULL ? r->parser.problem : "unknown problem");
}

static const char *scalar(const reader *r) { return (const char *)r->event.data.scalar.value; }

static bool takes_list(const option *o) {
    return o->type == OPTION_REAL3 || o->type == OPTION_JITTER || o->type == OPTION_DEVICES || o->type == OPTION_EPOCHS;
}

/* Appends the current value in config_set's format: a sequence becomes "a,b,c". Stops at the value's last event. */
static int read_value(text *out, reader *r, const option *o) {
    int rc = OK;
    if (r->event.type == YAML_SCALAR_EVENT) {
        bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        const char *s = scalar(r);
        bool null = plain && (strcmp(s, "~") == 0 || strcmp(s, "null") == 0);
        return text_append(out, s, o->type == OPTION_TEXT && null ? 0 : strlen(s));
    }
    if (r->event.type != YAML_SEQUENCE_START_EVENT || !takes_list(o)) {
        char range[256], message[512];
        option_range(range, o);
        snprintf(message, sizeof message, "%s must be %s, not a %s", o->name, range,
                 r->event.type == YAML_SEQUENCE_START_EVENT ? "list" : "group");
        return wrong(r, message);
    }
    for (;;) {
        TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT)
            return wrong(r, "expected a list of numbers");
        TRY(text_printf(out, "%s%s", out->n > 0 ? "," : "", scalar(r)));
    }
    if (o->type == OPTION_DEVICES)
        TRY(text_append(out, ",", 1)); /* one index is a list too */
done:
    return rc;
}

/* Reads the option "group.key" whose key is the current event. Stops at the last event of its value. */
static int read_option(reader *r, const char *group) {
    int rc = OK;
    text name = {0}, value = {0};
    char where[WHERE_BYTES];
    unsigned line = line_of(r);
    where_of(where, r, line);
    TRY(text_printf(&name, "%s%s%s", group, *group != 0 ? "." : "", scalar(r)));
    const option *o = option_find(text_string(&name));
    if (o == NULL || strchr(text_string(&name), '.') == NULL) {
        rc = option_set(r->c, text_string(&name), "", where, true);
        goto done;
    }
    unsigned *seen = &r->seen[o - option_table];
    if (*seen != 0) {
        rc = fail(E_FORMAT, "%s: %s is already set at line %u: keep one", where, o->name, *seen);
        goto done;
    }
    *seen = line;
    TRY(next(r));
    TRY(read_value(&value, r, o));
    TRY(option_parse(r->c, o, text_string(&value), where));
done:
    text_deinit(&name);
    text_deinit(&value);
    return rc;
}

/* The first option of a group; NULL if there is no such group. */
static const option *group_find(const char *group) {
    size_t n = strlen(group);
    for (int i = 0; i < option_n; i++)
        if (strncmp(option_table[i].name, group, n) == 0 && option_table[i].name[n] == '.')
            return &option_table[i];
    return NULL;
}

static int unknown_group(const reader *r, const char *group, unsigned line) {
    const char *best = option_table[0].name;
    int least = INT_MAX;
    for (int i = 0; i < option_n; i++) {
        char known[32];
        snprintf(known, sizeof known, "%.*s", (int)strcspn(option_table[i].name, "."), option_table[i].name);
        int distance = text_distance(group, known);
        if (distance < least) {
            least = distance;
            best = option_table[i].name;
        }
    }
    return fail(E_OPTION, "%.400s:%u: unknown group '%.100s'; did you mean %.*s?", r->name, line, group,
                (int)strcspn(best, "."), best);
}

/* Reads the options of a group. Its name has been read; the current event is its value. */
static int read_group(reader *r, const char *group, unsigned line) {
    int rc = OK;
    const option *first = group_find(group);
    if (first == NULL)
        return unknown_group(r, group, line);
    unsigned *seen = &r->group_seen[first - option_table];
    if (*seen != 0)
        return fail(E_FORMAT, "%.400s:%u: group %s already appears at line %u: merge them", r->name, line, group,
                    *seen);
    *seen = line;
    bool null = r->event.type == YAML_SCALAR_EVENT && *scalar(r) == 0;
    if (null)
        return OK; /* "data:" with all its lines commented out */
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return fail(E_FORMAT,
                    "%.400s:%u: %s is a group of options: write them indented on the lines below, such as \"%s: %s\"",
                    r->name, line, group, first->name + strlen(group) + 1, first->initial);
    for (;;) {
        TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT)
            return wrong(r, "expected the name of an option");
        TRY(read_option(r, group));
    }
done:
    return rc;
}

/* Reads one key of the file: a group, or an option with its full name ("data.batch_size: 32"). */
static int read_entry(reader *r) {
    int rc = OK;
    text key = {0};
    unsigned line = line_of(r);
    if (r->event.type != YAML_SCALAR_EVENT)
        return wrong(r, "expected the name of a group");
    TRY(text_printf(&key, "%s", scalar(r)));
    if (strchr(text_string(&key), '.') != NULL) {
        rc = read_option(r, "");
        goto done;
    }
    TRY(next(r));
    if (group_find(text_string(&key)) == NULL && r->event.type != YAML_MAPPING_START_EVENT) {
        const option *near = option_nearest(text_string(&key));
        rc = fail(E_OPTION, "%.400s:%u: '%.100s' is not a group of options%s%s%s", r->name, line, text_string(&key),
                  near != NULL ? "; did you mean " : "", near != NULL ? near->name : "", near != NULL ? "?" : "");
        goto done;
    }
    TRY(read_group(r, text_string(&key), line));
done:
    text_deinit(&key);
    return rc;
}

static int read_stream(reader *r) {
    int rc = OK;
    TRY(next(r)); /* the start of the stream */
    TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return OK; /* an empty file */
    TRY(next(r));  /* skips the start of the document */
    bool nothing = r->event.type == YAML_SCALAR_EVENT && *scalar(r) == 0;
    if (!nothing && r->event.type != YAML_MAPPING_START_EVENT)
        return wrong(r, "expected groups of options, such as \"data:\"");
    while (!nothing) {
        TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        TRY(read_entry(r));
    }
    TRY(next(r)); /* the end of the document */
    TRY(next(r));
    if (r->event.type != YAML_STREAM_END_EVENT)
        return wrong(r, "a second YAML document: a configuration file must contain only one");
done:
    return rc;
}

int config_read_yaml_text(config *c, const char *bytes, size_t n, const char *name) {
    config changed = *c;
    reader r = {.c = &changed, .name = name};
    _Static_assert(sizeof(config) < 32768, "config is copied on the stack");
    if (option_n > SEEN_MAX)
        return fail(E_OPTION, "more options than a configuration file can contain");
    if (n > YAML_BYTES)
        return fail(E_FORMAT, "%.400s: configuration file of %zu bytes is larger than 1 MiB", name, n);
    if (!yaml_parser_initialize(&r.parser))
        return fail(E_NOMEM, "%.400s: out of memory", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, n);
    int rc = read_stream(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (rc == OK)
        *c = changed;
    return rc;
}

int config_read_yaml(config *c, const char *path) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    int rc = file_read(&bytes, &n, path, YAML_BYTES);
    if (rc == OK)
        rc = config_read_yaml_text(c, (const char *)bytes, n, path);
    free(bytes);
    return rc;
}

/* Writes a string as YAML; quoted unless every YAML reader parses the plain form as the same string. */
static int write_text(text *out, const char *s) {
    static const char *const word[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    bool plain = *s == '/' || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
    for (const char *p = s; *p != 0; p++)
        plain = plain && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-", *p) != NULL;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        plain = plain && strcasecmp(s, word[i]) != 0;
    if (plain)
        return text_printf(out, "%s", s);
    int rc = OK;
    TRY(text_append(out, "\"", 1));
    for (const unsigned char *p = (const unsigned char *)s; *p != 0; p++) {
        bool escape = *p == '"' || *p == '\\';
        /* C1 controls, line separators, the byte order mark and non-characters: YAML allows them only escaped */
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;
        bool separator = p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9);
        bool mark = p[0] == 0xef && ((p[1] == 0xbb && p[2] == 0xbf) || (p[1] == 0xbf && p[2] >= 0xbe));
        if (escape)
            TRY(text_printf(out, "\\%c", *p));
        else if (*p < 0x20 || *p == 0x7f)
            TRY(text_printf(out, "\\x%02X", *p));
        else if (c1) {
            TRY(text_printf(out, "\\x%02X", p[1]));
            p++;
        } else if (separator || mark) {
            TRY(text_printf(out, "\\u%04X", (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u)));
            p += 2;
        } else
            TRY(text_append(out, p, 1));
    }
    TRY(text_append(out, "\"", 1));
done:
    return rc;
}

static int write_value(text *out, const option *o, const config *c) {
    char value[OPTION_PRINT];
    option_print(value, o, c);
    if (o->type == OPTION_TEXT)
        return write_text(out, value);
    bool list = o->type == OPTION_REAL3 || (o->type == OPTION_JITTER && strchr(value, ',') != NULL) ||
                (o->type == OPTION_EPOCHS && strcmp(value, o->word) != 0);
    if (!list)
        return text_printf(out, "%s", value);
    int rc = text_append(out, "[", 1);
    for (const char *p = value; rc == OK && *p != 0; p++)
        rc = text_append(out, *p == ',' ? ", " : p, *p == ',' ? 2 : 1);
    return rc == OK ? text_append(out, "]", 1) : rc;
}

int config_to_yaml(text *out, const config *c) {
    int rc = OK;
    const char *group = "";
    for (int i = 0; i < option_n; i++) {
        const option *o = &option_table[i];
        size_t n = strcspn(o->name, ".");
        if (strncmp(group, o->name, n + 1) != 0)
            TRY(text_printf(out, "%.*s:\n", (int)n, o->name));
        group = o->name;
        TRY(text_printf(out, "  %s: ", o->name + n + 1));
        TRY(write_value(out, o, c));
        TRY(text_append(out, "\n", 1));
    }
done:
    return rc;
}
