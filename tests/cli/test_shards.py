#!/usr/bin/python3
"""Shards in commands: training from them equals training from the folder byte for byte, also if a run is resumed
with the other container; every fault of a shard, an index or a file system gives one clear line, and no incomplete
file gets its final name."""
import gzip
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

from shard_commands import counts, digest, run, train, write_shard


def edit(name, change, source="shards"):
    """a copy of the shards with changed members in the first training shard, and without its index"""
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
    # another shard size and short reads give the same run; it continues from the folder's checkpoint
    run(0, "pack", "data", "--out", "one")
    train("one", "a", 2, "--resume", "auto", fault="short")
    train("shards", "b", 2, "--resume", "auto")
    assert digest("a") == digest("b")
    train("shards", "s", 1, "--data.sequential", "true", "--data.shuffle_buffer", "20")
    train("shards", "m", 2, "--max-steps", "3", "--data.sequential", "true", "--data.shuffle_buffer", "20")
    train("shards", "m", 2, "--resume", "auto", code=2, says="data.shuffle_buffer (0 without data.sequential) = 20, but the value is now 0")
    train("data", "s2", 1, "--data.sequential", "true", code=2, says="data.sequential needs shards")


def other_data():
    shutil.copytree("data", "less")
    os.remove("less/train/circle/0000.jpg")
    train("less", "b", 3, "--resume", "auto", code=1, says="was trained on different data")
    train("less", "b", 3, "--resume", "auto", "--data.changed", "true", says="differ from those that")


