/* The part of libcuda.so.1 that backend/cuda/driver.h uses. */
#include "fake.h"
#include "host_kernel.h"

#include <cuda.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

/* cuda.h renames them to other versions */
#undef cuEventElapsedTime
#undef cuStreamBeginCapture

namespace {

typedef std::vector<std::function<void()>> recording;

constexpr size_t GUARD_BYTES = 256;
constexpr unsigned char GUARD = 0xa5, FRESH = 0xff; /* newly allocated memory reads as NaN */
constexpr unsigned FATBIN_MAGIC = 0xba55ed50;

bool is_recording;
recording recorded;
std::map<char *, size_t> allocations;
size_t used_bytes;

int graphs, replays, fused[FAKE_FUSIONS], waits;
double clock_ms;

/** The counters at the time when the event was recorded. */
struct event {
    double ms;
    uint64_t queued, reductions;
};

uint64_t queued, reductions_ended;
uintptr_t streams = 2;                   /* the handle of the next stream */
std::map<const void *, uint64_t> waited; /* per stream: how many of the queued operations it waits for */

bool advance() {
    bool ended = fake_advance();
    reductions_ended += ended ? 1 : 0;
    return ended;
}

size_t memory_bytes() {
    const char *limit = getenv("FAKE_CUDA_MEMORY");
    return limit != nullptr ? strtoull(limit, nullptr, 10) : (size_t)4 << 30;
}

} // namespace

void fake_queue(const std::function<void()> &work, double ms) {
    queued++;
    auto timed = [=] {
        work();
        clock_ms += ms;
    };
    if (is_recording)
        recorded.push_back(timed);
    else
        timed();
}

bool fake_fusion_is(fake_fusion which, const char *what) {
    static const char *const names[] = {"FAKE_CUDA_STATISTICS", "FAKE_CUDA_PROLOGUE", "FAKE_CUDA_GRADIENT"};
    const char *set = getenv(names[which]);
    return set != nullptr && strcmp(set, what) == 0;
}

void fake_count_fusion(fake_fusion which) { fused[which]++; }

bool fake_has_waited(const void *stream) { return waited[stream] == queued; }

bool fake_is_recording() { return is_recording; }

bool fake_fails(const char *symbol) {
    static std::string order; /* the value of FAKE_CUDA_FAIL that `seen` counts for */
    static int seen;
    const char *what = getenv("FAKE_CUDA_FAIL"), *colon = what != nullptr ? strchr(what, ':') : nullptr;
    if (what == nullptr || order != what) {
        order = what != nullptr ? what : "";
        seen = 0;
    }
    if (colon == nullptr || std::string(what, (size_t)(colon - what)) != symbol)
        return false;
    return ++seen == atoi(colon + 1);
}

bool fake_owns(const void *p, size_t n) {
    char *at = (char *)const_cast<void *>(p);
    auto next = allocations.upper_bound(at);
    if (next == allocations.begin())
        return false;
    --next;
    return at + n <= next->first + next->second;
}

#define MAY_FAIL()                                                                                                     \
    do {                                                                                                               \
        if (fake_fails(__func__))                                                                                      \
            return CUDA_ERROR_LAUNCH_FAILED;                                                                           \
    } while (0)
/* what CUDA does not allow while a stream is recorded */
#define NOT_RECORDED()                                                                                                 \
    do {                                                                                                               \
        if (is_recording)                                                                                              \
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;                                                              \
    } while (0)

