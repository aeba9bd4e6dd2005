/* Writes scalars, texts, images and histograms as summaries. */

#include "base/proto.h"
#include "base/status.h"
#include "logging/summary.h"
#include "logging/tensorboard.h"

int tb_events_scalar(tb_events *e, const char *tag, int64_t step, double value) {
    text v = {0};
    int rc = OK;
    TRY(proto_string(&v, VALUE_TAG, tag));
    TRY(proto_float(&v, VALUE_SIMPLE, (float)value));
    TRY(tb_events_put(e, step, &v));
done:
    text_deinit(&v);
    return rc;
}

int tb_events_text(tb_events *e, const char *tag, int64_t step, const char *markdown) {
    /* tensor {dtype 1: string, shape 2: {dim 2: {size 1: 1}}, string_val 8} */
    static const unsigned char head[] = {0x08, 7, 0x12, 4, 0x12, 2, 0x08, 1};
    text v = {0}, name = {0};
    size_t tensor, metadata, plugin;
    int rc = OK;
    TRY(text_printf(&name, "%s/text_summary", tag));
    TRY(proto_string(&v, VALUE_TAG, text_string(&name)));
    TRY(proto_open(&v, VALUE_TENSOR, &tensor));
    TRY(text_append(&v, head, sizeof head));
    TRY(proto_string(&v, 8, markdown));
    TRY(proto_close(&v, tensor));
    TRY(proto_open(&v, VALUE_METADATA, &metadata));
    TRY(proto_open(&v, METADATA_PLUGIN, &plugin));
    TRY(proto_string(&v, PLUGIN_NAME, "text"));
    TRY(proto_close(&v, plugin));
    TRY(proto_close(&v, metadata));
    TRY(tb_events_put(e, step, &v));
done:
    text_deinit(&v);
    text_deinit(&name);
    return rc;
}

int tb_events_image(tb_events *e, const char *tag, int64_t step, const void *encoded, size_t n, int w, int h) {
    enum { HEIGHT = 1, WIDTH, COLORSPACE, ENCODED, RGB = 3 };
    text v = {0};
    size_t image;
    int rc = OK;
    TRY(proto_string(&v, VALUE_TAG, tag));
    TRY(proto_open(&v, VALUE_IMAGE, &image));
    TRY(proto_varint(&v, HEIGHT, (uint64_t)h));
    TRY(proto_varint(&v, WIDTH, (uint64_t)w));
    TRY(proto_varint(&v, COLORSPACE, RGB));
    TRY(proto_bytes(&v, ENCODED, encoded, n));
    TRY(proto_close(&v, image));
    TRY(tb_events_put(e, step, &v));
done:
    text_deinit(&v);
    return rc;
}

int tb_events_histogram(tb_events *e, const char *tag, int64_t step, const histogram *h) {
    enum { MIN = 1, MAX, NUM, SUM, SUM_SQUARES, BUCKET_LIMIT, BUCKET };
    double limit[HISTOGRAM_BUCKETS], count[HISTOGRAM_BUCKETS];
    size_t n = histogram_compact(limit, count, h), histo;
    text v = {0};
    int rc = OK;
    TRY(proto_string(&v, VALUE_TAG, tag));
    TRY(proto_open(&v, VALUE_HISTOGRAM, &histo));
    TRY(proto_double(&v, MIN, h->n > 0 ? h->min : 0));
    TRY(proto_double(&v, MAX, h->n > 0 ? h->max : 0));
    TRY(proto_double(&v, NUM, (double)h->n));
    TRY(proto_double(&v, SUM, h->sum));
    TRY(proto_double(&v, SUM_SQUARES, h->sum_squares));
    TRY(proto_doubles(&v, BUCKET_LIMIT, limit, n));
    TRY(proto_doubles(&v, BUCKET, count, n));
    TRY(proto_close(&v, histo));
    TRY(tb_events_put(e, step, &v));
done:
    text_deinit(&v);
    return rc;
}
