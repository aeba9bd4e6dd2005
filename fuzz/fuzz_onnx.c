/* The ONNX writer: the input gives the strings, sizes and values of a small model, and the options of the export. The
 * file is read back, field by field: each length must fit, each string must be UTF-8, each name that a node reads must
 * have been written before it, and metadata and tensors must be those of the input. */
#include "base/text.h"
#include "export/export.h"
#include "scratch.h"

typedef struct span {
    const unsigned char *at, *end;
} span;

typedef struct field {
    unsigned number, wire;
    uint64_t v;
    span bytes; /* of wire type 2 */
} field;

static uint64_t read_varint(span *s) {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        if (s->at == s->end || shift > 63)
            abort();
        v |= (uint64_t)(*s->at & 127) << shift;
        if (*s->at++ < 128)
            return v;
    }
}

static bool next_field(field *f, span *s) {
    if (s->at == s->end)
        return false;
    uint64_t tag = read_varint(s);
    *f = (field){.number = (unsigned)(tag >> 3), .wire = tag & 7};
    size_t n = f->wire == 5 ? 4 : 0;
    if (f->wire == 0)
        f->v = read_varint(s);
    else if (f->wire == 2)
        n = read_varint(s);
    else if (f->wire != 5)
        abort(); /* the writer uses no other type */
    if (f->number == 0 || n > (size_t)(s->end - s->at))
        abort();
    f->bytes = (span){s->at, s->at + n};
    s->at += n;
    return true;
}

static span find_field(span message, unsigned number, unsigned nth) {
    field f;
    while (next_field(&f, &message))
        if (f.number == number && f.wire == 2 && nth-- == 0)
            return f.bytes;
    return (span){NULL, NULL};
}

static bool same_text(span s, const char *wanted) {
    text t = {0};
    if (s.at == NULL || text_append_utf8(&t, wanted) != OK)
        abort();
    for (const unsigned char *p = s.at; p < s.end;) {
        size_t n = text_utf8((const char *)p, (size_t)(s.end - p));
        if (n == 0)
            abort();
        p += n;
    }
    bool same = t.n == (size_t)(s.end - s.at) && memcmp(text_string(&t), s.at, t.n) == 0;
    text_deinit(&t);
    return same;
}

enum { GRAPH = 7, METADATA = 14, NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, NAME = 8, RAW = 9 };

static bool same_span(span a, span b) {
    return a.at != NULL && b.at != NULL && a.end - a.at == b.end - b.at &&
           memcmp(a.at, b.at, (size_t)(a.end - a.at)) == 0;
}

/** Whether a name is an input, an initializer, or the output of a node before node `limit` of the graph. */
static bool is_defined(span graph, span name, unsigned limit) {
    if (same_span(find_field(find_field(graph, INPUT, 0), 1, 0), name))
        return true;
    span one;
    for (unsigned i = 0; (one = find_field(graph, INITIALIZER, i)).at != NULL; i++)
        if (same_span(find_field(one, NAME, 0), name))
            return true;
    for (unsigned i = 0; i < limit; i++)
        if (same_span(find_field(find_field(graph, NODE, i), 2, 0), name))
            return true;
    return false;
}

static void check_nodes(span graph) {
    span node, name;
    unsigned n = 0;
    for (; (node = find_field(graph, NODE, n)).at != NULL; n++)
        for (unsigned i = 0; (name = find_field(node, 1, i)).at != NULL; i++)
            if (!is_defined(graph, name, n))
                abort();
    if (n < 7 || !is_defined(graph, find_field(find_field(graph, OUTPUT, 0), 1, 0), n))
        abort();
}

static void check_tensor(span tensor, const ckpt_tensor *t) {
    field f;
    int rank = 0;
    for (span s = tensor; next_field(&f, &s);)
        if (f.number == 1 && (rank == t->rank || (int64_t)f.v != t->shape[rank++]))
            abort();
    span raw = find_field(tensor, RAW, 0);
    if (rank != t->rank || !same_text(find_field(tensor, NAME, 0), t->name) ||
        !same_span(raw, (span){t->data, (unsigned char *)t->data + t->bytes}))
        abort();
}

