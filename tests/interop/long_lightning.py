#!/usr/bin/python3
"""A training is handed over from linnet to Lightning and back: the next ten losses equal those of an uninterrupted
training.

Images are as large as the network takes and unshuffled, so both see the same batches. Lightning restores counters, weights,
momentum and schedule, but not the loader's place: after a hand-over in mid-epoch it asks its loader for the epoch's first
batch again. `Rest` below is a sampler that begins where the file stopped, as a user of Lightning has to write it.
"""
import csv
import glob
import json
import os
import subprocess
import tempfile
import warnings

import packages

packages.use("lightning")
import lightning
import timm.optim
import torch
import torchvision

SIZE, BATCH, CLASSES, EACH, LR = 32, 8, 4, 16, 1e-3
BATCHES = CLASSES * EACH // BATCH
# the class and its arguments, and linnet's options
OPTIMIZERS = {
    "sgd": (lambda p: torch.optim.SGD(p, LR, momentum=0.9, weight_decay=1e-4), []),
    "adamw": (lambda p: torch.optim.AdamW(p, LR, (0.8, 0.99), 1e-3),
              ["--opt", "adamw", "--optimizer.beta1", "0.8", "--optimizer.beta2", "0.99", "--optimizer.eps", "1e-3", "--wd", "0.01"]),
    "rmsprop": (lambda p: torch.optim.RMSprop(p, LR, 0.9, 0.0316, 1e-4, 0.8),
                ["--opt", "rmsprop", "--optimizer.alpha", "0.9", "--optimizer.eps", "0.0316", "--momentum", "0.8"]),
    "lamb": (lambda p: timm.optim.Lamb(p, LR, eps=1e-3, weight_decay=0.02, max_grad_norm=None),
             ["--opt", "lamb", "--optimizer.eps", "1e-3", "--wd", "0.02"]),
    "lars": (lambda p: timm.optim.Lars(p, LR, momentum=0.8, weight_decay=0.001, trust_coeff=1.0),
             ["--opt", "lars", "--momentum", "0.8", "--wd", "0.001", "--optimizer.trust_coeff", "1"]),
}


def set_weight_decay(model, wd, bias=None):
    """Of torchvision's references/classification/utils.py, with norm_weight_decay 0."""
    groups = {"other": [], "norm": [], "bias": []}
    for module in model.modules():
        for name, p in module.named_parameters(recurse=False):
            norm = isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm, torch.nn.GroupNorm))
            groups["bias" if bias is not None and name == "bias" else "norm" if norm else "other"].append(p)
    return [{"params": p, "weight_decay": {"other": wd, "norm": 0, "bias": bias}[key]} for key, p in groups.items() if p]


def with_head_rate(groups, model):
    """Divides each group into that of the body, and that of the classifier with five times the rate; the body first."""
    head = {id(p) for p in model.fc.parameters()}
    parts = [dict(group, lr=LR * (5 if is_head else 1), params=[p for p in group["params"] if (id(p) in head) == is_head])
             for is_head in (False, True) for group in groups]
    return [group for group in parts if group["params"]]


NO_NORM, NO_BIAS = "--no-optimizer.decay_norm", "--no-optimizer.decay_bias"
ADAMW = ["--opt", "adamw", "--optimizer.eps", "1e-3", "--wd", "0.5"]
# the class and its groups, linnet's options, and whether linnet writes the same groups; a large decay, so that it shows
GROUPED = {
    "sgd-torchvision": (lambda m: torch.optim.SGD(set_weight_decay(m, 0.5), LR, momentum=0.9), ["--wd", "0.5", NO_NORM], True),
    "sgd-torchvision-bias": (lambda m: torch.optim.SGD(set_weight_decay(m, 0.5, 0), LR, momentum=0.9),
                             ["--wd", "0.5", NO_NORM, NO_BIAS], False),
    "sgd-timm": (lambda m: timm.optim.create_optimizer_v2(m, "momentum", LR, 0.5, 0.9), ["--wd", "0.5", NO_NORM, NO_BIAS], True),
    "sgd-timm-head": (lambda m: torch.optim.SGD(with_head_rate(timm.optim.param_groups_weight_decay(m, 0.5), m), LR, momentum=0.9),
                      ["--wd", "0.5", NO_NORM, NO_BIAS, "--optimizer.head_lr", str(5 * LR)], True),
    "adamw-torchvision": (lambda m: torch.optim.AdamW(set_weight_decay(m, 0.5), LR, eps=1e-3), [*ADAMW, NO_NORM], True),
    "adamw-torchvision-bias": (lambda m: torch.optim.AdamW(set_weight_decay(m, 0.5, 0), LR, eps=1e-3), [*ADAMW, NO_NORM, NO_BIAS],
                               False),
    "adamw-timm": (lambda m: timm.optim.create_optimizer_v2(m, "adamw", LR, 0.5, eps=1e-3), [*ADAMW, NO_NORM, NO_BIAS], True),
}
warnings.filterwarnings("ignore")


