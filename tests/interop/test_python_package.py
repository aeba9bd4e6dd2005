#!/usr/bin/python3
"""The Python package over the library of the build: batches are the same for any number of threads, in every layout and after a
resume; the validation transform equals torchvision's; predictions equal those of the program."""
import ctypes
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
SOURCE, LINNET = os.environ["LINNET_SOURCE"], os.environ["LINNET"]
sys.path.insert(0, os.path.join(SOURCE, "python"))
os.environ["LINNET_LIBRARY"] = os.path.join(os.path.dirname(LINNET), "liblinnet.so.0")
try:
    import cffi  # noqa: F401
    import numpy as np
    import torch
    from PIL import Image
    from torchvision import transforms as T
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)
if subprocess.run(["grep", "-q", "^LINNET_SANITIZE:[A-Z]*=.", os.path.join(os.path.dirname(LINNET), "CMakeCache.txt")]).returncode == 0:
    print("skipped: Python cannot load a library that was built with sanitizers")
    sys.exit(77)


def jansson_allocator():
    functions = ctypes.c_void_p(), ctypes.c_void_p()
    ctypes.CDLL("libjansson.so.4").json_get_alloc_funcs(*map(ctypes.byref, functions))
    return [f.value for f in functions]


before = jansson_allocator()
import linnet
assert jansson_allocator() == before, "the library has changed jansson for the whole process"

from pixels import ORDER

OPTIONS = {"data.auto_augment": "trivialaugment", "data.random_erase": 0.25, "data.max_bad": 0.5}


def same(a, b):
    return len(a) == len(b) and all(len(x) == len(y) and all(torch.equal(u, v) for u, v in zip(x, y)) for x, y in zip(a, b))


