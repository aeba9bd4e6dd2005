#include "host_kernel.h"

#include <cstring>
#include <stdexcept>
#include <ucontext.h>
#include <vector>

#include "backend/cuda/kernels/bn_backward.cu"
#include "backend/cuda/kernels/bn_forward.cu"
#include "backend/cuda/kernels/load.cu"
#include "backend/cuda/kernels/pool.cu"
/* namespaces, because several sources use the same names */
namespace linear_cu {
#include "backend/cuda/kernels/linear.cu"
}
namespace loss_cu {
#include "backend/cuda/kernels/loss.cu"
}
namespace optimizer_cu {
#include "backend/cuda/kernels/optimizer.cu"
}
namespace update_cu {
#include "backend/cuda/kernels/update.cu"
}
using namespace linear_cu;
using namespace loss_cu;
using namespace optimizer_cu;
using namespace update_cu;

dim3_place blockIdx, blockDim, gridDim;

namespace {

constexpr size_t STACK_BYTES = 16384;
constexpr unsigned THREADS_MAX = 1024;

struct fiber {
    ucontext_t context;
    dim3_place at;
    bool done;
};

fiber fibers[THREADS_MAX];
ucontext_t scheduler;
unsigned current;
const std::function<void()> *fiber_body;

void fiber_main() {
    (*fiber_body)();
    fibers[current].done = true;
    swapcontext(&fibers[current].context, &scheduler);
}

void run_block(unsigned threads, std::vector<char> &stacks) {
    for (unsigned i = 0; i < threads; i++) {
        fiber &f = fibers[i];
        f.at = {i % blockDim.x, i / blockDim.x, 0};
        f.done = false;
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = stacks.data() + i * STACK_BYTES;
        f.context.uc_stack.ss_size = STACK_BYTES;
        f.context.uc_link = nullptr;
        makecontext(&f.context, fiber_main, 0);
    }
    for (bool left = true; left;) {
        left = false;
        for (unsigned i = 0; i < threads; i++)
            if (!fibers[i].done) {
                current = i;
                swapcontext(&scheduler, &fibers[i].context);
                left = left || !fibers[i].done;
            }
    }
}

#define KERNEL_ONE(name, args) {#name, sizeof(args), [](const void *a) { ::name(*static_cast<const args *>(a)); }},
#define KERNEL_TYPES(name, args) KERNEL_ONE(name##_f32, args) KERNEL_ONE(name##_f16, args) KERNEL_ONE(name##_bf16, args)
#define KERNEL_PACKS(name, args)                                                                                       \
    KERNEL_TYPES(name, args)                                                                                           \
    KERNEL_ONE(name##_one_f32, args) KERNEL_ONE(name##_one_f16, args) KERNEL_ONE(name##_one_bf16, args)

const host_kernel table[] = {KERNEL_LIST(KERNEL_ONE, KERNEL_TYPES, KERNEL_PACKS)};

} // namespace

const dim3_place &fiber_place() { return fibers[current].at; }

void fiber_meet() {
    fiber &f = fibers[current];
    swapcontext(&f.context, &scheduler);
}

void run_grid(dim3_place grid, dim3_place block, const std::function<void()> &body) {
    static std::vector<char> stacks(STACK_BYTES * THREADS_MAX);
    unsigned threads = block.x * block.y;
    if (threads > THREADS_MAX)
        throw std::length_error("more threads in a block than a GPU has");
    fiber_body = &body;
    blockDim = block;
    gridDim = grid;
    for (unsigned y = 0; y < grid.y; y++)
        for (unsigned x = 0; x < grid.x; x++) {
            blockIdx = {x, y, 0};
            run_block(threads, stacks);
        }
}

const host_kernel *host_kernel_find(const char *name) {
    for (const host_kernel &k : table)
        if (std::strcmp(k.name, name) == 0)
            return &k;
    return nullptr;
}
