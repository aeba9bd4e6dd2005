/* libcuda.so.1, opened once. */
#include "backend/cuda/driver.h"

#include "backend/cuda/library.h"
#include "base/status.h"

#include <dlfcn.h>
#include <pthread.h>

#define LIBRARY "libcuda.so.1"

static cuda_driver table;
static status_saved opened; /* OK: the table is valid */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const library_symbol symbols[] = {
#define DRIVER_SYMBOL(member, symbol, parameters) {symbol, #member, offsetof(cuda_driver, member)},
    DRIVER_LIST(DRIVER_SYMBOL)
#undef DRIVER_SYMBOL
};

static int check_gpus(void) {
    int n = 0, rc = OK;
    CUresult started = table.init(0);
    if (started == CUDA_ERROR_NO_DEVICE)
        return fail(
            E_DEVICE,
            "the NVIDIA driver finds no GPU: check CUDA_VISIBLE_DEVICES, or start the container with --gpus all");
    TRY(driver_check(&table, started, "init", "cannot initialise the NVIDIA driver"));
    TRY(DRIVER(&table, "counting the GPUs", device_count, &n));
    if (n < 1)
        rc = fail(E_DEVICE,
                  "the NVIDIA driver finds no GPU: check CUDA_VISIBLE_DEVICES, or start the container with --gpus all");
done:
    return rc;
}

static int open_library(void) {
    int rc = OK;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL)
        return fail(E_DEVICE, "the NVIDIA driver (%s) was not found: install it; start a container with --gpus all",
                    LIBRARY);
    TRY(library_find(&table, library, symbols, sizeof symbols / sizeof *symbols, "the NVIDIA driver",
                     "install driver version 525 or later (CUDA 12)"));
    TRY(check_gpus());
done:
    return rc;
}

static void open_once(void) { status_save(&opened, open_library()); }

int driver_open(const cuda_driver **out) {
    pthread_once(&once, open_once);
    *out = &table;
    return opened.code != OK ? status_restore(&opened) : OK;
}

static const char *symbol_of(const char *member) {
    return library_name(symbols, sizeof symbols / sizeof *symbols, member);
}

int driver_failed(const cuda_driver *d, CUresult error, const char *member, const char *what) {
    const char *text = NULL;
    if (d->error_string(error, &text) != CUDA_SUCCESS || text == NULL)
        text = "unknown error";
    if (error == CUDA_ERROR_OUT_OF_MEMORY)
        return fail(E_NOMEM, "%s: %s: out of GPU memory", what, symbol_of(member));
    return fail(E_DEVICE, "%s: %s: %s (error %d)", what, symbol_of(member), text, (int)error);
}
