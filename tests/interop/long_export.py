#!/usr/bin/python3
"""Other programs read the files of linnet export: onnx.checker, onnxruntime compared to linnet's own probabilities,
safetensors' reader."""
import json
import os
import subprocess
import tempfile

import packages

packages.use("exchange")
import numpy
import onnx
import onnxruntime
import PIL.Image
import safetensors.numpy
from safetensors import safe_open

SIZE = 64


def linnet(*arguments):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pixels(path):
    """A binary PPM of the model's input size, so that neither resampling nor a decoder has an effect."""
    with open(path, "rb") as f:
        f.readline(), f.readline(), f.readline()
        return numpy.frombuffer(f.read(), numpy.uint8).reshape(SIZE, SIZE, 3).transpose(2, 0, 1).astype(numpy.float32) / 255


def make_images(folder, n):
    random = numpy.random.default_rng(1)
    os.mkdir(folder)
    for i in range(n):
        with open("%s/%d.ppm" % (folder, i), "wb") as f:
            f.write(b"P6\n%d %d\n255\n" % (SIZE, SIZE) + random.integers(0, 256, (SIZE, SIZE, 3), numpy.uint8).tobytes())
    return ["%s/%d.ppm" % (folder, i) for i in range(n)]


def logit_distance(logits, line):
    """Log probabilities are logits minus a constant, which softmax does not preserve."""
    theirs = logits - numpy.log(numpy.exp(logits - logits.max()).sum()) - logits.max()
    return max(abs(theirs[top["index"]] - numpy.log(top["probability"])) for top in line["top"])


