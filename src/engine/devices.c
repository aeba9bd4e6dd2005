/* The list of devices: the only file that depends on which backends were built. */
#include "base/status.h"
#include "base/text.h"
#include "engine/internal.h"

#include <string.h>

typedef struct known_device {
    const char *name;
    const device_ops *ops; /* NULL: not built in */
    const char *absent;    /* the reason, and what to do */
} known_device;

static const known_device known[] = {
    {"ref", &device_ref, NULL},
#ifdef LINNET_ONEDNN
    {"cpu", &device_cpu, NULL},
#else
    {"cpu", NULL, "built without oneDNN: install libdnnl-dev and build again"},
#endif
#ifdef LINNET_CUDA
    {"cuda", &device_cuda, NULL},
#else
    {"cuda", NULL, "built without CUDA: install the CUDA toolkit (nvcc) and the cuDNN headers, then build again"},
#endif
};
enum { KNOWN_N = sizeof known / sizeof *known };

#ifndef LINNET_ONEDNN
bool engine_has_bf16(void) { return false; }
bool engine_bf16_is_faster(void) { return false; }
const char *engine_onednn_version(void) { return NULL; }
#endif

static const known_device *find(const char *name) {
    for (int i = 0; i < KNOWN_N; i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

static const char *why_not(const known_device *d) {
    if (d->ops == NULL)
        return d->absent;
    return d->ops->unavailable != NULL ? d->ops->unavailable() : NULL;
}

const char *engine_unavailable(const char *device) {
    const known_device *d = find(device);
    return d != NULL ? why_not(d) : "no such device";
}

int engine_pci_address(char out[ENGINE_PCI_ADDRESS], const char *device, const engine_options *o) {
    const device_ops *ops = NULL;
    int rc = OK;
    out[0] = 0;
    TRY(device_find(&ops, device));
    if (ops->pci_address != NULL)
        TRY(ops->pci_address(out, o));
done:
    return rc;
}

int engine_exchange_text(char out[ENGINE_EXCHANGE_TEXT], const char *device) {
    const known_device *d = find(device);
    out[0] = 0;
    if (d == NULL || d->ops == NULL)
        return fail(E_UNSUPPORTED, "%s", d != NULL ? d->absent : "no such device");
    const device_collective_ops *c = d->ops->collective;
    if (c == NULL || c->exchange_text == NULL)
        return fail(E_UNSUPPORTED, "the %s engine does not implement its own gradient exchange", device);
    return c->exchange_text(out);
}

int device_find(const device_ops **out, const char *name) {
    const known_device *d = find(name);
    const char *why = d != NULL ? why_not(d) : "no such device";
    if (why == NULL) {
        *out = d->ops;
        return OK;
    }
    text list = {0};
    int rc = OK;
    for (int i = 0; i < KNOWN_N; i++) {
        const char *reason = why_not(&known[i]);
        TRY(text_printf(&list, "%s%s", i > 0 ? ", " : "", known[i].name));
        if (reason != NULL)
            TRY(text_printf(&list, " (%s)", reason));
    }
    rc = fail(d != NULL ? E_DEVICE : E_OPTION, "device '%s': %s; known: %s", name, why, text_string(&list));
done:
    text_deinit(&list);
    return rc;
}
