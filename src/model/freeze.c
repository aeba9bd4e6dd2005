#include "base/status.h"
#include "model/model.h"

#include <string.h>

int model_freeze(model *n, const char *part) {
    static const struct {
        const char *part, *next; /* how the name of the first layer behind it begins */
    } known[] = {{"stem", "layer1."},   {"layer1", "layer2."}, {"layer2", "layer3."},
                 {"layer3", "layer4."}, {"layer4", "avgpool"}, {"backbone", "fc"}};
    const char *next = NULL;
    n->frozen_layer_n = 0;
    n->frozen_n = 0;
    if (strcmp(part, "none") == 0)
        return OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(part, known[i].part) == 0)
            next = known[i].next;
    while (next != NULL && n->frozen_layer_n < n->layer_n &&
           strncmp(n->layer[n->frozen_layer_n].name, next, strlen(next)) != 0)
        n->frozen_layer_n++;
    if (next == NULL || n->frozen_layer_n == n->layer_n) {
        n->frozen_layer_n = 0;
        return fail(E_OPTION, "model.freeze: %s has no part '%s'", n->arch, part);
    }
    for (int i = 0; i < n->frozen_layer_n; i++) {
        int last = n->layer[i].bias >= 0 ? n->layer[i].bias : n->layer[i].weight;
        if (last >= 0 && n->param[last].offset + n->param[last].count > n->frozen_n)
            n->frozen_n = n->param[last].offset + n->param[last].count;
    }
    return OK;
}
