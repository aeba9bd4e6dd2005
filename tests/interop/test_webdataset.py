#!/usr/bin/python3
"""linnet reads shards of the webdataset package, and the package reads linnet's: same images, labels and names. Also
timm's naming with _info.json, and a dataset with only keys and labels."""
import json
import os
import shutil
import subprocess
import tempfile

from webdataset_package import find_webdataset

find_webdataset()
import webdataset as wds  # noqa: E402

LINNET = os.environ["LINNET"]


def run(*args):
    r = subprocess.run([LINNET, *args], capture_output=True, text=True)
    assert r.returncode == 0, (args, r.stdout, r.stderr)
    return r


def info(path):
    return json.loads(run("info", path, "--json").stdout)


def files(split):
    """{CLASS/FILE: (label, bytes)} of the folder"""
    classes = sorted(os.listdir(f"data/{split}"))
    return {f"{c}/{f}": (label, open(f"data/{split}/{c}/{f}", "rb").read())
            for label, c in enumerate(classes) for f in sorted(os.listdir(f"data/{split}/{c}"))}


def read_ours():
    for split in ("train", "val"):
        expected = files(split)
        shards = sorted(f"ours/{f}" for f in os.listdir("ours") if f.startswith(split) and f.endswith(".tar"))
        assert len(shards) > 1 or split == "val"
        seen = {}
        for sample in wds.WebDataset(shards, shardshuffle=False):
            ext = next(e for e in ("jpg", "png") if e in sample)
            meta = json.loads(sample["json"])
            assert int(sample["cls"]) == meta["label"]
            seen[meta["filename"]] = (int(sample["cls"]), sample[ext])
        assert seen == expected, (set(seen) ^ set(expected))


def write_theirs(folder, train, val, with_json):
    os.makedirs(folder)
    for split, pattern in (("train", train), ("val", val)):
        with wds.ShardWriter(f"{folder}/{pattern}", maxcount=30, verbose=0) as sink:
            for k, (name, (label, data)) in enumerate(sorted(files(split).items(), key=lambda x: hash(x[0]) % 997)):
                sample = {"__key__": f"sample{k:06d}", "jpg": data, "cls": label}
                if with_json:
                    sample["json"] = {"label": label, "filename": name, "width": 40, "height": 40}
                sink.write(sample)


def weights(data, out):
    run("train", "--data", data, "--out", out, "--max-epochs", "1", "--arch", "resnet18", "--image-size", "32",
        "--batch-size", "16", "--workers", "1", "--trainer.threads", "2", "--precision", "32-true", "--lr", "0.02",
        "--monitor.report", "false")
    return json.loads(run("info", f"{out}/checkpoints/resnet18/last.ckpt", "--json").stdout)["digest"]


def main():
    run("shapes", "data", "--train", "6", "--val", "2", "--size", "40", "--seed", "1")
    os.rename("data/train/circle/0001.jpg", "data/train/circle/dotted.name.JPEG")
    run("pack", "data", "--out", "ours", "--shard-size", "0.05")
    read_ours()

    write_theirs("timm", "imagenet1k-train-%04d.tar", "imagenet1k-validation-%02d.tar", True)
    lengths = [30, 30]
    with open("timm/_info.json", "w") as f:
        json.dump({"splits": {"train": {"name": "train", "num_samples": 60, "shard_lengths": lengths,
                                        "filenames": [f"imagenet1k-train-{i:04d}.tar" for i in range(2)]}}}, f)
    assert info("timm") == info("data"), (info("timm"), info("data"))
    assert weights("timm", "a") == weights("data", "b")  # the JSON has the names, so the dataset is the same

    write_theirs("keys", "train-%06d.tar", "val-%06d.tar", False)
    assert info("keys") == info("data")
    names = run("info", "keys").stdout
    assert "   0 0 " in names and "   9 9 " in names, names  # labels, because there are no names


work = tempfile.mkdtemp(prefix="linnet-webdataset-")
os.chdir(work)
try:
    main()
finally:
    os.chdir("/")
    shutil.rmtree(work)
