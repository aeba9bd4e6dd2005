#!/usr/bin/python3
"""linnet prepare imagenet on a synthetic ILSVRC2012: its 1,000 classes with one image each, 60 validation images, the
official nesting and devkit layout. The folders must equal those that torchvision's own parser makes from the same
archives, whose meta.mat contains linnet's table (data/devkit contains the table itself). Also after an interruption;
faults must give clear messages."""
import filecmp
import hashlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy as np
    import scipy.io
    import torchvision.datasets.imagenet as theirs
except ImportError as e:
    print(f"skipped: needs python3-scipy and python3-torchvision ({e})")
    sys.exit(77)

LINNET = os.environ["LINNET"]
rng = random.Random(5)
with open(os.environ["LINNET_SOURCE"] + "/src/tools/ilsvrc2012_synsets.inc", encoding="utf-8") as f:
    SYNSETS = [(int(i), wnid, words) for i, wnid, words in re.findall(r'^\{(\d+), "(n\d+)", "(.*)"\},$', f.read(), re.M)]
N = len(SYNSETS)


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def make_devkit(path, truth):
    """synsets as in the official meta.mat: leaves in the order of their ids, then inner nodes"""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
    synsets = np.zeros((N + 3, 1), dtype=[(f, "O") for f in fields])
    for i, (number, wnid, words) in enumerate(sorted(SYNSETS)):
        assert number == i + 1
        synsets[i, 0] = (float(number), wnid, words, "a gloss", 0.0, np.zeros((1, 0)), 0.0, 1.0)
    for i in range(N, N + 3):
        synsets[i, 0] = (float(i + 1), f"n9999999{i - N}", "an inner node", "a gloss", 2.0, np.array([[1.0, 2.0]]), 1.0, 2.0)
    mat = io.BytesIO()
    scipy.io.savemat(mat, {"synsets": synsets}, do_compression=True)
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "ILSVRC2012_devkit_t12/readme.txt", b"a readme")
        add(tar, "ILSVRC2012_devkit_t12/data/meta.mat", mat.getvalue())
        add(tar, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
            "".join(f"{t}\n" for t in truth).encode())


def make(root):
    make_devkit(f"{root}/ILSVRC2012_devkit_t12.tar.gz", [1 + 37 * (i % 20) for i in rng.sample(range(60), 60)])
    with tarfile.open(f"{root}/ILSVRC2012_img_train.tar", "w") as outer:
        for _, w, _ in SYNSETS:
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for k in range(1 if w > "n015" else 3):
                    add(tar, f"{w}_{k}.JPEG", rng.randbytes(rng.randrange(1, 3000)))
            add(outer, f"{w}.tar", inner.getvalue())
    with tarfile.open(f"{root}/ILSVRC2012_img_val.tar", "w") as tar:
        for k in rng.sample(range(60), 60):
            add(tar, f"ILSVRC2012_val_{k + 1:08d}.JPEG", rng.randbytes(rng.randrange(1, 3000)))


def same(a, b):
    """two trees, file by file"""
    c = filecmp.dircmp(a, b)
    assert not c.left_only and not c.right_only, (a, c.left_only, c.right_only)
    _, differ, errors = filecmp.cmpfiles(a, b, c.common_files, shallow=False)
    assert not differ and not errors, (differ, errors)
    for d in c.common_dirs:
        same(f"{a}/{d}", f"{b}/{d}")


def prepare(root, out, *more, train="ILSVRC2012_img_train.tar", env=None):
    return subprocess.run(
        [LINNET, "prepare", "imagenet", "--train", f"{root}/{train}", "--val", f"{root}/ILSVRC2012_img_val.tar",
         "--devkit", f"{root}/ILSVRC2012_devkit_t12.tar.gz", "--out", out, *more], capture_output=True, text=True, env=env)


def torchvision_makes(root, out):
    theirs._verify_archive = lambda *a: None  # the checksums are those of the real archives
    theirs.parse_devkit_archive(root)
    theirs.parse_train_archive(root, folder=f"{out}/train")
    theirs.parse_val_archive(root, folder=f"{out}/val")
    return theirs.load_meta_file(root)[0]


