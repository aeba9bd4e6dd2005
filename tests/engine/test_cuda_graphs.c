/* cuDNN's own check of the cuda engine's graphs, without a GPU: cuDNN 9.11 and later can evaluate heuristics and
 * execution plans for a GPU described by device properties. So cuDNN must support the patterns of cudnn_graph.c on
 * the GPU generations and in the types that docs/gpu.md lists. No graph is executed. Skipped without cuDNN. */
#include "backend/cuda/backend.h"
#include "check.h"
#include "engine/engine.h"

typedef struct gpu_case {
    const char *name;
    int capability, processors, shared_bytes, blocks, threads; /* the last three per multiprocessor */
    bool fused, scaled_alone; /* fp16: convolutions with parts of BN; one that scales its input without sums */
} gpu_case;

static const gpu_case gpus[] = {
    {"Tesla T4", 750, 40, 65536, 16, 1024, false, false},
    {"NVIDIA A100-SXM4-80GB", 800, 108, 166912, 32, 2048, true, true},
    {"NVIDIA H100 80GB HBM3", 900, 132, 232448, 32, 2048, true, false},
};

/** Within two of ResNet-50's blocks. */
static const convolution_shape shapes[] = {
    {.x = {32, 28, 28, 256}, .y = {32, 14, 14, 256}, .kernel = 3, .stride = 2, .pad = 1, .groups = 1},
    {.x = {32, 7, 7, 512}, .y = {32, 7, 7, 2048}, .kernel = 1, .stride = 1, .pad = 0, .groups = 1},
};

static const cudnn_library *real;
static cudnnBackendDescriptor_t properties; /* of the simulated GPU */

/** Calls the library's function, but replaces the engine's cuDNN handle by the described GPU. */
static cudnnStatus_t set_described(cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                                   cudnnBackendAttributeType_t type, int64_t n, const void *values) {
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    switch (name) {
    case CUDNN_ATTR_OPERATIONGRAPH_HANDLE: return status;
    case CUDNN_ATTR_EXECUTION_PLAN_HANDLE:
        return real->set(to, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &properties);
    case CUDNN_ATTR_ENGINEHEUR_MODE:
        status = real->set(to, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &properties);
        return status == CUDNN_STATUS_SUCCESS ? real->set(to, name, type, n, values) : status;
    default: return real->set(to, name, type, n, values);
    }
}

/** Makes `properties`. @return whether this cuDNN reads such a description */
static bool describe(const gpu_case *g) {
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "{\"deviceName\":\"%s\",\"deviceVer\":%d,\"driverVer\":13000,\"cudaDeviceId\":0,\"pciDeviceId\":0,"
                     "\"multiProcessorCount\":%d,\"maxSharedMemoryPerBlockOptin\":%d,\"maxSharedMemoryPerBlock\":49152,"
                     "\"reservedSharedMemoryPerBlock\":1024,\"maxCtasPerSM\":%d,\"maxThreadsPerSM\":%d,"
                     "\"maxThreadsPerBlock\":1024,\"regsPerBlock\":65536,\"maxRegistersPerSM\":65536,\"warpSize\":32,"
                     "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"isTccDriver\":0,"
                     "\"supportCoopLaunch\":1,\"totalGlobalMem\":16000000000,\"smClockRateKHz\":1400000,"
                     "\"memClockRateKHz\":1500000,\"l2CacheSize\":41943040}",
                     g->name, g->capability, g->processors, g->shared_bytes, g->blocks, g->threads);
    assert_true(n > 0 && n < (int)sizeof text);
    if (real->descriptor_create(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &properties) != CUDNN_STATUS_SUCCESS)
        return false;
    return real->set(properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, n, text) ==
               CUDNN_STATUS_SUCCESS &&
           real->finalize(properties) == CUDNN_STATUS_SUCCESS;
}

/** The support that docs/gpu.md states; later versions of cuDNN may support more. */
static bool expected(const gpu_case *g, element type, convolution_pass pass) {
    switch (pass) {
    case CONVOLUTION_FORWARD:
    case CONVOLUTION_DGRAD:
    case CONVOLUTION_WGRAD: return true;
    case CONVOLUTION_SCALED_FORWARD: return type == ELEMENT_F16 && g->fused && g->scaled_alone;
    default: return type == ELEMENT_F16 && g->fused;
    }
}

/** Whether cuDNN suggests an engine configuration for the graph that gives an execution plan. */
static bool is_supported(const cuda_device *d, const convolution_shape *s, convolution_pass pass) {
    operation_graph g;
    cudnnBackendDescriptor_t candidate[CANDIDATES] = {NULL}, plan = NULL;
    long long number[CANDIDATES];
    size_t workspace = 0;
    int n = 0;
    bool known = graph_open(&g, d, s, pass) == OK && graph_candidates(candidate, number, &n, d, &g) == OK;
    for (int i = 0; i < n && known && plan == NULL; i++)
        if (plan_open(&plan, &workspace, d, candidate[i]) != OK)
            plan = NULL;
    known = known && plan != NULL;
    backend_destroy(d, &plan);
    for (int i = 0; i < n; i++)
        backend_destroy(d, &candidate[i]);
    graph_close(&g, d);
    return known;
}

static void check_gpu(const gpu_case *g, precision p, element type) {
    static const char *const names[] = {
        [CONVOLUTION_FORWARD] = "forward",
        [CONVOLUTION_DGRAD] = "data",
        [CONVOLUTION_WGRAD] = "weights",
        [CONVOLUTION_STATISTICS] = "statistics",
        [CONVOLUTION_SCALED_FORWARD] = "scaled",
        [CONVOLUTION_SCALED_STATISTICS] = "scaled statistics",
        [CONVOLUTION_SCALED_WEIGHTS] = "scaled weights",
        [CONVOLUTION_DATA_SUMS] = "data sums",
    };
    cudnn_library described = *real;
    described.set = set_described;
    cuda_device d = {.cudnn = &described, .type = type, .options = engine_options_default()};
    d.options.precision = p;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int pass = CONVOLUTION_FORWARD; pass <= CONVOLUTION_DATA_SUMS; pass++) {
            convolution_shape s = shapes[i];
            s.type = s.dw = type;
            bool known = is_supported(&d, &s, (convolution_pass)pass);
            if (known == expected(g, type, (convolution_pass)pass))
                continue;
            if (!known)
                fail_msg("%s, %s, shape %zu, %s: %s", g->name, precision_name(p), i, names[pass], status_message());
            print_message("%s, %s, shape %zu: this cuDNN supports %s too\n", g->name, precision_name(p), i,
                          names[pass]);
        }
}

static void test_patterns(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++) {
        assert_true(describe(&gpus[i]));
        check_gpu(&gpus[i], PRECISION_16, ELEMENT_F16);
        if (gpus[i].capability >= 800)
            check_gpu(&gpus[i], PRECISION_BF16, ELEMENT_BF16);
        real->descriptor_destroy(properties);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns)};
    if (cudnn_open(&real) != OK || !describe(&gpus[0])) {
        print_message("skipped: no cuDNN that can simulate a GPU: %s\n", status_message());
        return 77;
    }
    real->descriptor_destroy(properties);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
