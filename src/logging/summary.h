/** Writes the kinds of summaries to the event file. Private to logging. */
#ifndef LINNET_LOGGING_SUMMARY_H
#define LINNET_LOGGING_SUMMARY_H

#include "base/text.h"
#include "logging/tensorboard.h"

/** Fields of TensorFlow's summary.proto. */
enum {
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    VALUE_IMAGE = 4,
    VALUE_HISTOGRAM = 5,
    VALUE_TENSOR = 8,
    VALUE_METADATA = 9,
    METADATA_PLUGIN = 1,
    PLUGIN_NAME = 1,
    PLUGIN_CONTENT = 2,
};

/** Appends an Event with the current time and one Summary.Value with the fields `value`. @return as tb_events_scalar */
int tb_events_put(tb_events *e, int64_t step, const text *value);

#endif