def main(work):
    root, ours, expected = f"{work}/archives", f"{work}/ours", f"{work}/theirs"
    os.makedirs(root)
    os.makedirs(expected)
    make(root)
    r = prepare(root, ours, "--no-md5")
    assert r.returncode == 0, r.stderr
    words = torchvision_makes(root, expected)
    same(f"{ours}/train", f"{expected}/train")
    same(f"{ours}/val", f"{expected}/val")
    assert not os.path.exists(f"{ours}/.prepare")
    lines = [line.rstrip("\n").split("\t") for line in open(f"{ours}/classes.txt", encoding="utf-8")]
    assert [w for w, _ in lines] == sorted(words) == sorted(os.listdir(f"{ours}/train"))
    assert all(tuple(s.split(", ")) == words[w] for w, s in lines), (lines, words)

    # the same after an interruption, when one class is complete, another incomplete, and val partly unpacked
    shutil.copytree(ours, f"{work}/again")
    one, two = sorted(os.listdir(f"{ours}/val"))[3], sorted(os.listdir(f"{ours}/train"))[4]
    os.makedirs(f"{work}/again/.prepare/val/{one}")
    os.rename(f"{work}/again/train/{two}", f"{work}/again/.prepare/{two}")
    half = sorted(os.listdir(f"{work}/again/.prepare/{two}"))[0]
    open(f"{work}/again/.prepare/{two}/{half}", "w").close()
    shutil.rmtree(f"{work}/again/val")
    shutil.copytree(f"{ours}/val/{one}", f"{work}/again/.prepare/val/{one}", dirs_exist_ok=True)
    r = prepare(root, f"{work}/again", "--no-md5")
    assert r.returncode == 0 and f"{N - 1} training classes had already been unpacked" in r.stdout, (r.stdout, r.stderr)
    same(f"{work}/again", ours)

    # checksums
    r = prepare(root, f"{work}/sums")
    assert r.returncode == 1 and "MD5" in r.stderr and "fa75699e90414af021442c21a62c3abf" in r.stderr, r.stderr
    with open(f"{root}/ILSVRC2012_devkit_t12.tar.gz", "rb") as f:
        assert hashlib.md5(f.read()).hexdigest() in r.stderr, r.stderr
    assert not os.path.exists(f"{work}/sums/train")

    # a truncated archive, a member outside the folder, a member that is not a class
    data = open(f"{root}/ILSVRC2012_img_train.tar", "rb").read()
    open(f"{root}/short.tar", "wb").write(data[:len(data) // 2 - 100])
    r = prepare(root, f"{work}/short", "--no-md5", train="short.tar")
    assert r.returncode == 1 and "truncated" in r.stderr and "short.tar" in r.stderr, r.stderr
    with tarfile.open(f"{root}/evil.tar", "w") as outer, tarfile.open(f"{root}/ILSVRC2012_img_train.tar") as old:
        for m in old.getmembers():
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                add(tar, "../../evil.JPEG", b"x")
            add(outer, m.name, inner.getvalue())
    r = prepare(root, f"{work}/evil", "--no-md5", train="evil.tar")
    assert r.returncode == 1 and "../../evil.JPEG" in r.stderr, r.stderr
    assert not [f for _, _, files in os.walk(work) for f in files if f == "evil.JPEG"]
    with tarfile.open(f"{root}/other.tar", "w") as outer:
        add(outer, "n00000000.tar", b"")
    r = prepare(root, f"{work}/other", "--no-md5", train="other.tar")
    assert r.returncode == 1 and "not a class archive of ILSVRC2012" in r.stderr, r.stderr
    with tarfile.open(f"{root}/few.tar", "w") as outer, tarfile.open(f"{root}/ILSVRC2012_img_train.tar") as old:
        for m in old.getmembers()[:-1]:
            outer.addfile(m, old.extractfile(m))
    r = prepare(root, f"{work}/few", "--no-md5", train="few.tar")
    assert r.returncode == 1 and f"does not contain {SYNSETS[-1][1]}.tar" in r.stderr, r.stderr

    # a truncated devkit, one without the ground truth
    with open(f"{root}/ILSVRC2012_devkit_t12.tar.gz", "r+b") as f:
        f.truncate(3000)
    r = prepare(root, f"{work}/cut", "--no-md5")
    assert r.returncode == 1 and "damaged or truncated" in r.stderr and "devkit_t12.tar.gz" in r.stderr, r.stderr
    with tarfile.open(f"{root}/ILSVRC2012_devkit_t12.tar.gz", "w:gz") as tar:
        add(tar, "ILSVRC2012_devkit_t12/readme.txt", b"a readme")
    r = prepare(root, f"{work}/without", "--no-md5")
    assert r.returncode == 1 and "does not contain data/ILSVRC2012_validation_ground_truth.txt" in r.stderr, r.stderr
    print("equal to torchvision: 1,000 classes, 60 images of validation")


work = tempfile.mkdtemp(prefix="linnet-prepare-")
try:
    main(work)
finally:
    shutil.rmtree(work)
