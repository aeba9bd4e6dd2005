#include "cli/commands/cmd_bench_profile.h"

#include "cli/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const pass_names[ENGINE_PASSES] = {
    [PASS_FORWARD] = "forward", [PASS_BACKWARD] = "backward", [PASS_WGRAD] = "weights"};

/** The peak bandwidth to which a layer's mixed reads and writes are compared. */
static double memory_peak(const engine_peaks *k) { return fmax(k->read, k->mixed); }

/* ---- tables ---- */

/** Prints a rate or a fraction of a peak; "-" if it is not known. */
static void print_number(int width, int digits, double value, const char *unit) {
    if (isfinite(value) && value > 0)
        printf("%*.*f%s", width, digits, value, unit);
    else
        printf("%*s%*s", width, "-", (int)strlen(unit), "");
}

static void print_rates(const profile *p, double seconds, engine_work w) {
    double memory = memory_peak(&p->peaks), flops = w.flop / seconds, bytes = w.bytes / seconds;
    print_number(10, 0, 1e-9 * flops, "");
    print_number(6, 0, 100 * flops / p->peaks.flops, "%");
    print_number(9, 1, 1e-9 * bytes, "");
    print_number(6, 0, 100 * bytes / memory, "%");
}

static void print_row(const profile *p, const char *name, int layers, double seconds, engine_work w) {
    printf("%-16s", name);
    if (layers > 0)
        printf("%7d", layers);
    else
        printf("%7s", "");
    printf("%10.2f%10.3f%7.1f%%", 1e3 * seconds, 1e3 * seconds / p->batch, 100 * seconds / p->step_seconds);
    print_rates(p, seconds, w);
    putchar('\n');
}

static engine_work whole_work(const profile_line *l) {
    return work_sum(work_sum(l->work[PASS_FORWARD], l->work[PASS_BACKWARD]), l->work[PASS_WGRAD]);
}

static void print_kind(const profile *p, const profile_line *l) {
    bool apart = l->seconds[PASS_WGRAD] > 0;
    const char *const labels[ENGINE_PASSES] = {"  forward", apart ? "  dgrad" : "  backward", "  wgrad"};
    print_row(p, l->name, l->layers, profile_seconds(l), whole_work(l));
    for (int k = 0; k < ENGINE_PASSES && l->layers > 0; k++)
        if (l->work[k].bytes > 0)
            print_row(p, labels[k], 0, l->seconds[k], l->work[k]);
}

static void print_kinds(const profile *p) {
    engine_work all = {0};
    printf("\n%-16s%7s%10s%10s%8s%10s%7s%9s%7s\n", "per step", "layers", "ms", "ms/image", "% step", "GFLOP/s", "peak",
           "GB/s", "peak");
    for (int i = 0; i < p->kind_n; i++) {
        print_kind(p, &p->kind[i]);
        all = work_sum(all, whole_work(&p->kind[i]));
    }
    print_row(p, "other", 0, p->step_seconds - p->known_seconds, (engine_work){0});
    print_row(p, "step", 0, p->step_seconds, all);
    printf("\nlayers other than convolution and linear: %.2f of %.2f ms per image\n", profile_beyond_products(p),
           1e3 * p->step_seconds / p->batch);
}

static void print_layer(const profile_line *l) {
    char shape[48];
    snprintf(shape, sizeof shape, "%dx%dx%d > %dx%dx%d", l->x.h, l->x.w, l->x.c, l->y.h, l->y.w, l->y.c);
    printf("%-22s %-12s%-26s", l->name, l->kind, shape);
    for (int k = 0; k < ENGINE_PASSES; k++) {
        bool there = l->work[k].bytes > 0;
        printf(k > 0 ? " |" : "");
        print_number(8, 2, there ? 1e3 * l->seconds[k] : 0, "");
        print_number(6, 0, 1e-9 * l->work[k].flop / l->seconds[k], "");
        print_number(6, 1, 1e-9 * l->work[k].bytes / l->seconds[k], "");
    }
    putchar('\n');
}

static void print_layers(const profile *p) {
    printf("\n%-22s %-12s%-26s", "layer", "kind", "shape");
    for (int k = 0; k < ENGINE_PASSES; k++)
        printf("%s%8s%6s%6s", k > 0 ? " |" : "", pass_names[k], "GF/s", "GB/s");
    putchar('\n');
    for (int i = 0; i < p->layer_n; i++)
        print_layer(&p->layer[i]);
}

enum { ALGORITHM_TEXT = 128 };

static void algorithm_text(char out[ALGORITHM_TEXT], const engine_algorithm *a) {
    snprintf(out, ALGORITHM_TEXT, "%s%s%s%s", a->name[0] != 0 ? a->name : "-", a->implementation[0] != 0 ? " " : "",
             a->implementation, a->reference ? " (SLOW)" : "");
}

static bool has_algorithm(const profile_line *l) {
    for (int k = 0; k < ENGINE_PASSES; k++)
        if (l->algorithm[k].name[0] != 0)
            return true;
    return false;
}

