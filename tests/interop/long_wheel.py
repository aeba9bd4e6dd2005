#!/usr/bin/python3
"""The wheel, made of this build and installed by pip, with the newest torch and torchvision: batches are equal for 1, 2 and 5 threads
and after a resume in the middle of an epoch, the validation transform equals torchvision's, a PyTorch loop and Lightning train with
it. Then images per second and CPU time per image against torch's DataLoader with torchvision's v2 transforms, in one run. Arguments:
repetitions of this measurement (3), "measure" for it alone."""
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import warnings

import packages

packages.use("wheel")
warnings.simplefilter("ignore")
import torch
import torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import v2

SOURCE, BUILD = os.environ["LINNET_SOURCE"], os.path.dirname(os.environ["LINNET"])
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BATCH, COPIES = 32, 4
OPTIONS = {"data.auto_augment": "rand-m9-mstd0.5-inc1", "data.random_erase": 0.25, "data.mixup": 0.2, "data.cutmix": 1.0,
           "data.color_jitter": [0.4, 0.4, 0.4]}
# How many times the images per CPU second linnet must prepare at least: of ImageFolder, which decodes and resizes with Pillow and whose
# pixels are equal, and of torchvision's own decoder with a resize of tensors.
LEAST = {"ImageFolder": 2.0, "decode_image": 1.8}

FRESH = """
import hashlib, sys, linnet
assert linnet.__file__.startswith(sys.prefix), linnet.__file__
try:
    linnet.Loader(sys.argv[1])
except ImportError as error:
    assert "output='numpy'" in str(error), error
else:
    raise AssertionError("torch is installed")
h = hashlib.sha256()
for images, labels in linnet.Loader(sys.argv[1], batch_size=32, image_size=96, seed=7, output="numpy", channels_last=False):
    h.update(images.tobytes() + labels.tobytes())
print(h.hexdigest())
"""


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def skip(why):
    print("skipped: %s" % why)
    sys.exit(77)


def make_wheel(work):
    if subprocess.run(["/usr/bin/python3", "-c", "import setuptools, wheel, pip"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("/usr/bin/python3 lacks pip, setuptools or wheel")
    return run(os.path.join(SOURCE, "tools", "wheel.sh"), BUILD, work + "/wheel").strip()


def make_data(work):
    """Two classes of links to the photos, several to each, as train and val."""
    found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), "photos"], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        sys.exit(found.returncode)
    photos = sorted(os.listdir(found.stdout.strip()))
    for split, copies in (("train", COPIES), ("val", 1)):
        for i, name in enumerate(photos):
            for k in range(copies):
                folder = os.path.join(work, "data", split, "class%d" % (i % 2))
                os.makedirs(folder, exist_ok=True)
                os.symlink(os.path.join(found.stdout.strip(), name), os.path.join(folder, "%d-%s" % (k, name)))
    return work + "/data"


def check_fresh(work, wheel, data, linnet):
    """In an environment of its own, without torch."""
    run("/usr/bin/python3", "-m", "venv", work + "/fresh")
    python = work + "/fresh/bin/python"
    if subprocess.run([python, "-m", "pip", "install", "-q", "--retries", "1", "cffi", "numpy"]).returncode != 0:
        skip("cffi and numpy cannot be installed")
    run(python, "-m", "pip", "install", "-q", "--no-index", wheel)
    h = hashlib.sha256()
    for images, labels in linnet.Loader(data, batch_size=32, image_size=96, seed=7):
        h.update(images.contiguous().numpy().tobytes() + labels.numpy().tobytes())
    assert run(python, "-c", FRESH, data).strip() == h.hexdigest(), "batches differ from those with torch"
    print("pip install in a new environment: equal batches without torch")


def same(a, b):
    return len(a) == len(b) and all(torch.equal(u, v) for x, y in zip(a, b) for u, v in zip(x, y))


def check_batches(data, linnet):
    def loader(workers):
        return linnet.Loader(data, batch_size=48, image_size=96, workers=workers, seed=11, options=OPTIONS)

    wanted = list(loader(1))
    assert len(wanted) == 17 and wanted[0][1].shape == (48, 2), len(wanted)
    for workers in (2, 5):
        assert same(list(loader(workers)), wanted), workers
    first, second = loader(2), loader(5)
    taken = [batch for _, batch in zip(range(6), first)]
    second.load_state_dict(first.state_dict())
    assert same(taken + list(second), wanted), "after a resume"
    print("%d batches: equal for 1, 2 and 5 threads and after a resume" % len(wanted))


def check_transform(data, linnet):
    crop, n = linnet.Transform(), 0
    theirs = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), T.Normalize(MEAN, STD)])
    loader = linnet.Loader(data, train=False, batch_size=50)
    batches = torch.cat([images for images, _ in loader])
    for i in range(len(batches)):
        path = os.path.join(data, "val", loader.image_name(i))
        wanted = theirs(Image.open(path).convert("RGB"))
        assert crop(path).tobytes() == wanted.numpy().tobytes() and torch.equal(batches[i], wanted), path
        n += 1
    assert n == 200, n
    print("validation transform and loader: %d images equal torchvision's with Pillow %s" % (n, Image.__version__))


