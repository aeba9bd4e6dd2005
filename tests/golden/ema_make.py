#!/usr/bin/python3
"""Makes ema_golden.txt: the EMA of a parameter in a training loop like that of torchvision's reference script
(references/classification/train.py and utils.py's ExponentialMovingAverage, 0.14). `cd tests/golden && ./ema_make.py
> ema_golden.txt`. The first line: decay, ema_steps, batch, epochs, steps per epoch, warm-up epochs; then the EMA
after each step, where a step sets the parameter to cos(step) + 2, with steps counted from 0 over all epochs."""
import math

import torch

DECAY, EVERY, BATCH, EPOCHS, STEPS, WARMUP = 0.99, 2, 8, 4, 5, 1

adjust = BATCH * EVERY / EPOCHS
decay = 1.0 - min(1.0, (1.0 - DECAY) * adjust)
model = torch.nn.Linear(1, 1, bias=False).double()
average = torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda a, p, n: decay * a + (1 - decay) * p, use_buffers=True)
print(DECAY, EVERY, BATCH, EPOCHS, STEPS, WARMUP)
for epoch in range(EPOCHS):
    for i in range(STEPS):
        with torch.no_grad():
            model.weight.fill_(math.cos(epoch * STEPS + i) + 2)
        if i % EVERY == 0:
            average.update_parameters(model)
            if epoch < WARMUP:
                average.n_averaged.fill_(0)
        print(repr(average.module.weight.item()))
