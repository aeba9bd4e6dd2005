#!/usr/bin/env python3
"""Makes groups-*.ckpt: files in Lightning's layout of a small ResNet whose optimizer has several parameter groups, after one
step. Needs torch and timm (made with torch 2.8.0 and timm 1.0.31): python3 groups.py. All weights begin at 0, and the gradient
of parameter i of the model is i + 1."""
import os

import timm.optim
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
WD = 0.25


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2)
        self.layer1 = nn.Sequential(Block())
        self.fc = nn.Linear(2, 3)


class Module(nn.Module):
    """A LightningModule, also with tensors that are not the network's."""
    def __init__(self):
        super().__init__()
        self.criterion = nn.CrossEntropyLoss(torch.ones(3))
        self.model = Net()


def of(net, *classes):
    """The parameters of these classes: c: convolutions, w and b: batch norm, W and B: the classifier."""
    def class_of(name, p):
        return ("B" if p.ndim == 1 else "W") if name.startswith("fc") else "c" if p.ndim > 1 else name.split(".")[-1][0]
    return [p for name, p in net.named_parameters() if class_of(name, p) in classes]


def groups(net, *each):
    """Groups of (classes, weight decay, factor of the LR)."""
    return [{"params": of(net, *classes), "weight_decay": wd, "lr": 0.1 * factor} for classes, wd, factor in each]


def sgd(*each):
    return lambda net: torch.optim.SGD(groups(net, *each), 0.1, momentum=0.5)


FILES = {
    # timm.optim.create_optimizer_v2: the group without weight decay is the first
    "timm": lambda net: timm.optim.create_optimizer_v2(net, "adamw", 0.1, WD),
    "timm-sgd": lambda net: timm.optim.create_optimizer_v2(net, "sgd", 0.1, WD, 0.5),
    # set_weight_decay of torchvision's references/classification: with norm_weight_decay, and also with bias_weight_decay
    "torchvision": sgd(("cWB", WD, 1), ("wb", 0, 1)),
    "torchvision-bias": sgd(("cW", WD, 1), ("w", 0, 1), ("bB", 0, 1)),
    "head": sgd(("WB", WD, 4), ("cwb", WD, 1)),
    "decay-head": sgd(("wb", 0, 1), ("c", WD, 1), ("B", 0, 4), ("W", WD, 4)),
    "plain-rmsprop": lambda net: torch.optim.RMSprop(groups(net, ("cW", WD, 1), ("wbB", 0.125, 1)), 0.1),
    "empty": sgd(("", WD, 1), ("wbB", 0, 1), ("cW", WD, 1)),
    "ambiguous": sgd(("cwWB", WD, 1), ("b", 0, 1)),
    "halves": lambda net: torch.optim.SGD([{"params": list(net.parameters())[:3], "weight_decay": 0},
                                           {"params": list(net.parameters())[3:], "lr": 0.2}], 0.1, 0.5, weight_decay=WD),
    "odd": lambda net: torch.optim.SGD([{"params": list(net.parameters())[5:]}, {"params": list(net.parameters())[:5]}], 0.1, 0.5),
}

for name, make in FILES.items():
    module = Module()
    optimizer = make(module.model)
    for i, p in enumerate(module.model.parameters()):
        p.data.zero_()
        p.grad = torch.full_like(p, i + 1)
    optimizer.step()
    torch.save({"epoch": 1, "global_step": 1, "pytorch-lightning_version": "2.6.6", "state_dict": module.state_dict(),
                "optimizer_states": [optimizer.state_dict()], "lr_schedulers": []},
               os.path.join(HERE, "groups-%s.ckpt" % name))
