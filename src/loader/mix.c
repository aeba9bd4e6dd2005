/* Mixup and cutmix on a whole batch. */

#include "loader/mix.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { CHUNK = 4096, LAMBDA_ONE = 1 << 16 };

/** log of a Gamma(alpha, 1) variate: Marsaglia & Tsang 2000, with their boost from alpha + 1 if alpha < 1. It
 *  returns the logarithm because for small alpha the variates underflow. */
static double log_gamma_variate(random_stream *r, double alpha) {
    double boost = alpha < 1 ? log(1 - random_unit(r)) / alpha : 0;
    double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = random_normal(r), v = 1 + c * x, u = 1 - random_unit(r);
        if (v <= 0)
            continue;
        double v3 = v * v * v;
        if (log(u) < x * x / 2 + d - d * v3 + d * log(v3))
            return log(d * v3) + boost;
    }
}

double mix_beta(random_stream *r, double alpha) {
    double a = log_gamma_variate(r, alpha), b = log_gamma_variate(r, alpha);
    return 1 / (1 + exp(b - a));
}

/** x = (x * weight + other * (LAMBDA_ONE - weight)) / LAMBDA_ONE, rounded. */
static void blend(uint8_t *x, const uint8_t *other, size_t n, uint32_t weight) {
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)((x[i] * weight + other[i] * (LAMBDA_ONE - weight) + LAMBDA_ONE / 2) >> 16);
}

/** Blends bytes [begin, end) of every image with those of the previous image. weight 0: copies the previous image's.
 *  Iterates from the last image down, so that the previous image is still unchanged; the last image's bytes are
 *  saved for the first. */
static void mix_bytes(batch *b, size_t begin, size_t end, uint32_t weight) {
    size_t image = (size_t)b->h * (size_t)b->w * 3;
    uint8_t last[CHUNK];
    for (size_t at = begin; at < end; at += CHUNK) {
        size_t n = end - at < CHUNK ? end - at : CHUNK;
        memcpy(last, b->pixels + (size_t)(b->n - 1) * image + at, n);
        for (int i = b->n - 1; i >= 0; i--) {
            uint8_t *x = b->pixels + (size_t)i * image + at;
            blend(x, i > 0 ? x - image : last, n, weight);
        }
    }
}

static void mix_labels(batch *b, double lambda) {
    int32_t last = b->label[b->n - 1];
    for (int i = b->n - 1; i >= 0; i--) {
        int32_t own = b->label[i], before = i > 0 ? b->label[i - 1] : last;
        b->label[i] = lambda >= 0.5 ? own : before;
        b->label_b[i] = lambda >= 0.5 ? before : own;
        b->mix[i] = (float)fmax(lambda, 1 - lambda);
    }
}

void mix_up(batch *b, double lambda) {
    uint32_t weight = (uint32_t)lrint(lambda * LAMBDA_ONE);
    mix_bytes(b, 0, (size_t)b->h * (size_t)b->w * 3, weight);
    mix_labels(b, (double)weight / LAMBDA_ONE);
}

static int at_least(int a, int low) { return a > low ? a : low; }
static int at_most(int a, int high) { return a < high ? a : high; }

void mix_cut(batch *b, double lambda, int x, int y) {
    double half = 0.5 * sqrt(1 - lambda);
    int half_w = (int)(half * b->w), half_h = (int)(half * b->h);
    int x1 = at_least(x - half_w, 0), x2 = at_most(x + half_w, b->w);
    int y1 = at_least(y - half_h, 0), y2 = at_most(y + half_h, b->h);
    for (int row = y1; row < y2; row++) {
        size_t line = (size_t)row * (size_t)b->w * 3;
        mix_bytes(b, line + (size_t)x1 * 3, line + (size_t)x2 * 3, 0);
    }
    mix_labels(b, 1 - (double)(x2 - x1) * (y2 - y1) / ((double)b->w * b->h));
}

void mix_batch(batch *b, double mixup_alpha, double cutmix_alpha, random_stream *r) {
    bool both = mixup_alpha > 0 && cutmix_alpha > 0;
    if (b->n < 1 || (mixup_alpha <= 0 && cutmix_alpha <= 0))
        return;
    if (both ? random_unit(r) < 0.5 : mixup_alpha > 0) {
        mix_up(b, mix_beta(r, mixup_alpha));
        return;
    }
    double lambda = mix_beta(r, cutmix_alpha);
    int x = (int)random_below(r, (uint64_t)b->w), y = (int)random_below(r, (uint64_t)b->h);
    mix_cut(b, lambda, x, y);
}
