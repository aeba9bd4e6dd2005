#!/usr/bin/python3
"""Checkpoints that other programs write themselves: timm's CheckpointSaver, Lightning's Trainer, transformers'
save_pretrained, fastai's Learner, torch's DDP, compile and AveragedModel. linnet gives the logits of the network in
each. test_checkpoint_sources.py has the layouts of programs that are no packages (torchvision's references,
MMPretrain), long_checkpoint_composer.py has Composer."""
import argparse
import glob
import os
import pathlib
import tempfile
import warnings

import packages

packages.use("peers")
import numpy
import torch

from sources import CLASSES, SIZE, Images, linnet, randomise, resnet

warnings.filterwarnings("ignore")


def timm(images, folder):
    from timm import create_model
    from timm.utils import CheckpointSaver, ModelEmaV3
    net = randomise(create_model("resnet18", num_classes=CLASSES), 1)
    ema = ModelEmaV3(randomise(create_model("resnet18", num_classes=CLASSES), 2))
    args = argparse.Namespace(model="resnet18", num_classes=CLASSES, data_dir=pathlib.Path("/data"))
    saver = CheckpointSaver(net, torch.optim.SGD(net.parameters(), lr=0.1), args=args, model_ema=ema,
                            checkpoint_dir=folder, recovery_dir=folder)
    saver.save_checkpoint(epoch=1, metric=numpy.float64(50.0))
    path = os.path.join(folder, "last.pth.tar")
    log = images.check(net, path)
    assert log.count("argparse.Namespace") == 1, log
    images.check(ema.module.eval(), path, "--init-key", "state_dict_ema")


def torchvision(images, folder):
    """The dictionary of references/classification/train.py; its ExponentialMovingAverage is an AveragedModel."""
    net = resnet(1)
    ema = torch.optim.swa_utils.AveragedModel(resnet(2), use_buffers=True)
    path = os.path.join(folder, "model_3.pth")
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    main = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=9)
    warmup = torch.optim.lr_scheduler.LinearLR(sgd, start_factor=0.01, total_iters=1)
    schedule = torch.optim.lr_scheduler.SequentialLR(sgd, schedulers=[warmup, main], milestones=[1])
    torch.save({"model": net.state_dict(), "optimizer": sgd.state_dict(), "lr_scheduler": schedule.state_dict(),
                "epoch": 3, "args": argparse.Namespace(model="resnet18"), "model_ema": ema.state_dict(),
                "scaler": torch.amp.GradScaler("cpu").state_dict()}, path)
    images.check(net, path)
    images.check(ema.module, path, "--init-key", "model_ema")


def wrapped(images, folder):
    net = resnet(1)
    path = os.path.join(folder, "compiled.pth")
    torch.save(torch.compile(net).state_dict(), path)
    images.check(net, path)
    net.layer2 = torch.compile(net.layer2)
    assert any("layer2._orig_mod." in name for name in net.state_dict())
    part = resnet(1)
    part.layer1 = torch.compile(part.layer1)
    torch.save(part.state_dict(), path)
    images.check(resnet(1), path)
    torch.distributed.init_process_group("gloo", init_method="file://" + folder + "/gloo", rank=0, world_size=1)
    path = os.path.join(folder, "ddp.pth")
    torch.save(torch.nn.parallel.DistributedDataParallel(resnet(1)).state_dict(), path)
    images.check(resnet(1), path)
    torch.distributed.destroy_process_group()


def lightning(images, folder):
    import lightning as L

    class Module(L.LightningModule):
        def __init__(self, root, decay):
            super().__init__()
            self.save_hyperparameters()
            self.net = resnet(1)

        def training_step(self, batch, index):
            return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)

    data = torch.utils.data.TensorDataset(torch.randn(8, 3, SIZE, SIZE), torch.randint(0, CLASSES, (8,)))
    module = Module(pathlib.Path("/data"), numpy.float64(0.1))
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False,
                        enable_model_summary=False, enable_checkpointing=False)
    trainer.fit(module, torch.utils.data.DataLoader(data, 4))
    path = os.path.join(folder, "lightning.ckpt")
    trainer.save_checkpoint(path)
    log = images.check(module.net.eval(), path)
    assert "pathlib" in log and "numpy" in log, log
    _, log = linnet("train", images.data, "--resume", path, "--max-epochs", "2", "--batch-size", "4", "--image-size",
                    str(SIZE), "--arch", "resnet18", "--out", folder, "--precision", "32-true")
    assert "resumed from" in log and "epoch 2" in log, log


def transformers(images, folder):
    from transformers import ResNetConfig, ResNetForImageClassification

    class Logits(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x).logits

    for kind, sizes, depths in ("basic", [64, 128, 256, 512], [2, 2, 2, 2]), ("bottleneck", [256, 512, 1024, 2048], [3, 4, 6, 3]):
        torch.manual_seed(1)
        net = ResNetForImageClassification(ResNetConfig(layer_type=kind, hidden_sizes=sizes, depths=depths, num_labels=CLASSES))
        randomise(net, 1)
        net.save_pretrained(os.path.join(folder, kind))
        images.check(Logits(net), os.path.join(folder, kind, "model.safetensors"))
        torch.save(net.state_dict(), os.path.join(folder, kind, "pytorch_model.bin"))
        images.check(Logits(net), os.path.join(folder, kind, "pytorch_model.bin"))


def fastai(images, folder):
    from fastai.vision.all import ImageDataLoaders, Learner, Resize, vision_learner
    import torchvision.models as models
    data = ImageDataLoaders.from_folder(images.data, valid="val", item_tfms=Resize(SIZE), bs=4, num_workers=0)
    net = resnet(1)
    learner = Learner(data, net, path=folder, loss_func=torch.nn.CrossEntropyLoss())
    learner.create_opt()
    images.check(net, str(learner.save("plain")))
    learner.export("whole.pkl")
    _, log = linnet("info", os.path.join(folder, "whole.pkl"), code=1)
    assert "of type fastai.learner.Learner, not a dictionary" in log, log
    learner = vision_learner(data, models.resnet18, pretrained=False, path=folder)
    path = str(learner.save("body"))
    _, log = linnet("predict", path, *images.paths, code=1)
    assert "its classifier ends with 1.8.weight" in log, log
    out = os.path.join(folder, "fastai")
    linnet("train", images.data, "--init", path, "--arch", "resnet18", "--image-size", "32", "--lr", "0.1",
           "--batch-size", "4", "--model.freeze", "backbone", "--max-steps", "1", "--out", out, "--precision", "32-true")
    saved = torch.load(glob.glob(out + "/checkpoints/resnet18/last.ckpt")[0])["state_dict"]
    for theirs, ours in ("0.0.", "model.conv1."), ("0.5.0.bn2.", "model.layer2.0.bn2."), ("0.7.1.conv2.", "model.layer4.1.conv2."):
        torch.testing.assert_close(saved[ours + "weight"], learner.model.state_dict()[theirs + "weight"].cpu())


def main():
    for peer in timm, torchvision, wrapped, lightning, transformers, fastai:
        with tempfile.TemporaryDirectory() as folder:
            images = Images(folder)
            print(peer.__name__)
            peer(images, folder)


main()
