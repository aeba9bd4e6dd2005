"""TensorBoard's own reader returns every tag with its steps and values, also after a resume has trimmed the files."""
import glob
import math
import os
import subprocess
import sys
import tempfile
import time

from board import find_tensorboard, read, single, skip


def loss(step):
    return single(7.0 / (step + 1))


def check(folder, steps, note_steps):
    a = read(folder)
    assert sorted(a.Tags()["scalars"]) == ["lr-SGD", "train_loss_step", "val_loss"], a.Tags()
    got = [(e.step, e.value) for e in a.Scalars("train_loss_step")]
    assert got == [(s, loss(s)) for s in steps], got
    assert [(e.step, e.value) for e in a.Scalars("lr-SGD")] == [(s, single(0.1)) for s in steps]
    val = [(e.step, e.value) for e in a.Scalars("val_loss")]
    assert [s for s, _ in val] == [s for s in steps if s % 10 == 9], val
    for s, v in val:
        assert math.isnan(v) if s == 19 else v == -loss(s), (s, v)
    notes = a.Tensors("hparams/text_summary")
    assert [e.step for e in notes] == note_steps, notes
    assert notes[0].tensor_proto.string_val[0] == b"| lr | 0.1 |"
    metadata = a.SummaryMetadata("hparams/text_summary")
    assert metadata.plugin_data.plugin_name == "text", metadata
    assert a.file_version == 2.0


def tensorflow_limits():
    positive, v = [], 1e-12
    while v < 1e20:
        positive.append(v)
        v *= 1.1
    positive.append(sys.float_info.max)
    return [-v for v in reversed(positive)] + [0.0] + positive


def histogram_values(step):
    return [(i * 37 % 1001 - 500) * 0.001 * (step + 1) for i in range(2000)]


def check_histograms(folder, steps):
    """The histograms in the file, and after the migration by TensorBoard's server."""
    import numpy
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    limits = numpy.array(tensorflow_limits())
    written = read(folder).Histograms("weights/conv1")
    assert [e.step for e in written] == steps, written
    migrated = EventAccumulator(folder, size_guidance={"tensors": 0})
    migrated.Reload()
    assert migrated.SummaryMetadata("weights/conv1").plugin_data.plugin_name == "histograms"
    tensors = migrated.Tensors("weights/conv1")
    assert [e.step for e in tensors] == steps, tensors
    for event, tensor in zip(written, tensors):
        values = numpy.array(histogram_values(event.step))
        counts = numpy.bincount(numpy.searchsorted(limits, values, side="right"), minlength=len(limits))
        h = event.histogram_value
        assert (h.num, h.min, h.max) == (2000, values.min(), values.max()), h
        assert math.isclose(h.sum, values.sum(), abs_tol=1e-6) and math.isclose(h.sum_squares, values @ values), h
        got = {limit: count for limit, count in zip(h.bucket_limit, h.bucket) if count}
        assert got == {limits[b]: counts[b] for b in numpy.flatnonzero(counts)}, got
        assert list(h.bucket_limit) == sorted(set(h.bucket_limit)) and h.bucket[0] == 0 and h.bucket[-1] > 0
        rows = tensor_util.make_ndarray(tensor.tensor_proto)  # left, right, count
        assert rows[:, 2].tolist() == h.bucket[1:], rows
        assert rows[0, 0] == single(h.min) and rows[-1, 1] == single(h.max), rows
        assert rows[1:, 0].tolist() == rows[:-1, 1].tolist(), rows
    empty = tensor_util.make_ndarray(migrated.Tensors("empty")[0].tensor_proto)
    assert empty.shape == (0, 3), empty


def check_images(folder, steps, encoded):
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    images = read(folder).Images("predictions")
    assert [e.step for e in images] == steps, images
    for e in images:
        assert (e.width, e.height, e.encoded_image_string) == (300, 200, encoded)
    migrated = EventAccumulator(folder, size_guidance={"tensors": 0})
    migrated.Reload()
    assert migrated.SummaryMetadata("predictions").plugin_data.plugin_name == "images"
    for e in migrated.Tensors("predictions"):
        assert list(e.tensor_proto.string_val) == [b"300", b"200", encoded]


