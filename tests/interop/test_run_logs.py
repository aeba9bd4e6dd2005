"""The logs of a run in TensorBoard's own reader: every tag with the steps and values of metrics.csv, the images,
the histograms, the hparams page; the points of the LR finder as a separate run."""
import csv
import glob
import json
import math
import os
import subprocess
import tempfile

from board import find_tensorboard, read, single


def linnet(*arguments):
    done = subprocess.run([os.environ["LINNET"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_scalars(board, logs):
    rows = list(csv.DictReader(open(logs + "/metrics.csv")))
    seen = 0
    for tag in rows[0]:
        if tag == "step":
            continue
        want = [(int(r["step"]), single(float(r[tag]))) for r in rows if r[tag] != ""]
        if not want:
            assert tag in ("scale", "skipped_steps"), tag
            continue
        got = [(e.step, e.value) for e in board.Scalars(tag)]
        if tag == "lr-SGD":  # the row of an epoch repeats the value of its last step
            want, got = sorted(set(want)), sorted(set(got))
        if tag == "epoch":
            want, got = set(want), set(got)
        assert got == want, (tag, got, want)
        seen += 1
    assert seen == 11, seen
    device = [int(r["step"]) for r in csv.DictReader(open(logs + "/device.csv"))]
    assert device and [e.step for e in board.Scalars("device/process_memory")] == device, device


def plugin(board, tag):
    from tensorboard.plugins.hparams import plugin_data_pb2

    return plugin_data_pb2.HParamsPluginData.FromString(board.SummaryMetadata(tag).plugin_data.content)


def check(out, logs):
    board = read(logs)
    check_scalars(board, logs)
    assert sorted(board.Tags()["images"]) == ["lr_finder", "train_batch"], board.Tags()["images"]
    batch = board.Images("train_batch")
    assert len(batch) == 1 and batch[0].step == 0 and batch[0].encoded_image_string[:2] == b"\xff\xd8"
    assert (batch[0].width, batch[0].height) == (8 * 34 + 2, 2 * 34 + 2)
    assert board.Images("lr_finder")[0].encoded_image_string == open(out + "/lr_finder_plot.png", "rb").read()
    weights = board.Histograms("weight/conv1.weight")
    assert [h.step for h in weights] == [4, 9], weights
    assert weights[0].histogram_value.num == 64 * 3 * 49
    assert len(board.Histograms("gradient/fc.bias")) == 2
    start = plugin(board, "_hparams_/session_start_info").session_start_info.hparams
    lr = json.load(open(logs + "/run.json"))["lr_finder"]["suggestion"]
    assert start["lr"].number_value == lr and start["arch"].string_value == "resnet18"
    assert plugin(board, "_hparams_/session_end_info").session_end_info.status == 1
    note = board.Tensors("config/text_summary")[0]
    assert b"arch: resnet18" in note.tensor_proto.string_val[0]
    finder = read(logs + "/lr_finder")
    points = list(csv.DictReader(open(logs + "/lr_finder.csv")))
    for tag, column in ("lr", "lr"), ("loss", "loss"), ("loss_smoothed", "smoothed"):
        got = [(e.step, e.value) for e in finder.Scalars("lr_finder/" + tag)]
        assert [s for s, _ in got] == list(range(len(points)))
        assert all(math.isclose(v, float(p[column]), rel_tol=1e-6) for (_, v), p in zip(got, points)), tag


def make_easy(data):
    """Two classes, dark and light: the LR finder's loss decreases in any rounding."""
    for split in "train", "val":
        for name, level in ("dark", 0), ("light", 215):
            folder = os.path.join(data, split, name)
            os.makedirs(folder)
            for i in range(40):
                with open("%s/%d.pgm" % (folder, i), "wb") as f:
                    f.write(b"P5 40 40 255\n" + bytes([level + i]) * 1600)


def main():
    find_tensorboard()
    with tempfile.TemporaryDirectory() as work:
        data = work + "/data"
        make_easy(data)
        linnet("train", "--data", data, "--arch", "resnet18", "--image-size", "32", "--batch-size", "16",
               "--max-epochs", "2", "--lr_finder.steps", "16", "--lr_finder.min", "1e-3", "--precision",
               "32-true", "--trainer.log_every_n_steps", "1", "--monitor.histogram_every_n_epochs", "1",
               "--out", work + "/run")
        logs = glob.glob(work + "/run/logs/resnet18/version_0")[0]
        check(work + "/run", logs)
        linnet("train", "--data", data, "--arch", "resnet18", "--image-size", "32", "--batch-size", "16",
               "--max-epochs", "3", "--precision", "32-true", "--out", work + "/run", "--resume", "auto")
        device = [int(r["step"]) for r in csv.DictReader(open(logs + "/device.csv"))]
        assert device == [e.step for e in read(logs).Scalars("device/process_memory")] and len(device) == 3, device
        print("the logs contain every tag")


main()
