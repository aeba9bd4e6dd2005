/* libnccl.so.2, opened once. */
#define _GNU_SOURCE
#include "backend/cuda/nccl.h"

#include "backend/cuda/library.h"
#include "base/status.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <string.h>

static const char *const places[] = {"libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2",
                                     "/usr/lib/x86_64-linux-gnu/libnccl.so.2", "/usr/lib64/libnccl.so.2"};
static const int oldest = 21400; /* the first version with nonblocking communicators */

static nccl_library table;
static status_saved opened; /* OK: the table is valid */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const library_symbol symbols[] = {
#define NCCL_SYMBOL(member, symbol, parameters) {symbol, #member, offsetof(nccl_library, member)},
    NCCL_LIST(NCCL_SYMBOL)
#undef NCCL_SYMBOL
        {"ncclGetErrorString", "error_string", offsetof(nccl_library, error_string)},
    {"ncclGetLastError", "last_error", offsetof(nccl_library, last_error)},
};

static int find_symbols(void *library) {
    struct link_map *map = NULL;
    int rc =
        library_find(&table, library, symbols, sizeof symbols / sizeof *symbols, "NCCL", "install NCCL 2.14 or later");
    if (rc == OK)
        rc = NCCL(&table, "initialising NCCL", version, &table.version_number);
    table.file = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : "libnccl.so.2"; /* never closed */
    if (rc == OK && table.version_number < oldest)
        rc = fail(E_DEVICE, "NCCL %d is too old: install 2.14 or later", table.version_number);
    return rc;
}

static int open_library(void) {
    int rc = OK;
    void *library = NULL;
    TRY(library_open(&library, "NCCL", "LINNET_NCCL", places, sizeof places / sizeof *places));
    TRY(find_symbols(library));
done:
    return rc;
}

static void open_once(void) { status_save(&opened, open_library()); }

int nccl_open(const nccl_library **out) {
    pthread_once(&once, open_once);
    *out = &table;
    return opened.code != OK ? status_restore(&opened) : OK;
}

static const char *symbol_of(const char *member) {
    return library_name(symbols, sizeof symbols / sizeof *symbols, member);
}

int nccl_failed(const nccl_library *n, ncclResult_t error, const char *member, const char *what) {
    const char *detail = n->last_error(NULL);
    int line = detail != NULL ? (int)strcspn(detail, "\n") : 0;
    return fail(E_DEVICE, "%s: %s: %s%s%.*s", what, symbol_of(member), n->error_string(error), line > 0 ? ": " : "",
                line, line > 0 ? detail : "");
}
