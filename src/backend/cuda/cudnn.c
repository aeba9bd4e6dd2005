/* libcudnn.so.9, opened once. */
#include "backend/cuda/cudnn.h"

#include "backend/cuda/library.h"
#include "base/status.h"

#include <pthread.h>

static const char *const places[] = {"libcudnn.so.9", "/usr/local/cuda/lib64/libcudnn.so.9",
                                     "/usr/lib/x86_64-linux-gnu/libcudnn.so.9", "/usr/lib64/libcudnn.so.9"};
static const size_t oldest = 90000;

static cudnn_library table;
static status_saved opened; /* OK: the table is valid */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const library_symbol symbols[] = {
#define CUDNN_SYMBOL(member, symbol, parameters) {symbol, #member, offsetof(cudnn_library, member)},
    CUDNN_LIST(CUDNN_SYMBOL)
#undef CUDNN_SYMBOL
        {"cudnnGetVersion", "version", offsetof(cudnn_library, version)},
    {"cudnnGetErrorString", "error_string", offsetof(cudnn_library, error_string)},
    {"cudnnGetLastErrorString", "last_error", offsetof(cudnn_library, last_error)},
};

static int find_symbols(void *library) {
    int rc = library_find(&table, library, symbols, sizeof symbols / sizeof *symbols, "cuDNN", "install cuDNN 9");
    if (rc != OK)
        return rc;
    if (table.version() < oldest)
        return fail(E_DEVICE, "cuDNN %zu is too old: install cuDNN 9", table.version());
    return OK;
}

static int open_library(void) {
    int rc = OK;
    void *library = NULL;
    TRY(library_open(&library, "cuDNN 9", "LINNET_CUDNN", places, sizeof places / sizeof *places));
    TRY(find_symbols(library));
done:
    return rc;
}

static void open_once(void) { status_save(&opened, open_library()); }

int cudnn_open(const cudnn_library **out) {
    pthread_once(&once, open_once);
    *out = &table;
    return opened.code != OK ? status_restore(&opened) : OK;
}

static const char *symbol_of(const char *member) {
    return library_name(symbols, sizeof symbols / sizeof *symbols, member);
}

int cudnn_failed(const cudnn_library *c, cudnnStatus_t error, const char *member, const char *what) {
    char detail[256] = "";
    c->last_error(detail, sizeof detail);
    bool memory = error == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ||
                  error == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    return fail(memory ? E_NOMEM : E_DEVICE, "%s: %s: %s%s%s", what, symbol_of(member), c->error_string(error),
                detail[0] != 0 ? ": " : "", detail);
}
