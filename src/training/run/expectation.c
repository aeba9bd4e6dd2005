#include "training/run/expectation.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROUNDING 1e-9 /* of the difference of two fractions */

__attribute__((format(printf, 2, 3))) static void add(char out[EXPECTATION_BYTES], const char *format, ...) {
    size_t used = strlen(out);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out + used, EXPECTATION_BYTES - used, format, arguments);
    va_end(arguments);
}

static void add_expected(char out[EXPECTATION_BYTES], const config *c) {
    add(out, "%.2f%%", 100 * c->expected.val_acc);
    if (c->expected.spread > 0)
        add(out, " +- %.2f%%", 100 * c->expected.spread);
}

const char *expectation_text(char out[EXPECTATION_BYTES], const config *c) {
    const char *between = " (", *differs = c->expected.differs;
    snprintf(out, EXPECTATION_BYTES, "val_acc ");
    add_expected(out, c);
    if (c->expected.epochs > 0)
        add(out, " after %d epoch%s", c->expected.epochs, c->expected.epochs == 1 ? "" : "s");
    if (c->expected.seeds > 0) {
        add(out, "%s%d seed%s", between, c->expected.seeds, c->expected.seeds == 1 ? "" : "s");
        between = "; ";
    }
    const char *const more[] = {c->expected.hardware, c->expected.time};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if (more[i][0] == 0)
            continue;
        add(out, "%s%s", between, more[i]);
        between = "; ";
    }
    if (strcmp(between, "; ") == 0)
        add(out, ")");
    if (differs[0] != 0)
        add(out, "; this run may not reach it, because it differs in %s", differs);
    return out;
}

static bool reached(const config *c, double val_acc) {
    return val_acc >= c->expected.val_acc - c->expected.spread - ROUNDING;
}

const char *expectation_result(char out[EXPECTATION_BYTES], const config *c, double val_acc) {
    snprintf(out, EXPECTATION_BYTES, "val_acc %.2f%%, expected ", 100 * val_acc);
    add_expected(out, c);
    add(out, ": %s", reached(c, val_acc) ? "reached" : "below");
    if (c->expected.differs[0] != 0)
        add(out, " (this run differs in %s)", c->expected.differs);
    return out;
}

json_t *expectation_json(const config *c, double val_acc) {
    json_t *o = json_object();
    json_object_set_new(o, "val_acc", json_real(c->expected.val_acc));
    json_object_set_new(o, "spread", json_real(c->expected.spread));
    json_object_set_new(o, "seeds", json_integer(c->expected.seeds));
    json_object_set_new(o, "epochs", json_integer(c->expected.epochs));
    json_object_set_new(o, "differs", json_text(c->expected.differs));
    json_object_set_new(o, "result", json_number_or_null(val_acc));
    json_object_set_new(o, "reached", isfinite(val_acc) ? json_boolean(reached(c, val_acc)) : json_null());
    return o;
}
