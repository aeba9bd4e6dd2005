/** Weights, batches and reference results of the parity tests: the same integer hash as in
 *  tests/golden/parity_make.py, and its results, read from tests/golden/parity_ARCH.txt. docs/numerics.md describes
 *  the comparison of tensors. */
#ifndef LINNET_TESTS_ENGINE_PARITY_H
#define LINNET_TESTS_ENGINE_PARITY_H

#include "check.h"

#include "base/file.h"
#include "engine/engine.h"

enum { PROJECTIONS = 8 };

/* ---- the hash ---- */

/** FNV-1a. */
static inline uint64_t name_hash(const char *name) {
    uint64_t h = 0xCBF29CE484222325u;
    for (; *name != 0; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001B3u;
    return h;
}

/** Number i of a stream, by splitmix64. */
static inline uint64_t hashed(uint64_t stream, size_t i) {
    uint64_t z = stream + ((uint64_t)i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/** A number in [-1, 1) on a grid of 2^-23. */
static inline float hashed_unit(uint64_t stream, size_t i) {
    return (float)((int32_t)(hashed(stream, i) >> 40) - (1 << 23)) * 0x1p-23f;
}

static inline uint64_t numbered_stream(const char *name, int number) {
    char text[64];
    snprintf(text, sizeof text, "%s.%d", name, number);
    return name_hash(text);
}

/* ---- the golden file ---- */

typedef struct golden_line {
    char key[80];
    double value[10];
    int n;
} golden_line;

typedef struct golden {
    golden_line *line;
    int n;
} golden;

static inline golden golden_open(const char *arch) {
    char path[512];
    unsigned char *bytes;
    size_t bytes_n;
    golden g = {0};
    const char *source = getenv("LINNET_SOURCE"); /* for a build that was copied to another machine */
    snprintf(path, sizeof path, "%s/tests/golden/parity_%s.txt", source != NULL ? source : SOURCE_DIR, arch);
    assert_ok(file_read(&bytes, &bytes_n, path, 0));
    g.line = calloc(bytes_n / 8 + 1, sizeof *g.line);
    assert_non_null(g.line);
    char *rest = (char *)bytes, *text;
    while ((text = strsep(&rest, "\n")) != NULL) {
        if (text[0] == '#' || text[0] == 0)
            continue;
        golden_line *l = &g.line[g.n++];
        const char *key = strsep(&text, " ");
        snprintf(l->key, sizeof l->key, "%s", key);
        while (text != NULL && l->n < 10)
            l->value[l->n++] = strtod(strsep(&text, " "), NULL);
    }
    free(bytes);
    return g;
}

static inline void golden_close(golden *g) { free(g->line); }

static inline const golden_line *golden_find(const golden *g, const char *key) {
    for (int i = 0; i < g->n; i++)
        if (strcmp(g->line[i].key, key) == 0)
            return &g->line[i];
    fail_msg("the golden file lacks '%s'", key);
    return NULL;
}

/** printf into a key buffer. */
#define golden_key(out, ...) snprintf((out), sizeof(out), __VA_ARGS__)

static inline double golden_number(const golden *g, const char *key) { return golden_find(g, key)->value[0]; }
static inline int golden_int(const golden *g, const char *key) { return (int)golden_number(g, key); }

/** Estimates |a - b|2 / |b|2, where b is PyTorch's tensor of that key. For a vector s of independent signs, the mean
 *  of (s.(a - b))^2 is |a - b|2^2; it is estimated by the mean over eight vectors. */
static inline double golden_distance(const golden *g, const char *key, const double *a, size_t n) {
    const golden_line *l = golden_find(g, key);
    double dot[PROJECTIONS] = {0}, sum = 0;
    uint64_t stream = name_hash("signs");
    assert_int_equal(l->n, 1 + PROJECTIONS);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = hashed(stream, i);
        for (int k = 0; k < PROJECTIONS; k++)
            dot[k] += (bits >> k & 1) != 0 ? -a[i] : a[i];
    }
    for (int k = 0; k < PROJECTIONS; k++)
        sum += (dot[k] - l->value[1 + k]) * (dot[k] - l->value[1 + k]);
    return sqrt(sum / PROJECTIONS) / l->value[0];
}

/* ---- weights and batches ---- */

/** plain: BN has torchvision's initial values (and zero gamma if the model has it), else hashed values. */
static inline void parity_values(double *out, const char *name, const param *p, bool plain) {
    uint64_t stream = name_hash(name);
    size_t length = strlen(name);
    bool around_one = strcmp(name + length - 6, "weight") == 0 || strcmp(name + length - 3, "var") == 0;
    for (size_t i = 0; i < p->count; i++) {
        float u = hashed_unit(stream, i);
        if (p->rank == 4)
            out[i] = u * (float)sqrt(6.0 / ((double)p->shape[0] * p->shape[2] * p->shape[3]));
        else if (p->init == INIT_UNIFORM_FAN_IN)
            out[i] = u * (float)sqrt(1.0 / p->fan_in);
        else if (p->init == INIT_ZERO && around_one)
            out[i] = 0;
        else if (around_one)
            out[i] = 1.0f + (plain ? 0 : u * 0.5f);
        else
            out[i] = plain ? 0 : u * 0.25f;
    }
}

static inline void parity_write_weights(engine *e, const model *n, bool plain) {
    double *values = malloc(n->weight_n * sizeof *values);
    char name[80];
    assert_non_null(values);
    for (int i = 0; i < n->param_n; i++) {
        parity_values(values, n->param[i].name, &n->param[i], plain);
        assert_ok(engine_write(e, ENGINE_WEIGHT, i, values));
    }
    for (int i = 0; i < n->stats_n; i++) {
        const model_stats *s = &n->stats[i];
        param one = {.rank = 1, .count = (size_t)s->c, .init = INIT_ONE};
        golden_key(name, "%s.running_mean", s->name);
        parity_values(values, name, &one, plain);
        golden_key(name, "%s.running_var", s->name);
        parity_values(values + s->c, name, &one, plain);
        assert_ok(engine_write(e, ENGINE_STATS, i, values));
    }
    free(values);
}

/** Batch `number`: tiles of 16 x 16 plus noise. n, h and w of the batch must be set. */
static inline void parity_batch(batch *b, int number, int classes, bool mixed) {
    uint64_t tiles = numbered_stream("tiles", number), noise = numbered_stream("noise", number);
    size_t tile_h = (size_t)(b->h + 15) / 16, tile_w = (size_t)(b->w + 15) / 16, at = 0;
    for (size_t i = 0; i < (size_t)b->n; i++)
        for (size_t y = 0; y < (size_t)b->h; y++)
            for (size_t x = 0; x < (size_t)b->w; x++)
                for (size_t c = 0; c < 3; c++, at++) {
                    uint64_t tile = hashed(tiles, ((i * tile_h + y / 16) * tile_w + x / 16) * 3 + c) >> 56;
                    b->pixels[at] = (uint8_t)((3 * tile + (hashed(noise, at) >> 56)) / 4);
                }
    for (int i = 0; i < b->n; i++) {
        size_t at_i = (size_t)i;
        b->label[i] = (int32_t)(hashed(numbered_stream("labels", number), at_i) % (uint64_t)classes);
        b->label_b[i] = b->label[i];
        b->mix[i] = 1;
        if (mixed) {
            b->label_b[i] = (int32_t)(hashed(numbered_stream("labels_b", number), at_i) % (uint64_t)classes);
            b->mix[i] = 0.5f + 0.5f * hashed_unit(numbered_stream("mix", number), at_i);
        }
    }
}

/** The model of parity_make.py's class Grouped. */
static inline void grouped_model(model **out, int classes) {
    static const int shapes[][5] = {
        {3, 24, 3, 2, 1}, {24, 48, 3, 1, 4}, {48, 48, 3, 2, 48}, {48, 32, 1, 1, 2}, {32, 64, 3, 1, 32}};
    int at = MODEL_INPUT;
    char name[16];
    assert_ok(model_create_empty(out, "grouped", classes));
    for (int i = 0; i < 5; i++) {
        const int *l = shapes[i];
        golden_key(name, "conv%d", i + 1);
        assert_ok(model_add_grouped_conv(&at, *out, name, at, l[0], l[1], l[2], l[3], l[2] / 2, l[4]));
        golden_key(name, "bn%d", i + 1);
        assert_ok(model_add_bn(&at, *out, name, at, l[1], TENSOR_NONE, true));
    }
    assert_ok(model_add_avgpool(&at, *out, "avgpool", at, 64));
    assert_ok(model_add_linear(&at, *out, "fc", at, 64, classes));
}

static inline void parity_model(model **out, const char *arch, const model_options *o) {
    if (strcmp(arch, "grouped") == 0)
        grouped_model(out, o->classes);
    else
        assert_ok(model_create(out, arch, o));
}

static inline batch parity_batch_open(int n, int h, int w) {
    batch b;
    assert_ok(batch_init(&b, n, h, w));
    b.n = n;
    b.h = h;
    b.w = w;
    return b;
}

static bool parity_winograd; /* for all engines opened afterwards */

static inline engine *parity_engine(const char *device, precision p, const model *n, bool plain) {
    engine_options o = engine_options_default();
    o.precision = p;
    o.winograd = parity_winograd;
    engine *e;
    assert_ok(engine_create(&e, device, n, &o));
    parity_write_weights(e, n, plain);
    return e;
}

/** Forward, loss and backward of one batch; the engine's result covers only this batch. */
static inline void parity_gradients(engine *e, engine_plan *p, const engine_hyper *h, const batch *b) {
    assert_ok(engine_set_hyper(e, h));
    assert_ok(engine_reset_result(e));
    assert_ok(engine_load_batch(e, p, b));
    assert_ok(engine_forward(e, p));
    assert_ok(engine_loss(e, p));
    assert_ok(engine_backward(e, p, ENGINE_FIRST | ENGINE_LAST));
    assert_ok(engine_unscale(e));
}

static inline double parity_loss(engine *e) {
    engine_result_data r;
    assert_ok(engine_result(&r, e));
    assert_true(r.finite);
    return r.loss_sum / (double)r.images;
}

#endif
