#!/usr/bin/python3
"""Reference values of PyTorch DDP for tests/engine/test_ranks.c: ddp_make.py [FOLDER] writes parity_ddp.txt.

DistributedDataParallel over gloo, in float64, without SyncBatchNorm, on 2 and on 4 processes; batch norm's statistics
are rank 0's. Weights, images and labels are those of parity_make.py. Needs python3-torch and torchvision.
"""
import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

import parity_make as parity

CLASSES, BATCH, SIDE, STEPS = 5, 8, 16, 10
SGD = dict(lr=0.05, momentum=0.9, weight_decay=1e-4)
CLIP = 1.0


class ConvBn(nn.Module):
    def __init__(self, in_c, out_c, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(in_c, out_c, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_c)

    def forward(self, x):
        return self.bn(self.conv(x))


class Small(nn.Module):
    """small_residual_net of tests/engine/small_models.h, with its names."""

    def __init__(self):
        super().__init__()
        self.stem = ConvBn(3, 6, 3, 2)
        self.block0 = nn.ModuleList([ConvBn(6, 4, 1, 1), ConvBn(4, 6, 3, 1)])
        self.block1 = nn.ModuleDict({"0": ConvBn(6, 8, 3, 2), "down": ConvBn(6, 8, 1, 2), "1": ConvBn(8, 8, 3, 1)})
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        a = torch.max_pool2d(self.stem(x).relu(), 3, 2, 1)
        b = (self.block0[1](self.block0[0](a).relu()) + a).relu()
        c = self.block1["1"](self.block1["0"](b).relu()) + self.block1["down"](b)
        return self.fc(c.relu().mean((2, 3)))


def make_model():
    model = Small()
    state = model.state_dict()
    for name, old in state.items():
        if old.dim() > 0:
            state[name] = torch.from_numpy(parity.hashed_value(name, tuple(old.shape), 8, False))
    model.load_state_dict(state)
    return model.double()


def train(rank, ranks, path):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}.meet", rank=rank, world_size=ranks)
    model = make_model()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    ddp = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    low, high = BATCH * rank // ranks, BATCH * (rank + 1) // ranks
    for step in range(STEPS):
        x, label, _, _ = parity.make_batch(step, BATCH, SIDE, SIDE, CLASSES, 0, torch.float64)
        optimizer.zero_grad()
        nn.functional.cross_entropy(ddp(x[low:high]), label[low:high]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    if rank == 0:
        out = parity.Writer()
        for name, p in model.named_parameters():
            out.put_tensor(f"change.{ranks}/{name}", p.detach() - start[name])
        parity.write_stats(out, f"stats.{ranks}", model)
        with open(path, "w") as f:
            f.write("\n".join(out.lines) + "\n")
    dist.destroy_process_group()


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    out = os.path.join(folder, "parity_ddp.txt")
    lines = [f"# PyTorch {torch.__version__}, DistributedDataParallel over gloo, float64; made by ddp_make.py"]
    for ranks in (2, 4):
        part = f"{out}.{ranks}"
        mp.spawn(train, (ranks, part), ranks)
        with open(part) as f:
            lines += f.read().splitlines()
        os.remove(part)
        if os.path.exists(part + ".meet"):
            os.remove(part + ".meet")
    with open(out, "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
