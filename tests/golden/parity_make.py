#!/usr/bin/python3
"""PyTorch's reference values for the parity tests: parity_make.py [FOLDER [ARCH...]] writes parity_ARCH.txt (default: all,
beside this script).

Needs python3-torch and torchvision. Weights, images and labels come from an integer hash that
tests/engine/parity.h repeats bit for bit, so only results are written. A tensor is written as its
2-norm and eight dot products with hashed vectors of +1 and -1: enough to estimate the distance of
any other tensor from it (docs/numerics.md, "How a tensor is compared").
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))
import cifar_resnet

PROJECTIONS = 8
MASK = (1 << 64) - 1

# The first six settings describe the comparison in double precision, fp32_* the one in single precision. In batch 41
# of ResNet-18, no input of a ReLU is within five standard errors of 0, so rounding does not change its sign.
# ResNet-50 has no such batch: its rounding error is 1e-4 at the last layer.
CASES = {
    "resnet18": dict(
        classes=20, batch=4, height=64, width=48, smoothing=0.1, mixed=0,
        fp32_number=41, fp32_batch=4, fp32_height=64, fp32_width=48,
    ),
    "resnet50": dict(
        classes=20, batch=4, height=48, width=64, smoothing=0.0, mixed=1,
        fp32_number=0, fp32_batch=8, fp32_height=64, fp32_width=64,
    ),
    "resnet20": dict(
        classes=20, batch=4, height=20, width=26, smoothing=0.1, mixed=1,
        fp32_number=0, fp32_batch=4, fp32_height=32, fp32_width=32,
    ),
    "grouped": dict(
        classes=20, batch=4, height=20, width=26, smoothing=0.1, mixed=1,
        fp32_number=0, fp32_batch=4, fp32_height=26, fp32_width=20,
    ),
}
SGD = dict(lr=0.05, momentum=0.9, weight_decay=1e-4, clip_norm=1.0)
STEPS = 3
FP32_LR = 1e-3
FP32_STEPS = 10
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def name_hash(name):
    """FNV-1a, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def hashed(name, n):
    """n 64-bit numbers: splitmix64 of the stream called `name`."""
    with np.errstate(over="ignore"):
        z = np.uint64(name_hash(name)) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def unit(name, n):
    """n fp32 numbers in [-1, 1) on a grid of 2^-23."""
    return ((hashed(name, n) >> np.uint64(40)).astype(np.int64) - 2**23).astype(np.float32) * np.float32(2.0**-23)


def hashed_value(name, shape, fc_in, plain):
    """Initial value of one state_dict entry. plain: BN starts as torchvision's does."""
    n = int(np.prod(shape))
    u = unit(name, n)
    if len(shape) == 4:
        value = u * np.float32(np.sqrt(6.0 / (shape[0] * shape[2] * shape[3])))
    elif name.startswith(("fc.", "linear.")):
        value = u * np.float32(np.sqrt(1.0 / fc_in))
    elif name.endswith((".weight", ".running_var")):
        value = np.float32(1) + (u * np.float32(0.5) if not plain else np.zeros_like(u))
    else:
        value = u * np.float32(0.25) if not plain else np.zeros_like(u)
    return value.reshape(shape)


class Grouped(torch.nn.Module):
    """Grouped convolutions of all kinds: groups of one channel, of several, with a stride, 1x1."""

    LAYERS = ((3, 24, 3, 2, 1), (24, 48, 3, 1, 4), (48, 48, 3, 2, 48), (48, 32, 1, 1, 2), (32, 64, 3, 1, 32))

    def __init__(self, num_classes):
        super().__init__()
        for i, (c, k, size, stride, groups) in enumerate(self.LAYERS, 1):
            conv = torch.nn.Conv2d(c, k, size, stride, size // 2, groups=groups, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", torch.nn.BatchNorm2d(k))
        self.fc = torch.nn.Linear(64, num_classes)

    def forward(self, x):
        for i in range(1, len(self.LAYERS) + 1):
            x = F.relu(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)))
        return self.fc(x.mean((2, 3)))


