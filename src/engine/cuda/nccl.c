/* libnccl.so.2, opened once. */
#include "engine/cuda/nccl.h"

#include "base/status.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const places[] = {"libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2",
                                     "/usr/lib/x86_64-linux-gnu/libnccl.so.2", "/usr/lib64/libnccl.so.2"};
static const int oldest = 21400; /* the first whose calls need not block */

static nccl_library table;
static char problem[512]; /* "" when the table can be used */
static pthread_once_t once = PTHREAD_ONCE_INIT;

typedef struct nccl_symbol {
    const char *name;
    size_t place; /* of the pointer in the table */
} nccl_symbol;

static const nccl_symbol symbols[] = {
#define NCCL_SYMBOL(member, symbol, parameters) {symbol, offsetof(nccl_library, member)},
    NCCL_LIST(NCCL_SYMBOL)
#undef NCCL_SYMBOL
        {"ncclGetErrorString", offsetof(nccl_library, error_string)},
    {"ncclGetLastError", offsetof(nccl_library, last_error)},
};

static int find_symbols(void *library) {
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (address == NULL)
            return fail(E_DEVICE, "NCCL has no %s: install 2.14 or later", symbols[i].name);
        memcpy((char *)&table + symbols[i].place, &address, sizeof address);
    }
    int rc = NCCL(&table, "opening NCCL", version, &table.version_number);
    if (rc == OK && table.version_number < oldest)
        rc = fail(E_DEVICE, "NCCL %d is too old: install 2.14 or later", table.version_number);
    return rc;
}

static void *open_library(void) {
    const char *named = getenv("LINNET_NCCL");
    void *library = NULL;
    if (named != NULL && named[0] != 0)
        return dlopen(named, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    for (size_t i = 0; i < sizeof places / sizeof *places && library == NULL; i++)
        library = dlopen(places[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return library;
}

static void open_once(void) {
    int rc = OK;
    void *library = open_library();
    if (library == NULL) {
        const char *why = dlerror();
        rc = fail(
            E_DEVICE,
            "NCCL cannot be opened (%s): install it, name its folder in LD_LIBRARY_PATH or the file in LINNET_NCCL",
            why != NULL ? why : "unknown error");
        goto done;
    }
    TRY(find_symbols(library));
done:
    if (rc != OK)
        strncpy(problem, status_message(), sizeof problem - 1);
}

int nccl_open(const nccl_library **out) {
    pthread_once(&once, open_once);
    *out = &table;
    return problem[0] != 0 ? fail(E_DEVICE, "%s", problem) : OK;
}

static const char *symbol_of(const char *member) {
#define NCCL_NAME(m, symbol, parameters)                                                                               \
    if (strcmp(member, #m) == 0)                                                                                       \
        return symbol;
    NCCL_LIST(NCCL_NAME)
#undef NCCL_NAME
    return member;
}

int nccl_failed(const nccl_library *n, ncclResult_t error, const char *member, const char *what) {
    const char *detail = n->last_error(NULL);
    int line = detail != NULL ? (int)strcspn(detail, "\n") : 0;
    return fail(E_DEVICE, "%s: %s: %s%s%.*s", what, symbol_of(member), n->error_string(error), line > 0 ? ": " : "",
                line, line > 0 ? detail : "");
}
