#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Source: safetensors' README, "Format": u64 length of the header, the header as JSON, the tensors without gaps. */
#define HEADER_LIMIT ((uint64_t)100 << 20) /* the format's own limit */
#define VALUES_LIMIT                                                                                                   \
    (12u * LAYOUT_TENSOR_LIMIT) /* JSON values, each of which takes up to a hundred times its text in memory */
#define METADATA_LIMIT 1024     /* entries */
#define NAMES_LIMIT 65536       /* classes */

typedef struct location {
    int64_t begin, end; /* byte offsets from the end of the header */
    int tensor;
} location;

typedef struct st_reader {
    ckpt *c;
    location *locations; /* (c->state_n) */
    size_t capacity;
} st_reader;

static const struct {
    const char *name;
    ckpt_type type;
} types[] = {{"F32", CKPT_F32}, {"F64", CKPT_F64}, {"F16", CKPT_F16}, {"BF16", CKPT_BF16},
             {"I64", CKPT_I64}, {"I32", CKPT_I32}, {"U8", CKPT_U8},   {"BOOL", CKPT_BOOL}};

/** Parses an object or array, to be freed with json_decref. `at`: its offset in the file. */
static int json_parse(json_t **out, const char *bytes, size_t n, size_t at) {
    json_error_t error;
    char shown[NAME_SHOWN];
    size_t values = 1;
    for (size_t i = 0; i < n; i++) /* an upper bound that includes characters in strings; names contain few */
        values += bytes[i] == ',' || bytes[i] == '[' || bytes[i] == '{';
    if (values > VALUES_LIMIT)
        return fail(E_FORMAT, "the header has more than %u JSON values", VALUES_LIMIT);
    int rc = json_read(out, bytes, n, JSON_REJECT_DUPLICATES, &error);
    if (rc != E_FORMAT)
        return rc;
    return fail(E_FORMAT, "the JSON header is invalid: %s at byte %zu",
                name_shown(shown, error.text, strlen(error.text)), at + (size_t)error.position);
}

static int type_read(ckpt_tensor *t, const json_t *dtype) {
    char shown[NAME_SHOWN];
    const char *name = json_string_value(dtype);
    if (name == NULL)
        return fail(E_FORMAT, "its dtype is not a string");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(name, types[i].name) == 0) {
            t->type = types[i].type;
            return OK;
        }
    return fail(E_FORMAT, "tensors of type %s are not supported", name_shown(shown, name, strlen(name)));
}

