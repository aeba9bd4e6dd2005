"""Python's csv module reads metrics.csv as it reads Lightning's, also after a resume has trimmed the file."""
import csv
import math
import os
import subprocess
import sys
import tempfile


def check(path, steps):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "train_loss_step", "lr-SGD", "val_loss"], rows[0]
    assert [int(r["step"]) for r in rows] == list(steps)
    for r in rows:
        step = int(r["step"])
        assert None not in r and None not in r.values(), r
        assert int(r["epoch"]) == step // 10
        assert float(r["train_loss_step"]) == 7.0 / (step + 1)
        assert float(r["lr-SGD"]) == 0.1
        if step % 10 != 9:
            assert r["val_loss"] == ""
        elif step == 19:
            assert math.isnan(float(r["val_loss"]))
        else:
            assert float(r["val_loss"]) == -7.0 / (step + 1)


def check_pandas(path, n):
    try:
        import pandas
    except ImportError:
        return
    table = pandas.read_csv(path)
    assert len(table) == n and table["step"].dtype == "int64" and table["val_loss"].dtype == "float64"


def main():
    tool = os.path.join(os.environ.get("LINNET_BUILD", "build"), "tests", "logging_tool_logs")
    if not os.path.exists(tool):
        print("skipped: %s is not built" % tool)
        sys.exit(77)

    def run(*arguments):
        subprocess.run([tool] + [str(a) for a in arguments], check=True)

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "metrics.csv")
        run("csv", path, 0, 99)
        check(path, range(100))
        with open(path, "a") as file:
            file.write("10,100,0.")
        run("trim-csv", path, 59)
        check(path, range(60))
        run("csv", path, 60, 79)
        check(path, range(80))
        check_pandas(path, 80)


main()