static void check_file(const char *path, const export_set *set, const ckpt_item *metadata, int metadata_n) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    if (file_read(&bytes, &n, path, 0) != OK)
        abort();
    span file = {bytes, bytes + n}, graph = find_field(file, GRAPH, 0), one;
    check_nodes(graph);
    for (int i = 0; i < set->n; i++)
        check_tensor(find_field(graph, INITIALIZER, (unsigned)i), &set->tensor[i]);
    unsigned found = 0;
    for (; (one = find_field(file, METADATA, found)).at != NULL; found++)
        if ((int)found >= metadata_n || !same_text(find_field(one, 1, 0), metadata[found].key) ||
            !same_text(find_field(one, 2, 0), metadata[found].s))
            abort();
    if ((int)found != metadata_n)
        abort();
    free(bytes);
}

/** conv - bn - relu - conv - bn + residual - pool - linear */
static model *small_model(int channels, int classes) {
    model *n = NULL;
    int conv, bn, second, sum, pool, out;
    if (model_create_empty(&n, "small", classes) != OK ||
        model_add_conv(&conv, n, "conv1", MODEL_INPUT, 3, channels, 3, 1, 1) != OK ||
        model_add_bn(&bn, n, "bn1", conv, channels, TENSOR_NONE, true) != OK ||
        model_add_conv(&second, n, "conv2", bn, channels, channels, 1, 1, 0) != OK ||
        model_add_bn(&sum, n, "bn2", second, channels, bn, true) != OK ||
        model_add_avgpool(&pool, n, "avgpool", sum, channels) != OK ||
        model_add_linear(&out, n, "fc", pool, channels, classes) != OK)
        abort();
    return n;
}

static void add_tensor(export_set *set, const char *name, int rank, const int *shape, bool half) {
    static const float zeros[64 * 64 * 9];
    ckpt_tensor *t = &set->tensor[set->n++];
    *t = (ckpt_tensor){.type = half ? CKPT_F16 : CKPT_F32, .rank = rank, .data = (void *)(uintptr_t)zeros};
    t->bytes = half ? 2 : 4;
    for (int d = 0; d < rank; d++) {
        t->shape[d] = shape[d];
        t->bytes *= (size_t)shape[d];
    }
    if (t->bytes > sizeof zeros)
        abort();
    snprintf(t->name, sizeof t->name, "%s", name);
}

static void add_tensors(export_set *set, const model *n, const export_options *how) {
    char name[CKPT_NAME_BYTES];
    for (int i = 0; i < n->param_n; i++)
        if (!how->fold || n->param[i].rank != 1 || strncmp(n->param[i].name, "fc", 2) == 0)
            add_tensor(set, n->param[i].name, n->param[i].rank, n->param[i].shape, how->half);
    for (int i = 0; i < n->stats_n; i++) {
        const char *module = n->stats[i].name;
        snprintf(name, sizeof name, how->fold ? "conv%s.bias" : "%s.running_mean", how->fold ? module + 2 : module);
        add_tensor(set, name, 1, &n->stats[i].c, how->half);
        snprintf(name, sizeof name, "%s.running_var", module);
        add_tensor(set, name, 1, &n->stats[i].c, how->half);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    enum { METADATA_MOST = 8 };
    ckpt_item metadata[METADATA_MOST] = {{.key = EXPORT_PREPROCESSING, .kind = 's'}};
    ckpt_tensor tensors[32];
    export_set set = {.tensor = tensors};
    char path[PATH_BYTES], *strings = calloc(1, n + 3);
    int metadata_n = 1;
    if (strings == NULL)
        abort();
    if (n > 3)
        memcpy(strings, bytes + 3, n - 3);
    export_options how = {.format = EXPORT_ONNX};
    how.fold = n > 0 && (bytes[0] & 1) != 0;
    how.half = n > 0 && (bytes[0] & 2) != 0;
    how.normalise = n > 0 && (bytes[0] & 4) != 0;
    char *next = strings, *end = strings + n;
    metadata[0].s = next;
    for (next += strlen(next) + 1; next < end && metadata_n < METADATA_MOST; metadata_n++) {
        ckpt_item *m = &metadata[metadata_n];
        snprintf(m->key, sizeof m->key, "%.60s", next);
        m->kind = 's';
        m->s = next;
        next += strlen(next) + 1;
    }
    model *net = small_model(n > 1 ? 1 + bytes[1] % 64 : 3, n > 2 ? 1 + bytes[2] % 64 : 2);
    config o;
    config_defaults(&o);
    add_tensors(&set, net, &how);
    scratch_path(path, "model.onnx");
    if (export_onnx(path, net, &set, &o, &how, metadata, metadata_n) != OK)
        abort();
    check_file(path, &set, metadata, metadata_n);
    model_destroy(net);
    free(strings);
    return 0;
}