/** Reads a list of at most `most` whole numbers. */
static int numbers_read(int64_t *out, int *n, int most, const json_t *list) {
    if (!json_is_array(list))
        return fail(E_FORMAT, "shape or data_offsets is not a list");
    if (json_array_size(list) > (size_t)most)
        return fail(E_FORMAT, "more than %d numbers in shape or data_offsets", most);
    *n = (int)json_array_size(list);
    for (int i = 0; i < *n; i++) {
        const json_t *number = json_array_get(list, (size_t)i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return fail(E_FORMAT, "shape or data_offsets contains a value that is not a non-negative integer");
        out[i] = json_integer_value(number);
    }
    return OK;
}

/** Reads the fields of a tensor; other fields are refused. */
static int fields_read(ckpt_tensor *t, location *p, const json_t *fields) {
    const json_t *dtype = json_object_get(fields, "dtype"), *shape = json_object_get(fields, "shape");
    const json_t *data_offsets = json_object_get(fields, "data_offsets");
    int rc = OK, n = 0;
    int64_t offsets[2];
    if (!json_is_object(fields))
        return fail(E_FORMAT, "not a JSON object");
    if (dtype == NULL || shape == NULL || data_offsets == NULL)
        return fail(E_FORMAT, "dtype, shape or data_offsets is missing");
    if (json_object_size(fields) != 3)
        return fail(E_FORMAT, "unknown field");
    TRY(type_read(t, dtype));
    TRY(numbers_read(t->shape, &t->rank, 8, shape));
    TRY(numbers_read(offsets, &n, 2, data_offsets));
    if (n != 2)
        return fail(E_FORMAT, "data_offsets needs two numbers");
    p->begin = offsets[0];
    p->end = offsets[1];
done:
    return rc;
}

static int size_check(ckpt_tensor *t, const location *p) {
    uint64_t bytes = ckpt_type_bytes(t->type);
    for (int d = 0; d < t->rank; d++)
        if (__builtin_mul_overflow(bytes, (uint64_t)t->shape[d], &bytes))
            return fail(E_FORMAT, "the shape exceeds the address space");
    if (p->end < p->begin || (uint64_t)(p->end - p->begin) != bytes)
        return fail(E_FORMAT, "data_offsets span %lld bytes, but the shape needs %llu", (long long)(p->end - p->begin),
                    (unsigned long long)bytes);
    t->bytes = (size_t)bytes;
    return OK;
}

static int tensor_read(st_reader *r, const char *name, const json_t *fields) {
    ckpt *c = r->c;
    int rc = OK;
    char shown[NAME_SHOWN];
    if (c->state_n == LAYOUT_TENSOR_LIMIT)
        return fail(E_FORMAT, "more than %d tensors", LAYOUT_TENSOR_LIMIT);
    size_t capacity = r->capacity;
    TRY(memory_grow(&c->state, &capacity, (size_t)c->state_n + 1, sizeof *c->state));
    TRY(memory_grow(&r->locations, &r->capacity, (size_t)c->state_n + 1, sizeof *r->locations));
    ckpt_tensor *t = &c->state[c->state_n];
    location *p = &r->locations[c->state_n];
    *t = (ckpt_tensor){.data = NULL};
    p->tensor = c->state_n++;
    if (strlen(name) >= sizeof t->name)
        return fail(E_FORMAT, "a tensor's name is not a string of less than %zu bytes", sizeof t->name);
    memcpy(t->name, name, strlen(name) + 1);
    rc = fields_read(t, p, fields);
    if (rc == OK)
        rc = size_check(t, p);
    if (rc != OK)
        fail_context(rc, "tensor %s", name_shown(shown, t->name, strlen(t->name)));
done:
    return rc;
}

/** "class_names": a JSON list in a string. If it is not a list, it remains a string. */
static int class_names_read(ckpt_item *item) {
    json_t *list = NULL;
    int rc = OK;
    size_t n = 0, bytes = 0;
    if (json_parse(&list, item->s, strlen(item->s), 0) != OK)
        return OK;
    n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        if (n > NAMES_LIMIT || !json_is_string(json_array_get(list, i)))
            goto done;
        bytes += json_string_length(json_array_get(list, i)) + 1;
    }
    if (!json_is_array(list))
        goto done;
    TRY(memory_zeroed(&item->list, n * sizeof *item->list + bytes, 1));
    char *at = (char *)(item->list + n);
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(list, i);
        item->list[i] = memcpy(at, json_string_value(name), json_string_length(name) + 1);
        at += json_string_length(name) + 1;
    }
    item->kind = 'l';
    item->i = (int64_t)n;
    free(item->s);
    item->s = NULL;
done:
    json_decref(list);
    return rc;
}

/** Reads __metadata__, a dictionary of strings, into the hyper-parameters. */
static int metadata_read(ckpt *c, json_t *metadata) {
    int rc = OK;
    const char *key = NULL;
    json_t *entry = NULL;
    if (!json_is_object(metadata))
        return fail(E_FORMAT, "__metadata__ is not an object");
    if (json_object_size(metadata) > METADATA_LIMIT)
        return fail(E_FORMAT, "__metadata__ has more than %d entries", METADATA_LIMIT);
    TRY(memory_zeroed(&c->hyper, json_object_size(metadata), sizeof *c->hyper));
    json_object_foreach(metadata, key, entry) {
        ckpt_item *item = &c->hyper[c->hyper_n];
        if (!json_is_string(entry))
            return fail(E_FORMAT, "__metadata__ has an entry that is not a string");
        if (strlen(key) >= sizeof item->key)
            continue;
        memcpy(item->key, key, strlen(key) + 1);
        item->kind = 's';
        TRY(memory_string(&item->s, json_string_value(entry)));
        c->hyper_n++;
        if (strcmp(item->key, "class_names") == 0)
            TRY(class_names_read(item));
    }
done:
    return rc;
}

