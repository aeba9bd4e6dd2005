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
    train("data", "s2", 1, "--data.sequential", "true", code=2, says="data.sequential needs shards")


def other_data():
    shutil.copytree("data", "less")
    os.remove("less/train/circle/0000.jpg")
    train("less", "b", 3, "--resume", "auto", code=1, says="was trained on other data")
    train("less", "b", 3, "--resume", "auto", "--data.changed", "true", says="differ from those that")


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
    assert counts(d, says="points outside the archive") == n
    # a flipped bit in a header; the image is lost and counts as unreadable
    shutil.copytree("shards", "e2")
    path = "e2/train-000000.tar"
    data = bytearray(open(path, "rb").read())
    data[5] ^= 1
    open(path, "wb").write(data)
    assert counts("e2", says="damaged at byte 0") == n - 1
    assert "was modified after it was indexed" not in run(0, "info", "e2").stderr
    train("e2", "t", 1, "--data.max_bad", "0", code=1, says="1 of the 84 images in e2 cannot be read")
    train("e2", "t", 1, "--data.max_bad", "0.1", says="1 images of train are missing")
    # cut in the middle: _info.json tells how many are lost
    open(path, "wb").write(data[:len(data) // 2])
    left = counts("e2", says="train-000000.tar was modified after it was indexed")
    assert n - in_first < left < n - 1
    assert f"{n - left} images of train are missing" in run(0, "info", "e2").stderr
    shutil.copytree("shards", "e3")
    for f in [f for f in os.listdir("e3") if f.startswith("train-")]:
        os.rename(f"e3/{f}", f"e3/{f}.gz")
    run(1, "info", "e3", says="compressed shards")


def file_system():
    # EIO from a shard while training: tried again; what lasts ends the run and marks no image as bad
    train("shards", "f", 1)
    train("shards", "f1", 1, fault="eio:train-000001.tar:5")
    assert digest("f") == digest("f1")
    train("shards", "f2", 1, "--data.max_bad", "0.9", fault="eio:train-000001.tar", code=1, says="not the image")
    for f in "f1", "f2":
        assert not os.path.exists(f"{f}/logs/resnet18/version_0/bad_images.txt")
    # while the index is made: the end
    shutil.copytree("shards", "f3")
    os.remove("f3/train.index")
    run(1, "info", "f3", fault="eio:train-000001.tar", says="train-000001.tar at byte 0: Input/output error")
    assert not os.path.exists("f3/train.index")
    # a full disk
    run(1, "pack", "data", "--out", "full", fault="full:full.tmp:60000", says="No space left")
    assert not os.path.exists("full") and not os.path.exists("full.tmp")
    run(2, "pack", "data", "--out", "shards", says="already exists")
    # OUT.tmp of somebody else stays as it is; that of a run that was killed goes
    os.makedirs("mine.tmp")
    for name in "photos.tar", "classes.txt", "train-000000.tar":
        open(f"mine.tmp/{name}", "w").write("mine")
    run(2, "pack", "data", "--out", "mine", says="mine.tmp exists and contains files that linnet pack did not write")
    assert sorted(os.listdir("mine.tmp")) == ["classes.txt", "photos.tar", "train-000000.tar"]
    run(-9, "pack", "data", "--out", "dead", fault="kill:dead.tmp:60000")
    assert os.listdir("dead.tmp")
    open("dead.tmp/photos.tar", "w").write("mine")
    run(2, "pack", "data", "--out", "dead", says="dead.tmp exists and contains files that linnet pack did not write")
    assert os.listdir("dead.tmp") == ["photos.tar"]
    os.remove("dead.tmp/photos.tar")
    os.rmdir("dead.tmp")
    run(-9, "pack", "data", "--out", "dead", fault="kill:dead.tmp:60000")
    run(0, "pack", "data", "--out", "dead")
    assert sorted(os.listdir("dead")) == sorted(f for f in os.listdir(os.path.abspath("dead"))) and not os.path.exists("dead.tmp")
    assert not [f for f in os.listdir("dead") if f.startswith(".")]
    # resized
    run(0, "pack", "data", "--out", "small", "--resize", "20", "--quality", "80")
    with tarfile.open("small/train-000000.tar") as t:
        jpeg = t.extractfile(t.getmembers()[0]).read()
    at = jpeg.index(b"\xff\xc0") + 5
    height, width = int.from_bytes(jpeg[at:at + 2], "big"), int.from_bytes(jpeg[at + 2:at + 4], "big")
    assert min(height, width) == 20, (height, width)


def write_shard(path, members):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as t:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))


