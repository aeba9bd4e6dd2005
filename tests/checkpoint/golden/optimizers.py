#!/usr/bin/env python3
"""Makes optimizer-*.ckpt: files in Lightning's layout with the state of an optimizer after two steps. Needs torch and timm
(made with torch 2.15.0 and timm 1.0.31): python3 optimizers.py. Parameter i of "model.w" (2, 3) and "model.b" (3) begins at
i + 1; its gradient is 0.5 in the first step and 1 in the second. optimizer-adam.ckpt and optimizer-amsgrad.ckpt are of
optimizers that linnet does not have."""
import os

import torch
from timm.optim import Lamb, Lars

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, 0.1, (0.8, 0.9), 1e-7, 0.25),
    "adam": lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.25),
    "amsgrad": lambda p: torch.optim.AdamW(p, 0.1, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.1, 0.75, 1e-7, 0.25, 0.5),
    "rmsprop-plain": lambda p: torch.optim.RMSprop(p, 0.1, 0.75),
    "lamb": lambda p: Lamb(p, 0.1, betas=(0.8, 0.9), eps=1e-7, weight_decay=0.25),
    "lars": lambda p: Lars(p, 0.1, momentum=0.5, weight_decay=0.25, trust_coeff=0.125, eps=1e-7),
}

for name, make in OPTIMIZERS.items():
    parameters = {"model.w": torch.arange(1.0, 7).reshape(2, 3), "model.b": torch.arange(1.0, 4)}
    parameters = {key: torch.nn.Parameter(value) for key, value in parameters.items()}
    optimizer = make(parameters.values())
    for step in 1, 2:
        for p in parameters.values():
            p.grad = torch.full_like(p, step / 2)
        optimizer.step()
    torch.save({"epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.6.6", "state_dict":
                {key: value.detach() for key, value in parameters.items()}, "optimizer_states": [optimizer.state_dict()],
                "lr_schedulers": []}, os.path.join(HERE, "optimizer-%s.ckpt" % name))