static int header_read(st_reader *r, const char *bytes, size_t n) {
    int rc = OK;
    const char *key = NULL;
    json_t *header = NULL, *entry = NULL;
    TRY(json_parse(&header, bytes, n, 8));
    json_object_foreach(header, key, entry)
        TRY(strcmp(key, "__metadata__") == 0 ? metadata_read(r->c, entry) : tensor_read(r, key, entry));
    if (r->c->state_n == 0)
        rc = fail(E_FORMAT, "contains no tensors");
done:
    json_decref(header);
    return rc;
}

static int by_location(const void *a, const void *b) {
    const location *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/** Checks that every byte after the header belongs to exactly one tensor. */
static int places_check(st_reader *r, uint64_t data_bytes) {
    int64_t at = 0;
    char shown[NAME_SHOWN];
    qsort(r->locations, (size_t)r->c->state_n, sizeof *r->locations, by_location);
    for (int i = 0; i < r->c->state_n; i++) {
        const location *p = &r->locations[i];
        const char *name = r->c->state[p->tensor].name;
        if (p->begin != at)
            return fail(E_FORMAT, "tensor %s %s another one at byte %lld", name_shown(shown, name, strlen(name)),
                        p->begin < at ? "overlaps" : "leaves a hole after", (long long)p->begin);
        at = p->end;
    }
    if ((uint64_t)at != data_bytes)
        return fail(E_FORMAT,
                    "the tensors need %lld bytes, but the file has %llu bytes of data: the copy may be incomplete",
                    (long long)at, (unsigned long long)data_bytes);
    return OK;
}

int safetensors_read(bool *is_one, ckpt *c, int fd) {
    st_reader r = {.c = c};
    unsigned char head[9], *bytes = NULL;
    struct stat st;
    uint64_t n = 0;
    int rc = OK;
    *is_one = false;
    if (fstat(fd, &st) != 0)
        return fail_errno(errno, "cannot read");
    if ((uint64_t)st.st_size < sizeof head)
        return OK;
    TRY(zip_read_at(fd, 0, head, sizeof head));
    if (head[8] != '{') /* a zip file has 0 or 8 at this position, the legacy format 0xf9 */
        goto done;
    *is_one = true;
    for (int i = 8; i-- > 0;)
        n = n << 8 | head[i];
    if (n > HEADER_LIMIT || n > (uint64_t)st.st_size - 8) {
        rc = fail(E_FORMAT, "the safetensors header of %llu bytes is larger than the file or than the limit of 100 MB",
                  (unsigned long long)n);
        goto done;
    }
    TRY(memory_resize(&bytes, (size_t)n, 1));
    TRY(zip_read_at(fd, 8, bytes, (size_t)n));
    TRY(header_read(&r, (const char *)bytes, (size_t)n));
    TRY(places_check(&r, (uint64_t)st.st_size - 8 - n));
    TRY(layout_check_names(c));
    for (int i = 0; i < c->state_n; i++) {
        ckpt_tensor *t = &c->state[r.locations[i].tensor];
        TRY(memory_resize(&t->data, t->bytes, 1));
        TRY(zip_read_at(fd, 8 + n + (uint64_t)r.locations[i].begin, t->data, t->bytes));
    }
    c->best_value = c->current_value = NAN;
    TRY(layout_translate_names(c));
    TRY(layout_find_prefix(c));
done:
    free(r.locations);
    free(bytes);
    return rc;
}