/** Prints the layers whose algorithms the device reports; columns are as wide as the longest name of each pass. */
static void print_algorithms(const profile *p) {
    static const char *const heads[ENGINE_PASSES] = {
        [PASS_FORWARD] = "forward", [PASS_BACKWARD] = "dgrad", [PASS_WGRAD] = "wgrad"};
    char cell[ALGORITHM_TEXT];
    int width[ENGINE_PASSES] = {0}, layers = 0, slow = 0;
    for (int i = 0; i < p->layer_n; i++) {
        layers += has_algorithm(&p->layer[i]);
        for (int k = 0; k < ENGINE_PASSES; k++) {
            algorithm_text(cell, &p->layer[i].algorithm[k]);
            width[k] = (int)strlen(cell) > width[k] ? (int)strlen(cell) : width[k];
            slow += p->layer[i].algorithm[k].reference;
        }
    }
    if (layers == 0)
        return;
    printf("\n%-22s %-12s", "algorithm of layer", "kind");
    for (int k = 0; k < ENGINE_PASSES; k++)
        printf("%-*s", k + 1 < ENGINE_PASSES ? width[k] + 2 : 0, heads[k]);
    putchar('\n');
    for (int i = 0; i < p->layer_n; i++) {
        if (!has_algorithm(&p->layer[i]))
            continue;
        printf("%-22s %-12s", p->layer[i].name, p->layer[i].kind);
        for (int k = 0; k < ENGINE_PASSES; k++) {
            algorithm_text(cell, &p->layer[i].algorithm[k]);
            printf("%-*s", k + 1 < ENGINE_PASSES ? width[k] + 2 : 0, cell);
        }
        putchar('\n');
    }
    if (slow > 0)
        printf("SLOW: %d pass%s run%s oneDNN's reference implementation, which is many times slower than the optimised "
               "ones\n",
               slow, slow == 1 ? "" : "es", slow == 1 ? "s" : "");
}

void bench_profile_print(const profile *p) {
    const engine_peaks *k = &p->peaks;
    if (k->flops > 0)
        printf("measured peaks: %.0f GFLOP/s; memory bandwidth in GB/s: %.1f read, %.1f write, %.1f mixed\n",
               1e-9 * k->flops, 1e-9 * k->read, 1e-9 * k->write, 1e-9 * k->mixed);
    else
        printf("measured peaks: not available on this device\n");
    printf("GB/s: each tensor counts once per pass that reads or writes it; values above the memory bandwidth come "
           "from data in caches\n");
    print_kinds(p);
    print_layers(p);
    print_algorithms(p);
}

/* ---- JSON ---- */

static json_t *pass_json(const profile_line *l, engine_pass k) {
    json_t *o = json_object();
    json_object_set_new(o, "seconds", json_number_or_null(l->seconds[k]));
    json_object_set_new(o, "flop", json_number_or_null(l->work[k].flop));
    json_object_set_new(o, "bytes", json_number_or_null(l->work[k].bytes));
    if (l->algorithm[k].name[0] != 0) {
        json_object_set_new(o, "algorithm", json_text(l->algorithm[k].name));
        json_object_set_new(o, "implementation", json_text(l->algorithm[k].implementation));
        json_object_set_new(o, "reference", json_boolean(l->algorithm[k].reference));
    }
    return o;
}

static json_t *shape_json(tensor_shape s) { return json_pack("[i,i,i,i]", s.n, s.h, s.w, s.c); }

static json_t *lines_json(const profile_line *line, int n, bool of_layers) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const profile_line *l = &line[i];
        json_t *o = json_object();
        json_object_set_new(o, "kind", json_text(l->kind));
        if (of_layers) {
            json_object_set_new(o, "name", json_text(l->name));
            json_object_set_new(o, "input", shape_json(l->x));
            json_object_set_new(o, "output", shape_json(l->y));
        } else {
            json_object_set_new(o, "layers", json_integer(l->layers));
        }
        json_object_set_new(o, "seconds", json_number_or_null(profile_seconds(l)));
        for (int k = 0; k < ENGINE_PASSES; k++)
            json_object_set_new(o, pass_names[k], pass_json(l, k));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *bench_profile_json(const profile *p) {
    json_t *o = json_object(), *peaks = json_object();
    const engine_peaks *k = &p->peaks;
    json_object_set_new(peaks, "flops", json_number_or_null(k->flops));
    json_object_set_new(peaks, "read_bytes_per_second", json_number_or_null(k->read));
    json_object_set_new(peaks, "write_bytes_per_second", json_number_or_null(k->write));
    json_object_set_new(peaks, "mixed_bytes_per_second", json_number_or_null(k->mixed));
    json_object_set_new(o, "peaks", peaks);
    json_object_set_new(o, "step_seconds", json_number_or_null(p->step_seconds));
    json_object_set_new(o, "other_seconds", json_number_or_null(p->step_seconds - p->known_seconds));
    json_object_set_new(o, "beyond_products_ms_per_image", json_number_or_null(profile_beyond_products(p)));
    json_object_set_new(o, "kinds", lines_json(p->kind, p->kind_n, false));
    json_object_set_new(o, "layers", lines_json(p->layer, p->layer_n, true));
    return o;
}
