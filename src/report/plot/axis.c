#include "report/plot/axis.h"

#include <math.h>
#include <stdio.h>

#define VALUE_MAX 1e300   /* differences of such values are still finite */
#define VALUE_MIN 1e-290  /* a linear axis shows smaller values as 0 */
#define CONSTANT 1e-7     /* a smaller relative range is floating-point noise */
#define ZERO_SHARE 0.25   /* a range whose start is below this fraction of its end may start at 0 */
#define LOG_CONSTANT 0.45 /* decades on each side of a constant */
#define SLACK 1e-9        /* fraction of a step; ticks exactly at the ends count */

const plot_range plot_range_empty = {INFINITY, -INFINITY};

static double clamp(double v, double low, double high) { return v < low ? low : v > high ? high : v; }

static double to_axis(double v, bool log) { return log ? log10(v) : clamp(v, -VALUE_MAX, VALUE_MAX); }

static double from_axis(double u, bool log) { return log ? pow(10, clamp(u, -307, 308)) : u; }

/* Whether the range is too small to show: it would be a single tick or rounding errors. */
static bool is_constant(plot_range r, const plot_axis *a) {
    double most = fmax(fabs(r.low), fabs(r.high)), span = r.high - r.low;
    if (a->log)
        return span < 1e-4;
    return span <= (a->whole ? 0 : CONSTANT * most) || span < VALUE_MIN;
}

static void widen(plot_range *r, const plot_axis *a, bool low_fixed, bool high_fixed) {
    double v = r->high, half = 0.1 * fabs(v);
    if (a->log)
        half = LOG_CONSTANT;
    else if (a->whole)
        half = fmax(0.5, 1e-9 * fabs(v));
    else if (fabs(v) < VALUE_MIN)
        half = 0.5, low_fixed = low_fixed || !high_fixed; /* 0 has no magnitude: use 0..1 */
    if (low_fixed != high_fixed)
        half *= 2;
    if (!low_fixed || high_fixed)
        r->low -= half;
    if (!high_fixed || low_fixed)
        r->high += half;
}

/* Extends the ends that are not fixed, so that the range contains at least two whole numbers. */
static void widen_to_whole(plot_range *r, bool low_fixed, bool high_fixed) {
    if (floor(r->high) - ceil(r->low) >= 1)
        return;
    if (!low_fixed)
        r->low = floor(r->low);
    if (!high_fixed)
        r->high = ceil(r->high);
}

static void pad(plot_range *r, double margin, bool from_zero, bool low_fixed, bool high_fixed) {
    double more = margin * (r->high - r->low);
    bool positive = r->low >= 0, near_zero = r->low <= ZERO_SHARE * r->high;
    if (!high_fixed)
        r->high += more;
    if (low_fixed)
        return;
    if (from_zero && positive && (near_zero || r->low < more))
        r->low = 0;
    else
        r->low -= more;
}

plot_range plot_range_settle(plot_range data, const plot_axis *a, double margin, bool from_zero) {
    plot_range r = data;
    double low = a->low, high = a->high;
    if (low > high) {
        low = a->high;
        high = a->low;
    }
    bool low_fixed = plot_usable(low, a->log), high_fixed = plot_usable(high, a->log);
    if (r.low > r.high)
        r = low_fixed ? (plot_range){low, low} : high_fixed ? (plot_range){high, high} : (plot_range){1, 1};
    if (low_fixed)
        r = (plot_range){low, fmax(low, r.high)};
    if (high_fixed)
        r = (plot_range){fmin(r.low, high), high};
    r = (plot_range){to_axis(r.low, a->log), to_axis(r.high, a->log)};
    bool constant = is_constant(r, a);
    if (constant)
        widen(&r, a, low_fixed, high_fixed);
    else if (a->whole && !a->log)
        widen_to_whole(&r, low_fixed, high_fixed);
    if (!constant)
        pad(&r, margin, from_zero && !a->log, low_fixed, high_fixed);
    return (plot_range){from_axis(r.low, a->log), from_axis(r.high, a->log)};
}

/* ---- ticks ---- */

/* factor * 10^exponent, correctly rounded for the usual exponents. */
static double decimal(double factor, int exponent) {
    return exponent < 0 && exponent > -300 ? factor / pow(10, -exponent) : factor * pow(10, exponent);
}

static int exponent_of(double v) { return (int)floor(log10(fabs(v)) + SLACK); }

/* "2.5e-4": with as many digits as distinguish ticks whose last digit has the value 10^last. */
static void exponent_label(char out[PLOT_LABEL], double v, int last) {
    int e = exponent_of(v), digits = e > last ? e - last : 0;
    snprintf(out, PLOT_LABEL, "%.*fe%d", digits > 9 ? 9 : digits, decimal(v, -e), e);
}

