/* cuDNN's backend descriptors, engine heuristics for an operation graph (cudnn_graph.c), and execution plans. */
#include "backend/cuda/backend.h"

#include "base/status.h"

static const char *const what = "preparing a convolution";

int backend_create(cudnnBackendDescriptor_t *out, const cuda_device *d, cudnnBackendDescriptorType_t type) {
    *out = NULL;
    return CUDNN(d->cudnn, what, descriptor_create, type, out);
}

int backend_set(const cuda_device *d, cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values) {
    return CUDNN(d->cudnn, what, set, to, name, type, n, values);
}

int backend_finalize(const cuda_device *d, cudnnBackendDescriptor_t descriptor) {
    return CUDNN(d->cudnn, what, finalize, descriptor);
}

void backend_destroy(const cuda_device *d, cudnnBackendDescriptor_t *descriptor) {
    if (*descriptor != NULL)
        d->cudnn->descriptor_destroy(*descriptor);
    *descriptor = NULL;
}

/** The number of a candidate's engine, and whether the device's options allow it. */
static int look_at(long long *number, bool *allowed, const cuda_device *d, cudnnBackendDescriptor_t candidate) {
    cudnnBackendDescriptor_t behind = NULL;
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0, index = -1;
    bool exact = d->type == ELEMENT_F32 && !d->options.tf32;
    int rc = OK;
    *allowed = true;
    TRY(backend_create(&behind, d, CUDNN_BACKEND_ENGINE_DESCRIPTOR));
    TRY(CUDNN(d->cudnn, what, get, candidate, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n,
              &behind));
    TRY(CUDNN(d->cudnn, what, get, behind, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n, &index));
    TRY(CUDNN(d->cudnn, what, get, behind, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
              CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, note));
    for (int64_t i = 0; i < n && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++) {
        bool rounds =
            note[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        bool varies = note[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        if ((varies && d->options.deterministic) || (exact && rounds) ||
            note[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
            *allowed = false;
    }
    *number = index;
done:
    backend_destroy(d, &behind);
    return rc;
}

/** Appends the suggestions of one heuristics mode. */
static int ask(cudnnBackendDescriptor_t out[CANDIDATES], long long number[CANDIDATES], int *n, const cuda_device *d,
               const operation_graph *g, cudnnBackendHeurMode_t mode) {
    cudnnBackendDescriptor_t heuristics = NULL, found[CANDIDATES] = {NULL};
    int64_t found_n = 0;
    int rc = OK;
    TRY(backend_create(&heuristics, d, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR));
    TRY(backend_set(d, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph));
    TRY(backend_set(d, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    TRY(backend_finalize(d, heuristics));
    for (int i = 0; i < CANDIDATES; i++)
        TRY(backend_create(&found[i], d, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    TRY(CUDNN(d->cudnn, what, get, heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, CANDIDATES,
              &found_n, found));
    for (int i = 0; i < found_n && i < CANDIDATES && *n < CANDIDATES; i++) {
        bool allowed = false;
        TRY(look_at(&number[*n], &allowed, d, found[i]));
        if (!allowed)
            continue;
        out[(*n)++] = found[i];
        found[i] = NULL; /* now owned by the caller */
    }
done:
    for (int i = 0; i < CANDIDATES; i++)
        backend_destroy(d, &found[i]);
    backend_destroy(d, &heuristics);
    return rc;
}

int graph_candidates(cudnnBackendDescriptor_t out[CANDIDATES], long long number[CANDIDATES], int *n,
                     const cuda_device *d, const operation_graph *g) {
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    int rc = OK;
    *n = 0;
    for (int i = 0; i < 2; i++) { /* a mode that does not support the graph fails; try the next */
        int asked = ask(out, number, n, d, g, modes[i]);
        rc = *n > 0 || asked == OK ? OK : asked;
    }
    return *n > 0 ? OK : rc != OK ? rc : fail(E_UNSUPPORTED, "cuDNN has no engine for this operation");
}

int plan_open(cudnnBackendDescriptor_t *out, size_t *workspace, const cuda_device *d,
              cudnnBackendDescriptor_t candidate) {
    int64_t bytes = 0, n = 0;
    int rc = OK;
    TRY(backend_create(out, d, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));
    TRY(backend_set(d, *out, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle));
    TRY(backend_set(d, *out, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &candidate));
    TRY(backend_finalize(d, *out));
    TRY(CUDNN(d->cudnn, what, get, *out, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &bytes));
    *workspace = (size_t)bytes;
done:
    if (rc != OK)
        backend_destroy(d, out);
    return rc;
}
