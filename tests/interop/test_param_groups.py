#!/usr/bin/env python3
"""Parameter groups by weight decay: torch.optim loads those that linnet writes, in the order of torchvision's
set_weight_decay or timm's param_groups_weight_decay; and a run that continues from a file in which torch has numbered the
parameters by group equals one that continues from linnet's own file, byte for byte."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

OPTIMIZERS = {"sgd": lambda groups: torch.optim.SGD(groups, 0.02, momentum=0.9),
              "adamw": lambda groups: torch.optim.AdamW(groups, 0.02)}
HEAD = "linear."  # of linnet's resnet20
NO_NORM, NO_BIAS = "--no-optimizer.decay_norm", "--no-optimizer.decay_bias"
# linnet's options, and the groups that it writes: the parameters of a group, as a rule, and its weight decay
CASES = {"torchvision": ([NO_NORM], [("other", 0.01), ("norm", 0)]),
         "timm": ([NO_NORM, NO_BIAS], [("no_decay", 0), ("decay", 0.01)]),
         "bias": ([NO_BIAS], [("head bias", 0), ("not head bias", 0.01)]),
         "head": ([NO_NORM, NO_BIAS, "--optimizer.head_lr", "0.1"],
                  [("no_decay body", 0), ("decay body", 0.01), ("no_decay head", 0), ("decay head", 0.01)])}
# other divisions of the same parameters, which linnet does not write
OTHERS = {"timm": [[("decay", 0.01), ("no_decay", 0)], [("other -bias", 0.01), ("norm -bias", 0), ("bias", 0)]],
          "head": [[("head decay", 0.01), ("decay body", 0.01), ("head no_decay", 0), ("no_decay body", 0)]]}


def linnet(*arguments):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def in_group(rule, name, p):
    head, bias = name.startswith(HEAD), name.endswith(".bias")
    words = {"norm": p.ndim == 1 and not head, "other": p.ndim > 1 or head, "no_decay": p.ndim == 1, "decay": p.ndim > 1,
             "head": head, "body": not head, "bias": bias, "-bias": not bias}
    if rule == "not head bias":
        return not (head and bias)
    return all(words[word] for word in rule.split())


def optimizer_of(name, division, parameters):
    """The class with these groups, and the numbers of its parameters in the model."""
    groups, numbers = [], []
    for rule, decay in division:
        numbers.append([i for i, (key, p) in enumerate(parameters) if in_group(rule, key, p)])
        groups.append({"params": [parameters[i][1] for i in numbers[-1]], "weight_decay": decay})
    assert sorted(sum(numbers, [])) == list(range(len(parameters)))
    return OPTIMIZERS[name](groups), numbers


def load(optimizer, numbers, state, division):
    """Loads linnet's state into other groups than those it has written."""
    by_head = {}
    for group in state["param_groups"]:
        for i in group["params"]:
            by_head[i] = group
    groups = [dict(by_head[numbers[g][0]], params=numbers[g], weight_decay=decay) for g, (_, decay) in enumerate(division)]
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
    return optimizer.state_dict()


def digest(path):
    return json.loads(linnet("info", path, "--json")[0])["digest"]


class Runs:
    def __init__(self, work):
        self.work, self.n = work, 0
        linnet("shapes", work + "/data", "--train", "8", "--val", "4", "--size", "40", "--seed", "1")

    def train(self, *options):
        self.n += 1
        out = "%s/%d" % (self.work, self.n)
        got, log = linnet("train", "--data", self.work + "/data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16",
                          "--workers", "1", "--trainer.threads", "2", "--precision", "32-true", "--lr", "0.02", "--wd", "0.01",
                          "--monitor.report", "false", "--device", "cpu", "--out", out, "--json", *options)
        return json.loads(got)["last"], log


