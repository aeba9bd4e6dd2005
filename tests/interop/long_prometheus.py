"""/metrics and monitor.prometheus_file, read by the parser of the Python package prometheus-client."""
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import packages

packages.use("prometheus")
from prometheus_client.parser import text_string_to_metric_families

NAMES = {"running", "epoch", "steps", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate",
         "images_per_second", "data_wait_ratio", "checkpoint_timestamp_seconds"}


def check(where, page, folder):
    """Returns the names and values of a page whose metrics are all gauges with the label run."""
    values = {}
    for family in text_string_to_metric_families(page):
        assert family.type == "gauge" and family.documentation.endswith("."), f"{where}: {family}"
        sample, = family.samples
        assert sample.name == family.name and sample.name.startswith("linnet_"), f"{where}: {sample}"
        assert sample.labels == {"run": os.path.join(folder, "logs", "resnet20", "version_0")}, f"{where}: {sample.labels}"
        values[sample.name.removeprefix("linnet_")] = sample.value
    return values


def main():
    linnet = os.environ["LINNET"]
    if "no libmicrohttpd" in subprocess.run([linnet, "doctor"], stdout=subprocess.PIPE, text=True).stdout:
        print("skipped: this build has no libmicrohttpd")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work, socket.socket() as probe:
        os.chdir(work)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        subprocess.run([linnet, "shapes", "data", "--train", "20", "--val", "4", "--size", "40", "--seed", "1"], check=True)
        out = os.path.join(os.path.realpath(work), 'quote " backslash \\ and ümlaut')
        run = subprocess.Popen([linnet, "train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16",
                                "--workers", "1", "--trainer.threads", "1", "--trainer.log_every_n_steps", "1", "--max-epochs", "8",
                                "--out", out, "--metrics-port", str(port), "--monitor.prometheus_file", "run.prom"],
                               stderr=subprocess.DEVNULL)
        seen = {}
        while run.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                    seen = check("/metrics", answer.read().decode(), out)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        assert run.returncode == 0
        assert set(seen) == NAMES, f"/metrics at the end: {sorted(seen)}"
        with open("run.prom", encoding="utf-8") as f:
            last = check("the file", f.read(), out)
        assert set(last) == NAMES and last["running"] == 0 and last["epoch"] == 8 and last["steps"] == 13 * 8, last
    print("prometheus-client reads every metric, its label and its value")


main()
