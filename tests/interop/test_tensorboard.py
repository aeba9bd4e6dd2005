"""TensorBoard's own reader returns every tag with its steps and values, also after a resume has trimmed the files."""
import glob
import importlib.util
import math
import os
import struct
import subprocess
import sys
import tempfile

PINNED = "tensorboard==2.21.0"


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def find_tensorboard():
    if importlib.util.find_spec("tensorboard"):
        return
    target = os.path.join(os.environ.get("LINNET_BUILD", "build"), "venv", "tensorboard")
    if not os.path.isdir(os.path.join(target, "tensorboard")):
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", target, PINNED]
        try:
            done = subprocess.run(install, timeout=200, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except (OSError, subprocess.TimeoutExpired) as error:
            skip("no tensorboard, and pip could not install it: %s" % error)
        if done.returncode != 0:
            skip("no tensorboard, and pip could not install it: %s" % done.stderr.strip()[-300:])
    sys.path.insert(0, target)


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def loss(step):
    return single(7.0 / (step + 1))


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


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


def main():
    tool = os.path.join(os.environ.get("LINNET_BUILD", "build"), "tests", "monitor_tool_logs")
    if not os.path.exists(tool):
        skip("%s is not built" % tool)
    find_tensorboard()

    def run(*arguments):
        subprocess.run([tool] + [str(a) for a in arguments], check=True)

    with tempfile.TemporaryDirectory() as folder:
        run("events", folder, 0, 99)
        check(folder, range(100), [0])
        # resumed at step 60: the old file is trimmed, a new one goes on
        run("trim-events", folder, 59)
        check(folder, range(60), [0])
        run("events", folder, 60, 119)
        assert len(glob.glob(folder + "/events.out.tfevents.*")) == 2
        check(folder, range(120), [0, 60])
        # a torn tail is cut off, and what TensorBoard then reads is whole
        newest = sorted(glob.glob(folder + "/events.out.tfevents.*"))[-1]
        os.truncate(newest, os.path.getsize(newest) - 3)
        run("trim-events", folder, 1000)
        steps = [e.step for e in read(folder).Scalars("val_loss")]
        assert steps == list(range(9, 110, 10)), steps
        run("trim-events", folder, 29)
        check(folder, range(30), [0])


main()