def linnet(*arguments):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_data(root):
    random = torch.Generator().manual_seed(1)
    for split, each in ("train", EACH), ("val", 4):
        for c in range(CLASSES):
            folder = "%s/%s/c%d" % (root, split, c)
            os.makedirs(folder)
            for i in range(each):
                pixels = torch.randint(0, 256, (SIZE, SIZE, 3), generator=random) // 2 + 30 * c
                with open("%s/%02d.ppm" % (folder, i), "wb") as f:
                    f.write(b"P6\n%d %d\n255\n" % (SIZE, SIZE) + bytes(pixels.to(torch.uint8).numpy().tobytes()))


class Rest(torch.utils.data.Sampler):
    def __init__(self, n, skip):
        self.n, self.skip = n, skip

    def __len__(self):
        return self.n

    def __iter__(self):
        first, self.skip = self.skip, 0
        return iter(range(first, self.n))


class Module(lightning.LightningModule):
    def __init__(self, schedule="step", optimizer="sgd", **kwargs):
        super().__init__()
        self.save_hyperparameters()
        self.model = torchvision.models.resnet18(num_classes=CLASSES, zero_init_residual=True)
        self.losses = []

    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        self.losses.append((self.current_epoch, self.global_step, loss.item()))
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1]))

    def configure_optimizers(self):
        name = self.hparams.optimizer
        optimizer = GROUPED[name][0](self.model) if name in GROUPED else OPTIMIZERS[name][0](self.parameters())
        if self.hparams.schedule == "step":
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)]
        rule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0, threshold=0.9, min_lr=1e-6)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rule, "monitor": "val_loss"}}


