"""The webdataset package for the test that needs it. If it is not installed, it is installed in the build folder; if that
fails, the test is skipped."""
import importlib.util
import os
import subprocess
import sys

PINNED = ["webdataset==1.0.2", "braceexpand==0.1.7"]


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def find_webdataset():
    for needed in ("numpy", "yaml"):
        if not importlib.util.find_spec(needed):
            skip(f"webdataset needs {needed}")
    if importlib.util.find_spec("webdataset"):
        return
    target = os.path.join(os.environ.get("LINNET_BUILD", "build"), "venv", "webdataset")
    if not os.path.isdir(os.path.join(target, "webdataset")):
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, *PINNED]
        try:
            done = subprocess.run(install, timeout=200, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except (OSError, subprocess.TimeoutExpired) as error:
            skip("no webdataset, and pip could not install it: %s" % error)
        if done.returncode != 0:
            skip("no webdataset, and pip could not install it: %s" % done.stderr.strip()[-300:])
    sys.path.insert(0, target)
