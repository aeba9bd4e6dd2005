#!/usr/bin/python3
"""Compressed shards and lists of shards: training from them equals training from the plain shards byte for byte, also if
it is resumed after SIGKILL; damage gives one clear line."""
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile

from shard_commands import SMALL, LINNET, counts, digest, run, train


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def pack(name, compress, suffix):
    """the shards, each compressed in two parts, which follow each other"""
    shutil.copytree("shards", name, ignore=lambda _, names: [n for n in names if n.endswith(".index")])
    for f in [f for f in os.listdir(name) if f.endswith(".tar")]:
        data = open(f"{name}/{f}", "rb").read()
        middle = len(data) // 2
        with open(f"{name}/{f[:-4]}{suffix}", "wb") as out:
            out.write(compress(data[:middle]) + compress(data[middle:]))
        os.remove(f"{name}/{f}")


def copies(folder="cache"):
    return [f for f in os.listdir(folder) if f.endswith(".tar")]


def killed_and_resumed(out, *data):
    """one run that is killed after a checkpoint and resumed, and its checkpoint"""
    steps = ("--checkpoint.every_n_steps", "2", "--max-epochs", "2", "--out", out)
    p = subprocess.Popen([LINNET, "train", *data, *SMALL, *steps], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last = f"{out}/checkpoints/resnet20/last.ckpt"
    while p.poll() is None and not os.path.exists(last):
        pass
    p.kill()
    p.wait()
    run(0, "train", *data, *SMALL, *steps, "--resume", "auto")
    return digest(out)


def same_weights(formats):
    train("shards", "plain", 2)
    train("shards", "stream", 1, "--data.sequential", "true", "--data.shuffle_buffer", "20")
    for name, list_ in formats:
        cache = ("--data.cache_dir", f"cache-{name}")
        n = len(os.listdir(name))
        train(name, f"{name}-run", 2, *cache)
        assert digest(f"{name}-run") == digest("plain")
        assert os.listdir(name) != [] and len(copies(f"cache-{name}")) > 3 and len(os.listdir(name)) == n + 2  # two indexes
        train(list_, f"{name}-stream", 1, "--data.sequential", "true", "--data.shuffle_buffer", "20", *cache)
        assert digest(f"{name}-stream") == digest("stream")
        assert killed_and_resumed(f"{name}-killed", "--data", name, *cache) == digest("plain")


def small_cache():
    """sequential reading with room for a part of the shards"""
    sizes = sorted(os.path.getsize(f"shards/{f}") for f in os.listdir("shards") if f.endswith(".tar"))
    val = sum(os.path.getsize(f"shards/{f}") for f in os.listdir("shards") if f.startswith("val-") and f.endswith(".tar"))
    most = val + 19 * sizes[-1]
    assert most < sum(sizes), (most, sizes)
    cache = ("--data.cache_dir", "cache-small", "--data.cache_size", str(most / 1e9))
    stream = ("--data.sequential", "true", "--data.shuffle_buffer", "8", "--data.ahead", "2", "--data.read_ahead", "1",
              "--data.batch_size", "8")
    train("shards", "part-plain", 2, *stream)
    train("gz", "part", 2, *stream, *cache)
    assert digest("part") == digest("part-plain")
    assert sum(os.path.getsize(f"cache-small/{f}") for f in copies("cache-small")) <= most
    train("gz", "none", 1, *cache, code=1, says="raise data.cache_size, or set data.sequential")
    train("gz", "none", 1, *stream, "--data.cache_dir", "c", "--data.cache_size", "1e-5", code=1, says="raise data.cache_size, or lower data.shuffle_buffer")


def validation_split():
    """the validation images are a part of the same copies, which are counted once"""
    shutil.copytree("gz", "part-gz", ignore=lambda _, names: [n for n in names if not n.startswith("train-")])
    size = sum(os.path.getsize(f"shards/{f}") for f in os.listdir("shards") if re.fullmatch(r"train-\d+\.tar", f))
    cache = ("--data.cache_dir", "cache-split", "--data.cache_size", str(size / 1e9), "--data.val_split", "0.25")
    train("part-gz", "split", 1, *cache)
    train("part-gz", "split-stream", 1, *cache, "--data.sequential", "true", "--data.shuffle_buffer", "8")
    r = run(0, "info", "part-gz", *cache, "--json")
    assert json.loads(r.stdout)["val"]["images"] > 0
    run(1, "info", "part-gz", *cache, "--data.cache_size", "1e-5", says="and data.cache_size is 9.8 KiB")


def audited():
    """the audit of shards that belong to no split, with the options of the command"""
    os.mkdir("plain-names")
    for f in [f for f in os.listdir("gz") if f.endswith(".gz")]:
        shutil.copy(f"gz/{f}", f"plain-names/{f.replace('train', 'a').replace('val', 'b')}")
    r = run(0, "audit", "plain-names", "--quick", "--json", "--data.cache_dir", "cache-audit")
    assert json.loads(r.stdout)["images"] > 0 and len(copies("cache-audit")) > 3
    run(1, "audit", "plain-names", "--data.image_key", "left.png", says="(data.image_key)")


def lists():
    n = counts("shards")
    last = len([f for f in os.listdir("shards") if re.fullmatch(r"train-\d+\.tar", f)]) - 1
    vals = len([f for f in os.listdir("shards") if re.fullmatch(r"val-\d+\.tar", f)]) - 1
    trains, val = f"train-{{000000..{last:06d}}}.tar", f"val-{{000000..{vals:06d}}}.tar"
    assert counts(f"shards/{{{trains[:-4]},{val[:-4]}}}.tar") == n
    cache = ("--data.cache_dir", "cache-lists")
    # one list for each split, whose names need not contain it
    shutil.copytree("shards", "named", ignore=lambda _, names: [f for f in names if not f.startswith("val-") or f.endswith(".index")])
    for f in os.listdir("named"):
        os.rename(f"named/{f}", f"named/{f.replace('val', 'part')}")
    train("", "listed", 2, "--data.train", f"shards/{trains}", "--data.val", f"named/{val.replace('val', 'part')}", *cache)
    assert digest("listed") == digest("plain")
    run(0, "eval", "listed/checkpoints/resnet20/last.ckpt", "--data", "shards")
    run(0, "eval", "listed/checkpoints/resnet20/last.ckpt", "--data.val", f"named/{val.replace('val', 'part')}")
    train(f"shards/{trains}", "mixed", 1, "--data.val", "data/val")  # the classes have the same names
    # folders of classes
    train("", "folders", 2, "--data.train", "data/train", "--data.val", "data/val")
    assert digest("folders") == digest("plain")
    # mistakes
    train("", "x", 1, "--data.train", f"shards/{trains}", code=2, says="no validation images are given: set data.val")
    train(f"shards/{trains}", "x", 1, code=1, says="has no shard of val")
    run(1, "info", f"shards/train-{{000000..{last + 1:06d}}}.tar", says=f"shards/train-{last + 1:06d}.tar: No such file")
    run(2, "info", "shards/train-{0..1.tar", says="a { without its }")
    run(1, "info", "shards/{train-000000,train-000000}.tar", says="contains the shard shards/train-000000.tar twice")
    run(2, "info", "shards/train-000000{.tar,.jpg}", says="a list of shards may contain only .tar")


def damage():
    for name, suffix in ("gz", ".tar.gz"), ("zst", ".tar.zst"):
        if not os.path.isdir(name):
            continue
        path, data = f"d/train-000001{suffix}", open(f"{name}/train-000001{suffix}", "rb").read()
        flipped = bytearray(data)
        flipped[len(data) // 3] ^= 1
        for bad, says in ((data[:-50], "it is truncated; copy it again"), (b"", "it is truncated"),
                          (bytes(flipped), "is damaged near byte"), (data + b"rest", f"train-000001{suffix}")):
            shutil.rmtree("d", ignore_errors=True)
            shutil.copytree(name, "d", ignore=lambda _, names: [n for n in names if n.endswith(".index")])
            open(path, "wb").write(bad)
            r = run(1, "info", "d", says=says)
            assert len([line for line in r.stderr.splitlines() if path in line]) == 1, r.stderr
            assert not os.path.exists("d/train.index")
    # a shard that is replaced after it was indexed; a copy that is lost or cut
    shutil.rmtree("d")
    shutil.copytree("gz", "d", ignore=lambda _, names: [n for n in names if n.endswith(".index")])
    variables = {"XDG_CACHE_HOME": os.path.abspath("home")}
    n = counts("d", variables=variables)
    shutil.copy("gz/train-000002.tar.gz", "d/train-000001.tar.gz")
    os.utime("d/train-000001.tar.gz", (1e9, 1e9))
    assert counts("d", says="train-000001.tar.gz was modified after it was indexed", variables=variables) < n
    for f in copies("home/linnet/shards"):
        os.truncate(f"home/linnet/shards/{f}", 1000)
    run(0, "bench", "data", "d", "--workers", "2", "--images", "40", "--image-size", "16", "--data.max_bad", "0",
        variables=variables)


work = tempfile.mkdtemp(prefix="linnet-shards-packed-")
os.chdir(work)
try:
    run(0, "shapes", "data", "--train", "8", "--val", "2", "--size", "40", "--seed", "1")
    run(0, "pack", "data", "--out", "shards", "--shard-size", "0.008")
    pack("gz", gzip.compress, ".tar.gz")
    end = sorted(f for f in os.listdir("shards") if f.startswith("train-0") and f.endswith(".tar"))[-1][6:12]
    last_val = sorted(f for f in os.listdir("shards") if f.startswith("val-0") and f.endswith(".tar"))[-1][4:10]
    both = f"{{train-{{000000..{end}}},val-{{000000..{last_val}}}}}"
    kinds = [("gz", f"gz/{both}.tar.gz")]
    if shutil.which("zstd"):
        pack("zst", zstd, ".tar.zst")
        kinds.append(("zst", f"zst/{both}.tar.zst"))
    same_weights(kinds)
    small_cache()
    validation_split()
    audited()
    lists()
    damage()
finally:
    os.chdir("/")
    shutil.rmtree(work)