def check(runs, name, case):
    options, division = CASES[case]
    options = ["--opt", name, *options]
    start, _ = runs.train("--max-epochs", "1", *options)
    file = torch.load(start)
    state = file["optimizer_states"][0]
    names = [key[len("model."):] for key in file["state_dict"] if not key.endswith(("mean", "var", "tracked"))]
    parameters = [(key, torch.nn.Parameter(file["state_dict"]["model." + key])) for key in names]
    optimizer, numbers = optimizer_of(name, division, parameters)
    assert [group["params"] for group in state["param_groups"]] == numbers, (case, state["param_groups"])
    assert [group["weight_decay"] for group in state["param_groups"]] == [decay for _, decay in division], case
    assert all(len(schedule["_last_lr"]) == len(division) for schedule in file["lr_schedulers"])
    optimizer.load_state_dict(state)
    kept, _ = runs.train("--max-epochs", "2", "--resume", start, *options)
    files = [optimizer.state_dict()]
    for other in OTHERS.get(case, []):
        optimizer, numbers = optimizer_of(name, other, parameters)
        files.append(load(optimizer, numbers, state, other))
    del file["linnet"]
    for saved in files:
        assert sum([group["params"] for group in saved["param_groups"]], []) == list(range(len(names)))
        file["optimizer_states"] = [saved]
        for schedule in file["lr_schedulers"]:
            for key in "base_lrs", "_last_lr":
                schedule[key] = [group["initial_lr" if key == "base_lrs" else "lr"] for group in saved["param_groups"]]
        path = runs.work + "/torch.ckpt"
        torch.save(file, path)
        without = [word for i, word in enumerate(options) if "head_lr" not in word and "head_lr" not in options[i - 1]]
        last, log = runs.train("--max-epochs", "2", "--resume", path, *without)
        assert "decay" not in log and "without state" not in log, log
        assert digest(last) == digest(kept), (name, case, [len(group["params"]) for group in saved["param_groups"]])
    print("%s, %s: %d files continue with equal bytes" % (name, case, len(files)), flush=True)
    return path, start


def main():
    with tempfile.TemporaryDirectory() as work:
        runs = Runs(work)
        for name, case in ("sgd", "torchvision"), ("sgd", "timm"), ("adamw", "timm"), ("sgd", "bias"), ("adamw", "head"):
            theirs, own = check(runs, name, case)
        for path in theirs, own:
            _, log = runs.train("--max-epochs", "2", "--opt", "adamw", "--max-steps", "11", "--resume", path)
            for option, what in ("norm", "batch norm's parameters"), ("bias", "the classifier's bias"):
                assert ("%s was trained without weight decay for %s, but this run applies it: to continue as before, set "
                        "optimizer.decay_%s false" % (path, what, option)) in log, log
        file = torch.load(own)
        del file["linnet"]
        names = [key for key in file["state_dict"] if not key.endswith(("mean", "var", "tracked"))]
        first, second = file["optimizer_states"][0]["param_groups"][:2]
        whole = sorted(first["params"] + second["params"])

        def warning(params, decay, *options):
            first.update(params=params, weight_decay=decay)
            second.update(params=[i for i in whole if i not in params])
            torch.save(file, work + "/edited.ckpt")
            return runs.train("--max-epochs", "2", "--opt", "adamw", "--max-steps", "11", "--resume", work + "/edited.ckpt",
                              *options)[1]
        log = warning(first["params"], 0.005)
        assert ("was trained with weight decay 0.005 for bn1.weight and 0.01 for conv1.weight: this run applies 0.01 and "
                "0.01\n") in log, log
        log = warning([i for i in first["params"] if names[i].endswith(".weight")], 0)
        assert ("was trained with weight decay for only 19 of 38 tensors of batch norm's parameters: this run applies it to all of "
                "them (optimizer.decay_norm)") in log, log
        file["optimizer_states"][0]["param_groups"][2]["weight_decay"] = 0.01
        log = warning(first["params"], 0.01, NO_NORM)
        assert "with weight decay for batch norm's parameters, but this run does not apply it" in log, log
        assert log.count("weight decay") == 1, log
        start, _ = runs.train("--max-epochs", "1")
        _, log = runs.train("--max-epochs", "2", "--max-steps", "11", "--resume", start, NO_BIAS)
        assert "%s was trained with weight decay for the classifier's bias, but this run does not apply it" % start in log, log
        assert log.count("weight decay") == 1, log


main()
