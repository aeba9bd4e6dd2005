#include "base/status.h"
#include "checkpoint/layout.h"

#include <stdio.h>
#include <string.h>

/* Every ResNet has it, and nothing within a ResNet ends like it. */
static const char anchor[] = "layer1.0.conv1.weight";

/** Bytes of what stands before the anchor, or -1. */
static int before_anchor(const char *name) {
    size_t n = strlen(name), anchor_n = sizeof anchor - 1;
    if (n < anchor_n || strcmp(name + n - anchor_n, anchor) != 0 || (n > anchor_n && name[n - anchor_n - 1] != '.'))
        return -1;
    return (int)(n - anchor_n);
}

int layout_find_prefix(ckpt *c) {
    static const char *const preferred[] = {"model.", "", "module."};
    const ckpt_tensor *found[2] = {NULL, NULL};
    int found_n = 0;
    c->prefix[0] = 0;
    for (int i = 0; i < c->state_n; i++)
        if (before_anchor(c->state[i].name) >= 0 && ++found_n <= 2)
            found[found_n - 1] = &c->state[i];
    if (found_n == 1)
        snprintf(c->prefix, sizeof c->prefix, "%.*s", before_anchor(found[0]->name), found[0]->name);
    for (int k = 0; found_n > 1 && k < 3; k++) {
        snprintf(c->prefix, sizeof c->prefix, "%s", preferred[k]);
        if (ckpt_find_weight(c, anchor) != NULL)
            return OK;
    }
    if (found_n < 2)
        return OK;
    char a[NAME_SHOWN], b[NAME_SHOWN];
    return fail(E_FORMAT,
                "contains %d models (the first two have the prefixes %s and %s): save the state_dict of one of them",
                found_n, name_shown(a, found[0]->name, (size_t)before_anchor(found[0]->name)),
                name_shown(b, found[1]->name, (size_t)before_anchor(found[1]->name)));
}

const ckpt_tensor *ckpt_find_weight(const ckpt *c, const char *name) {
    char full[2 * CKPT_NAME_BYTES];
    snprintf(full, sizeof full, "%s%s", c->prefix, name);
    return ckpt_find_tensor(c, full);
}

const char *ckpt_weight_name(const ckpt *c, const ckpt_tensor *t) {
    size_t n = strlen(c->prefix);
    return strncmp(t->name, c->prefix, n) == 0 ? t->name + n : NULL;
}
