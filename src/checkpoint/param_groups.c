/* Finds the model's parameters in the parameter groups of an optimizer. An optimizer numbers its parameters group by
 * group, and its state does not contain their names. Programs divide the parameters into groups to exclude some from
 * the weight decay, or to give the classifier another LR. So they divide them by class: the weights of convolutions,
 * the weights and biases of batch norm, the weight and bias of the classifier. In each group the parameters have the
 * order of the model. The division is found from the sizes of the groups and the shapes of the state. */

#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_LIMIT 1024 /* a ResNet-152 has 467 parameters */

enum { CONV, NORM_WEIGHT, NORM_BIAS, HEAD_WEIGHT, HEAD_BIAS, CLASSES };

/** A group that has parameters. */
typedef struct group {
    size_t index; /* in the list of the file */
    int begin, n; /* positions of its parameters, counted over all groups */
    double decay, lr, initial_lr;
} group;

/** The search for the position of each parameter of the model. */
typedef struct search {
    int n;                      /* number of parameters, at least 1 */
    const ckpt_tensor **param;  /* (n) the model's, in the order of the state_dict */
    unsigned char *class_of;    /* (n) */
    const value_tensor **shape; /* (n) by position: a tensor of the state; NULL: none */
    int *number;                /* (n) by position: the key of the state */
    int *group_of;              /* (n) by position */
    group *group;               /* (group_n) */
    int group_n;
    int class_n[CLASSES];
    int *order; /* (n) the position of parameter i, of the division that is tried */
    int *best;  /* (n) of the best division so far */
    int rank;   /* of `best`; 0 is the best rank */
    bool found, ambiguous;
} search;

static void search_deinit(search *s) {
    free(s->param);
    free(s->class_of);
    free(s->shape);
    free(s->number);
    free(s->group_of);
    free(s->group);
    free(s->order);
    free(s->best);
}

/* --- the file's groups --- */

/** Counts the parameters of all groups. */
static int count_params(int *out, const value *groups) {
    size_t n = 0;
    int rc = OK;
    *out = 0;
    if (groups != NULL && groups->kind == VALUE_LIST && groups->list.n > GROUP_LIMIT)
        return fail(E_FORMAT, "%zu parameter groups in the optimizer, more than the limit of %d", groups->list.n,
                    GROUP_LIMIT);
    for (size_t g = 0; list_get(groups, g) != NULL; g++) {
        TRY(layout_check_entries(list_get(groups, g), "a parameter group"));
        const value *params = dict_get(list_get(groups, g), "params");
        n += params != NULL && params->kind == VALUE_LIST ? params->list.n : 0;
        if (n > LAYOUT_PARAM_LIMIT)
            return fail(E_FORMAT, "%zu parameters in the optimizer, more than the limit of %d", n, LAYOUT_PARAM_LIMIT);
    }
    *out = (int)n;
done:
    return rc;
}

/** Reads the groups that have parameters, and the numbers in them. */
static void read_list(search *s, const value *groups) {
    int at = 0;
    bool valid = true; /* every number once */
    for (int i = 0; i < s->n; i++)
        s->order[i] = -1;
    for (size_t g = 0; list_get(groups, g) != NULL; g++) {
        const value *dict = list_get(groups, g), *params = dict_get(dict, "params");
        if (params == NULL || params->kind != VALUE_LIST || params->list.n == 0)
            continue;
        group *out = &s->group[s->group_n];
        *out = (group){.index = g, .begin = at, .n = (int)params->list.n};
        dict_double(&out->decay, dict, "weight_decay");
        dict_double(&out->lr, dict, "lr");
        dict_double(&out->initial_lr, dict, "initial_lr");
        for (size_t i = 0; i < params->list.n; i++, at++) {
            int64_t number = -1;
            s->group_of[at] = s->group_n;
            valid = valid && value_int(&number, params->list.items[i]) && number >= 0 && number < s->n &&
                    s->order[number] < 0;
            if (valid)
                s->order[number] = at;
            s->number[at] = (int)number;
        }
        s->group_n++;
    }
    for (int i = 0; !valid && i < s->n; i++)
        s->number[i] = s->order[i] = i;
}

/** Notes a tensor of each parameter's state, for its shape. `s->order` is the position of each number. */
static int read_shapes(search *s, const value *states) {
    static const char *const keys[] = {"momentum_buffer", "exp_avg", "square_avg"};
    int rc = OK;
    for (size_t i = 0; i < dict_n(states); i++) {
        const value *key = states->list.items[2 * i], *state = states->list.items[2 * i + 1], *v = NULL;
        if (key->kind != VALUE_INT || key->i < 0 || key->i >= s->n || s->shape[s->order[key->i]] != NULL)
            continue;
        TRY(layout_check_entries(state, "the state of a parameter"));
        for (int k = 0; k < 3 && (v == NULL || v->kind != VALUE_TENSOR); k++)
            v = dict_get(state, keys[k]);
        if (v != NULL && v->kind == VALUE_TENSOR)
            s->shape[s->order[key->i]] = v->tensor;
    }
done:
    return rc;
}