def check_batches(data):
    def open_loader(**changed):
        return linnet.Loader(data, **{"batch_size": 16, "image_size": 40, "workers": 2, "seed": 3, "options": OPTIONS,
                                      "indices": True, **changed})

    wanted = list(open_loader(workers=1))
    loader = open_loader()
    assert len(loader) == len(wanted) == 5 and loader.num_images == 80 and loader.batch_size == 16, len(wanted)
    assert len(loader.classes) == loader.num_classes == 10 and loader.image_name(0).startswith(loader.classes[0] + "/")
    assert wanted[0][0].shape == (16, 3, 40, 40) and wanted[0][0].dtype == torch.float32 and wanted[0][1].dtype == torch.int64
    assert wanted[0][0].is_contiguous(memory_format=torch.channels_last)
    assert same(list(loader), wanted) and same(list(open_loader(workers=5)), wanted)
    assert same(list(open_loader(channels_last=False)), wanted)
    names = [loader.image_name(int(i)) for _, _, numbers in wanted for i in numbers]
    shown = subprocess.run([LINNET, "preview", data, "--images", "80", "--seed", "3", "--out", data + "/preview.jpg"],
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    assert [line.split()[2] for line in shown.splitlines()[:-1]] == names, "the program has another order"
    second = list(loader)  # epoch 1
    assert not same(second, wanted) and loader.epoch == 1
    loader.set_epoch(0)
    assert same(list(loader), wanted)

    arrays = list(open_loader(output="numpy", dtype="uint8", channels_last=False))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    assert arrays[0][0].dtype == np.uint8 and arrays[0][0].flags.c_contiguous
    for (pixels, labels, numbers), (images, theirs, _) in zip(arrays, wanted):
        assert torch.equal((torch.from_numpy(pixels).float().div(255) - mean) / std, images)
        assert labels.tolist() == theirs.tolist() and numbers.dtype == np.int64
    check_resume(open_loader, wanted, second)
    check_ranks(open_loader, wanted)


def check_resume(open_loader, wanted, second):
    loader = open_loader()
    taken = []
    for batch in loader:
        taken.append(batch)
        if len(taken) == 2:
            state = loader.state_dict()
            break
    json.loads(state["linnet_loader"])
    resumed = open_loader(workers=5)
    resumed.load_state_dict(state)
    resumed.set_epoch(0)  # as a loop over the epochs does: the position is kept
    assert resumed.position == 2 and same(taken + list(resumed), wanted)
    assert same(list(resumed), second)
    end = resumed.state_dict()
    loader.load_state_dict(end)
    assert (loader.epoch, loader.position) == (2, 0)
    iteration = iter(loader)
    next(iteration)
    loader.set_epoch(0)
    for wrong, part in ((lambda: next(iteration), "iteration has ended"),
                        (lambda: open_loader(batch_size=8).load_state_dict(state), "data.batch_size 16, but now it is 8"),
                        (lambda: loader.load_state_dict({}), "no 'linnet_loader'"),
                        (lambda: open_loader(dtype="float64"), "dtype 'float64'"),
                        (lambda: open_loader(options={"data.nothing": 1}), "data.nothing")):
        try:
            wrong()
        except (RuntimeError, ValueError, linnet.Error) as error:
            assert part in str(error), (part, error)
        else:
            raise AssertionError("no error: " + part)


def check_ranks(open_loader, wanted):
    ranks = [list(open_loader(rank=r, world_size=2)) for r in range(2)]
    assert [len(r) for r in ranks] == [2, 2] == [len(open_loader(rank=r, world_size=2)) for r in range(2)]
    assert same([ranks[k % 2][k // 2] for k in range(4)], wanted[:4])


def check_mix(data):
    images, targets = next(iter(linnet.Loader(data, batch_size=20, image_size=40, options={"data.mixup": 0.2, "data.cutmix": 1})))
    assert targets.shape == (20, 10) and targets.dtype == torch.float32
    assert torch.allclose(targets.sum(1), torch.ones(20), atol=1e-6) and (targets > 0).sum() > 20
    torch.nn.CrossEntropyLoss()(torch.zeros(20, 10), targets)


def check_bad(data):
    path = data + "/val/" + linnet.Loader(data, train=False).image_name(7)
    with open(path, "r+b") as f:
        f.truncate(40)
    loader = linnet.Loader(data, train=False, batch_size=64, image_size=40, options=OPTIONS, indices=True)
    numbers = [int(i) for _, _, part in loader for i in part]
    assert numbers == [i for i in range(loader.num_images) if i != 7], numbers
    assert list(loader.bad_images) == [7] and path in loader.bad_images[7], loader.bad_images
    child = os.fork()
    if child == 0:  # it has no threads of the loader: closing it must not wait for them
        del loader
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def check_close(data):
    from linnet import _library

    with linnet.Loader(data, batch_size=16, image_size=40) as loader:
        iteration = iter(loader)
        next(iteration)
    loader.close()
    for closed in (lambda: next(iteration), lambda: len(loader), loader.state_dict):
        try:
            closed()
        except ValueError as error:
            assert "Loader is closed" in str(error), error
        else:
            raise AssertionError("no error")

    # the last reference ends while a line of the log is passed on, which is when the library holds a lock
    held, waiting = [linnet.Loader(data, batch_size=16, image_size=40)], []
    next(iter(held[0]))
    handler = logging.Handler()
    handler.emit = lambda record: (held.clear(), waiting.append(len(_library._pending)))
    logging.getLogger("linnet").addHandler(handler)
    other = linnet.Loader(options={"data.train": data + "/train", "data.val_split": 0.25})
    logging.getLogger("linnet").removeHandler(handler)
    assert waiting and waiting[0] == 1, waiting
    assert other.num_images == 60 and len(_library._pending) == 0


def check_options(data):
    numpy_values = {"data.val_split": np.float32(0.25), "data.batch_size": np.int64(7), "data.shuffle": np.bool_(False),
                    "data.mean": np.array([0.5, 0.25, 0.125])}
    loader = linnet.Loader(options={"data.train": data + "/train", **numpy_values})
    assert (loader.batch_size, loader.num_images) == (7, 60)
    for wrong in ({"data.mean": {}}, {"data.mean": [0.5, None, 0.5]}):
        try:
            linnet.Loader(data, options=wrong)
        except TypeError as error:
            assert "option data.mean: a value of type" in str(error), error
        else:
            raise AssertionError("no error")


def check_transform(data):
    paths = [os.path.join(d, f) for d, _, files in os.walk(data + "/train") for f in files][:8]
    crop = linnet.Transform(40, resize_size=46, options={"data.resize_order": ORDER})
    theirs = T.Compose([T.Resize(46), T.CenterCrop(40), T.ToTensor(),
                        T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    for path in paths:
        wanted = theirs(Image.open(path).convert("RGB")).numpy()
        assert crop(path).tobytes() == wanted.tobytes(), path
        with open(path, "rb") as f:
            content = f.read()
        assert crop(content, channels_last=True).transpose(2, 0, 1).tobytes() == wanted.tobytes()
    assert linnet.transform(paths[0], image_size=32, dtype="uint8").shape == (3, 32, 32)


def check_model(data, work):
    subprocess.run([LINNET, "train", data, "--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--max-epochs", "1",
                    "--lr", "0.02", "--out", work + "/run"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = next(os.path.join(d, f) for d, _, files in os.walk(work + "/run") for f in files if f == "last.ckpt")
    images = sorted(os.path.join(d, f) for d, _, files in os.walk(data + "/train") for f in files)[:5]
    lines = subprocess.run([LINNET, "predict", path, *images, "--json", "--top", "3"], stdout=subprocess.PIPE, check=True).stdout
    wanted = [[(t["index"], t["class"], t["probability"]) for t in json.loads(line)["top"]] for line in lines.splitlines()]
    model = linnet.Model(path)
    assert (model.arch, model.num_classes, model.image_size) == ("resnet20", 10, 32) and len(model.classes) == 10
    assert model.normalisation[0] == (0.485, 0.456, 0.406)
    got = model.predict(images, top=3, batch_size=2)
    assert [[(p.label, p.name, p.probability) for p in row] for row in got] == wanted, (got, wanted)
    pixels = np.stack([model.transform(i, dtype="uint8", channels_last=True) for i in images])
    assert np.array_equal(model.logits(pixels), model.logits(images)) and model.logits(pixels).shape == (5, 10)
    with open(images[0], "rb") as f:
        assert [tuple(p) for p in model.predict(f.read(), top=3)] == wanted[0]
    for wrong in (lambda: model.predict(work + "/none.jpg"), lambda: linnet.Model(work + "/none.ckpt")):
        try:
            wrong()
        except FileNotFoundError as error:
            assert "none." in str(error) and error.code < 0
        else:
            raise AssertionError("no error")


def main():
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("linnet").addHandler(handler)
    logging.getLogger("linnet").setLevel(logging.DEBUG)
    with tempfile.TemporaryDirectory() as work:
        data = work + "/data"
        subprocess.run([LINNET, "shapes", data, "--train", "8", "--val", "4", "--size", "64", "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        check_batches(data)
        check_mix(data)
        check_close(data)
        check_options(data)
        check_transform(data)
        check_model(data, work)
        check_bad(data)
    print("batches, transform and predictions: ok; %d lines of the log" % len(lines))


main()
