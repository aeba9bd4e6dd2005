#!/usr/bin/python3
"""linnet beside the project that it replaces: ResNet-18 in PyTorch Lightning with SGD, LR finder, StepLR, gradient
clipping and the best three checkpoints, on the same images in fp32. Of five seeds each: the LR finder's suggestion,
accuracy, wall time and memory of the whole process. Then each program evaluates the other's best checkpoint.
Prints one JSON line per run and a table. Exit 77: the packages or the data are missing.

usage: long_lightning_project.py   (LINNET, LINNET_SOURCE as CTest sets them)
"""
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import packages

packages.use("project")

EPOCHS, BATCH, LR, DECAY, SIZE, CLIP, STEP, WORKERS = 6, 32, 0.05, 1e-4, 32, 1.0, 3, 2
TRAIN_PER_CLASS, VAL_PER_CLASS, SEEDS = 200, 100, (1, 2, 3, 4, 5)
WALL_LIMIT, MEMORY_LIMIT = 0.6, 0.6  # linnet's part of Lightning's


def subset(source, target):
    """The first images of each class, as links."""
    for split, n in (("train", TRAIN_PER_CLASS), ("val", VAL_PER_CLASS)):
        for name in sorted(os.listdir(f"{source}/{split}")):
            os.makedirs(f"{target}/{split}/{name}")
            for f in sorted(os.listdir(f"{source}/{split}/{name}"))[:n]:
                os.symlink(os.path.realpath(f"{source}/{split}/{name}/{f}"), f"{target}/{split}/{name}/{f}")


# ---- the Lightning project; each run is a process of its own: this script with arguments


