#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/json_scan.h"
#include "checkpoint/layout.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Source: safetensors' README, "Format": u64 length of the header, the header as JSON, the tensors without holes. */
#define HEADER_LIMIT ((uint64_t)100 << 20) /* the format's own */
#define METADATA_LIMIT 1024                /* entries */
#define NAMES_LIMIT 65536                  /* classes */

typedef struct place {
    int64_t begin, end; /* bytes behind the header */
    int tensor;
} place;

typedef struct st_reader {
    ckpt *c;
    json_scan json;
    text key, string; /* of the entry at hand */
    place *places;    /* (c->state_n) */
    int capacity;
    bool metadata;
} st_reader;

static const struct {
    const char *name;
    ckpt_type type;
} types[] = {{"F32", CKPT_F32}, {"F64", CKPT_F64}, {"F16", CKPT_F16}, {"BF16", CKPT_BF16},
             {"I64", CKPT_I64}, {"I32", CKPT_I32}, {"U8", CKPT_U8},   {"BOOL", CKPT_BOOL}};

static int type_read(ckpt_tensor *t, st_reader *r) {
    char shown[NAME_SHOWN];
    int rc = json_string_take(&r->json, &r->string);
    for (size_t i = 0; rc == OK && i < sizeof types / sizeof *types; i++)
        if (strcmp(text_string(&r->string), types[i].name) == 0) {
            t->type = types[i].type;
            return OK;
        }
    return rc != OK ? rc
                    : fail(E_FORMAT, "tensors of type %s are not read", name_shown(shown, r->string.data, r->string.n));
}

/** A list of at most `most` whole numbers. */
static int numbers_read(int64_t *out, int *n, int most, st_reader *r) {
    int rc = OK;
    bool more = false;
    *n = 0;
    TRY(json_begin(&r->json, &more, '[', ']'));
    while (more) {
        if (*n >= most) {
            rc = fail(E_FORMAT, "more than %d numbers in a shape or place", most);
            goto done;
        }
        TRY(json_whole_take(&r->json, &out[(*n)++]));
        TRY(json_more(&r->json, &more, ']'));
    }
done:
    return rc;
}

/** The fields of a tensor, each once. */
static int fields_read(ckpt_tensor *t, place *p, st_reader *r) {
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    int rc = OK, n = 0, seen = 0;
    int64_t offsets[2];
    bool more = false;
    TRY(json_begin(&r->json, &more, '{', '}'));
    while (more) {
        int which = 0;
        TRY(json_string_take(&r->json, &r->string));
        while (which < 3 && strcmp(text_string(&r->string), names[which]) != 0)
            which++;
        if (which == 3 || seen & 1 << which) {
            rc = fail(E_FORMAT, "a field that is unknown or there twice");
            goto done;
        }
        seen |= 1 << which;
        TRY(json_take(&r->json, ':'));
        TRY(which == 0   ? type_read(t, r)
            : which == 1 ? numbers_read(t->shape, &t->rank, 8, r)
                         : numbers_read(offsets, &n, 2, r));
        TRY(json_more(&r->json, &more, '}'));
    }
    if (seen != 7 || n != 2) {
        rc = fail(E_FORMAT, "dtype, shape or data_offsets is missing");
        goto done;
    }
    p->begin = offsets[0];
    p->end = offsets[1];
done:
    return rc;
}

static int size_check(ckpt_tensor *t, const place *p) {
    uint64_t bytes = ckpt_type_bytes(t->type);
    for (int d = 0; d < t->rank; d++)
        if (__builtin_mul_overflow(bytes, (uint64_t)t->shape[d], &bytes))
            return fail(E_FORMAT, "a shape beyond all memory");
    if (p->end < p->begin || (uint64_t)(p->end - p->begin) != bytes)
        return fail(E_FORMAT, "its place of %lld bytes is not the %llu of its shape", (long long)(p->end - p->begin),
                    (unsigned long long)bytes);
    t->bytes = (size_t)bytes;
    return OK;
}

static int tensor_read(st_reader *r) {
    ckpt *c = r->c;
    int rc = OK;
    char shown[NAME_SHOWN];
    if (c->state_n == LAYOUT_TENSOR_LIMIT)
        return fail(E_FORMAT, "more than %d tensors", LAYOUT_TENSOR_LIMIT);
    if (c->state_n == r->capacity) {
        int wanted = r->capacity > 0 ? 2 * r->capacity : 256;
        TRY(memory_resize(&c->state, (size_t)wanted, sizeof *c->state));
        TRY(memory_resize(&r->places, (size_t)wanted, sizeof *r->places));
        r->capacity = wanted;
    }
    ckpt_tensor *t = &c->state[c->state_n];
    place *p = &r->places[c->state_n];
    *t = (ckpt_tensor){.data = NULL};
    p->tensor = c->state_n++;
    if (r->key.n >= sizeof t->name || strlen(text_string(&r->key)) != r->key.n)
        return fail(E_FORMAT, "a tensor's name is no string of less than %zu bytes", sizeof t->name);
    memcpy(t->name, r->key.data, r->key.n + 1);
    rc = fields_read(t, p, r);
    if (rc == OK)
        rc = size_check(t, p);
    if (rc != OK)
        fail_context(rc, "tensor %s", name_shown(shown, t->name, r->key.n));
done:
    return rc;
}

