#!/usr/bin/python3
"""The ResNets for CIFAR and PyTorch: linnet predicts from PyTorch's weights as PyTorch does, and PyTorch loads what linnet
trained and exported, with the same predictions."""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))
try:
    import numpy
    import torch
    from PIL import Image

    import cifar_resnet
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

SIZE, CLASSES = 32, 10
MEAN, STD = numpy.float32([0.485, 0.456, 0.406]), numpy.float32([0.229, 0.224, 0.225])


def linnet(*arguments):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_images(folder, n):
    """PPM files of the model's size: neither a decoder nor resampling can differ."""
    random = numpy.random.default_rng(1)
    paths = ["%s/%d.ppm" % (folder, i) for i in range(n)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (SIZE, SIZE, 3), numpy.uint8)).save(path)
    return paths


def compare(model, file, paths, arch):
    pixels = numpy.stack([(numpy.float32(Image.open(p)) / 255 - MEAN) / STD for p in paths])
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(pixels.transpose(0, 3, 1, 2))).softmax(1)
    out = linnet("predict", file, *paths, "--json", "--top", str(CLASSES), "--precision", "32-true", "--image-size", str(SIZE),
                 "--data.resize_size", str(SIZE))
    worst = 0
    for line, p in zip(map(json.loads, out.splitlines()), wanted):
        worst = max([worst] + [abs(top["probability"] - p[top["index"]].item()) for top in line["top"]])
    print("%s: probabilities within %.2g (the largest %.3f)" % (arch, worst, wanted.max()))
    assert worst < 1e-4


def main():
    with tempfile.TemporaryDirectory() as work:
        paths = make_images(work, 5)
        for arch in "resnet20", "resnet56":
            torch.manual_seed(0)
            model = cifar_resnet.make(arch, CLASSES)
            torch.save({"state_dict": {"module." + name: t for name, t in model.state_dict().items()}}, work + "/theirs.pth")
            assert json.loads(linnet("info", work + "/theirs.pth", "--json"))["arch"] == arch
            compare(model, work + "/theirs.pth", paths, arch)
        linnet("shapes", work + "/data", "--train", "8", "--val", "2", "--size", "40")
        run = json.loads(linnet("train", work + "/data", "--arch", "resnet20", "--image-size", str(SIZE), "--batch-size", "16",
                                "--max-epochs", "2", "--lr", "0.05", "--precision", "32-true", "--out", work, "--json"))
        linnet("export", run["last"], "--format", "pth", "--out", work + "/ours.pth")
        model = cifar_resnet.make("resnet20", CLASSES)
        model.load_state_dict(torch.load(work + "/ours.pth", map_location="cpu"), strict=True)
        compare(model, run["last"], paths, "resnet20, trained here")


main()