def lightning_project():
    """The module, and a function that makes its loaders."""
    import lightning
    import torch
    import torchvision
    from torchvision import transforms as T

    class Project(lightning.LightningModule):
        def __init__(self, lr):
            super().__init__()
            self.save_hyperparameters()
            self.lr = lr
            self.model = torchvision.models.resnet18(num_classes=10)

        def training_step(self, batch, index):
            loss = torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, index):
            logits = self.model(batch[0])
            self.log("val_loss", torch.nn.functional.cross_entropy(logits, batch[1]))
            self.log("val_acc", (logits.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            sgd = torch.optim.SGD(self.parameters(), self.lr, momentum=0.9, weight_decay=DECAY)
            return [sgd], [torch.optim.lr_scheduler.StepLR(sgd, STEP, 0.1)]

    def loaders(data):
        norm = [T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
        crop = [T.RandomResizedCrop(SIZE), T.RandomHorizontalFlip()]
        train = torchvision.datasets.ImageFolder(f"{data}/train", T.Compose(crop + norm))
        val = torchvision.datasets.ImageFolder(f"{data}/val", T.Compose([T.Resize(SIZE), T.CenterCrop(SIZE)] + norm))
        options = {"num_workers": WORKERS, "persistent_workers": True}
        return (torch.utils.data.DataLoader(train, BATCH, shuffle=True, **options),
                torch.utils.data.DataLoader(val, BATCH, **options))

    return Project, loaders


def lightning_main(task, data, out, argument):
    import lightning
    warnings.filterwarnings("ignore")
    project, loaders = lightning_project()
    train, val = loaders(data)
    options = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    if task == "validate":
        module = project.load_from_checkpoint(argument, weights_only=False, strict=True, lr=LR)
        trainer = lightning.Trainer(logger=False, **options)
        print(json.dumps({"top1": trainer.validate(module, val, verbose=False)[0]["val_acc"]}))
        return
    lightning.seed_everything(int(argument), verbose=False)
    module = project(LR)
    if task == "find-lr":
        trainer = lightning.Trainer(logger=False, max_epochs=EPOCHS, enable_checkpointing=False, **options)
        found = lightning.pytorch.tuner.Tuner(trainer).lr_find(module, train, val)
        print(json.dumps({"suggestion": found.suggestion()}))
        return
    best = lightning.pytorch.callbacks.ModelCheckpoint(out, monitor="val_loss", save_top_k=3, save_last=True)
    trainer = lightning.Trainer(max_epochs=EPOCHS, gradient_clip_val=CLIP, callbacks=[best], default_root_dir=out,
                                logger=lightning.pytorch.loggers.TensorBoardLogger(out), **options)
    trainer.fit(module, train, val)
    print(json.dumps({"top1": trainer.callback_metrics["val_acc"].item(), "best": best.best_model_path}))


# ---- both programs


def measured(command):
    """The JSON that a command prints last, its seconds, and the peak of its largest process in MB."""
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, text=True)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            raise RuntimeError(f"{command[0]} {command[1]} failed:\n{err.read()[-2000:]}")
        lines = out.read().strip().splitlines()
    text = lines[-1] if lines[-1].startswith("{") else "\n".join(lines)
    return {**json.loads(text), "seconds": time.monotonic() - begin, "mb": usage.ru_maxrss / 1024}


def run_lightning(task, data, out, argument):
    return measured([sys.executable, os.path.abspath(__file__), task, data, out, str(argument)])


def run_linnet(task, data, out, seed):
    # the last two lines: as in the Lightning project, no report; the whole image in validation
    command = [os.environ["LINNET"], task, "--data", data, "--arch", "resnet18", "--image-size", str(SIZE), "--batch-size",
               str(BATCH), "--precision", "32-true", "--optimizer.weight_decay", str(DECAY), "--seed", str(seed), "--workers",
               str(WORKERS), "--json", "--max-epochs", str(EPOCHS), "--schedule.name", "step", "--schedule.step_size",
               str(STEP), "--trainer.clip_norm", str(CLIP), "--save-top-k", "3", "--out", out, "--data.resize_size", str(SIZE)]
    return measured(command + (["--lr", str(LR)] if task == "train" else []))


def spread(values):
    return max(values) - min(values)


def row(name, unit, ours, theirs):
    print("| %s | %s | %s |" % (name, *("%.4g (%.4g to %.4g)%s" % (statistics.mean(v), min(v), max(v), unit)
                                        for v in (ours, theirs))))


def compare(data, work):
    runs = {"linnet": [], "lightning": []}
    for seed in SEEDS:
        for name, run in ("linnet", run_linnet), ("lightning", run_lightning):
            out = f"{work}/{name}{seed}"
            found = run("find-lr", data, out + "-lr", seed)
            done = run("train", data, out, seed)
            runs[name].append({"suggestion": found["suggestion"], **{k: done[k] for k in ("top1", "seconds", "mb")},
                               "best": done.get("best")})
            print(json.dumps({"program": name, "seed": seed, **runs[name][-1]}), flush=True)
    return runs


def exchange(data, work, runs):
    """Each program's accuracy with the other's best checkpoint equals that program's own."""
    ours = sorted(glob.glob(f"{work}/linnet{SEEDS[0]}/checkpoints/resnet18/epoch=*.ckpt"))[-1]
    theirs = runs["lightning"][0]["best"]
    options = ["--data", data, "--precision", "32-true", "--json"]
    sizes = ["--image-size", str(SIZE), "--data.resize_size", str(SIZE)]
    pairs = []
    for name, path in ("linnet's", ours), ("Lightning's", theirs):
        a = measured([os.environ["LINNET"], "eval", path, *options, *sizes, *([] if path == ours else ["--arch", "resnet18"])])
        b = run_lightning("validate", data, work, path)
        pairs.append((a["top1"], b["top1"]))
        print(f"{name} best checkpoint: top-1 {a['top1']:.4f} in linnet, {b['top1']:.4f} in Lightning")
    images = 10 * VAL_PER_CLASS
    return all(abs(a - b) <= 1.5 / images for a, b in pairs)  # two logits may be equal to the last bits


def main():
    script = os.path.join(os.environ.get("LINNET_SOURCE", "."), "tests/data.sh")
    found = subprocess.run(["bash", script, "cifar10"], stdout=subprocess.PIPE)
    if found.returncode != 0:
        return found.returncode
    work = tempfile.mkdtemp(prefix="linnet-project-")
    try:
        subset(found.stdout.decode().strip(), f"{work}/data")
        runs = compare(f"{work}/data", work)
        a, b = ({k: [r[k] for r in runs[name]] for k in ("suggestion", "top1", "seconds", "mb")}
                for name in ("linnet", "lightning"))
        print("\n| mean (lowest to highest) of %d seeds | linnet | Lightning |\n|---|---|---|" % len(SEEDS))
        row("LR finder's suggestion", "", a["suggestion"], b["suggestion"])
        row("top-1 after %d epochs" % EPOCHS, "", a["top1"], b["top1"])
        row("wall time", " s", a["seconds"], b["seconds"])
        row("peak memory of the largest process", " MB", a["mb"], b["mb"])
        failed = []
        if abs(statistics.mean(a["top1"]) - statistics.mean(b["top1"])) > max(spread(a["top1"]), spread(b["top1"])):
            failed.append("the mean accuracies differ by more than the larger spread")
        if statistics.median(a["seconds"]) > WALL_LIMIT * statistics.median(b["seconds"]):
            failed.append("linnet's wall time is more than %g of Lightning's" % WALL_LIMIT)
        if statistics.median(a["mb"]) > MEMORY_LIMIT * statistics.median(b["mb"]):
            failed.append("linnet's memory is more than %g of Lightning's" % MEMORY_LIMIT)
        if not exchange(f"{work}/data", work, runs):
            failed.append("the accuracies of one checkpoint differ")
    finally:
        shutil.rmtree(work)
    for line in failed:
        print("FAILED: " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        lightning_main(*sys.argv[1:])
        sys.exit(0)
    sys.exit(main())