def make_model(arch, classes, dtype, plain, zero_gamma=False):
    if arch in cifar_resnet.DEPTHS:
        model = cifar_resnet.make(arch, classes)
    else:
        model = (Grouped if arch == "grouped" else getattr(torchvision.models, arch))(num_classes=classes)
    fc_in = (model.linear if arch in cifar_resnet.DEPTHS else model.fc).in_features
    state = model.state_dict()
    for name, old in state.items():
        if old.dim() > 0:
            state[name] = torch.from_numpy(hashed_value(name, tuple(old.shape), fc_in, plain))
    if zero_gamma and hasattr(model, "layer1"):
        last = "bn3.weight" if hasattr(model.layer1[0], "bn3") else "bn2.weight"
        for name in state:
            if name.startswith("layer") and name.endswith(last):
                state[name].zero_()
    model.load_state_dict(state)
    return model.to(dtype)


def make_batch(step, n, h, w, classes, mixed, dtype):
    """Images of 16 x 16 tiles plus noise, so that they differ in the large as well."""
    tile_shape = (n, (h + 15) // 16, (w + 15) // 16, 3)
    tile = (hashed(f"tiles.{step}", int(np.prod(tile_shape))) >> np.uint64(56)).astype(np.int64).reshape(tile_shape)
    noise = (hashed(f"noise.{step}", n * h * w * 3) >> np.uint64(56)).astype(np.int64).reshape(n, h, w, 3)
    tile = tile.repeat(16, axis=1)[:, :h].repeat(16, axis=2)[:, :, :w]
    pixels = (3 * tile + noise) // 4
    x = (pixels / 255.0 - MEAN.astype(np.float64)) / STD.astype(np.float64)
    label = (hashed(f"labels.{step}", n) % np.uint64(classes)).astype(np.int64)
    label_b = (hashed(f"labels_b.{step}", n) % np.uint64(classes)).astype(np.int64) if mixed else label
    mix = np.float32(0.5) + np.float32(0.5) * unit(f"mix.{step}", n) if mixed else np.ones(n, np.float32)
    x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).to(dtype)
    return x, torch.from_numpy(label), torch.from_numpy(label_b), torch.from_numpy(mix).to(dtype)


def loss_of(logits, label, label_b, mix, smoothing):
    a = F.cross_entropy(logits, label, reduction="none", label_smoothing=smoothing)
    b = F.cross_entropy(logits, label_b, reduction="none", label_smoothing=smoothing)
    return (mix * a + (1 - mix) * b).mean()


def sketch(tensor):
    """Norm and projections of a tensor in its logical order."""
    a = tensor.detach().double().numpy().ravel()
    bits = hashed("signs", a.size)
    values = [np.sqrt(np.sum(a * a))]
    for k in range(PROJECTIONS):
        sign = 1.0 - 2.0 * ((bits >> np.uint64(k)) & np.uint64(1)).astype(np.float64)
        values.append(np.sum(sign * a))
    return values


class Writer:
    def __init__(self):
        self.lines = []

    def put(self, key, *values):
        self.lines.append(" ".join([key] + [f"{v:.12g}" for v in values]))

    def put_tensor(self, key, tensor):
        self.lines.append(" ".join([key] + [f"{v:.9e}" for v in sketch(tensor)]))


def train_step(model, optimizer, batch, smoothing, clip):
    """One step; gives back the loss, the norm and the logits. Gradients stay, clipped."""
    x, label, label_b, mix = batch
    optimizer.zero_grad()
    logits = model(x)
    loss = loss_of(logits, label, label_b, mix, smoothing)
    loss.backward()
    unclipped = {name: p.grad.clone() for name, p in model.named_parameters()}
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.item(), norm.item(), logits.detach(), unclipped


def make_optimizer(model, lr):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=SGD["momentum"], weight_decay=SGD["weight_decay"])


def write_stats(out, prefix, model):
    for name, buffer in model.named_buffers():
        if buffer.dim() > 0:
            out.put_tensor(f"{prefix}/{name}", buffer)


