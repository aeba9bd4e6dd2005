#include "backend/cuda/kernels.h"

#include "base/status.h"

static const char *const names[KERNELS] = {
#define KERNEL_ONE(name, args) #name,
#define KERNEL_TYPES(name, args) #name "_f32", #name "_f16", #name "_bf16",
#define KERNEL_PACKS(name, args) KERNEL_TYPES(name, args) #name "_one_f32", #name "_one_f16", #name "_one_bf16",
    KERNEL_LIST(KERNEL_ONE, KERNEL_TYPES, KERNEL_PACKS)
#undef KERNEL_ONE
#undef KERNEL_TYPES
#undef KERNEL_PACKS
};

static int find(kernels_loaded *k, int which) {
    CUresult error = CUDA_ERROR_NOT_FOUND;
    for (int i = 0; i < k->module_n && error == CUDA_ERROR_NOT_FOUND; i++)
        error = k->driver->module_function(&k->function[which], k->module[i], names[which]);
    return driver_check(k->driver, error, "module_function", names[which]);
}

int kernels_load(kernels_loaded *k, const cuda_driver *d) {
    int rc = OK;
    *k = (kernels_loaded){.driver = d};
    for (int i = 0; i < kernel_image_n; i++) {
        CUresult error = d->module_load(&k->module[i], kernel_images[i]);
        if (error == CUDA_ERROR_NO_BINARY_FOR_GPU)
            return fail(E_DEVICE, "this build has no kernels for this GPU: rebuild with its compute capability in "
                                  "LINNET_CUDA_ARCHS (7.5 or later is required)");
        TRY(driver_check(d, error, "module_load", "loading the kernels"));
        k->module_n++;
    }
    for (int i = 0; i < KERNELS; i++)
        TRY(find(k, i));
done:
    return rc;
}

void kernels_unload(kernels_loaded *k) {
    for (int i = 0; i < k->module_n; i++)
        k->driver->module_unload(k->module[i]);
    k->module_n = 0;
}

launch_shape launch_threads(size_t n) {
    const size_t threads = 256;
    return (launch_shape){(unsigned)((n + threads - 1) / threads), 1, (unsigned)threads, 1};
}

int kernel_launch(const kernels_loaded *k, CUstream stream, kernel which, launch_shape s, const void *args) {
    void *list[] = {(void *)args};
    if (s.grid_x == 0)
        return OK;
    return driver_check(
        k->driver,
        k->driver->launch(k->function[which], s.grid_x, s.grid_y, 1, s.block_x, s.block_y, 1, 0, stream, list, NULL),
        "launch", names[which]);
}
