/* Compares the options of a run with those of the configuration whose result was measured. */

#include "config/options.h"

#include <stdio.h>
#include <string.h>

/** Options that do not change val_acc, or no more than the seed does; "group." is a group. */
static const char *const without_effect[] = {
    "expected.", "monitor.", "checkpoint.",
    /* where the data are, and how they are read */
    "data.path", "data.train", "data.val", "data.list", "data.class_list", "data.image_key", "data.workers",
    "data.ahead", "data.read_ahead", "data.cache_dir", "data.cache_size", "data.timeout", "data.changed",
    "data.val_batch_size",
    /* the caller compares the images per step that follow from these */
    "data.batch_size", "trainer.accumulate", "trainer.global_batch", "trainer.devices",
    /* the same computation elsewhere, or with other random numbers */
    "trainer.device", "trainer.device_index", "trainer.threads", "trainer.deterministic", "trainer.recompute",
    "trainer.bucket_mb", "trainer.seed", "dist.restarts", "dist.timeout", "dist.interface", "dist.port", "dist.requeue",
    /* when the run stops before its end, so that a resume continues it, and what it writes */
    "trainer.max_steps", "trainer.max_time", "trainer.resume", "trainer.dry_run", "trainer.out",
    "trainer.log_every_n_steps", "trainer.check_val_every_n_epoch"};

static bool has_effect(const option *o) {
    for (size_t i = 0; i < sizeof without_effect / sizeof *without_effect; i++) {
        const char *name = without_effect[i];
        size_t n = strlen(name);
        if (name[n - 1] == '.' ? strncmp(o->name, name, n) == 0 : strcmp(o->name, name) == 0)
            return false;
    }
    return true;
}

static bool contains(const char *list, const char *name, size_t n) {
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ','))
            return true;
    return false;
}

void config_add_differing(config *c, const char *names) {
    static const char more[] = ", ...";
    char *list = c->expected.differs, name[128];
    for (const char *p = names; *p != 0;) {
        size_t n = strcspn(p, ","), used = strlen(list);
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        p += n;
        p += strspn(p, ", ");
        if (name[0] == 0 || contains(list, name, strlen(name)) || contains(list, "...", 3))
            continue;
        bool fits = used + 2 + strlen(name) + sizeof more <= sizeof c->expected.differs;
        snprintf(list + used, sizeof c->expected.differs - used, "%s%s", used > 0 ? ", " : "", fits ? name : "...");
    }
}

void config_add_differences(config *c, const config *recipe) {
    for (int i = 0; i < option_n; i++) {
        const option *o = &option_table[i];
        char own[OPTION_PRINT], theirs[OPTION_PRINT];
        if (!has_effect(o))
            continue;
        option_print(own, o, c);
        option_print(theirs, o, recipe);
        if (strcmp(own, theirs) != 0)
            config_add_differing(c, o->name);
    }
}
