#!/usr/bin/python3
"""Checkpoints as other programs write them, built to their layout with torch alone: linnet gives the logits of the
network in them. long_checkpoint_peers.py has those that the programs write themselves."""
import argparse
import os
import pathlib
import sys
import tempfile
import unittest
from collections import OrderedDict, defaultdict

try:
    import numpy
    import torch
    import torchvision
    from PIL import Image
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

from sources import CLASSES, Images, linnet, resnet

NET, EMA = resnet(1), resnet(2)


def prefixed(prefix, state):
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def hugging_face(name):
    """The name in transformers' ResNetForImageClassification, from modeling_resnet.py."""
    part = name.split(".")
    kind = {"conv": "convolution", "bn": "normalization"}
    if part[0] == "fc":
        return "classifier.1." + part[1]
    if part[0] in ("conv1", "bn1"):
        return "resnet.embedder.embedder.%s.%s" % (kind[part[0][:-1]], part[1])
    layer = "resnet.encoder.stages.%d.layers.%s." % (int(part[0][5:]) - 1, part[1])
    if part[2] == "downsample":
        return layer + "shortcut.%s.%s" % (("convolution", "normalization")[int(part[3])], part[4])
    return layer + "layer.%d.%s.%s" % (int(part[2][-1]) - 1, kind[part[2][:-1]], part[3])


def optimizer_of(net):
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9).state_dict()


