#!/usr/bin/python3
"""linnet eval and predict beside torchvision's and timm's validation, with the same weights and files: five networks,
each image by torchvision's own preset (Resize 256, CenterCrop 224, bilinear) and by timm's own loader (bicubic, crop_pct
0.95, center and squash), in 32-true. The best and the five best classes agree where logits differ by more than GAP.

    LINNET_SOURCE=. LINNET=build/linnet LINNET_PYTHON=VENV/bin/python python3 tests/interop/long_validate.py [MODEL ...]

LINNET_PYTHON is an interpreter that has the newest torch, torchvision and timm; without it packages.py makes one.
LINNET_VALIDATE_EVERY=3 takes every third image."""
import json
import os
import sys
import tempfile
import time

import packages

packages.use("validate")
import timm
import torch
import torchvision
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.utils import AverageMeter, accuracy

from sources import data_set, linnet, linnet_logits, train_a_little

EVERY = int(os.environ.get("LINNET_VALIDATE_EVERY", "1"))
MODELS = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2", "resnext50_32x4d")
CLASSES, TOP, BATCH = 10, 5, 25
GAP = 1e-3  # logits that are closer may change places
TOLERANCE = 1e-4  # of a logit, relative to the largest one if that is above 1
LINNET_OPTIONS = {
    "torchvision": [],
    "timm center": ["--interpolation", "bicubic", "--crop-pct", "0.95"],
    "timm squash": ["--interpolation", "bicubic", "--crop-pct", "0.95", "--crop-mode", "squash"],
}


def torchvision_loader(arch, dataset):
    """What references/classification/train.py --test-only makes: the preset of the weights, which are not fetched."""
    weights = torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"]
    dataset = torchvision.datasets.ImageFolder(dataset, weights.transforms())
    return torch.utils.data.DataLoader(dataset, BATCH), [path for path, _ in dataset.samples]


def timm_loader(network, dataset, mode):
    """What timm's validate.py makes of --crop-pct 0.95 --crop-mode MODE --interpolation bicubic."""
    dataset = create_dataset("", root=dataset)
    wanted = {"crop_pct": 0.95, "crop_mode": mode, "interpolation": "bicubic"}
    config = resolve_data_config(wanted, model=network, use_test_size=True)
    config["input_size"] = (3, 224, 224)
    loader = create_loader(dataset, batch_size=BATCH, use_prefetcher=False, num_workers=0, device=torch.device("cpu"),
                           **{k: config[k] for k in ("input_size", "interpolation", "mean", "std", "crop_pct",
                                                     "crop_mode")})
    return loader, [dataset.filename(i, absolute=True) for i in range(len(dataset))]


def validate(network, loader):
    """The logits, and top-1, top-5 (in %) and the loss as timm's validate.py and torchvision's evaluate have them."""
    logits, top1, top5, loss = [], AverageMeter(), AverageMeter(), AverageMeter()
    with torch.inference_mode():
        for x, y in loader:
            z = network(x)
            a, b = accuracy(z, y, topk=(1, TOP))
            top1.update(a.item(), len(y))
            top5.update(b.item(), len(y))
            loss.update(torch.nn.functional.cross_entropy(z, y).item(), len(y))
            logits.append(z)
    return torch.cat(logits).double(), {"top1": top1.avg / 100, "top5": top5.avg / 100, "loss": loss.avg}


def compare(where, ours, theirs):
    """Log-probabilities, and the order of the best where the logits are not closer than GAP. Returns the largest
    difference, and at how many images a change of places was allowed."""
    difference = (ours - theirs.log_softmax(1)).abs().max().item()
    assert difference < TOLERANCE * max(1, theirs.abs().max().item()), (where, difference)
    assert theirs.std(0).max() > 0.1, (where, "the images do not differ")
    best, index = theirs.sort(1, descending=True)
    gap = best[:, :TOP] - best[:, 1:TOP + 1] > GAP
    order = ours.argsort(1, descending=True)
    for image in range(len(ours)):
        for k in range(TOP):  # the k+1 best are the same set where a gap follows them
            same = set(order[image, :k + 1].tolist()) == set(index[image, :k + 1].tolist())
            assert same or not gap[image, k], (where, image, k, order[image], index[image])
    assert len(set(index[:, 0].tolist())) > CLASSES // 2, (where, "the images have the same best class")
    return difference, int((~gap).any(1).sum()), int((~gap[:, 0]).sum())


def close(where, ours, theirs, ties):
    """The result of linnet eval. An image whose best logits are close may count differently."""
    assert abs(ours["loss"] - theirs["loss"]) < TOLERANCE, (where, ours["loss"], theirs)
    for name in ("top1", "top5"):
        apart = round(abs(ours[name] - theirs[name]) * ours["images"], 3)
        assert apart <= ties, (where, name, ours[name], theirs)


def check(arch, evaluated, folders, work, rows):
    """One network. Every image by predict in every way; the way `evaluated` by eval too."""
    network = train_a_little(arch, CLASSES, folders["train"])
    weights = os.path.join(work, arch + ".pth")
    torch.save(network.state_dict(), weights)
    timms = timm.create_model(arch, num_classes=CLASSES).eval()
    timms.load_state_dict(network.state_dict())
    for way, options in LINNET_OPTIONS.items():
        for name, folder in (("photos", folders["photos"]), ("clothing", folders["clothing"])):
            start = time.time()
            peer = network if way == "torchvision" else timms
            loader, paths = (torchvision_loader(arch, folder) if way == "torchvision"
                             else timm_loader(timms, folder, way.split()[1]))
            theirs, result = validate(peer, loader)
            options = [*options, "--precision", "32-true"]
            ours, _ = linnet_logits(weights, paths, CLASSES, *options)
            where = "%s, %s, %s" % (arch, way, name)
            difference, some, first = compare(where, ours, theirs)
            if way == evaluated:
                out, _ = linnet("eval", weights, "--data.val", folder, "--json", *options)
                close(where, json.loads(out), result, some)
            print("%-42s %3d images, largest logit %5.2f, difference %.1e, %d with the best within %g, %s%.0f s" % (
                where, len(paths), theirs.abs().max(), difference, first, GAP,
                "eval: top-1 %.2f%%, " % (100 * result["top1"]) if way == evaluated else "", time.time() - start),
                flush=True)
            rows.append(difference)


def link(folder, images):
    for path, label in images:
        of = os.path.join(folder, "class%d" % label)
        os.makedirs(of, exist_ok=True)
        os.symlink(path, os.path.join(of, os.path.basename(path)))


def main():
    print("torch %s, torchvision %s, timm %s" % (torch.__version__, torchvision.__version__, timm.__version__))
    rows = []
    with tempfile.TemporaryDirectory() as work:
        folders = {"clothing": os.path.join(work, "clothing"), "photos": os.path.join(work, "photos"),
                   "train": os.path.join(data_set("clothing"), "train")}
        photos, clothing = data_set("photos"), torchvision.datasets.ImageFolder(data_set("clothing") + "/val").samples
        link(folders["clothing"], clothing[::EVERY])
        link(folders["photos"], [(os.path.join(photos, name), i % CLASSES)  # any labels: they have none of ours
                                 for i, name in enumerate(sorted(os.listdir(photos))[::EVERY])])
        for i, arch in enumerate(sys.argv[1:] or MODELS):
            check(arch, list(LINNET_OPTIONS)[i % len(LINNET_OPTIONS)], folders, work, rows)
    print("largest difference of a logit: %.1e" % max(rows))


main()
