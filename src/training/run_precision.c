#include "training/run_precision.h"

#include "base/log.h"
#include "base/status.h"
#include "training/resume.h"

#include <stdio.h>
#include <string.h>

static int automatic(precision *out, const char *device, comm *all) {
    int64_t slower = strcmp(device, "cpu") != 0 || !engine_bf16_is_faster();
    int rc = comm_all(all, COMM_MAX, COMM_I64, &slower, 1);
    *out = strcmp(device, "cuda") == 0 ? PRECISION_16 : slower == 0 ? PRECISION_BF16 : PRECISION_32;
    return rc;
}

static bool find(precision *out, const char *name) {
    for (*out = PRECISION_32; *out <= PRECISION_16; (*out)++)
        if (strcmp(name, precision_name(*out)) == 0)
            return true;
    return false;
}

int run_precision_choose(precision *out, const config *c, const char *device, comm *all) {
    const char *name = c->trainer.precision;
    if (strcmp(name, "auto") == 0)
        return automatic(out, device, all);
    if (!find(out, name))
        return fail(E_OPTION, "trainer.precision must be auto, 32-true, bf16-mixed or 16-mixed, not '%s'", name);
    return OK;
}

static bool supports(const char *device, precision p) {
    if (strcmp(device, "cpu") != 0 || p == PRECISION_32)
        return true;
    return p == PRECISION_BF16 && engine_has_bf16();
}

int run_precision_resume(config *c, const ckpt *from, const char *device, comm *all) {
    char name[16];
    precision then = PRECISION_32, now = PRECISION_32;
    int rc = OK;
    if (c->trainer.resume[0] == 0)
        return OK;
    snprintf(name, sizeof name, "%s", resume_precision(from));
    TRY(comm_all(all, COMM_BROADCAST, COMM_BYTES, name, sizeof name));
    TRY(run_precision_choose(&now, c, device, all));
    if (!find(&then, name) || then == now)
        goto done;
    int64_t lacking = !supports(device, then);
    TRY(comm_all(all, COMM_MAX, COMM_I64, &lacking, 1));
    if (strcmp(c->trainer.precision, "auto") != 0) {
        log_warn("the checkpoint of --resume was trained in %s, but the run now uses %s", name, precision_name(now));
    } else if (lacking != 0) {
        log_warn("the checkpoint of --resume was trained in %s, which this device does not support: the run continues "
                 "in %s",
                 name, precision_name(now));
    } else {
        log_info("trainer.precision auto: %s, as in the checkpoint of --resume", name);
        TRY(config_set(c, "trainer.precision", name, "the checkpoint"));
    }
done:
    return rc;
}
