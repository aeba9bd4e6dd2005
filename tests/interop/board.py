"""TensorBoard's reader for the tests that need it. If it is not installed, it is installed in the build folder; if that
fails, the test is skipped."""
import importlib.util
import os
import struct
import subprocess
import sys

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


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0, "images": 0, "histograms": 0})
    accumulator.Reload()
    return accumulator