extern "C" {

/** For tests: 0, graphs made; 1, graphs launched; 2, convolutions with sums; 3, waits for a stream; 4,
 *  convolutions that scale their input; 5, dgrads with a BN's sums. */
int fake_cuda_counts(int what) {
    const int counts[] = {graphs, replays, fused[FAKE_STATISTICS], waits, fused[FAKE_PROLOGUE], fused[FAKE_GRADIENT]};
    return counts[what];
}

CUresult cuInit(unsigned) {
    MAY_FAIL();
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
    *version = 13000;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult, const char **text) {
    *text = "made to fail";
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *n) {
    const char *set = getenv("FAKE_CUDA_DEVICES");
    *n = set != nullptr ? atoi(set) : 1;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int i) {
    *device = i;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid *out, CUdevice device) {
    MAY_FAIL();
    memset(out, 0xc0 + device, sizeof *out);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int bytes, CUdevice) {
    snprintf(name, (size_t)bytes, "stand-in GPU");
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute what, CUdevice device) {
    switch (what) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; break;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: *value = 0x3b + device; break;
    default: *value = 0;
    }
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
    MAY_FAIL();
    *context = (CUcontext)1;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    *total_bytes = memory_bytes();
    *free_bytes = *total_bytes - used_bytes;
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes) {
    MAY_FAIL();
    NOT_RECORDED();
    if (bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (bytes > memory_bytes() - used_bytes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    char *p =
        (char *)aligned_alloc(GUARD_BYTES, (bytes + 2 * GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES + GUARD_BYTES);
    memset(p, FRESH, bytes);
    memset(p + bytes, GUARD, GUARD_BYTES);
    allocations[p] = bytes;
    used_bytes += bytes;
    *out = (CUdeviceptr)p;
    return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr memory) {
    NOT_RECORDED();
    auto found = allocations.find((char *)memory);
    if (found == allocations.end())
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if ((unsigned char)found->first[found->second + i] != GUARD) {
            fprintf(stderr, "fake libcuda: memory written past its end (%zu bytes)\n", found->second);
            abort();
        }
    used_bytes -= found->second;
    free(found->first);
    allocations.erase(found);
    return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr memory, unsigned char value, size_t n, CUstream) {
    MAY_FAIL();
    if (!fake_owns((void *)memory, n))
        return CUDA_ERROR_INVALID_VALUE;
    fake_queue([=] { memset((void *)memory, value, n); });
    return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned) {
    MAY_FAIL();
    NOT_RECORDED();
    *out = malloc(bytes);
    return *out != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemFreeHost(void *memory) {
    free(memory);
    return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream) {
    MAY_FAIL();
    if (!fake_owns((void *)to, bytes))
        return CUDA_ERROR_INVALID_VALUE;
    fake_queue([=] { memcpy((void *)to, from, bytes); });
    return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream) {
    MAY_FAIL();
    if (!fake_owns((void *)from, bytes))
        return CUDA_ERROR_INVALID_VALUE;
    fake_queue([=] { memcpy(to, (void *)from, bytes); });
    return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream *out, unsigned) {
    MAY_FAIL();
    *out = (CUstream)streams++;
    return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream) { return CUDA_SUCCESS; }

CUresult cuStreamSynchronize(CUstream) {
    MAY_FAIL();
    NOT_RECORDED();
    waits++;
    return CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent e, unsigned) {
    MAY_FAIL();
    waited[stream] = ((event *)e)->queued;
    return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *out, unsigned) {
    MAY_FAIL();
    *out = (CUevent) new event();
    return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent e) {
    delete (event *)e;
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent e, CUstream) {
    MAY_FAIL();
    fake_queue([=] { ((event *)e)->ms = clock_ms; });
    ((event *)e)->queued = queued;
    ((event *)e)->reductions = reductions_ended + fake_reductions_ahead();
    return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent e) {
    MAY_FAIL();
    while (reductions_ended < ((event *)e)->reductions)
        if (!advance())
            return CUDA_ERROR_NOT_READY;
    return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent) {
    NOT_RECORDED();
    return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end) {
    MAY_FAIL();
    *ms = (float)(((event *)end)->ms - ((event *)start)->ms);
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *out, const void *image) {
    MAY_FAIL();
    unsigned magic;
    memcpy(&magic, image, sizeof magic);
    *out = (CUmodule)4;
    return magic == FATBIN_MAGIC ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }

CUresult cuModuleGetFunction(CUfunction *out, CUmodule, const char *name) {
    const host_kernel *k = host_kernel_find(name);
    *out = (CUfunction) const_cast<host_kernel *>(k);
    return k != nullptr ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuLaunchKernel(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned, CUstream, void **args, void **) {
    MAY_FAIL();
    if (grid_x == 0 || grid_y == 0 || grid_z != 1 || block_x == 0 || block_y == 0 || block_z != 1)
        return CUDA_ERROR_INVALID_VALUE;
    const host_kernel *k = (const host_kernel *)f;
    std::string copy((const char *)args[0], k->args_bytes); /* CUDA copies the arguments during the call */
    fake_queue([=] { run_grid({grid_x, grid_y, 1}, {block_x, block_y, 1}, [&] { k->call(copy.data()); }); }, 1);
    return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode) {
    MAY_FAIL();
    is_recording = true;
    recorded.clear();
    return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream, CUgraph *out) {
    is_recording = false;
    MAY_FAIL();
    *out = (CUgraph) new recording(recorded);
    return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long) {
    MAY_FAIL();
    graphs++;
    *out = (CUgraphExec) new recording(*(recording *)graph);
    return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec graph, CUstream) {
    MAY_FAIL();
    replays++;
    for (auto &work : *(recording *)graph)
        work();
    return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec graph) {
    delete (recording *)graph;
    return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
    delete (recording *)graph;
    return CUDA_SUCCESS;
}

} /* extern "C" */