def fit(module, data, folder, epochs, skip=0, start=None, more=()):
    T = torchvision.transforms
    transform = T.Compose([T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    train, val = (torchvision.datasets.ImageFolder(data + "/" + split, transform) for split in ("train", "val"))
    loaders = [torch.utils.data.DataLoader(train, BATCH, sampler=Rest(len(train), skip * BATCH)),
               torch.utils.data.DataLoader(val, BATCH)]
    keep = [lightning.pytorch.callbacks.ModelCheckpoint(folder, "end-{epoch}", monitor="val_loss", save_top_k=-1),
            lightning.pytorch.callbacks.ModelCheckpoint(folder, "middle-{step}", every_n_train_steps=4, save_top_k=-1)]
    trainer = lightning.Trainer(max_epochs=epochs, callbacks=[*more, *keep], accelerator="cpu", logger=False, precision="32-true",
                                enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(module, *loaders, ckpt_path=start)
    return module.losses


def train(data, out, schedule, *more):
    rule = {"step": ["--schedule.step_size", "2", "--schedule.gamma", "0.5"],
            "plateau": ["--schedule.patience", "0", "--schedule.threshold", "0.9"]}[schedule]
    run = json.loads(linnet("train", "--data", data, "--arch", "resnet18", "--image-size", str(SIZE), "--data.resize_size",
                            str(SIZE), "--batch-size", str(BATCH), "--lr", str(LR), "--precision", "32-true", "--out", out,
                            "--data.shuffle", "false", "--data.augment", "none", "--model.zero_gamma", "true",
                            "--trainer.clip_norm", "0", "--schedule.name",
                            schedule, *rule, "--trainer.log_every_n_steps", "1", "--monitor.report", "false", "--json", *more))
    rows = []
    for name in sorted(glob.glob(out + "/logs/resnet18/version_*/metrics.csv")):
        with open(name) as f:
            rows += [r for r in csv.DictReader(f) if r["train_loss_step"]]
    return run["last"], [(int(r["epoch"]), int(r["step"]), float(r["train_loss_step"])) for r in rows]


def compare(what, kept, handed, at, most=None):
    kept, handed = [r for r in kept if r[1] >= at][:most], [r for r in handed if r[1] >= at][:most]
    assert [r[:2] for r in kept] == [r[:2] for r in handed] and len(kept) >= 10, (what, kept, handed)
    worst = max(abs(a[2] - b[2]) for a, b in zip(kept, handed))
    print("%s: epoch and step continue, %d losses within %.2g" % (what, len(kept), worst), flush=True)
    assert worst < 1e-4, (what, kept, handed)


def same_bytes(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


def states_equal(a, b):
    assert a["global_step"] == b["global_step"]
    assert list(a["state_dict"]) == list(b["state_dict"])
    for name, t in a["state_dict"].items():
        assert same_bytes(t, b["state_dict"][name]), name
    a, b = (file["optimizer_states"][0] for file in (a, b))
    a_groups, b_groups = ([group["params"] for group in file["param_groups"]] for file in (a, b))
    assert [len(group) for group in a_groups] == [len(group) for group in b_groups]
    for i, k in zip(sum(a_groups, []), sum(b_groups, [])):  # torch matches by place, linnet numbers as the model
        assert a["state"][i].keys() == b["state"][k].keys(), (i, a["state"][i].keys(), b["state"][k].keys())
        for key, value in a["state"][i].items():
            assert same_bytes(value, b["state"][k][key]), (i, key)


def to_lightning(work, data, schedule):
    _, kept = train(data, work + "/kept", schedule, "--max-epochs", "3")
    for what, at, stop in ("end", BATCHES, ["--max-epochs", "1"]), ("middle", 4, ["--max-epochs", "3", "--max-steps", "4"]):
        path, _ = train(data, work + "/stopped-" + what, schedule, *stop)
        for written in glob.glob(os.path.dirname(path) + "/*.ckpt"):
            torch.load(written, weights_only=True)
        module = Module.load_from_checkpoint(path, schedule=schedule)
        assert module.hparams.num_classes == CLASSES
        losses = fit(Module(schedule), data, work + "/pl-" + what, 3, at % BATCHES, path)
        # Lightning (fit_loop.py) does not pass the loss of an epoch that was resumed in the middle to the
        # plateau schedule
        most = 10 if (schedule, what) == ("plateau", "middle") else None
        compare("linnet -> Lightning, %s, %s of an epoch" % (schedule, what), kept, losses, at, most)


def to_linnet(work, data, schedule):
    torch.manual_seed(0)
    kept = fit(Module(schedule), data, work + "/kept-pl", 3)
    for what, at, name in ("end", BATCHES, "end-epoch=0"), ("middle", 4, "middle-step=4"):
        path = work + "/kept-pl/" + name + ".ckpt"
        last, losses = train(data, work + "/linnet-" + what, schedule, "--max-epochs", "3", "--resume", path)
        compare("Lightning -> linnet, %s, %s of an epoch" % (schedule, what), kept, losses, at)
        last, _ = train(data, work + "/again-" + what, schedule, "--max-epochs", "3", "--max-steps", str(at), "--resume", path)
        assert os.path.realpath(last) != os.path.realpath(path)  # linnet has rewritten it without a step
        states_equal(torch.load(path, weights_only=True), torch.load(last, weights_only=True))


def other_optimizers(work, data):
    """Both ways, in the middle of an epoch; and the options in the file are those of the class."""
    for name, (make, options) in OPTIMIZERS.items():
        if name == "sgd":
            continue
        folder = "%s/%s-" % (work, name)
        _, kept = train(data, folder + "kept", "step", "--max-epochs", "3", *options)
        path, _ = train(data, folder + "stopped", "step", "--max-epochs", "3", "--max-steps", "4", *options)
        parameters = list(torchvision.models.resnet18(num_classes=CLASSES).parameters())
        ours = torch.load(path, weights_only=True)["optimizer_states"][0]["param_groups"][0]
        theirs = make(parameters).state_dict()["param_groups"][0]
        for key in set(ours) & set(theirs):
            assert ours[key] == theirs[key], (name, key, ours[key], theirs[key])
        missing = set(theirs) - set(ours)  # options of newer versions, whose classes set the default
        assert missing <= {"foreach", "max_lr_snapshot"}, (name, missing)
        compare("linnet -> Lightning, %s" % name, kept, fit(Module(optimizer=name), data, folder + "pl", 3, 4, path), 4)
        torch.manual_seed(0)
        kept = fit(Module(optimizer=name), data, folder + "kept-pl", 3)
        path = folder + "kept-pl/middle-step=4.ckpt"
        _, losses = train(data, folder + "linnet", "step", "--max-epochs", "3", "--resume", path, *options)
        compare("Lightning -> linnet, %s" % name, kept, losses, 4)
        last, _ = train(data, folder + "again", "step", "--max-epochs", "3", "--max-steps", "4", "--resume", path, *options)
        states_equal(torch.load(path, weights_only=True), torch.load(last, weights_only=True))


def decay_groups(work, data):
    """Parameter groups by weight decay, in the middle of an epoch. Ten losses: AdamW then amplifies rounding, also between two
    runs of Lightning."""
    for name, (make, options, same) in GROUPED.items():
        folder = "%s/%s-" % (work, name)
        torch.manual_seed(0)
        kept = fit(Module(optimizer=name), data, folder + "kept-pl", 3)
        path = folder + "kept-pl/middle-step=4.ckpt"
        plain = [word for i, word in enumerate(options) if "head_lr" not in word + options[i - 1]]  # the file has the rate
        _, losses = train(data, folder + "linnet", "step", "--max-epochs", "3", "--resume", path, *plain)
        compare("Lightning -> linnet, %s" % name, kept, losses, 4, 10)
        if not same:
            continue
        last, _ = train(data, folder + "again", "step", "--max-epochs", "3", "--max-steps", "4", "--resume", path, *plain)
        states_equal(torch.load(path, weights_only=True), torch.load(last, weights_only=True))
        _, kept = train(data, folder + "kept", "step", "--max-epochs", "3", *options)
        path, _ = train(data, folder + "stopped", "step", "--max-epochs", "3", "--max-steps", "4", *options)
        compare("linnet -> Lightning, %s" % name, kept, fit(Module(optimizer=name), data, folder + "pl", 3, 4, path), 4, 10)


def early_stopping(work, data):
    """The callback's state, both ways: with the second epoch's value nothing improves any more, the fourth ends the run."""
    rule = ["--early_stopping.monitor", "val_loss", "--early_stopping.min_delta", "1000", "--early_stopping.patience", "3"]
    path, _ = train(data, work + "/stop", "step", "--max-epochs", "2", *rule)
    saved = torch.load(path, weights_only=True)["callbacks"]["EarlyStopping{'monitor': 'val_loss', 'mode': 'min'}"]
    assert saved["wait_count"] == 1 and saved["patience"] == 3, saved
    stop = lightning.pytorch.callbacks.EarlyStopping("val_loss", min_delta=1000, patience=3)
    fit(Module(), data, work + "/stop-pl", 9, 0, path, [stop])
    assert (stop.stopped_epoch, stop.wait_count) == (3, 3), (stop.stopped_epoch, stop.wait_count)
    assert stop.best_score == saved["best_score"]
    stop = lightning.pytorch.callbacks.EarlyStopping("val_loss", min_delta=1000, patience=3)
    fit(Module(), data, work + "/stop-kept", 2, more=[stop])
    last, _ = train(data, work + "/stop-linnet", "step", "--max-epochs", "9", *rule, "--resume",
                    work + "/stop-kept/end-epoch=1.ckpt")
    assert torch.load(last, weights_only=True)["epoch"] == 3
    print("early stopping: the state is exchanged in both directions")


def torchvision_and_back(work):
    net = torchvision.models.resnet18()
    torch.save(net.state_dict(), work + "/theirs.pth")
    for name, more in ("a.pth", []), ("a.safetensors", []), ("half.pth", ["--fp16"]):
        linnet("export", work + "/theirs.pth", "--format", name.split(".")[1], "--out", work + "/" + name, *more)
    linnet("export", work + "/a.safetensors", "--format", "pth", "--out", work + "/b.pth")
    for name in "a.pth", "b.pth":
        state = torch.load(work + "/" + name, weights_only=True)
        again = torchvision.models.resnet18()
        again.load_state_dict(state)
        assert list(state) == list(net.state_dict())
        for key, t in net.state_dict().items():
            assert same_bytes(t, state[key]), key
    for key, t in torch.load(work + "/half.pth", weights_only=True).items():
        wanted = net.state_dict()[key]
        assert torch.equal(t, wanted.half() if wanted.is_floating_point() else wanted), key
    print("torchvision -> linnet -> .pth -> torchvision: equal bytes")


def main():
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as work:
        torchvision_and_back(work)
        make_data(work + "/data")
        other_optimizers(work, work + "/data")
        decay_groups(work, work + "/data")
        early_stopping(work, work + "/data")
        for schedule in "step", "plateau":
            to_lightning(work + "/" + schedule, work + "/data", schedule)
            to_linnet(work + "/" + schedule, work + "/data", schedule)


main()
