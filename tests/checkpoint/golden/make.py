#!/usr/bin/env python3
"""Makes the small files of this folder: python3 make.py (PyTorch 1.13, pytorch-lightning 2.2.5)."""
import os
import shutil
import sys
import tempfile
from collections import OrderedDict

import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def plain():
    base = torch.arange(24, dtype=torch.float32).view(2, 3, 4)
    three = torch.tensor([1, 0, -3])
    state = OrderedDict(
        double=three.double(), half=three.half(), bfloat16=three.bfloat16(), long=three.long() * 1000000000,
        int=three.int(), byte=three.byte(), bool=three.bool(),
        base=base, transposed=base.permute(2, 1, 0), strided=base.view(-1)[1::2], tail=base[1],
        expanded=torch.arange(3.0).view(3, 1).expand(3, 5), parameter=torch.nn.Parameter(torch.tensor([1.5, 2.5])),
        empty=torch.zeros(0, 3), scalar=torch.tensor(2.0))
    state._metadata = OrderedDict({"": {"version": 1}})
    torch.save(state, os.path.join(HERE, "state-dict.pth"))
    torch.save(state, os.path.join(HERE, "legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save({"epoch": 12, "model": {"state_dict": {"fc.weight": torch.ones(2, 2)}}}, os.path.join(HERE, "nested.pth"))


def lightning():
    import pytorch_lightning as pl
    from torch.utils.data import DataLoader, TensorDataset

    class Small(pl.LightningModule):
        def __init__(self, arch="resnet18", lr=0.1, layers=(1, 2), plateau=False):
            super().__init__()
            self.save_hyperparameters()
            self.model = torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4, affine=False), torch.nn.PReLU(),
                torch.nn.Flatten(), torch.nn.Linear(4, 2))

        def training_step(self, batch, index):
            return torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch, index):
            self.log("val_loss", torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1]))

        def configure_optimizers(self):
            sgd = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
            if self.hparams.plateau:
                schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, patience=10, min_lr=1e-6)
                return {"optimizer": sgd, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
            return [sgd], [torch.optim.lr_scheduler.StepLR(sgd, 30)]

    def batches():
        return DataLoader(TensorDataset(torch.randn(12, 3, 3, 3), torch.randint(0, 2, (12,))), 4)

    for name, plateau in ("step", False), ("plateau", True):
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            best = pl.callbacks.ModelCheckpoint(folder, "{epoch}-{val_loss:.2f}", monitor="val_loss", save_top_k=3,
                                                save_last=True)
            middle = pl.callbacks.ModelCheckpoint(folder, "{step}", every_n_train_steps=5, save_top_k=-1)
            trainer = pl.Trainer(max_epochs=2, callbacks=[best, middle], accelerator="cpu", logger=False,
                                 enable_progress_bar=False, enable_model_summary=False)
            trainer.fit(Small(plateau=plateau), batches(), batches())
            source = os.path.join(folder, "step=5.ckpt" if plateau else "last.ckpt")
            shutil.copy(source, os.path.join(HERE, f"lightning-{name}{'-middle' if plateau else ''}.ckpt"))


if __name__ == "__main__":
    plain()
    if "--plain" not in sys.argv:
        lightning()
