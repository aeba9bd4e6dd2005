"""What the tests of other programs' checkpoints share: networks whose every tensor matters, images, and the comparison
of linnet's class probabilities with a network's."""
import glob
import json
import os
import subprocess
import sys

import torch
import torchvision
from PIL import Image

SIZE, CLASSES = 64, 10


def randomise(net, seed):
    """Statistics and weights of batch norm far from 0 and 1, so that a tensor in the wrong place shows."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


def resnet(seed, arch="resnet18", **options):
    torch.manual_seed(seed)
    return randomise(getattr(torchvision.models, arch)(num_classes=CLASSES, **options), seed)


def linnet(*arguments, code=0, stdin=None):
    done = subprocess.run([os.environ["LINNET"], *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def data_set(name):
    """The folder of a test data set; without it the test is skipped."""
    found = subprocess.run(["bash", os.path.join(os.environ["LINNET_SOURCE"], "tests", "data.sh"), name],
                           stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:  # it has printed the reason
        sys.exit(found.returncode)
    return found.stdout.strip()


def linnet_logits(path, images, classes, *options):
    """(images, classes) Logits of linnet predict, less their log-sum-exp; and what it logged."""
    out, err = linnet("predict", path, "-", "--json", "--top", str(classes), *options, stdin="\n".join(images) + "\n")
    logits = torch.empty(len(images), classes, dtype=torch.float64)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == images
    for i, line in enumerate(lines):
        for top in line["top"]:
            logits[i, top["index"]] = top["probability"]
    return logits.log(), err


def train_a_little(arch, classes, folder, steps=8, batch=16, size=128):
    """A network of torchvision after a few steps of training. The statistics of batch norm are those of the last steps,
    and the logits of each class have mean 0 and deviation 1 over some images, so that the best class varies."""
    torch.manual_seed(0)
    net = getattr(torchvision.models, arch)(num_classes=classes)
    T = torchvision.transforms
    images = torchvision.datasets.ImageFolder(folder, T.Compose([
        T.RandomResizedCrop(size), T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]))
    sgd = torch.optim.SGD(net.parameters(), lr=0.02)
    loader = iter(torch.utils.data.DataLoader(images, batch, shuffle=True, drop_last=True))
    for step in range(steps):
        sgd.zero_grad()
        for module in net.modules():
            if step == steps // 2 and isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # their mean from here on
        x, y = next(loader)
        torch.nn.functional.cross_entropy(net(x), y).backward()
        sgd.step()
    net.eval()
    with torch.no_grad():
        z = torch.cat([net(next(loader)[0]) for _ in range(3)])
        net.fc.weight /= z.std(0)[:, None]
        net.fc.bias.copy_((net.fc.bias - z.mean(0)) / z.std(0))
    return net


class Images:
    """A few images of the demo dataset, as files and as the network's input."""

    def __init__(self, folder):
        self.data = os.path.join(folder, "data")
        linnet("shapes", self.data, "--train", "2", "--val", "1", "--size", "80", "--seed", "3")
        self.paths = sorted(p for p in glob.glob(self.data + "/val/**", recursive=True) if os.path.isfile(p))[:4]
        T = torchvision.transforms
        to_input = T.Compose([T.Resize(SIZE), T.CenterCrop(SIZE), T.ToTensor(),
                              T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
        self.input = torch.stack([to_input(Image.open(p).convert("RGB")) for p in self.paths])

    def wanted(self, net):
        """Logits, less their log-sum-exp: what a program that prints probabilities can be compared with."""
        with torch.no_grad():
            return net(self.input).double().log_softmax(1)

    def predicted(self, path, *options):
        return linnet_logits(path, self.paths, CLASSES, "--precision", "32-true", "--image-size", str(SIZE),
                             "--data.resize_size", str(SIZE), *options)

    def check(self, net, path, *options):
        """linnet gives the logits of `net` within 1e-4, relative to the largest if that is above 1: the random statistics
        make those of deep networks large. Returns what it logged."""
        got, err = self.predicted(path, *options)
        wanted = self.wanted(net)
        assert wanted.std(0).max() > 1e-2, "the images do not differ"
        worst = (got - wanted).abs().max().item() / max(1, wanted.abs().max().item())
        assert worst < 1e-4, (path, options, worst)
        print("%-28s %-28s logits within %.1e" % (os.path.basename(path), " ".join(options), worst))
        return err

    def differs(self, net, path, *options):
        assert (self.predicted(path, *options)[0] - self.wanted(net)).abs().max() > 1e-2, (path, options)
