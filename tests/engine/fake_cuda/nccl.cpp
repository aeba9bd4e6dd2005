/* The part of libnccl.so.2 that backend/cuda/nccl.h uses, for ranks on one host, which share memory named by the
 * unique id. An all-reduce advances only while a caller waits for it (fake_advance), so sums that are used too early
 * are wrong. */
#include "fake.h"

#if __has_include(<nccl.h>)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <nccl.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>

namespace {

constexpr int RANKS = 8;
constexpr size_t SLOT = 1 << 18; /* bytes of one all-reduce, at most */

/** Calls are numbered from 1; a counter contains the number of the last completed call. Initially zero, because the
 * file is new. */
struct shared {
    std::atomic<int> joined;
    std::atomic<int> published[RANKS], taken[RANKS];
    alignas(16) unsigned char slot[RANKS][SLOT];
};

struct reduction {
    const void *in;
    void *out;
    size_t n;
    ncclDataType_t type;
    bool published;
};

size_t bytes_of(ncclDataType_t type) { return type == ncclFloat32 ? 4 : 2; }

float wide(float v) { return v; }
float wide(__half v) { return __half2float(v); }
float wide(__nv_bfloat16 v) { return __bfloat162float(v); }
void narrow(float *out, float v) { *out = v; }
void narrow(__half *out, float v) { *out = __float2half_rn(v); }
void narrow(__nv_bfloat16 *out, float v) { *out = __float2bfloat16_rn(v); }

/** Sums in the order of the ranks and rounds after each addition; fp32 is averaged. */
template <class T> void reduce(const shared *all, int ranks, const reduction &r) {
    for (size_t i = 0; i < r.n; i++) {
        T sum = ((const T *)all->slot[0])[i];
        for (int k = 1; k < ranks; k++)
            narrow(&sum, wide(sum) + wide(((const T *)all->slot[k])[i]));
        narrow(&((T *)r.out)[i], r.type == ncclFloat32 ? wide(sum) / (float)ranks : wide(sum));
    }
}

int all_reach(const std::atomic<int> *counter, int ranks, int call) {
    for (int r = 0; r < ranks; r++)
        if (counter[r] < call)
            return false;
    return true;
}

} // namespace

struct ncclComm {
    shared *all;
    int rank, ranks, call; /* call: the last completed one */
    std::deque<reduction> queue;
};

namespace {

ncclComm *group; /* one per process */
const char *detail = "";

ncclResult_t failed(ncclResult_t code, const char *why) {
    detail = why;
    return code;
}

} // namespace

uint64_t fake_reductions_ahead() { return group != nullptr ? group->queue.size() : 0; }

bool fake_advance() {
    if (group == nullptr || group->queue.empty())
        return false;
    ncclComm &c = *group;
    reduction &r = c.queue.front();
    int call = c.call + 1;
    if (!r.published && all_reach(c.all->taken, c.ranks, call - 1)) {
        memcpy(c.all->slot[c.rank], r.in, r.n * bytes_of(r.type));
        c.all->published[c.rank] = call;
        r.published = true;
    }
    if (!r.published || !all_reach(c.all->published, c.ranks, call))
        return false;
    if (r.type == ncclFloat32)
        reduce<float>(c.all, c.ranks, r);
    else if (r.type == ncclFloat16)
        reduce<__half>(c.all, c.ranks, r);
    else
        reduce<__nv_bfloat16>(c.all, c.ranks, r);
    c.all->taken[c.rank] = c.call = call;
    c.queue.pop_front();
    return true;
}

#define MAY_FAIL()                                                                                                     \
    do {                                                                                                               \
        if (fake_fails(__func__))                                                                                      \
            return failed(ncclSystemError, "made to fail\nand more lines");                                            \
    } while (0)

extern "C" {

ncclResult_t ncclGetVersion(int *version) {
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t) { return "unhandled system error"; }
const char *ncclGetLastError(ncclComm_t) { return detail; }

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
    MAY_FAIL();
    snprintf(id->internal, sizeof id->internal, "/dev/shm/linnet-fake-nccl-%d", (int)getpid());
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
    MAY_FAIL();
    if (config->blocking != 0 || ranks > RANKS || group != nullptr)
        return failed(ncclInvalidArgument, "not of the stand-in's kind");
    int fd = open(id.internal, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(shared)) != 0)
        return failed(ncclSystemError, "no shared memory");
    void *memory = mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        return failed(ncclSystemError, "no shared memory");
    group = new ncclComm{(shared *)memory, rank, ranks, 0, {}};
    if (++group->all->joined == ranks)
        unlink(id.internal);
    *out = group;
    return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *state) {
    MAY_FAIL();
    *state = c->all->joined < c->ranks ? ncclInProgress : ncclSuccess;
    return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *in, void *out, size_t n, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t c, cudaStream_t stream) {
    MAY_FAIL();
    bool known = type == ncclFloat32 ? operation == ncclAvg
                                     : (type == ncclFloat16 || type == ncclBfloat16) && operation == ncclSum;
    if (!known || n * bytes_of(type) > SLOT || !fake_owns(in, n * bytes_of(type)) ||
        !fake_owns(out, n * bytes_of(type)))
        return failed(ncclInvalidArgument, "not of the stand-in's kind");
    if (!fake_has_waited(stream))
        return failed(ncclInvalidUsage, "the stream has not waited for what was queued before");
    c->queue.push_back({in, out, n, type, false});
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t c) {
    if (!c->queue.empty())
        return failed(ncclInvalidUsage, "something is on its way");
    return ncclCommAbort(c);
}

ncclResult_t ncclCommAbort(ncclComm_t c) {
    munmap(c->all, sizeof *c->all);
    delete c;
    group = nullptr;
    return ncclSuccess;
}

} /* extern "C" */

#else

uint64_t fake_reductions_ahead() { return 0; }
bool fake_advance() { return false; }

#endif
