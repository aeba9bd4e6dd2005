#!/usr/bin/python3
"""Makes erase_golden.txt: moments of torchvision's RandomErasing (0.14, its defaults, probability 1).
`cd tests/golden && ./erase_make.py > erase_golden.txt`. A line per image side and quantity: side, name, mean, standard
deviation over DRAWS images. Names: none (nothing was erased), then of the others h, w, y, x and h * w."""
import numpy as np
import torch
from torchvision.transforms import RandomErasing

DRAWS = 30000
torch.manual_seed(1)
for side in (24, 224):
    image = torch.zeros(1, side, side)
    rows = []
    for _ in range(DRAWS):
        y, x, h, w, _ = RandomErasing.get_params(image, (0.02, 0.33), (0.3, 3.3), [0.0])
        rows.append((float(h == side and w == side), h, w, y, x, h * w))
    a = np.array(rows, np.float64)
    print(side, "none", *a[:, 0].mean(keepdims=True), a[:, 0].std())
    a = a[a[:, 0] == 0]
    for i, name in enumerate(("h", "w", "y", "x", "area"), 1):
        print(side, name, f"{a[:, i].mean():.5f} {a[:, i].std():.5f}")
