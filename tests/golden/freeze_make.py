#!/usr/bin/python3
"""PyTorch's reference values for fine-tuning: freeze_make.py [FOLDER] writes parity_freeze.txt (default: beside this
script).

A ResNet-18 whose first part is frozen in the usual way: requires_grad_(False) on the part's parameters, eval() on
its modules after train(); SGD over two groups, the classifier's with a separate rate, both scaled by StepLR after the
second step. Weights, batches and the format of tensors are those of parity_make.py.
"""
import os
import sys

import torch
import torchvision

from parity_make import Writer, loss_of, make_batch, make_model, write_stats

PARTS = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]
FREEZE = {"stem": 2, "layer2": 4, "backbone": 6}  # number of parts
LARGEST = 150000  # elements; larger tensors train like the others and would make the test slower
CASE = dict(classes=20, batch=4, height=33, width=33, steps=3, lr=0.05, head_lr=0.2, gamma=0.1, step_size=2, momentum=0.9,
            weight_decay=1e-4, clip_norm=1.0)


def make_case(out, part):
    model = make_model("resnet18", CASE["classes"], torch.float64, plain=False)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.train()
    for name in PARTS[: FREEZE[part]]:
        getattr(model, name).requires_grad_(False).eval()
    groups = [{"params": [p for name, p in model.named_parameters() if not name.startswith("fc.")]},
              {"params": model.fc.parameters(), "lr": CASE["head_lr"]}]
    optimizer = torch.optim.SGD(groups, lr=CASE["lr"], momentum=CASE["momentum"], weight_decay=CASE["weight_decay"])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, CASE["step_size"], CASE["gamma"])
    for step in range(CASE["steps"]):
        x, *labels = make_batch(step, CASE["batch"], CASE["height"], CASE["width"], CASE["classes"], 0, torch.float64)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), *labels, 0.0)
        loss.backward()
        out.put(f"{part}/loss.{step}", loss.item())
        out.put(f"{part}/grad_norm.{step}", torch.nn.utils.clip_grad_norm_(model.parameters(), CASE["clip_norm"]).item())
        optimizer.step()
        schedule.step()
    for name, p in model.named_parameters():
        if p.requires_grad and p.numel() <= LARGEST:
            out.put_tensor(f"{part}/change/{name}", p.detach() - start[name])
    write_stats(out, part, model)


def make():
    out = Writer()
    out.lines.append(f"# torch {torch.__version__}, torchvision {torchvision.__version__}; freeze_make.py")
    for key, value in CASE.items():
        out.put(key, value)
    for part in FREEZE:
        make_case(out, part)
    return "\n".join(out.lines) + "\n"


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "parity_freeze.txt"), "w") as f:
        f.write(make())
