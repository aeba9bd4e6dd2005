#!/usr/bin/python3
"""linnet predict on photos against torchvision with the same weights: the same classes, probabilities within 1e-4."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch
    import torchvision
    from PIL import Image
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

SOURCE = os.environ["LINNET_SOURCE"]
PHOTOS = 6


def photos():
    found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), "photos"], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:  # it has printed the reason
        sys.exit(found.returncode)
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(found.stdout.strip()) for name in names
             if name.lower().endswith((".jpg", ".jpeg"))]
    return sorted(paths)[:PHOTOS]


def main():
    paths = photos()
    assert len(paths) == PHOTOS
    torch.manual_seed(0)
    net = torchvision.models.resnet18().eval()
    with torch.no_grad():
        net.fc.weight *= 10  # different from a uniform distribution, with which any two models agree
    T = torchvision.transforms
    transform = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(),
                           T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    with torch.no_grad():
        wanted = net(torch.stack([transform(Image.open(p).convert("RGB")) for p in paths])).softmax(1)
    with tempfile.TemporaryDirectory() as work:
        torch.save(net.state_dict(), work + "/theirs.pth")
        out = subprocess.run([os.environ["LINNET"], "predict", work + "/theirs.pth", *paths, "--json", "--top", "5",
                              "--precision", "32-true"], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == paths, lines
    worst = 0
    for line, p in zip(lines, wanted):
        value, index = p.topk(5)
        assert [top["index"] for top in line["top"]] == index.tolist(), (line, value, index)
        worst = max([worst] + [abs(top["probability"] - v) for top, v in zip(line["top"], value.tolist())])
    print("%d photos: classes equal, probabilities (the first %.3f) within %.2g" % (PHOTOS, wanted[0].max(), worst))
    assert worst < 1e-4


main()