class Sources(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.images = Images(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def save(self, name, saved, **options):
        path = os.path.join(self.folder.name, name)
        torch.save(saved, path, **options)
        return path

    def test_torchvision(self):
        """references/classification/train.py: the state of the network, of ExponentialMovingAverage, and the args."""
        args = argparse.Namespace(model="resnet18", lr=0.1, data_path=pathlib.PurePosixPath("/data"), mixup=numpy.float64(0.2))
        ema = OrderedDict(n_averaged=torch.tensor(7), **prefixed("module.", EMA.state_dict()))
        path = self.save("torchvision.pth", {"model": NET.state_dict(), "optimizer": optimizer_of(NET), "epoch": 3,
                                             "lr_scheduler": {"last_epoch": 3}, "args": args, "model_ema": ema,
                                             "scaler": {"scale": 65536.0}})
        log = self.images.check(NET, path)
        self.assertEqual(log.count("argparse.Namespace"), 1, log)
        self.assertIn("--init-key model_ema", log)
        self.images.check(EMA, path, "--init-key", "model_ema")
        # the other commands take the key too
        digests = {linnet("info", path, *key)[0].splitlines()[1] for key in ([], ["--init-key", "model_ema"])}
        self.assertEqual(len(digests), 2)
        out = os.path.join(self.folder.name, "exported.safetensors")
        linnet("export", path, "--init-key=model_ema", "--format", "safetensors", "--out", out)
        self.images.check(EMA, out)
        _, log = linnet("info", path, "--init-key", "nothing", code=1)
        self.assertIn("there is no ResNet under 'nothing': the file has tensors under model, model_ema", log)

    def test_timm(self):
        """train.py with --model-ema: CheckpointSaver's dictionary."""
        args = argparse.Namespace(model="resnet18", mean=None, aa="rand-m9", weights=defaultdict(list))
        path = self.save("timm.pth.tar", {"epoch": 1, "arch": "resnet18", "state_dict": NET.state_dict(), "version": 2,
                                          "optimizer": optimizer_of(NET), "args": args, "metric": numpy.float64(70.5),
                                          "state_dict_ema": EMA.state_dict()})
        self.images.check(NET, path)
        self.images.check(EMA, path, "--init-key", "state_dict_ema")

    def test_wrapped(self):
        """DDP, torch.compile of the whole network and of its parts, LightningModules."""
        for prefix in "module.", "_orig_mod.", "module._orig_mod.", "model.", "net.", "backbone.", "model.backbone.":
            self.images.check(NET, self.save(prefix + "pth", prefixed(prefix, NET.state_dict())))
        parts = OrderedDict((name.replace("layer", "model.layer", 1) if name.startswith("layer") else "model." + name, t)
                            for name, t in NET.state_dict().items())
        for k in "1234":
            parts = OrderedDict((name.replace("layer" + k, "layer%s._orig_mod" % k), t) for name, t in parts.items())
        self.images.check(NET, self.save("parts.ckpt", {"state_dict": parts}))

    def test_composer(self):
        """Composer's State, with the states of the random number generators."""
        random = [{"python": (3, tuple(range(625)), None), "numpy": numpy.random.get_state(), "torch": torch.get_rng_state()}]
        state = {"model": prefixed("module.", NET.state_dict()), "optimizers": {"SGD": optimizer_of(NET)},
                 "timestamp": {"Timestamp": {"epoch": 1}}, "callbacks": [("X", {})], "run_name": "a"}
        path = self.save("composer.pt", {"state": state, "rng": random})
        self.assertIn("numpy", self.images.check(NET, path))
        self.images.check(NET, path, "--init-key", "state.model")

    def test_mmpretrain(self):
        """ImageClassifier: a backbone, and a LinearClsHead."""
        state = OrderedDict(("head." + name if name.startswith("fc.") else "backbone." + name, tensor)
                            for name, tensor in NET.state_dict().items())
        self.images.check(NET, self.save("mmpretrain.pth", {"meta": {"args": argparse.Namespace()}, "state_dict": state}))

    def test_heads(self):
        """Classifiers of transfer learning: after a dropout layer, and beside the children of a ResNet (Lightning's
        tutorial)."""
        fc = {"weight": NET.fc.weight, "bias": NET.fc.bias}
        body = OrderedDict((name, t) for name, t in NET.state_dict().items() if not name.startswith("fc."))
        children = torch.nn.Sequential(*list(NET.children())[:-1]).state_dict()
        for name, state in {"dropout": {**body, **prefixed("fc.1.", fc)},
                            "lightning": {**prefixed("model.", body), **prefixed("model.fc.1.", fc)},
                            "tutorial": {**prefixed("feature_extractor.", children), **prefixed("classifier.", fc)},
                            "own": {**prefixed("backbone.", body), **prefixed("head.2.", fc)}}.items():
            self.images.check(NET, self.save(name + ".pth", OrderedDict(state)))

    def test_hugging_face(self):
        for arch in "resnet18", "resnet50":
            net = resnet(3, arch)
            state = OrderedDict((hugging_face(name), tensor) for name, tensor in net.state_dict().items())
            self.images.check(net, self.save(arch + ".bin", state))

    def test_fastai(self):
        """vision_learner: the body is a Sequential, the head is no single layer. The body is initial weights."""
        body = torch.nn.Sequential(*list(NET.children())[:-2])
        head = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.BatchNorm1d(512),
                                   torch.nn.Dropout(), torch.nn.Linear(512, 512, bias=False), torch.nn.ReLU(),
                                   torch.nn.BatchNorm1d(512), torch.nn.Dropout(), torch.nn.Linear(512, CLASSES, bias=False))
        path = self.save("fastai.pth", {"model": torch.nn.Sequential(body, head).state_dict(), "opt": {}})
        _, log = linnet("predict", path, *self.images.paths, code=1)
        self.assertIn("its classifier ends with 1.8.weight and is not a single layer", log)
        out = os.path.join(self.folder.name, "fastai")
        linnet("train", self.images.data, "--init", path, "--arch", "resnet18", "--image-size", "32", "--lr", "0.1",
               "--batch-size", "4", "--model.freeze", "backbone", "--max-steps", "1", "--out", out, "--precision", "32-true")
        saved = torch.load(os.path.join(out, "checkpoints", "resnet18", "last.ckpt"))["state_dict"]
        for name, tensor in NET.state_dict().items():
            if not name.startswith("fc.") and tensor.is_floating_point():
                torch.testing.assert_close(saved["model." + name], tensor, rtol=0, atol=0)

    def test_protocols(self):
        args = argparse.Namespace(path=pathlib.PurePosixPath("/"), number=numpy.float32(1), some={1, 2}, raw=b"ab", two=bytearray(b"a"))
        args.itself = args
        for protocol in 2, 3, 4, 5:
            for zipped in True, False:
                path = self.save("protocol%d%s.pth" % (protocol, "" if zipped else "-legacy"),
                                 {"args": args, "state_dict": NET.state_dict()}, pickle_protocol=protocol,
                                 _use_new_zipfile_serialization=zipped)
                self.assertEqual(self.images.check(NET, path).count("argparse.Namespace"), 1)

    def test_lightning(self):
        """hyper_parameters with objects, for --init and for --resume: a run of linnet, as Lightning would save it."""
        out = os.path.join(self.folder.name, "run")
        small = [self.images.data, "--image-size", "32", "--lr", "0.1", "--batch-size", "4", "--out", out,
                 "--arch", "resnet18", "--precision", "32-true"]
        linnet("train", *small, "--max-epochs", "1")
        file = torch.load(os.path.join(out, "checkpoints", "resnet18", "last.ckpt"))
        del file["linnet"]
        file["hyper_parameters"].update(root=pathlib.PosixPath("/data"), decay=numpy.float64(0.1), args=argparse.Namespace(a=1))
        path = self.save("lightning.ckpt", file)
        _, log = linnet("train", *small, "--max-epochs", "2", "--resume", path)
        self.assertRegex(log, r"pathlib\.(_local\.)?PosixPath")  # the module since Python 3.13
        self.assertIn("resumed from", log)
        _, log = linnet("train", *small, "--max-epochs", "1", "--init", path, "--max-steps", "1")
        self.assertRegex(log, r"pathlib\.(_local\.)?PosixPath")  # the module since Python 3.13
        self.assertIn("argparse.Namespace", linnet("info", path)[1])

    def test_refused(self):
        path = self.save("whole.pth", {"model": NET, "epoch": 1})
        _, log = linnet("predict", path, *self.images.paths, code=1)
        self.assertIn("'model' is of type torchvision.models.resnet.ResNet, not a dictionary", log)
        path = self.save("legacy.pth", NET, _use_new_zipfile_serialization=False)
        self.assertIn("a value of type torchvision.models.resnet.ResNet, not a dict", linnet("info", path, code=1)[1])
        path = self.save("legacy.pth", {"model": NET.state_dict(), "args": torch.zeros(2, dtype=torch.int8)},
                         _use_new_zipfile_serialization=False)
        self.assertIn("does not contain its size: load the file with PyTorch", linnet("info", path, code=1)[1])
        state = OrderedDict(NET.state_dict())
        state["layer2.0.conv1.weight"] = torch.zeros(2, dtype=torch.complex64)
        path = self.save("complex.pth", state)
        _, log = linnet("predict", path, *self.images.paths, code=1)
        self.assertIn("layer2.0.conv1.weight is of type torch.ComplexFloatStorage, which linnet does not read", log)
        small = [self.images.data, "--arch", "resnet18", "--image-size", "32", "--batch-size", "4", "--lr", "0.1", "--out",
                 os.path.join(self.folder.name, "refused")]
        _, log = linnet("train", *small, "--init", path, code=1)
        self.assertIn("lacks layer2.0.conv1.weight (of type torch.ComplexFloatStorage, which linnet does not read)", log)
        _, log = linnet("train", *small, "--init-key", "model", code=2)
        self.assertIn("give the file with --init", log)


if __name__ == "__main__":
    unittest.main(verbosity=1)