def check_training(data, linnet):
    """A loop of PyTorch, stopped in the middle of an epoch and continued, ends with the weights of one that was not stopped."""
    torch.use_deterministic_algorithms(True)

    def train(loader, model, optimizer, steps, epochs):
        for epoch in range(loader.epoch, epochs):
            loader.set_epoch(epoch)
            for images, targets in loader:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(images), targets).backward()
                optimizer.step()
                steps -= 1
                if steps == 0:
                    return

    def start():
        torch.manual_seed(0)
        model = torchvision.models.resnet18(num_classes=2).to(memory_format=torch.channels_last)
        return model, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

    def loader(workers):
        return linnet.Loader(data, batch_size=64, image_size=32, workers=workers, seed=2, options=OPTIONS)

    model, optimizer = start()
    train(loader(2), model, optimizer, -1, 2)
    other, optimizer = start()
    one, two = loader(1), loader(5)
    train(one, other, optimizer, 17, 2)  # into the second epoch
    two.load_state_dict(one.state_dict())
    assert (two.epoch, two.position) == (1, 4), (two.epoch, two.position)
    train(two, other, optimizer, -1, 2)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values()))
    torch.use_deterministic_algorithms(False)
    print("a loop of PyTorch: 2 epochs, stopped and continued, give equal weights")


def check_lightning(data, work, linnet):
    """Lightning saves and restores the position with its checkpoint, in the middle of an epoch."""
    import lightning
    import logging
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Classifier(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.seen = torchvision.models.resnet18(num_classes=2), []

        def training_step(self, batch, index):
            self.seen.append(hashlib.sha256(batch[0].contiguous().numpy().tobytes()).hexdigest())
            return torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch, index):
            self.log("val_loss", torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    def fit(steps, resume=None):
        module = Classifier()
        trainer = lightning.Trainer(max_steps=steps, logger=False, enable_progress_bar=False, enable_checkpointing=False,
                                    enable_model_summary=False, accelerator="cpu", default_root_dir=work)
        trainer.fit(module, linnet.Loader(data, batch_size=64, image_size=32, seed=4),
                    linnet.Loader(data, train=False, batch_size=100, image_size=32), ckpt_path=resume)
        trainer.save_checkpoint(work + "/lightning.ckpt")
        return module.seen

    wanted = fit(20)
    assert len(set(wanted)) == 20
    assert fit(17) == wanted[:17]
    resumed = fit(20, work + "/lightning.ckpt")
    assert resumed == wanted[17:], (len(resumed), [wanted.index(h) if h in wanted else None for h in resumed])
    print("Lightning %s: a resume at step 17 of 13 per epoch continues with the same batches" % lightning.__version__)


class Cpu:
    """CPU seconds of this process and of its children that are alive."""
    def __init__(self):
        self.tick = os.sysconf("SC_CLK_TCK")

    def seconds(self):
        total, me = time.process_time(), os.getpid()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    words = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(words[1]) == me:
                total += (int(words[11]) + int(words[12])) / self.tick
        return total


def their_loader(data, kind, workers):
    crop = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD)]
    if kind == "decode_image":
        folder = torchvision.datasets.ImageFolder(
            data + "/train", v2.Compose(crop),
            loader=lambda path: torchvision.io.decode_image(path, torchvision.io.ImageReadMode.RGB))
    else:
        folder = torchvision.datasets.ImageFolder(data + "/train", v2.Compose(crop[:2] + [v2.PILToTensor()] + crop[2:]))
    return torch.utils.data.DataLoader(folder, BATCH, shuffle=True, num_workers=workers, persistent_workers=True)


def epoch(loader):
    """Images per second, and CPU milliseconds per image."""
    cpu = Cpu()
    n, begin, used = 0, time.perf_counter(), cpu.seconds()
    for images, labels in loader:
        n += len(labels)
    return n / (time.perf_counter() - begin), 1e3 * (cpu.seconds() - used) / n


def measure(data, linnet, repetitions, workers):
    """Prints the medians of alternating epochs. Returns how many times the images of each peer linnet prepares per CPU second."""
    loaders = {"linnet": linnet.Loader(data, batch_size=BATCH, workers=workers, seed=1)}
    for kind in LEAST:
        loaders[kind] = their_loader(data, kind, workers)
    results = {name: [] for name in loaders}
    for loader in loaders.values():
        epoch(loader)  # starts the workers, fills the page cache
    for _ in range(repetitions):
        for name, loader in loaders.items():
            results[name].append(epoch(loader))
    middle = {name: tuple(sorted(column)[repetitions // 2] for column in zip(*rows)) for name, rows in results.items()}
    for name, (rate, cpu) in middle.items():
        print("%d workers, %-22s %7.1f images/s  %6.2f CPU ms per image" % (workers, name, rate, cpu))
    return {kind: middle[kind][1] / middle["linnet"][1] for kind in LEAST}


def check_speed(data, linnet, repetitions):
    torch.set_num_threads(1)
    print("%d JPEGs of 200 photos, batch %d, RandomResizedCrop(224) and flip, float32, medians of %d alternating epochs" %
          (200 * COPIES, BATCH, repetitions))
    for workers in (1, 2):
        for kind, ratio in measure(data, linnet, repetitions, workers).items():
            print("%d workers: linnet prepares %.2f times the images of %s per CPU second" % (workers, ratio, kind))
            assert ratio >= LEAST[kind], "at least %.1f times is expected" % LEAST[kind]


def main():
    alone = "measure" in sys.argv[1:]
    repetitions = next((int(a) for a in sys.argv[1:] if a.isdigit()), 3)
    with tempfile.TemporaryDirectory() as work:
        wheel, data = make_wheel(work), make_data(work)
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", work + "/site", wheel)
        sys.path.insert(0, work + "/site")
        import linnet
        assert linnet.__file__.startswith(work), linnet.__file__
        print("torch %s, torchvision %s, linnet %s" % (torch.__version__, torchvision.__version__, linnet.__version__))
        if not alone:
            check_fresh(work, wheel, data, linnet)
            check_batches(data, linnet)
            check_transform(data, linnet)
            check_training(data, linnet)
            check_lightning(data, work, linnet)
        check_speed(data, linnet, repetitions)


main()
