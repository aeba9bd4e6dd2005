/* Decodes the protocol buffers of TensorBoard events. */

#include "base/status.h"
#include "logging/tfrecord.h"

#include <endian.h>
#include <string.h>

/* Protocol buffer fields of TensorFlow's event.proto and summary.proto. */
enum { EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5, SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };

typedef struct span {
    const unsigned char *p, *end;
} span;

typedef struct field {
    uint64_t number;
    int wire;      /* 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes */
    uint64_t bits; /* wire 0, 1, 5 */
    span bytes;    /* wire 2 */
} field;

static bool varint(uint64_t *out, span *s) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && s->p < s->end; shift += 7) {
        unsigned char byte = *s->p++;
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool fixed(uint64_t *out, span *s, size_t n) {
    *out = 0;
    if ((size_t)(s->end - s->p) < n)
        return false;
    memcpy(out, s->p, n); /* little-endian: the high bytes stay 0 */
    *out = le64toh(*out);
    s->p += n;
    return true;
}

static bool field_next(field *f, span *s) {
    uint64_t key, n;
    if (!varint(&key, s))
        return false;
    f->number = key >> 3;
    f->wire = (int)(key & 7);
    f->bits = 0;
    f->bytes = (span){s->p, s->p};
    switch (f->wire) {
    case 0: return varint(&f->bits, s);
    case 1: return fixed(&f->bits, s, 8);
    case 5: return fixed(&f->bits, s, 4);
    case 2:
        if (!varint(&n, s) || n > (uint64_t)(s->end - s->p))
            return false;
        f->bytes = (span){s->p, s->p + n};
        s->p += n;
        return true;
    default: return false; /* groups: deprecated */
    }
}

/* Decodes one Summary.Value; a scalar is passed to visit. */
static int decode_value(span s, int64_t step, tb_event_visit *visit, void *context) {
    int rc = OK;
    text tag = {0};
    field f;
    bool scalar = false;
    uint32_t bits = 0;
    while (s.p < s.end) {
        if (!field_next(&f, &s)) {
            rc = fail(E_FORMAT, "malformed TensorBoard event");
            goto done;
        }
        if (f.number == VALUE_TAG && f.wire == 2) {
            text_deinit(&tag);
            TRY(text_append(&tag, f.bytes.p, (size_t)(f.bytes.end - f.bytes.p)));
        } else if (f.number == VALUE_SIMPLE && f.wire == 5) {
            scalar = true;
            bits = (uint32_t)f.bits;
        }
    }
    if (scalar && visit != NULL) {
        float value;
        memcpy(&value, &bits, sizeof value);
        visit(context, step, text_string(&tag), (double)value);
    }
done:
    text_deinit(&tag);
    return rc;
}

static int decode_summary(span s, int64_t step, tb_event_visit *visit, void *context) {
    field f;
    while (s.p < s.end) {
        if (!field_next(&f, &s))
            return fail(E_FORMAT, "malformed TensorBoard event");
        int rc = f.number == SUMMARY_VALUE && f.wire == 2 ? decode_value(f.bytes, step, visit, context) : OK;
        if (rc != OK)
            return rc;
    }
    return OK;
}

int tb_event_decode(tb_event_view *out, const unsigned char *data, size_t n, tb_event_visit *visit, void *context) {
    *out = (tb_event_view){0};
    if (n == 0)
        return OK;
    field f;
    /* the step may come after the summary, so it is read first */
    for (span s = {data, data + n}; s.p < s.end;) {
        if (!field_next(&f, &s))
            return fail(E_FORMAT, "malformed TensorBoard event");
        if (f.number == EVENT_STEP && f.wire == 0)
            out->step = (int64_t)f.bits;
        out->version = out->version || f.number == EVENT_VERSION;
    }
    for (span s = {data, data + n}; s.p < s.end && field_next(&f, &s);) {
        int rc = f.number == EVENT_SUMMARY && f.wire == 2 ? decode_summary(f.bytes, out->step, visit, context) : OK;
        if (rc != OK)
            return rc;
    }
    return OK;
}
