/* libnccl.so.2, as far as engine/cuda/nccl.h uses it, for ranks on one host: they meet in shared memory that the unique
 * id names. An all-reduce goes on only while somebody waits for it (fake_advance), so sums that are used too early are
 * wrong. */
#include "fake.h"

#if __has_include(<nccl.h>)

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
constexpr size_t SLOT = 1 << 16; /* floats of one all-reduce, at most */

/** Calls are numbered from 1; a counter holds the last that is done. Zeros at first, as memory of a new file. */
struct shared {
    std::atomic<int> joined;
    std::atomic<int> published[RANKS], taken[RANKS];
    float slot[RANKS][SLOT];
};

struct reduction {
    const float *in;
    float *out;
    size_t n;
    bool published;
};

int all_reach(const std::atomic<int> *counter, int ranks, int call) {
    for (int r = 0; r < ranks; r++)
        if (counter[r] < call)
            return false;
    return true;
}

} // namespace

struct ncclComm {
    shared *all;
    int rank, ranks, call; /* call: the last that has ended */
    std::deque<reduction> queue;
};

namespace {

ncclComm *group; /* one a process */
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
        memcpy(c.all->slot[c.rank], r.in, r.n * sizeof *r.in);
        c.all->published[c.rank] = call;
        r.published = true;
    }
    if (!r.published || !all_reach(c.all->published, c.ranks, call))
        return false;
    for (size_t i = 0; i < r.n; i++) {
        float sum = 0;
        for (int k = 0; k < c.ranks; k++)
            sum += c.all->slot[k][i];
        r.out[i] = sum / (float)c.ranks;
    }
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
    if (type != ncclFloat32 || operation != ncclAvg || n > SLOT || !fake_owns(in, n * sizeof(float)) ||
        !fake_owns(out, n * sizeof(float)))
        return failed(ncclInvalidArgument, "not of the stand-in's kind");
    if (!fake_has_waited(stream))
        return failed(ncclInvalidUsage, "the stream has not waited for what was queued before");
    c->queue.push_back({(const float *)in, (float *)out, n, false});
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
