#include "backend/cuda/library.h"

#include "base/status.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { FLAGS = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };

int library_open(void **out, const char *what, const char *variable, const char *const *places, size_t n) {
    const char *named = getenv(variable);
    *out = NULL;
    if (named != NULL && named[0] != 0)
        *out = dlopen(named, FLAGS);
    else
        for (size_t i = 0; i < n && *out == NULL; i++)
            *out = dlopen(places[i], FLAGS);
    if (*out != NULL)
        return OK;
    const char *why = dlerror();
    return fail(E_DEVICE,
                "cannot load %s (%s): install the library, or set LD_LIBRARY_PATH to its folder or %s to its file",
                what, why != NULL ? why : "unknown error", variable);
}

int library_find(void *table, void *library, const library_symbol *symbols, size_t n, const char *what,
                 const char *advice) {
    for (size_t i = 0; i < n; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (address == NULL)
            return fail(E_DEVICE, "%s has no %s: %s", what, symbols[i].name, advice);
        memcpy((char *)table + symbols[i].place, &address, sizeof address);
    }
    return OK;
}

const char *library_name(const library_symbol *symbols, size_t n, const char *member) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(symbols[i].member, member) == 0)
            return symbols[i].name;
    return member;
}