/** "class_names": a JSON list in a string. One that is none is left as a string. */
static int class_names_read(ckpt_item *item) {
    json_scan j = {.bytes = item->s, .n = strlen(item->s)};
    text all = {0}, one = {0};
    int rc = OK;
    int64_t n = 0;
    bool more = false;
    if (json_begin(&j, &more, '[', ']') != OK)
        return OK;
    while (more && n < NAMES_LIMIT) {
        if (json_string_take(&j, &one) != OK || json_more(&j, &more, ']') != OK)
            goto done;
        TRY(text_append(&all, text_string(&one), one.n + 1));
        n++;
    }
    if (more || json_peek(&j) != 0)
        goto done;
    TRY(memory_zeroed(&item->list, (size_t)n * sizeof *item->list + all.n, 1));
    char *at = (char *)(item->list + n);
    if (n > 0)
        memcpy(at, all.data, all.n);
    for (int64_t i = 0; i < n; i++, at += strlen(at) + 1)
        item->list[i] = at;
    item->kind = 'l';
    item->i = n;
    free(item->s);
    item->s = NULL;
done:
    text_deinit(&all);
    text_deinit(&one);
    return rc;
}

/** __metadata__: strings by name, kept as hyper-parameters. */
static int metadata_read(st_reader *r) {
    ckpt *c = r->c;
    int rc = OK, n = 0;
    bool more = false;
    if (r->metadata)
        return fail(E_FORMAT, "__metadata__ is there twice");
    r->metadata = true;
    TRY(memory_zeroed(&c->hyper, METADATA_LIMIT, sizeof *c->hyper));
    TRY(json_begin(&r->json, &more, '{', '}'));
    while (more) {
        TRY(json_string_take(&r->json, &r->key));
        TRY(json_take(&r->json, ':'));
        TRY(json_string_take(&r->json, &r->string));
        if (++n > METADATA_LIMIT || ckpt_find_item(c->hyper, c->hyper_n, text_string(&r->key)) != NULL) {
            rc = fail(E_FORMAT, "__metadata__ has an entry twice, or more than %d", METADATA_LIMIT);
            goto done;
        }
        ckpt_item *item = &c->hyper[c->hyper_n];
        if (r->key.n < sizeof item->key) {
            memcpy(item->key, r->key.data, r->key.n + 1);
            item->kind = 's';
            TRY(memory_string(&item->s, text_string(&r->string)));
            c->hyper_n++;
            if (strcmp(item->key, "class_names") == 0)
                TRY(class_names_read(item));
        }
        TRY(json_more(&r->json, &more, '}'));
    }
done:
    return rc;
}

static int header_read(st_reader *r) {
    int rc = OK;
    bool more = false;
    TRY(json_begin(&r->json, &more, '{', '}'));
    while (more) {
        TRY(json_string_take(&r->json, &r->key));
        TRY(json_take(&r->json, ':'));
        TRY(strcmp(text_string(&r->key), "__metadata__") == 0 ? metadata_read(r) : tensor_read(r));
        TRY(json_more(&r->json, &more, '}'));
    }
    if (json_peek(&r->json) != 0 || r->json.at < r->json.n)
        rc = fail(E_FORMAT, "something follows its header's JSON");
    else if (r->c->state_n == 0)
        rc = fail(E_FORMAT, "holds no tensors");
done:
    return rc;
}

static int by_place(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/** Every byte behind the header belongs to one tensor. */
static int places_check(st_reader *r, uint64_t data_bytes) {
    int64_t at = 0;
    char shown[NAME_SHOWN];
    qsort(r->places, (size_t)r->c->state_n, sizeof *r->places, by_place);
    for (int i = 0; i < r->c->state_n; i++) {
        const place *p = &r->places[i];
        const char *name = r->c->state[p->tensor].name;
        if (p->begin != at)
            return fail(E_FORMAT, "tensor %s %s another at byte %lld", name_shown(shown, name, strlen(name)),
                        p->begin < at ? "overlaps" : "leaves a hole behind", (long long)p->begin);
        at = p->end;
    }
    if ((uint64_t)at != data_bytes)
        return fail(E_FORMAT, "its tensors take %lld bytes, the file has %llu: incomplete copy?", (long long)at,
                    (unsigned long long)data_bytes);
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
    if (head[8] != '{') /* a zip has 0 or 8 there, the legacy format 0xf9 */
        goto done;
    *is_one = true;
    for (int i = 8; i-- > 0;)
        n = n << 8 | head[i];
    if (n > HEADER_LIMIT || n > (uint64_t)st.st_size - 8) {
        rc = fail(E_FORMAT, "a safetensors header of %llu bytes is longer than the file or 100 MB",
                  (unsigned long long)n);
        goto done;
    }
    TRY(memory_resize(&bytes, (size_t)n, 1));
    TRY(zip_read_at(fd, 8, bytes, (size_t)n));
    r.json = (json_scan){.bytes = (const char *)bytes, .n = (size_t)n};
    TRY(header_read(&r));
    TRY(places_check(&r, (uint64_t)st.st_size - 8 - n));
    TRY(layout_check_names(c));
    for (int i = 0; i < c->state_n; i++) {
        ckpt_tensor *t = &c->state[r.places[i].tensor];
        TRY(memory_resize(&t->data, t->bytes, 1));
        TRY(zip_read_at(fd, 8 + n + (uint64_t)r.places[i].begin, t->data, t->bytes));
    }
    c->best_value = c->current_value = NAN;
done:
    text_deinit(&r.key);
    text_deinit(&r.string);
    free(r.places);
    free(bytes);
    return rc;
}
