"""What the tests of other programs' checkpoints share: networks whose every tensor matters, images, and the comparison
of linnet's class probabilities with a network's."""
import glob
import json
import os
import subprocess

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


def linnet(*arguments, code=0):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


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
        out, err = linnet("predict", path, *self.paths, "--json", "--top", str(CLASSES), "--precision", "32-true",
                          "--image-size", str(SIZE), "--data.resize_size", str(SIZE), *options)
        logits = torch.empty(len(self.paths), CLASSES, dtype=torch.float64)
        for i, line in enumerate(out.splitlines()):
            for top in json.loads(line)["top"]:
                logits[i, top["index"]] = top["probability"]
        return logits.log(), err

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
