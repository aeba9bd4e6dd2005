#include "base/status.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

static bool starts(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

/** Number of layers up to and including the part, 0 if the model has no such part. */
static int layers_up_to(const model *n, const char *part) {
    char prefix[16];
    int count = 0;
    if (strcmp(part, "stem") == 0) {
        while (count < n->layer_n && !starts(n->layer[count].name, "layer"))
            count++;
        return count < n->layer_n ? count : 0;
    }
    if (strcmp(part, "backbone") == 0)
        return n->layer_n - 1; /* the last layer is the classifier */
    snprintf(prefix, sizeof prefix, "%s.", part);
    for (int i = 0; i < n->layer_n; i++)
        if (starts(n->layer[i].name, prefix))
            count = i + 1;
    return count;
}

int model_freeze(model *n, const char *part) {
    n->frozen_layer_n = 0;
    n->frozen_n = 0;
    if (strcmp(part, "none") == 0)
        return OK;
    n->frozen_layer_n = layers_up_to(n, part);
    if (n->frozen_layer_n == 0)
        return fail(E_OPTION, "model.freeze: %s has no part '%s'", n->arch, part);
    for (int i = 0; i < n->frozen_layer_n; i++) {
        int last = n->layer[i].bias >= 0 ? n->layer[i].bias : n->layer[i].weight;
        if (last >= 0 && n->param[last].offset + n->param[last].count > n->frozen_n)
            n->frozen_n = n->param[last].offset + n->param[last].count;
    }
    return OK;
}