/* --- the model's parameters --- */

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), end_n = strlen(end);
    return n >= end_n && strcmp(s + n - end_n, end) == 0;
}

static bool is_buffer(const char *name) {
    static const char *const buffers[] = {".running_mean", ".running_var", ".num_batches_tracked"};
    for (int b = 0; b < 3; b++)
        if (ends_with(name, buffers[b]))
            return true;
    return false;
}

/** Lists the model's parameters, the entries of the state_dict that are not buffers.
 *  @return false if their number is not that of the optimizer */
static bool list_params(search *s, const ckpt *c) {
    int n = 0;
    for (int i = 0; i < c->state_n; i++) {
        if (is_buffer(c->state[i].name) || ckpt_weight_name(c, &c->state[i]) == NULL)
            continue;
        if (n < s->n)
            s->param[n] = &c->state[i];
        n++;
    }
    return n == s->n;
}

/** The classifier is the last parameter of two dimensions or more, with what follows it. */
static void classify(search *s) {
    int head = s->n - 1;
    while (head > 0 && s->param[head]->rank < 2)
        head--;
    for (int i = 0; i < s->n; i++) {
        bool bias = ends_with(s->param[i]->name, ".bias");
        int k = i == head                ? HEAD_WEIGHT
                : i > head               ? HEAD_BIAS
                : s->param[i]->rank >= 2 ? CONV
                : bias                   ? NORM_BIAS
                                         : NORM_WEIGHT;
        s->class_of[i] = (unsigned char)k;
        s->class_n[k]++;
    }
}

/* --- the search --- */

