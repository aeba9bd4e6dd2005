"""Pinned Python packages for the long interop tests, in a separate environment, which is built once and kept in
$XDG_CACHE_HOME; $LINNET_PYTHON is an interpreter that already has them. Without a package registry the test is
skipped."""
import os
import subprocess
import sys

PINNED = {"exchange": ["numpy==2.4.6", "safetensors==0.8.0", "onnx==1.23.2", "onnxruntime==1.32.0",
                       "pillow==13.0.0"],
          "lightning": ["torch==2.8.0", "torchvision==0.23.0", "lightning==2.6.6", "timm==1.0.31", "safetensors==0.8.0"],
          "peers": ["torch==2.8.0", "torchvision==0.23.0", "lightning==2.6.6", "timm==1.0.31", "transformers==5.24.0",
                    "fastai==2.8.12", "safetensors==0.8.0"],
          "validate": ["torch==2.15.0", "torchvision==0.29.2", "timm==1.0.31", "pillow==13.0.0"],
          "project": ["torch==2.15.0", "torchvision==0.29.2", "lightning==2.6.6", "tensorboard==2.21.0"],
          "wheel": ["torch==2.15.0", "torchvision==0.29.2", "lightning==2.6.6", "pillow==13.0.0", "cffi==2.0.0"],
          "prometheus": ["prometheus-client==0.26.0"],
          "mlflow": ["mlflow==3.17.2", "prometheus-client==0.26.0"],
          "kubernetes": ["kubernetes-validate==1.37.0"],
          "triton": ["tritonclient[grpc]==2.73.0", "onnxruntime==1.32.0", "numpy==2.4.6"],
          "composer": ["mosaicml==0.32.1", "torch==2.7.0", "torchvision==0.22.0"]}


def complete(folder, packages):
    """Whether the environment has exactly these versions."""
    try:
        with open(os.path.join(folder, "complete")) as f:
            return f.read() == " ".join(packages)
    except OSError:
        return False


def use(name):
    """Restarts the program in an interpreter that has the packages of that name."""
    if os.environ.get("LINNET_IN_PACKAGES"):
        return
    python = os.environ.get("LINNET_PYTHON")
    if python is None:
        folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "linnet-python-" + name)
        python = os.path.join(folder, "bin", "python")
        if not complete(folder, PINNED[name]):
            try:
                subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, stdout=subprocess.DEVNULL)
                subprocess.run([python, "-m", "pip", "install", "-q", "--retries", "1", *PINNED[name]], check=True)
            except (subprocess.CalledProcessError, OSError) as error:
                print("skipped: Python packages cannot be installed: %s" % error)
                sys.exit(77)
            with open(os.path.join(folder, "complete"), "w") as f:
                f.write(" ".join(PINNED[name]))
    os.environ["LINNET_IN_PACKAGES"] = name
    os.execv(python, [python, *sys.argv])
