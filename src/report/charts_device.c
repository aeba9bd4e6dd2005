/* The charts of CPU, memory and GPUs. */
#include "report/charts.h"

#include "base/status.h"
#include "report/markdown.h"

#include <math.h>
#include <stdio.h>

int chart_column(double **out, picture *p, const table *t, size_t column, double factor) {
    const table_column *c = table_at(t, column);
    double *v;
    size_t at = 0;
    int rc = OK;
    TRY(picture_array(&v, p, t->row_n));
    for (size_t i = 0; i < t->row_n; i++)
        v[i] = factor * table_value(c, i, &at);
    *out = v;
done:
    return rc;
}

/* The time axis from the start of the run; *factor converts seconds to its unit. */
static plot_axis time_axis(const run_data *d, double *factor) {
    double last = 0;
    for (size_t i = 0; i < d->device.row_n; i++)
        last = fmax(last, d->device_time[i]);
    *factor = last < 600 ? 1 : last < 7200 ? 1.0 / 60 : 1.0 / 3600;
    return axis(last < 600 ? "seconds" : last < 7200 ? "minutes" : "hours");
}

static int device_curve(picture *p, const run_data *d, size_t column, double factor, const char *name, int color) {
    double *x, *y, seconds;
    int rc = OK;
    time_axis(d, &seconds);
    TRY(picture_array(&x, p, d->device.row_n));
    for (size_t i = 0; i < d->device.row_n; i++)
        x[i] = seconds * d->device_time[i];
    TRY(chart_column(&y, p, &d->device, column, factor));
    TRY(picture_curve(p, name, x, y, d->device.row_n, PLOT_LINE, color));
done:
    return rc;
}

#define GIB (1.0 / (1 << 30))

int chart_device(page *to, const run_data *d) {
    picture p = {0};
    double factor;
    plot_axis time = time_axis(d, &factor);
    int rc = OK;
    picture_panel(&p, "CPU", time, axis_from("% of all cores", 0));
    TRY(device_curve(&p, d, DEV_CPU, 1, "all processes", 1));
    TRY(device_curve(&p, d, DEV_PROCESS_CPU, 1, "this run", 0));
    picture_panel(&p, "Memory", time, axis_from("GiB", 0));
    TRY(device_curve(&p, d, DEV_MEMORY_USED, GIB, "all processes", 1));
    TRY(device_curve(&p, d, DEV_PROCESS_MEMORY, GIB, "this run", 0));
    TRY(picture_put(to, &p, "device", "CPU and memory over time", 2));
done:
    picture_deinit(&p);
    return rc;
}

int chart_gpus(page *to, const run_data *d) {
    static const struct {
        const char *title, *unit;
        int value;
        double factor;
        bool from_0;
    } panel[] = {{"Utilisation", "%", GPU_USE, 1, true},     {"Memory", "GiB", GPU_MEMORY, GIB, true},
                 {"Power", "W", GPU_POWER, 1, true},         {"Temperature", "°C", GPU_TEMPERATURE, 1, false},
                 {"SM clock", "MHz", GPU_SM_CLOCK, 1, true}, {"Memory clock", "MHz", GPU_MEMORY_CLOCK, 1, true}};
    picture p = {0};
    double factor;
    char name[REPORT_GPUS][16];
    plot_axis time = time_axis(d, &factor);
    int rc = OK;
    for (size_t k = 0; k < sizeof panel / sizeof *panel; k++) {
        picture_panel(&p, panel[k].title, time, axis_from(panel[k].unit, panel[k].from_0 ? 0 : NAN));
        for (int g = 0; g < d->gpu_n; g++) {
            snprintf(name[g], sizeof name[g], "GPU %d", g);
            TRY(device_curve(&p, d, gpu_column(g, panel[k].value), panel[k].factor, name[g], g));
        }
    }
    TRY(picture_put(to, &p, "gpus", "GPUs over time", 2));
done:
    picture_deinit(&p);
    return rc;
}