def double_case(out, arch, case):
    """Part (a): logits, loss, gradients, running statistics and three steps in double precision."""
    model = make_model(arch, case["classes"], torch.float64, plain=False)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    shape = (case["batch"], case["height"], case["width"], case["classes"], case["mixed"])
    model.eval()
    with torch.no_grad():
        batch = make_batch(0, *shape, torch.float64)
        logits = model(batch[0])
        out.put("eval_loss", loss_of(logits, *batch[1:], case["smoothing"]).item())
        out.put_tensor("eval_logits", logits)
    model.train()
    optimizer = make_optimizer(model, SGD["lr"])
    for step in range(STEPS):
        batch = make_batch(step, *shape, torch.float64)
        loss, norm, logits, gradients = train_step(model, optimizer, batch, case["smoothing"], SGD["clip_norm"])
        out.put(f"loss.{step}", loss)
        out.put(f"grad_norm.{step}", norm)
        larger = (logits > logits.gather(1, batch[1][:, None])).sum(1)
        out.put(f"top.{step}", (larger < 1).sum().item(), (larger < 5).sum().item())
        out.put_tensor(f"logits.{step}", logits)
        if step == 0:
            for name, gradient in gradients.items():
                out.put_tensor(f"gradient/{name}", gradient)
            write_stats(out, "stats.0", model)
    for name, p in model.named_parameters():
        out.put_tensor(f"change/{name}", p.detach() - start[name])
    write_stats(out, "stats", model)


def fp32_batch(case, dtype):
    size = (case["fp32_batch"], case["fp32_height"], case["fp32_width"])
    return make_batch(case["fp32_number"], *size, case["classes"], 0, dtype)


def first_gradients(arch, case, dtype, memory_format):
    model = make_model(arch, case["classes"], dtype, plain=True).to(memory_format=memory_format)
    x, *labels = fp32_batch(case, dtype)
    loss = loss_of(model(x.to(memory_format=memory_format)), *labels, 0.0)
    loss.backward()
    return loss.item(), {name: p.grad.double() for name, p in model.named_parameters()}


def ten_losses(arch, case, dtype):
    model = make_model(arch, case["classes"], dtype, plain=True, zero_gamma=True)
    optimizer = make_optimizer(model, FP32_LR)
    batch = fp32_batch(case, dtype)
    return [train_step(model, optimizer, batch, 0.0, SGD["clip_norm"])[0] for _ in range(FP32_STEPS)]


def single_case(out, arch, case):
    """Part (c): ten losses from zero gamma; from the default start the first loss and how far PyTorch's own fp32
    gradients are from float64: the farther of its two memory formats, which round in different order."""
    for name, dtype in (("fp64", torch.float64), ("fp32", torch.float32)):
        out.put(f"ten_losses_{name}", *ten_losses(arch, case, dtype))
    loss, exact = first_gradients(arch, case, torch.float64, torch.contiguous_format)
    out.put("first_loss_fp64", loss)
    runs = [first_gradients(arch, case, torch.float32, f) for f in (torch.contiguous_format, torch.channels_last)]
    out.put("first_loss_fp32", *(run[0] for run in runs))
    for name, b in exact.items():
        out.put(f"distance/{name}", max(((run[1][name] - b).norm() / b.norm()).item() for run in runs))


def make(arch):
    case = CASES[arch]
    out = Writer()
    out.lines.append(f"# {arch}: torch {torch.__version__}, torchvision {torchvision.__version__}; parity_make.py")
    for settings in (case, SGD, dict(steps=STEPS, fp32_lr=FP32_LR, fp32_steps=FP32_STEPS)):
        for key, value in settings.items():
            out.put(key, value)
    double_case(out, arch, case)
    single_case(out, arch, case)
    return "\n".join(out.lines) + "\n"


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for arch in sys.argv[2:] or CASES:
        with open(os.path.join(folder, f"parity_{arch}.txt"), "w") as f:
            f.write(make(arch))


if __name__ == "__main__":
    main()
