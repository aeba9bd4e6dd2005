"""A real run's checkpoint in PyTorch: torch.load, torchvision's ResNet and torchvision's transforms over the same
folder reproduce the loss and accuracy that linnet reported, the classes and probabilities of `linnet predict`, and
the tables of `linnet eval`, with and without mirrored images."""
import csv
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch
    import torchvision
    from PIL import Image
    from torchvision import transforms as T
except ImportError as error:
    print("skipped: %s" % error)
    sys.exit(77)

SIZE, MEAN, STD = 48, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def linnet(*arguments):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


TRANSFORM = T.Compose([T.Resize(round(SIZE / 0.875)), T.CenterCrop(SIZE), T.ToTensor(), T.Normalize(MEAN, STD)])


def evaluate(model, folder):
    images = torchvision.datasets.ImageFolder(folder, TRANSFORM)
    loss, right = 0.0, 0
    with torch.no_grad():
        for x, y in torch.utils.data.DataLoader(images, 32):
            logits = model(x)
            loss += torch.nn.functional.cross_entropy(logits, y, reduction="sum").item()
            right += (logits.argmax(1) == y).sum().item()
    return loss / len(images), right / len(images), images.classes


def compare_predictions(model, lines, files, classes):
    assert [line["file"] for line in lines] == files
    for line in lines:
        with torch.no_grad():
            expected = model(TRANSFORM(Image.open(line["file"]).convert("RGB"))[None])[0].softmax(0)
        best = expected.sort(descending=True, stable=True)
        assert len(line["top"]) == 5
        for i, top in enumerate(line["top"]):
            assert classes[top["index"]] == top["class"]
            assert abs(top["probability"] - expected[top["index"]].item()) < 1e-4, (line, expected)
            assert abs(top["probability"] - best.values[i].item()) < 1e-4, (line, expected)


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def calibration_error(confidence, right):
    """Guo et al. 2017, eq. 3, as in its authors' code: 15 bins, open at the left."""
    error, edges = 0.0, torch.linspace(0, 1, 16, dtype=torch.float64)
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.double().mean() * (right[inside].double().mean() - confidence[inside].mean()).abs()
    return float(error)


def compare_eval(model, checkpoint, data, work, flip):
    """`linnet eval` against the same sums over PyTorch's logits."""
    images = torchvision.datasets.ImageFolder(data + "/val", TRANSFORM)
    x, y = torch.stack([x for x, _ in images]), torch.tensor(images.targets)
    with torch.no_grad():
        logits = ((model(x) + model(x.flip(3))) / 2 if flip else model(x)).double()
    confidence, predicted = logits.softmax(1).max(1)
    top5 = logits.topk(5).indices.eq(y[:, None]).any(1)
    confusion = torch.zeros(10, 10, dtype=torch.long).index_put_((y, predicted), torch.tensor(1), accumulate=True)
    got = json.loads(linnet("eval", checkpoint, "--data", data, "--json", "--precision", "32-true", "--data.val_batch_size",
                            "9", "--tables", work + "/tables", *(["--flip"] if flip else [])))
    assert got["flip"] is flip and got["images"] == len(y)
    assert abs(got["loss"] - torch.nn.functional.cross_entropy(logits, y).item()) < 1e-4
    assert got["top1"] == (predicted == y).double().mean().item(), (got["top1"], predicted, y)
    assert abs(got["top5"] - top5.double().mean().item()) < 1e-12
    assert abs(got["calibration_error"] - calibration_error(confidence, predicted == y)) < 1e-4, got["calibration_error"]
    rows = read_csv(work + "/tables/confusion.csv")
    assert rows[0] == ["true"] + images.classes and [row[0] for row in rows[1:]] == images.classes
    assert [[int(n) for n in row[1:]] for row in rows[1:]] == confusion.tolist()
    table = read_csv(work + "/tables/classes.csv")[1:]
    for i, (one, row) in enumerate(zip(got["classes"], table)):
        of = y == i
        assert one["class"] == row[0] == images.classes[i] and one["images"] == int(row[2]) == of.sum()
        assert abs(one["top1"] - (predicted == y)[of].double().mean()) < 1e-12
        assert abs(one["top5"] - top5[of].double().mean()) < 1e-12
        others = confusion[i].clone()
        others[i] = 0
        assert one.get("confused_images", 0) == others.max() and int(row[6]) == others.max()
    assert sum(int(row[2]) for row in read_csv(work + "/tables/calibration.csv")[1:]) == len(y)
    assert Image.open(work + "/tables/confusion.png").width == 800


def main():
    with tempfile.TemporaryDirectory() as work:
        data, out = work + "/data", work + "/run"
        linnet("shapes", data, "--train", "24", "--val", "8", "--size", "60")
        run = json.loads(linnet("train", "--data", data, "--arch", "resnet18", "--image-size", str(SIZE), "--batch-size", "24",
                                "--max-epochs", "2", "--lr", "0.02", "--precision", "32-true", "--out", out, "--json"))
        checkpoint = torch.load(run["last"], map_location="cpu")
        assert checkpoint["epoch"] == 1 and checkpoint["global_step"] == run["steps"] == 20
        state = {k[len("model."):]: v for k, v in checkpoint["state_dict"].items()}
        model = torchvision.models.resnet18(num_classes=10)
        model.load_state_dict(state, strict=True)
        assert state["bn1.num_batches_tracked"].item() == 20
        model.eval()
        loss, top1, classes = evaluate(model, data + "/val")
        assert abs(loss - run["loss"]) < 1e-4 * loss, (loss, run["loss"])
        assert top1 == run["top1"], (top1, run["top1"])
        assert checkpoint["hyper_parameters"]["class_names"] == classes
        lines = linnet("predict", run["last"], data + "/val", "--json", "--precision", "32-true", "--data.val_batch_size", "7")
        files = sorted(os.path.join(f, name) for f, _, names in os.walk(data + "/val") for name in names)
        compare_predictions(model, [json.loads(line) for line in lines.splitlines()], files, classes)
        for flip in False, True:
            compare_eval(model, run["last"], data, work, flip)
        # an optimizer loads the momentum
        sgd = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
        sgd.load_state_dict(checkpoint["optimizer_states"][0])
        assert sgd.state[model.conv1.weight]["momentum_buffer"].abs().sum() > 0
        print("loss %.6f in both, top-1 %.4f" % (loss, top1))


main()