def damaged():
    n = counts("shards")
    in_first = json.load(open("shards/_info.json"))["splits"]["train"]["shard_lengths"][0]
    # a missing .cls, a missing label, a duplicate key, names that point outside the archive
    d = edit("e1", lambda m: [x for x in m if x[0] != m[1][0]])
    assert counts(d) == n  # the label is in the JSON too
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
    # truncated in the middle: _info.json gives the number of lost images
    open(path, "wb").write(data[:len(data) // 2])
    left = counts("e2", says="train-000000.tar was modified after it was indexed")
    assert n - in_first < left < n - 1
    assert f"{n - left} images of train are missing" in run(0, "info", "e2").stderr
    shutil.copytree("shards", "e3")
    os.rename("e3/train-000000.tar", "e3/train-000000.tar.gz")
    run(1, "info", "e3", says="e3/train-000000.tar.gz is damaged near byte")
    os.rename("e3/train-000000.tar.gz", "e3/train-000000.tar.xz")
    run(1, "info", "e3", says="are not supported for shards: decompress the file first (unxz 'e3/train-000000.tar.xz')")
    # compressed shards with the suffix .tar; the advice in the message works
    shutil.copytree("shards", "e4")
    for name, pack in ("train-000000.tar", gzip.compress), ("val-000000.tar", lzma.compress):
        data = open(f"e4/{name}", "rb").read()
        open(f"e4/{name}", "wb").write(pack(data))
    for tool in "gzip", "xz":
        message = run(1, "info", "e4", says=f"is compressed by {tool}: decompress it first").stderr
        subprocess.run(re.search(r"first \((.*)\)", message)[1], shell=True, check=True)
    assert counts("e4") == n


def file_system():
    # EIO from a shard in training is retried; a permanent one ends the run and marks no image as bad
    train("shards", "f", 1)
    train("shards", "f1", 1, fault="eio:train-000001.tar:5")
    assert digest("f") == digest("f1")
    train("shards", "f2", 1, "--data.max_bad", "0.9", fault="eio:train-000001.tar", code=1, says="not the image")
    for f in "f1", "f2":
        assert not os.path.exists(f"{f}/logs/resnet20/version_0/bad_images.txt")
    # while the index is built, EIO is an error
    shutil.copytree("shards", "f3")
    os.remove("f3/train.index")
    run(1, "info", "f3", fault="eio:train-000001.tar", says="train-000001.tar at byte 0: Input/output error")
    assert not os.path.exists("f3/train.index")
    # a full disk
    run(1, "pack", "data", "--out", "full", fault="full:full.tmp:60000", says="No space left")
    assert not os.path.exists("full") and not os.path.exists("full.tmp")
    run(2, "pack", "data", "--out", "shards", says="already exists")
    # OUT.tmp with files of others is not changed; that of a killed run is removed
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


def splits():
    # names that contain the other split's name as a part; other tar files in the folder
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
        says=".tar: the file name contains both train and val")
    d = renamed("s1", lambda f: f)
    shutil.copy("shards/val-000000.tar", "s1/trainval-000000.tar")
    assert counts(d, says="trainval-000000.tar: ignored") == n

    # words are delimited by other characters than letters
    for name, split in ("constrained-val-0.tar", "val"), ("train-00-of-10.tar", "train"), ("x_TRAIN.0.tar", "train"):
        shutil.rmtree("s0", ignore_errors=True)
        for s in "train", "val":
            write_shard(f"s0/{s}-9.tar", [("k.jpg", b"x"), ("k.cls", b"0")])
        write_shard(f"s0/{name}", [("l.jpg", b"x"), ("l.cls", b"0")])
        r = json.loads(run(0, "info", "s0", "--json").stdout)
        assert {s: r[s]["images"] for s in ("train", "val")} == {"train": 1, "val": 1, split: 2}, (name, r)

    # compressed ones beside those that are not are decompressed, unless their .tar is there too
    d = renamed("s2", lambda f: f + ".gz" if f == "train-000001.tar" else f)
    with open(f"{d}/train-000001.tar.gz", "rb+") as f:
        packed = gzip.compress(f.read())
        f.seek(0)
        f.write(packed)
        f.truncate()
    assert counts(d) == n
    shutil.copy("shards/train-000001.tar", "s2/train-000001.tar")  # gunzip --keep
    assert counts(d) == n

    # class folders and tar files
    shutil.copytree("data", "s3")
    shutil.copy("shards/val-000000.tar", "s3/train/backup.tar")
    run(1, "info", "s3", says="s3/train contains both .tar files (backup.tar) and folders of images (")
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

    # equal file names in several shards are different images; with the same bytes they are duplicates
    def sample(key, file, data, label=0):
        meta = json.dumps({"label": label, "filename": f"c/{file}"}).encode()
        return [(f"{key}.jpg", data), (f"{key}.cls", str(label).encode()), (f"{key}.json", meta)]
    d = dataset("m1", sample("0", "0.jpg", jpeg[0]) + sample("1", "1.jpg", jpeg[1]),
                sample("0", "0.jpg", jpeg[2]) + sample("1", "1.jpg", jpeg[3]))
    assert counts(d, says="have the same name as an image in another shard") == 4
    d = dataset("m1", sample("0", "0.jpg", jpeg[0]) + sample("1", "1.jpg", jpeg[1]),
                sample("0", "0.jpg", jpeg[0]) + sample("1", "1.jpg", jpeg[2]))
    assert counts(d, says="occurs twice (1 duplicates in all)") == 3

    # the image of a sample is the member without a further part in its name, at any position
    for order in ([0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0]):
        parts = [("k.jpg", jpeg[0]), ("k.depth.png", other), ("k.cls", b"0"), ("k.seg.cls", b"7")]
        d = dataset("m2", [parts[i] for i in order])
        assert counts(d) == 1
        r = run(0, "info", d)
        assert "occurs twice" not in r.stderr, r.stderr
        run(0, "bench", "data", d, "--workers", "1", "--images", "1", "--image-size", "16")
        index = open(f"{d}/train.index", "rb").read()
        assert b"k.jpg" in index and b"depth" not in index
    assert counts(dataset("m2", [("k.big.jpg", jpeg[0]), ("k.cls", b"0")])) == 1  # the only image

    # several images: data.image_key selects one
    two = [("k.left.jpg", jpeg[0]), ("k.right.jpg", jpeg[1]), ("k.cls", b"0")]
    run(1, "info", dataset("m3", two), says="the sample k has several images (left.jpg, right.jpg): select one with data.image_key")
    run(1, "info", dataset("m3", [("k.jpg", jpeg[0]), ("k.png", other), ("k.cls", b"0")]), says="several images (jpg, png)")
    d = dataset("m3", two)
    for key, size in ("left.jpg", len(jpeg[0])), ("RIGHT.jpg", len(jpeg[1])):
        r = run(0, "bench", "data", d, "--workers", "1", "--images", "1", "--image-size", "16", "--data.image_key", key, "--json")
        assert abs(json.loads(r.stdout)["mean_file_bytes"] - size) < 1, (r.stdout, size)
    run(1, "preview", d, "--data.image_key", "mid.jpg", says="no sample has an image named mid.jpg (data.image_key); the first sample has left.jpg, right.jpg")
    run(2, "preview", d, "--data.image_key", "a/b", says="must be a suffix without '/'")

    # labels that are names: the classes in byte order
    d = dataset("m4", [("a.jpg", jpeg[0]), ("a.cls", b"zebra\n"), ("b.jpg", jpeg[1]), ("b.cls", b"ant eater"),
                       ("c.jpg", jpeg[2]), ("c.cls", b"zebra")])
    r = run(0, "info", d).stdout
    assert re.search(r"0 ant eater +1 train +1 val", r) and re.search(r"1 zebra +2 train +2 val", r), r
    d = dataset("m4", [("a.jpg", jpeg[0]), ("a.cls", b"0"), ("b.jpg", jpeg[1]), ("b.cls", b"ant")])
    assert counts(d, says="1 labels of train are class names, such as 'ant', but the other labels are numbers") == 1
    run(1, "info", dataset("m4", [("a.jpg", jpeg[0]), ("a.cls", b"-1")]), says="'-1' is neither a label from 0 to")


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
