/* Prefixes of tensor names. */

#include "base/status.h"
#include "checkpoint/layout.h"

#include <stdio.h>
#include <string.h>

/* Every ResNet has this parameter, and no other name of a ResNet ends with it. */
static const char anchor[] = "layer1.0.conv1.weight";

/** Number of bytes before the anchor, or -1 if the name does not end with it. */
static int before_anchor(const char *name) {
    size_t n = strlen(name), anchor_n = sizeof anchor - 1;
    if (n < anchor_n || strcmp(name + n - anchor_n, anchor) != 0 || (n > anchor_n && name[n - anchor_n - 1] != '.'))
        return -1;
    return (int)(n - anchor_n);
}

/** Sets the prefix that was asked for, where it is not a key of the file. */
static int use_key(ckpt *c) {
    char shown[NAME_SHOWN];
    size_t n = strlen(c->key);
    const char *point = c->key[n - 1] == '.' ? "" : ".";
    if ((size_t)snprintf(c->prefix, sizeof c->prefix, "%s%s", c->key, point) < sizeof c->prefix &&
        ckpt_find_weight(c, anchor) != NULL)
        return OK;
    return fail(E_FORMAT, "there is no ResNet under '%s'%s%s", name_shown(shown, c->key, n),
                c->parts[0] != 0 ? ": the file has tensors under " : "", c->parts);
}

int layout_find_prefix(ckpt *c) {
    static const char *const preferred[] = {"model.", "", "module."};
    const ckpt_tensor *found[2] = {NULL, NULL};
    int found_n = 0;
    c->prefix[0] = 0;
    if (c->key[0] != 0 && !c->key_found)
        return use_key(c);
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
                "the file contains %d models (the first two have the prefixes %s and %s): choose one with --init-key "
                "and its prefix",
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

const char *ckpt_unread_weight(const ckpt *c, const char *name) {
    char full[2 * CKPT_NAME_BYTES];
    snprintf(full, sizeof full, "%s%s", c->prefix, name);
    for (int i = 0; i < c->unread_n; i++)
        if (strcmp(c->unread[i].name, full) == 0)
            return c->unread[i].what;
    return NULL;
}
