"""Pinned Python packages for the long interop tests, in an environment of their own: built once and kept in
$XDG_CACHE_HOME; $LINNET_PYTHON names an interpreter that has them already. Without a registry the test is skipped."""
import os
import subprocess
import sys

PINNED = {"exchange": ["numpy==2.4.6", "safetensors==0.8.0", "onnx==1.23.2", "onnxruntime==1.32.0"],
          "lightning": ["torch==2.8.0", "torchvision==0.23.0", "lightning==2.6.6", "safetensors==0.8.0"]}


def use(name):
    """Goes on in an interpreter that has the packages of that name."""
    if os.environ.get("LINNET_IN_PACKAGES"):
        return
    python = os.environ.get("LINNET_PYTHON")
    if python is None:
        folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "linnet-python-" + name)
        python = os.path.join(folder, "bin", "python")
        if not os.path.exists(os.path.join(folder, "complete")):
            try:
                subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, stdout=subprocess.DEVNULL)
                subprocess.run([python, "-m", "pip", "install", "-q", "--retries", "1", *PINNED[name]], check=True)
            except (subprocess.CalledProcessError, OSError) as error:
                print("skipped: no Python packages to be had: %s" % error)
                sys.exit(77)
            open(os.path.join(folder, "complete"), "w").close()
    os.environ["LINNET_IN_PACKAGES"] = name
    os.execv(python, [python, *sys.argv])