/* Labels of ticks at steps of 1, 2 or 5 * 10^last; `most` is the largest tick. */
static void linear_label(char out[PLOT_LABEL], double v, double most, int last) {
    static const char suffix[] = "kMGT";
    if (v == 0) {
        snprintf(out, PLOT_LABEL, "0");
    } else if (most < 1e-3 || most >= 1e15) {
        exponent_label(out, v, last);
    } else if (most < 1e4) {
        snprintf(out, PLOT_LABEL, "%.*f", last < 0 ? -last : 0, v);
    } else {
        int thousands = exponent_of(most) / 3, digits = 3 * thousands - last;
        snprintf(out, PLOT_LABEL, "%.*f%c", digits > 0 ? digits : 0, decimal(v, -3 * thousands), suffix[thousands - 1]);
    }
}

static void linear_ticks(plot_ticks *out, plot_range r, bool whole, int most) {
    double rough = (r.high - r.low) / most;
    int last = exponent_of(rough);
    double part = decimal(rough, -last) * (1 - SLACK), factor = part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10;
    if (factor == 10)
        factor = 1, last++;
    if (whole && last < 0)
        factor = 1, last = 0;
    double step = decimal(factor, last), largest = 0;
    double first = ceil(r.low / step - SLACK), end = floor(r.high / step + SLACK);
    for (double k = first; k <= end && out->n < PLOT_TICKS; k++) {
        double v = decimal(k * factor, last);
        out->at[out->n++] = v == 0 ? 0 : v; /* no -0 */
        largest = fmax(largest, fabs(v));
    }
    for (int i = 0; i < out->n; i++)
        linear_label(out->label[i], out->at[i], largest, last);
}

static void minor_tick(plot_ticks *out, double v, plot_range r) {
    if (v >= r.low && v <= r.high && out->minor_n < PLOT_MINOR)
        out->minor[out->minor_n++] = v;
}

/* Ticks at powers of ten. Powers between them, or 2..9 times each power, are minor ticks. */
static void decade_ticks(plot_ticks *out, plot_range r, int first, int last, int most) {
    int every = (last - first) / most + 1;
    bool plain = first >= -3 && last <= 4;
    for (int k = first - 1; k <= last; k++) {
        bool labelled = k >= first && k % every == 0;
        if (labelled && out->n < PLOT_TICKS) {
            if (plain)
                snprintf(out->label[out->n], PLOT_LABEL, "%.*f", k < 0 ? -k : 0, decimal(1, k));
            else
                snprintf(out->label[out->n], PLOT_LABEL, "1e%d", k);
            out->at[out->n++] = decimal(1, k);
        } else if (k >= first) {
            minor_tick(out, decimal(1, k), r);
        }
        for (int m = 2; m <= 9 && every == 1; m++)
            minor_tick(out, decimal(m, k), r);
    }
}

/* Ticks at 1, 2 and 5 times powers of ten, for a range that contains at most one power of ten. */
static void part_ticks(plot_ticks *out, plot_range r) {
    for (int k = exponent_of(r.low); k <= exponent_of(r.high); k++)
        for (int m = 1; m <= 9; m++) {
            double v = decimal(m, k);
            bool labelled = m == 1 || m == 2 || m == 5;
            if (!labelled) {
                minor_tick(out, v, r);
            } else if (v >= r.low * (1 - SLACK) && v <= r.high * (1 + SLACK) && out->n < PLOT_TICKS) {
                if (v >= 1e-3 && v < 1e4)
                    snprintf(out->label[out->n], PLOT_LABEL, "%.*f", k < 0 ? -k : 0, v);
                else
                    snprintf(out->label[out->n], PLOT_LABEL, "%de%d", m, k);
                out->at[out->n++] = v;
            }
        }
}

void plot_ticks_make(plot_ticks *out, plot_range r, const plot_axis *a, int most) {
    out->n = out->minor_n = 0;
    if (!a->log) {
        linear_ticks(out, r, a->whole, most);
        return;
    }
    int first = (int)ceil(log10(r.low) - SLACK), last = (int)floor(log10(r.high) + SLACK);
    if (last > first) {
        decade_ticks(out, r, first, last, most);
        return;
    }
    part_ticks(out, r);
    if (out->n < 2) {
        out->n = out->minor_n = 0;
        linear_ticks(out, r, false, most);
    }
}

/* ---- scale ---- */

plot_scale plot_scale_make(plot_range r, bool log, double from, double to) {
    return (plot_scale){log, to_axis(r.low, log), to_axis(r.high, log), from, to};
}

double plot_scale_pixel(const plot_scale *s, double v) {
    double share = (to_axis(v, s->log) - s->low) / (s->high - s->low);
    return clamp(s->from + share * (s->to - s->from), -1e6, 1e6);
}

double plot_scale_value(const plot_scale *s, double pixel) {
    double u = s->low + (pixel - s->from) / (s->to - s->from) * (s->high - s->low);
    return s->log ? pow(10, u) : u;
}
