#!/usr/bin/python3
"""Shards from the outside: training from them equals training from the folder to the byte, also resumed across; every fault
of a shard, of an index, of a file system is one clear line, and nothing half-written stays under its final name."""
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

LINNET, BUILD = os.environ["LINNET"], os.environ["LINNET_BUILD"]
SMALL = ["--arch", "resnet18", "--image-size", "32", "--batch-size", "16", "--workers", "2", "--trainer.threads", "2",
         "--precision", "32-true", "--lr", "0.02", "--monitor.report", "false", "--checkpoint.top_k", "1"]


def run(code, *args, says="", fault=None):
    env = dict(os.environ)
    if fault:
        env.update(LD_PRELOAD=f"{BUILD}/tests/faults.so", LINNET_FAULT=fault,
                   ASAN_OPTIONS=env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    r = subprocess.run([LINNET, *args], capture_output=True, text=True, env=env)
    assert r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
    assert says in r.stderr + r.stdout, (args, says, r.stdout, r.stderr)
    return r


def digest(out):
    return json.loads(run(0, "info", f"{out}/checkpoints/resnet18/last.ckpt", "--json").stdout)["digest"]


def train(data, out, epochs, *more, code=0, says="", fault=None):
    return run(code, "train", "--data", data, "--out", out, "--max-epochs", str(epochs), *SMALL, *more, says=says, fault=fault)


def counts(data, says="", code=0):
    r = run(code, "info", data, "--json", says=says)
    return json.loads(r.stdout)["train"]["images"] if code == 0 else None


def edit(name, change, source="shards"):
    """a copy of the shards whose first training shard is made anew of changed members; without its index"""
    shutil.rmtree(name, ignore_errors=True)
    shutil.copytree(source, name)
    os.remove(f"{name}/train.index")
    path = f"{name}/train-000000.tar"
    with tarfile.open(path) as t:
        members = [(m.name, t.extractfile(m).read()) for m in t.getmembers()]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as t:
        for member, data in change(members):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return name


def same_weights():
    train("data", "a", 1)
    train("shards", "b", 1)
    assert digest("a") == digest("b")
    # another shard size, bytes that come in pieces: the same run; and it goes on from the folder's checkpoint
    run(0, "pack", "data", "--out", "one")
    train("one", "a", 2, "--resume", "auto", fault="short")
    train("shards", "b", 2, "--resume", "auto")
    assert digest("a") == digest("b")
    train("shards", "s", 1, "--data.sequential", "true", "--data.shuffle_buffer", "20")
    train("data", "s2", 1, "--data.sequential", "true", code=2, says="data.sequential is for shards")


def other_data():
    shutil.copytree("data", "less")
    os.remove("less/train/circle/0000.jpg")
    train("less", "b", 3, "--resume", "auto", code=1, says="was trained on other data")
    train("less", "b", 3, "--resume", "auto", "--data.changed", "true", says="are not those that")


def damaged():
    n = counts("shards")
    in_first = json.load(open("shards/_info.json"))["splits"]["train"]["shard_lengths"][0]
    # a label that is missing, a key twice, names that lead away, no label but one in the JSON
    d = edit("e1", lambda m: [x for x in m if x[0] != m[1][0]])
    assert counts(d) == n  # the JSON has the label too
    d = edit("e1", lambda m: m[:1] + m[3:])
    assert counts(d, says="has no label") == n - 1
    d = edit("e1", lambda m: m + m[:3])
    assert counts(d, says="occurs twice") == n
    d = edit("e1", lambda m: m + [("../evil.jpg", b"x"), ("../evil.cls", b"1"), ("/evil.jpg", b"x"), ("/evil.cls", b"1")])
    assert counts(d, says="leads out of the archive") == n
    # a flipped bit in a header; the image is lost and counts as unreadable
    shutil.copytree("shards", "e2")
    path = "e2/train-000000.tar"
    data = bytearray(open(path, "rb").read())
    data[5] ^= 1
    open(path, "wb").write(data)
    assert counts("e2", says="damaged at byte 0") == n - 1
    assert "was changed after it was made" not in run(0, "info", "e2").stderr
    train("e2", "t", 1, "--data.max_bad", "0", code=1, says="1 of the 84 images in e2 cannot be read")
    train("e2", "t", 1, "--data.max_bad", "0.1", says="1 images of train are lost")
    # cut in the middle: _info.json tells how many are lost
    open(path, "wb").write(data[:len(data) // 2])
    left = counts("e2", says="train-000000.tar was changed after it was made")
    assert n - in_first < left < n - 1
    assert f"{n - left} images of train are lost" in run(0, "info", "e2").stderr
    shutil.copytree("shards", "e3")
    for f in [f for f in os.listdir("e3") if f.startswith("train-")]:
        os.rename(f"e3/{f}", f"e3/{f}.gz")
    run(1, "info", "e3", says="compressed shards")


def file_system():
    # EIO from a shard while training: bad images by the rule; while the index is made: the end
    train("shards", "f", 1, "--data.max_bad", "0.9", fault="eio:train-000001.tar")
    assert "Input/output error" in open("f/logs/resnet18/version_0/bad_images.txt").read()
    train("shards", "f2", 1, "--data.max_bad", "0.02", fault="eio:train-000001.tar", code=1, says="data.max_bad")
    shutil.copytree("shards", "f3")
    os.remove("f3/train.index")
    run(1, "info", "f3", fault="eio:train-000001.tar", says="train-000001.tar at byte 0: Input/output error")
    assert not os.path.exists("f3/train.index")
    # a full disk
    run(1, "pack", "data", "--out", "full", fault="full:full.tmp:60000", says="No space left")
    assert not os.path.exists("full") and not os.path.exists("full.tmp")
    run(2, "pack", "data", "--out", "shards", says="is there already")
    # resized
    run(0, "pack", "data", "--out", "small", "--resize", "20", "--quality", "80")
    with tarfile.open("small/train-000000.tar") as t:
        jpeg = t.extractfile(t.getmembers()[0]).read()
    at = jpeg.index(b"\xff\xc0") + 5
    height, width = int.from_bytes(jpeg[at:at + 2], "big"), int.from_bytes(jpeg[at + 2:at + 4], "big")
    assert min(height, width) == 20, (height, width)


work = tempfile.mkdtemp(prefix="linnet-shards-")
os.chdir(work)
try:
    run(0, "shapes", "data", "--train", "8", "--val", "2", "--size", "40", "--seed", "1")
    shutil.copy("data/train/circle/0001.jpg", "data/train/circle/x.y.JPEG")
    for i in range(3):
        shutil.copy(f"data/train/ring/000{i}.jpg", f"data/train/ring/more{i}.jpg")
    run(0, "pack", "data", "--out", "shards", "--shard-size", "0.02")
    same_weights()
    other_data()
    damaged()
    file_system()
finally:
    os.chdir("/")
    shutil.rmtree(work)