def splits():
    # names that only contain the other split's name; other tars beside them
    def renamed(name, change):
        shutil.rmtree(name, ignore_errors=True)
        shutil.copytree("shards", name, ignore=lambda _, names: [n for n in names if not n.endswith(".tar")] )
        for f in sorted(os.listdir(name)):
            os.rename(f"{name}/{f}", f"{name}/{change(f)}")
        return name
    n = counts("shards")
    both = json.loads(run(0, "info", "shards", "--json").stdout)
    for change in (lambda f: f.replace("train", "set-training").replace("val", "set_Validation"),
                   lambda f: f.replace("train", "constraint1-train").replace("val", "constraint1-val"),
                   lambda f: f.replace("-", ""),  # train000000.tar
                   lambda f: ("interval-" if f[0] == "t" else "strained-") + f):
        assert json.loads(run(0, "info", renamed("s1", change), "--json").stdout) == both
    run(1, "info", renamed("s1", lambda f: "train-" + f if f.startswith("val") else f),
        says=".tar names two splits")
    d = renamed("s1", lambda f: f)
    shutil.copy("shards/val-000000.tar", "s1/trainval-000000.tar")
    assert counts(d, says="trainval-000000.tar: ignored") == n

    # compressed ones beside those that are not: missing images
    d = renamed("s2", lambda f: f + ".gz" if f == "train-000001.tar" else f)
    run(1, "info", d, says="train-000001.tar.gz")
    shutil.copy("shards/train-000001.tar", "s2/train-000001.tar")  # gunzip --keep
    assert counts(d) == n

    # class folders beside tars
    shutil.copytree("data", "s3")
    shutil.copy("shards/val-000000.tar", "s3/train/backup.tar")
    run(1, "info", "s3", says="s3/train has both .tar files (backup.tar) and folders of images (")
    os.remove("s3/train/backup.tar")
    run(0, "info", "s3")


def members():
    jpeg = [open(f"data/train/circle/000{i}.jpg", "rb").read() for i in range(6)]
    other = open("data/train/ring/0001.jpg", "rb").read()

    def dataset(name, *shards):
        shutil.rmtree(name, ignore_errors=True)
        os.makedirs(name)
        for i, m in enumerate(shards):
            write_shard(f"{name}/train-{i}.tar", m)
        write_shard(f"{name}/val-0.tar", shards[0])
        return name

    # file names that begin anew in each shard are other images; the same bytes under one name are one
    def sample(key, file, data, label=0):
        meta = json.dumps({"label": label, "filename": f"c/{file}"}).encode()
        return [(f"{key}.jpg", data), (f"{key}.cls", str(label).encode()), (f"{key}.json", meta)]
    d = dataset("m1", sample("0", "0.jpg", jpeg[0]) + sample("1", "1.jpg", jpeg[1]),
                sample("0", "0.jpg", jpeg[2]) + sample("1", "1.jpg", jpeg[3]))
    assert counts(d, says="have the same name as an image in another shard") == 4
    d = dataset("m1", sample("0", "0.jpg", jpeg[0]) + sample("1", "1.jpg", jpeg[1]),
                sample("0", "0.jpg", jpeg[0]) + sample("1", "1.jpg", jpeg[2]))
    assert counts(d, says="occurs twice (1 duplicates in all)") == 3

    # of a sample's members the image is the one without a further part in its name, wherever it stands
    for order in ([0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0]):
        parts = [("k.jpg", jpeg[0]), ("k.depth.png", other), ("k.cls", b"0"), ("k.seg.cls", b"7")]
        d = dataset("m2", [parts[i] for i in order])
        assert counts(d) == 1
        r = run(0, "info", d)
        assert "occurs twice" not in r.stderr, r.stderr
        run(0, "bench", "data", d, "--workers", "1", "--images", "1", "--image-size", "16")
        index = open(f"{d}/train.index", "rb").read()
        assert b"k.jpg" in index and b"depth" not in index
    assert counts(dataset("m2", [("k.big.jpg", jpeg[0]), ("k.cls", b"0")])) == 1  # none other


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
    splits()
    members()
    file_system()
finally:
    os.chdir("/")
    shutil.rmtree(work)