def check_onnx(checkpoint, images, work, arch):
    lines = [json.loads(line) for line in linnet("predict", checkpoint, *images, "--json", "--top", "10", "--precision",
                                                 "32-true", "--data.resize_size", str(SIZE)).splitlines()]
    meta = json.loads(linnet("info", checkpoint, "--json"))
    mean, std = (numpy.array(v, numpy.float32).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = numpy.stack([pixels(p) for p in images])
    for flags in ([], ["--raw"], ["--raw", "--fold"], ["--raw", "--normalise"], ["--fp16"], ["--raw", "--fp16"]):
        path = work + "/a.onnx"
        linnet("export", checkpoint, "--format", "onnx", "--out", path, *flags)
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["arch"] == arch == meta["arch"]
        names = json.loads(metadata["class_names"])
        assert len(names) == 10
        kinds = {node.op_type for node in model.graph.node}
        assert ("BatchNormalization" in kinds) == ("--raw" in flags and "--fold" not in flags), kinds
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        normalised = "--raw" in flags and "--normalise" not in flags
        assert metadata["input_range"] == ("normalised" if normalised else "[0,1]")
        fed = (x - mean) / std if normalised else x
        worst = 0
        for n in 1, len(x):  # the batch is dynamic
            logits, = session.run(["logits"], {"images": fed[:n]})
            assert logits.shape == (n, 10) and logits.dtype == numpy.float32
            worst = max([worst] + [logit_distance(logits[i].astype(numpy.float64), lines[i]) for i in range(n)])
            assert all(names[top["index"]] == top["class"] for top in lines[0]["top"])
        print("%s %s: logits within %.2g" % (arch, " ".join(flags) or "plain", worst))
        assert worst < (0.05 if "--fp16" in flags else 1e-4), worst


def prepare(path, metadata):
    """An image prepared with Pillow as the file's metadata describe."""
    assert metadata["input_layout"] == "NCHW" and metadata["input_channels"] == "RGB" and metadata["input_range"] == "[0,1]"
    shorter, (_, height, width) = int(metadata["resize_size"]), json.loads(metadata["input_shape"])
    assert "shorter side to %d (bilinear, antialiased" % shorter in metadata["preprocessing"]
    image = PIL.Image.open(path).convert("RGB")
    w, h = image.size
    size = (shorter, int(shorter * h / w)) if w < h else (int(shorter * w / h), shorter)
    image = image.resize(size, PIL.Image.Resampling.BILINEAR)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return numpy.float32(image.crop((left, top, left + width, top + height))).transpose(2, 0, 1) / 255


def check_photos(work):
    """Logits of photos, prepared only according to the exported file."""
    found = subprocess.run(["bash", os.path.join(os.path.dirname(__file__), "..", "data.sh"), "clothing"],
                           stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        print("no photos: not compared")
        return
    data, path = found.stdout.strip(), work + "/photos.onnx"
    run = json.loads(linnet("train", data, "--arch", "resnet18", "--image-size", "96", "--batch-size", "32", "--max-epochs", "2",
                            "--lr", "0.02", "--out", work + "/photos", "--json"))
    images = sorted(os.path.join(folder, name) for folder, _, names in os.walk(data + "/val") for name in names)
    lines = [json.loads(line) for line in linnet("predict", run["last"], *images, "--json", "--top", "10", "--precision",
                                                 "32-true").splitlines()]
    linnet("export", run["last"], "--format", "onnx", "--out", path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    names, same, worst = json.loads(metadata["class_names"]), 0, 0
    assert len(lines) == len(images) > 100
    for line in lines:
        logits, = session.run(["logits"], {"images": prepare(line["file"], metadata)[None]})
        same += names[int(logits[0].argmax())] == line["top"][0]["class"]
        distance = logit_distance(logits[0].astype(numpy.float64), line)
        w, h = PIL.Image.open(line["file"]).size
        if h < 2 * w:
            worst = max(worst, distance)
        else:  # Pillow 13 has another order of passes for tall images, so pixels differ by 1
            assert distance < 0.1, (line["file"], distance)
    print("%d of %d photos: the same class; logits within %.2g" % (same, len(lines), worst))
    assert same == len(lines) and worst < 1e-3, (same, worst)


def check_safetensors(checkpoint, work):
    path, again = work + "/a.safetensors", work + "/b.safetensors"
    linnet("export", checkpoint, "--format", "safetensors", "--out", path)
    tensors = safetensors.numpy.load_file(path)
    with safe_open(path, "np") as f:
        assert len(json.loads(f.metadata()["class_names"])) == 10
    assert tensors["conv1.weight"].shape in ((64, 3, 7, 7), (16, 3, 3, 3)) and tensors["bn1.num_batches_tracked"].shape == ()
    # and back: linnet reads files of their writer to the same bytes
    safetensors.numpy.save_file(tensors, again)
    linnet("export", again, "--format", "safetensors", "--out", work + "/c.safetensors")
    back = safetensors.numpy.load_file(work + "/c.safetensors")
    assert back.keys() == tensors.keys()
    assert all(back[k].tobytes() == v.tobytes() and back[k].dtype == v.dtype for k, v in tensors.items())
    linnet("export", checkpoint, "--format", "safetensors", "--fp16", "--out", again)
    half = safetensors.numpy.load_file(again)
    for name, t in tensors.items():
        wanted = t.astype(numpy.float16) if t.dtype == numpy.float32 else t
        assert half[name].tobytes() == wanted.tobytes(), name  # rounded to nearest even
    linnet("export", checkpoint, "--format", "safetensors", "--fold", "--out", again)
    folded = safetensors.numpy.load_file(again)
    assert not [name for name in folded if "running" in name] and folded["layer1.0.conv1.bias"].shape == (64,)


def main():
    with tempfile.TemporaryDirectory() as work:
        data = work + "/data"
        linnet("shapes", data, "--train", "16", "--val", "4", "--size", "72")
        images = make_images(work + "/images", 5)
        for arch in "resnet18", "resnet50", "resnet20":
            run = json.loads(linnet("train", "--data", data, "--arch", arch, "--image-size", str(SIZE), "--batch-size", "16",
                                    "--max-epochs", "1", "--lr", "0.01", "--precision", "32-true", "--out", work + "/" + arch,
                                    "--json"))
            check_onnx(run["last"], images, work, arch)
            check_safetensors(run["last"], work)
        check_photos(work)


main()
