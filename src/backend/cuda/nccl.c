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
static const int oldest = 21400; /* the first whose calls need not block */

static nccl_library table;
static char problem[512]; /* "" when the table can be used */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const library_symbol symbols[] = {
#define NCCL_SYMBOL(member, symbol, parameters) {symbol, offsetof(nccl_library, member)},
    NCCL_LIST(NCCL_SYMBOL)
#undef NCCL_SYMBOL
        {"ncclGetErrorString", offsetof(nccl_library, error_string)},
    {"ncclGetLastError", offsetof(nccl_library, last_error)},
};

static int find_symbols(void *library) {
    struct link_map *map = NULL;
    int rc = library_find(&table, library, symbols, sizeof symbols / sizeof *symbols, "NCCL", "install 2.14 or later");
    if (rc == OK)
        rc = NCCL(&table, "opening NCCL", version, &table.version_number);
    table.file = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : "libnccl.so.2"; /* stays open */
    if (rc == OK && table.version_number < oldest)
        rc = fail(E_DEVICE, "NCCL %d is too old: install 2.14 or later", table.version_number);
    return rc;
}

static void open_once(void) {
    int rc = OK;
    void *library = library_open("LINNET_NCCL", places, sizeof places / sizeof *places);
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