static bool same_shape(const ckpt_tensor *a, const value_tensor *b) {
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/** Keeps the division `s->order` if it fits and is better than the best one. */
static void consider(search *s, int rank) {
    if (s->found && rank > s->rank)
        return;
    for (int i = 0; i < s->n; i++)
        if (s->shape[s->order[i]] != NULL && !same_shape(s->param[i], s->shape[s->order[i]]))
            return;
    bool equal = s->found && rank == s->rank;
    bool differs = equal && memcmp(s->order, s->best, (size_t)s->n * sizeof *s->order) != 0;
    s->ambiguous = equal && (s->ambiguous || differs);
    s->found = true;
    s->rank = rank;
    memcpy(s->best, s->order, (size_t)s->n * sizeof *s->order);
}

/** Considers the division that puts each class into one group: to[class]. */
static void consider_classes(search *s, const int to[CLASSES]) {
    int at[CLASSES] = {0}, left[CLASSES] = {0}; /* by group */
    for (int g = 0; g < s->group_n; g++) {
        at[g] = s->group[g].begin;
        left[g] = s->group[g].n;
    }
    for (int k = 0; k < CLASSES; k++) {
        left[to[k]] -= s->class_n[k];
        if (s->class_n[k] == 0 && to[k] != 0)
            return; /* the same division again */
    }
    for (int g = 0; g < s->group_n; g++)
        if (left[g] != 0)
            return;
    for (int i = 0; i < s->n; i++)
        s->order[i] = at[to[s->class_of[i]]]++;
    const int bias = to[NORM_BIAS];
    bool biases = to[HEAD_BIAS] == bias && to[CONV] != bias && to[NORM_WEIGHT] != bias && to[HEAD_WEIGHT] != bias;
    consider(s, to[NORM_WEIGHT] == bias ? 1 : biases ? 2 : 3);
}

/** Finds the best division. In order of preference: the file's numbers are the model's; batch norm's weights and biases
 *  share a group; all biases are a group; any other division by classes. It compares shapes for at most 240 divisions,
 *  because every group needs a class. */
static void find(search *s) {
    int to[CLASSES] = {0}, k = 0;
    consider(s, 0);
    while (s->group_n <= CLASSES && k < CLASSES) {
        consider_classes(s, to);
        for (k = 0; k < CLASSES && ++to[k] == s->group_n; k++)
            to[k] = 0;
    }
}

/* --- what the groups say about the parameters --- */

static const group *group_at(const search *s, int i) { return &s->group[s->group_of[s->best[i]]]; }

/** Whether the division is known from the shapes of the state. */
static bool known(const search *s) {
    bool all = s->found && !s->ambiguous;
    for (int i = 0; i < s->n; i++)
        all = all && s->shape[i] != NULL;
    return all;
}

/** The group of the convolutions' weights; if it is not known, the first group with the largest weight decay. */
static const group *base_group(const search *s) {
    const group *base = &s->group[0];
    for (int i = 0; known(s) && i < s->n; i++)
        if (s->class_of[i] == CONV)
            return group_at(s, i);
    for (int g = 1; g < s->group_n; g++)
        base = s->group[g].decay > base->decay ? &s->group[g] : base;
    return base;
}

/** The ratio of two groups' rates; 0 if it is not known. It prefers the initial rates, because a schedule may have
 *  reduced the current ones to 0. */
static double rate_ratio(const group *a, const group *b) {
    if (a->initial_lr > 0 && a->initial_lr < INFINITY && b->initial_lr > 0 && b->initial_lr < INFINITY)
        return a->initial_lr / b->initial_lr;
    return a->lr > 0 && a->lr < INFINITY && b->lr > 0 && b->lr < INFINITY ? a->lr / b->lr : 0;
}

/** Sets the ratio of the classifier's rate to the rate of the other parameters, if it has groups of its own. */
static void read_head(ckpt *c, const search *s, const group *base) {
    const int head_n = s->class_n[HEAD_WEIGHT] + s->class_n[HEAD_BIAS];
    const group *weight = group_at(s, s->n - head_n), *bias = group_at(s, s->n - 1);
    const double scale = rate_ratio(bias, base);
    for (int i = 0; i < s->n; i++) {
        const bool head = i >= s->n - head_n;
        const group *own = group_at(s, i);
        if (rate_ratio(own, base) != (head ? scale : 1) || (!head && (own == weight || own == bias)))
            return;
    }
    if (scale > 0) {
        c->head_n = head_n;
        c->head_scale = scale;
    }
}

/** Notes the weight decay of each parameter, if it is known. */
static int read_decay(ckpt *c, const search *s, const group *base) {
    bool same = true;
    int rc = OK;
    for (int g = 0; g < s->group_n; g++)
        same = same && s->group[g].decay == base->decay;
    if (!same && !known(s))
        return OK;
    TRY(memory_zeroed(&c->decay, (size_t)s->n, sizeof *c->decay));
    for (int i = 0; i < s->n; i++)
        c->decay[i] = same ? base->decay : group_at(s, i)->decay;
done:
    return rc;
}

static int search_init(search *s, int n) {
    int rc = OK;
    size_t many = (size_t)n;
    *s = (search){.n = n};
    TRY(memory_zeroed(&s->param, many, sizeof *s->param));
    TRY(memory_zeroed(&s->class_of, many, sizeof *s->class_of));
    TRY(memory_zeroed(&s->shape, many, sizeof *s->shape));
    TRY(memory_zeroed(&s->number, many, sizeof *s->number));
    TRY(memory_zeroed(&s->group_of, many, sizeof *s->group_of));
    TRY(memory_zeroed(&s->group, GROUP_LIMIT, sizeof *s->group));
    TRY(memory_zeroed(&s->order, many, sizeof *s->order));
    TRY(memory_zeroed(&s->best, many, sizeof *s->best));
done:
    return rc;
}

void layout_groups_deinit(layout_groups *g) {
    free(g->number);
    free(g->param);
}

int layout_read_groups(layout_groups *out, ckpt *c, const value *top) {
    const value *optimizer = list_get(dict_get(top, "optimizer_states"), 0);
    const value *groups = dict_get(optimizer, "param_groups");
    search s = {0};
    int rc = OK;
    *out = (layout_groups){0};
    TRY(count_params(&out->param_n, groups));
    if (out->param_n == 0)
        goto done;
    TRY(search_init(&s, out->param_n));
    read_list(&s, groups);
    bool listed = list_params(&s, c);
    if (listed) {
        classify(&s);
        if (s.group_n > 1)
            TRY(read_shapes(&s, dict_get(optimizer, "state")));
        find(&s);
    }
    out->lost = listed && (!s.found || s.ambiguous);
    out->ambiguous = s.ambiguous;
    const group *base = base_group(&s);
    out->base = base->index;
    if (!listed || out->lost)
        goto done;
    read_head(c, &s, base);
    TRY(read_decay(c, &s, base));
    TRY(memory_zeroed(&out->number, (size_t)s.n, sizeof *out->number));
    for (int i = 0; i < s.n; i++)
        out->number[i] = s.number[s.best[i]];
    out->param = s.param; /* now owned by `out` */
    s.param = NULL;
done:
    search_deinit(&s);
    return rc;
}
