"""PyTorch's training throughput on the GPU, measured as `linnet bench train` measures: forward, loss, backward, SGD with
momentum on one random batch in device memory, channels_last, AMP. Prints one line of JSON. --compile: torch.compile.
"""
import argparse
import json
import statistics
import time

import torch
import torchvision


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--arch", default="resnet50")
    p.add_argument("--batch-size", type=int, default=256)
    p.add_argument("--image-size", type=int, default=224)
    p.add_argument("--precision", default="16-mixed", choices=["16-mixed", "bf16-mixed", "32-true", "tf32"])
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--warmup", type=int, default=10)
    p.add_argument("--compile", action="store_true")
    return p.parse_args()


def main():
    o = options()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = o.precision == "tf32"
    model = getattr(torchvision.models, o.arch)().cuda().to(memory_format=torch.channels_last)
    run = torch.compile(model) if o.compile else model
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loss_of = torch.nn.CrossEntropyLoss()
    scaler = torch.cuda.amp.GradScaler(enabled=o.precision == "16-mixed")
    half = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}.get(o.precision)
    images = torch.randn(o.batch_size, 3, o.image_size, o.image_size, device="cuda")
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(1000, (o.batch_size,), device="cuda")

    def step():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=half or torch.float16, enabled=half is not None):
            loss = loss_of(run(images), labels)
        scaler.scale(loss).backward()
        scaler.step(sgd)
        scaler.update()
        return loss

    for _ in range(o.warmup):
        step()
    torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(o.steps + 1)]
    start = time.perf_counter()
    marks[0].record()
    for i in range(o.steps):
        loss = step()
        marks[i + 1].record()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    median = statistics.median(a.elapsed_time(b) / 1e3 for a, b in zip(marks, marks[1:]))
    print(json.dumps({"images_per_second": round(o.batch_size * o.steps / seconds, 2), "step_seconds": median,
                      "loss": loss.item(), "arch": o.arch, "batch": o.batch_size, "precision": o.precision,
                      "compiled": o.compile, "torch": torch.__version__, "cuda": torch.version.cuda,
                      "cudnn": torch.backends.cudnn.version(), "gpu": torch.cuda.get_device_name()}))


if __name__ == "__main__":
    main()
