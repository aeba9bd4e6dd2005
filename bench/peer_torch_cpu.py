"""PyTorch's throughput on the CPU, measured as `linnet bench train` and `linnet bench eval` measure: one random batch,
channels_last, SGD with momentum. Prints one line of JSON. --compile: torch.compile. --cpu-level avx2: the instructions of
LINNET_CPU=avx2. Written for torch 2.15.0 and torchvision 0.29.2.
"""
import argparse
import json
import os
import statistics
import time

LIMITS = {"avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}}


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--arch", default="resnet50")
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--image-size", type=int, default=224)
    p.add_argument("--precision", default="32-true", choices=["bf16-mixed", "32-true"])
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--eval", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--cpu-level", choices=LIMITS)
    return p.parse_args()


def main():
    o = options()
    os.environ.update(LIMITS.get(o.cpu_level, {}))
    import torch  # reads the environment
    import torchvision

    torch.set_num_threads(o.threads)
    model = getattr(torchvision.models, o.arch)().to(memory_format=torch.channels_last).train(not o.eval)
    run = torch.compile(model) if o.compile else model
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(o.batch_size, 3, o.image_size, o.image_size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(1000, (o.batch_size,))
    mixed = torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "bf16-mixed")

    def step():
        with torch.inference_mode(o.eval), mixed:
            loss = torch.nn.functional.cross_entropy(run(images), labels)
        if not o.eval:
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
        return loss.item()

    times = []
    for i in range(-o.warmup, o.steps):
        start = time.perf_counter()
        step()
        if i >= 0:
            times.append(time.perf_counter() - start)
    print(json.dumps({"images_per_second": round(o.batch_size / statistics.median(times), 2), "torch": torch.__version__,
                      "arch": o.arch, "eval": o.eval, "compile": o.compile, "threads": o.threads,
                      "cpu": torch.backends.cpu.get_cpu_capability()}))


if __name__ == "__main__":
    main()