def check_hparams(folder, end):
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import api_pb2, metadata

    a = EventAccumulator(folder)
    a.Reload()
    content = a.PluginTagToContent("hparams")
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    kinds = {info.name: api_pb2.DataType.Name(info.type)[len("DATA_TYPE_") :] for info in experiment.hparam_infos}
    assert kinds == {
        "optimizer.lr": "FLOAT64",
        "net.arch": "STRING",
        "data.flip": "BOOL",
        "data.pack": "BOOL",
        "weight_decay": "FLOAT64",
        "clip": "STRING",
    }, kinds
    assert [m.name.tag for m in experiment.metric_infos] == ["val_loss", "val_acc"]
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    values = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items()}
    assert values == {
        "optimizer.lr": 0.1,
        "net.arch": "resnet50",
        "data.flip": True,
        "data.pack": False,
        "weight_decay": 0,
        "clip": "inf",
    }, values
    assert abs(start.start_time_secs - time.time()) < 600 and start.group_name == ""
    assert [e.step for e in a.Tensors(metadata.SESSION_START_INFO_TAG)] == [0]
    if end is None:
        assert metadata.SESSION_END_INFO_TAG not in content
        return
    info = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    assert api_pb2.Status.Name(info.status) == "STATUS_" + end, info
    assert 0 <= info.end_time_secs - start.start_time_secs < 600


def check_kinds(folder, steps, encoded, end):
    a = read(folder)
    tags = a.Tags()
    assert tags["scalars"] == ["val_loss"] and tags["images"] == ["predictions"], tags
    assert sorted(tags["histograms"]) == ["empty", "weights/conv1"], tags
    assert [(e.step, e.value) for e in a.Scalars("val_loss")] == [(s, loss(s)) for s in steps]
    pictured = [s for s in steps if s % 10 == 0]
    check_images(folder, pictured, encoded)
    check_histograms(folder, pictured)
    check_hparams(folder, end)


def images_histograms_and_hparams(folder, run):
    image = os.path.join(os.environ.get("LINNET_SOURCE", "."), "tests", "golden", "transform_images", "rgb420.jpg")
    with open(image, "rb") as f:
        encoded = f.read()
    run("events", folder, image, 0, 49, "start")
    check_kinds(folder, list(range(50)), encoded, None)
    run("logs", "trim-events", folder, 29)
    # a resumed run has two session ends, and TensorBoard uses the first, so the trim must remove it
    run("events", folder, image, 30, 39, "failure")
    check_kinds(folder, list(range(40)), encoded, "FAILURE")
    run("logs", "trim-events", folder, 39)
    run("events", folder, image, 40, 69, "success")
    check_kinds(folder, list(range(70)), encoded, "SUCCESS")


def main():
    tools = os.path.join(os.environ.get("LINNET_BUILD", "build"), "tests", "logging_tool_")
    for tool in ("logs", "events"):
        if not os.path.exists(tools + tool):
            skip("%s is not built" % (tools + tool))
    find_tensorboard()

    def run_tool(tool, *arguments):
        subprocess.run([tools + tool] + [str(a) for a in arguments], check=True)

    def run(*arguments):
        run_tool("logs", *arguments)

    with tempfile.TemporaryDirectory() as folder:
        images_histograms_and_hparams(folder, run_tool)
    with tempfile.TemporaryDirectory() as folder:
        run("events", folder, 0, 99)
        check(folder, range(100), [0])
        # resumed at step 60: the old file is trimmed, and a new one is written
        run("trim-events", folder, 59)
        check(folder, range(60), [0])
        run("events", folder, 60, 119)
        assert len(glob.glob(folder + "/events.out.tfevents.*")) == 2
        check(folder, range(120), [0, 60])
        # an incomplete last record is removed, and TensorBoard reads all complete ones
        newest = sorted(glob.glob(folder + "/events.out.tfevents.*"))[-1]
        os.truncate(newest, os.path.getsize(newest) - 3)
        run("trim-events", folder, 1000)
        steps = [e.step for e in read(folder).Scalars("val_loss")]
        assert steps == list(range(9, 110, 10)), steps
        run("trim-events", folder, 29)
        check(folder, range(30), [0])


main()
