#include "backend/cuda/library.h"

#include "base/status.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { FLAGS = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };

void *library_open(const char *variable, const char *const *places, size_t n) {
    const char *named = variable != NULL ? getenv(variable) : NULL;
    void *library = NULL;
    if (named != NULL && named[0] != 0)
        return dlopen(named, FLAGS);
    for (size_t i = 0; i < n && library == NULL; i++)
        library = dlopen(places[i], FLAGS);
    return library;
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
