#!/usr/bin/python3
"""A checkpoint that Composer's Trainer (mosaicml) writes: linnet gives the logits of the network in it."""
import glob
import tempfile
import warnings

import packages

packages.use("composer")
import torch
from composer import Trainer
from composer.models import ComposerClassifier

from sources import CLASSES, SIZE, Images, resnet

warnings.filterwarnings("ignore")


def main():
    with tempfile.TemporaryDirectory() as folder:
        images = Images(folder)
        data = torch.utils.data.TensorDataset(torch.randn(8, 3, SIZE, SIZE), torch.randint(0, CLASSES, (8,)))
        model = ComposerClassifier(resnet(1), num_classes=CLASSES)
        trainer = Trainer(model=model, train_dataloader=torch.utils.data.DataLoader(data, 4), max_duration="2ba",
                          optimizers=torch.optim.SGD(model.parameters(), lr=0.01), save_folder=folder + "/saved",
                          save_interval="2ba", device="cpu", progress_bar=False, save_latest_filename=None)
        trainer.fit()
        path, = glob.glob(folder + "/saved/*.pt")
        images.check(model.module.eval(), path)
        images.check(model.module, path, "--init-key", "state.model")


main()
