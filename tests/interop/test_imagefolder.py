"""The dataset index equals torchvision.datasets.ImageFolder's on random trees: order, labels, links, suffixes."""
import os
import random
import subprocess
import sys
import tempfile

NAMES = ["a", "A", "b", "a-b", "a.b", "a b", "a0", "10", "9", "_", "~", "é", "z", "日本", "🦜", "line\nbreak", ".hidden"]
SUFFIXES = [".jpg", ".JPEG", ".Png", ".ppm", ".bmp", ".pgm", ".tif", ".TIFF", ".webp", ".txt", ".gif", "jpg", ".jpg.gz"]


def grow(folder, rng, depth, links):
    """Fills a folder with images, other files, folders and links; at least one image."""
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, "sure.jpg"), "w").close()
    for _ in range(rng.randrange(12)):
        path = os.path.join(folder, rng.choice(NAMES) + rng.choice(SUFFIXES))
        kind = rng.random()
        if os.path.lexists(path):
            continue
        if kind < 0.8:
            open(path, "w").close()
        elif kind < 0.9:
            os.symlink(rng.choice(links), path)
        else:
            os.mkfifo(path)
    for _ in range(rng.randrange(4) if depth < 3 else 0):
        path = os.path.join(folder, rng.choice(NAMES) + rng.choice(["", "", ".jpg"]))
        if not os.path.lexists(path):
            grow(path, rng, depth + 1, links)
        elif not os.path.lexists(path + "-link"):
            os.symlink(rng.choice(links), path + "-link")


def ours(tool, root):
    out = subprocess.run([tool, root], capture_output=True)
    if out.returncode != 0:
        return None, out.stderr.decode()
    lines = [os.fsdecode(s) for s in out.stdout.split(b"\0")[:-1]]
    classes = [s[6:] for s in lines if s.startswith("class ")]
    images = [s.split(" ", 1) for s in lines if not s.startswith("class ")]
    return classes, [(os.path.join(root, name), int(label)) for label, name in images]


def check(tool, folder_of, root, rng):
    links = [os.path.join(root, "outside"), os.path.join(root, "outside", "sure.jpg"), os.path.join(root, "nowhere")]
    train = os.path.join(root, "train")
    grow(links[0], rng, 2, links[1:2])
    for name in rng.sample(NAMES, rng.randrange(1, 9)):
        grow(os.path.join(train, name), rng, 0, links)
    os.symlink(links[0], os.path.join(train, "link"))
    os.symlink(links[2], os.path.join(train, "broken"))
    open(os.path.join(train, "file.jpg"), "w").close()
    theirs = folder_of(train)
    classes, images = ours(tool, train)
    assert classes == theirs.classes, (classes, images, theirs.classes)
    assert images == theirs.samples, [p for p in zip(images, theirs.samples) if p[0] != p[1]][:3]
    os.mkdir(os.path.join(train, "empty"))
    try:
        folder_of(train)
        raise AssertionError("torchvision accepts an empty class")
    except FileNotFoundError:
        pass
    classes, message = ours(tool, train)
    assert classes is None and "empty has no images" in message, message
    return len(images)


def main():
    tool = os.path.join(os.environ.get("LINNET_BUILD", "build"), "tests", "dataset_tool_dataset")
    try:
        from torchvision.datasets import ImageFolder
    except ImportError as error:
        print(f"skipped: {error}")
        return 77
    total = 0
    for seed in range(40):
        with tempfile.TemporaryDirectory() as root:
            total += check(tool, ImageFolder, root, random.Random(seed))
    print(f"40 trees, {total} images: equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
