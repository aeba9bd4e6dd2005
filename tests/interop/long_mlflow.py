"""monitor.mlflow with the MLflow server of PyPI, seen through MLflow's own client: params, metrics, files, status; a resumed
run; a server that is killed and started again during a run, and one that is stopped by SIGSTOP."""
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import packages

packages.use("mlflow")
import mlflow_real
from mlflow import MlflowClient

LINNET = os.environ["LINNET"]
TRAIN = [LINNET, "train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--workers", "1",
         "--trainer.threads", "1", "--precision", "32-true", "--lr", "0.02", "--trainer.log_every_n_steps", "1"]


def start(out, uri, *options):
    return subprocess.Popen([*TRAIN, "--out", out, *(["--mlflow", uri] if uri else []), *options], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def end(process, code=0):
    said = process.communicate()[1]
    assert process.returncode == code, f"status {process.returncode}, expected {code}: {said}"
    return said


def logs(out):
    return pathlib.Path(out, "logs", "resnet20", "version_0")


def digest(out):
    told = subprocess.run([LINNET, "info", f"{out}/checkpoints/resnet20/last.ckpt", "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(told.stdout)["digest"]


def run_of(client, out):
    found = client.search_runs([e.experiment_id for e in client.search_experiments()],
                               f"tags.`linnet.logs` = '{os.path.realpath(logs(out))}'")
    assert len(found) == 1, f"{len(found)} runs of {out}"
    return found[0]


def same_metrics(client, run, out):
    """The history of every metric is its column of metrics.csv."""
    with open(logs(out) / "metrics.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for name in rows[0]:
        if name == "step":
            continue
        wanted = [(int(r["step"]), float(r[name])) for r in rows if r[name]]
        has = [(m.step, m.value) for m in sorted(client.get_metric_history(run.info.run_id, name), key=lambda m: m.timestamp)]
        if name == "epoch":  # beside each row
            assert {s for s, _ in has} >= {s for s, _ in wanted}
            continue
        assert len(has) == len(wanted), f"{out}: {name}: {len(has)} values, metrics.csv has {len(wanted)}"
        for a, b in zip(has, wanted):
            assert a[0] == b[0] and abs(a[1] - b[1]) <= 1e-6 * abs(b[1]), f"{out}: {name}: {a}, metrics.csv has {b}"
    return len(rows)


def same_files(client, run, out, work):
    best = [p for p in pathlib.Path(out, "checkpoints", "resnet20").glob("epoch=*")]
    names = {a.path for a in client.list_artifacts(run.info.run_id)}
    for path in [logs(out) / "hparams.yaml", logs(out) / "metrics.csv", pathlib.Path(out, "viewlogs.md"), pathlib.Path(out, "report.html"), *best]:
        if path.name in names:
            got = client.download_artifacts(run.info.run_id, path.name, work)
            assert pathlib.Path(got).read_bytes() == path.read_bytes(), f"{path} differs from the artefact"
    assert names >= {"hparams.yaml", "metrics.csv", "viewlogs.md"} and names & {p.name for p in best}, names


def whole(client, work):
    """A run, stopped and resumed twice; every option is a param."""
    options = ("--monitor.mlflow_experiment", "an experiment / ü", "--monitor.mlflow_checkpoint", "--monitor.mlflow_wait", "60")
    end(start("run", server.url, "--max-epochs", "3", "--max-steps", "4", *options))
    first = run_of(client, "run")
    assert first.info.status == "FINISHED" and client.get_experiment(first.info.experiment_id).name == "an experiment / ü"
    with subprocess.Popen([LINNET, "train", "--print-config"], stdout=subprocess.PIPE, text=True) as p:
        wanted = sum(line.startswith(" ") and ":" in line for line in p.stdout)
    assert len(first.data.params) == wanted, f"{len(first.data.params)} params of {wanted}"
    assert first.data.params["optimizer.lr"] == "0.02" and first.data.tags["mlflow.source.name"] == "linnet train", first.data
    process = start("run", server.url, "--max-epochs", "2000", "--resume", "auto", *options)
    while process.poll() is None and (logs("run") / "metrics.csv").stat().st_size < 2000:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    end(process, 143)
    assert run_of(client, "run").info.status == "KILLED"
    epochs = str(2 + int(json.loads(subprocess.run([LINNET, "info", "run/checkpoints/resnet20/last.ckpt", "--json"], check=True,
                                                   stdout=subprocess.PIPE).stdout)["epoch"]))
    end(start("run", server.url, "--max-epochs", epochs, "--resume", "auto", *options))
    run = run_of(client, "run")
    assert run.info.run_id == first.info.run_id and run.info.status == "FINISHED"
    rows = same_metrics(client, run, "run")
    same_files(client, run, "run", work)
    print(f"a run, stopped and resumed: {rows} rows, {wanted} params, files and status as MLflow's client reads them")


def failed(client):
    end(start("failed", server.url, "--max-epochs", "9", "--lr", "1e6", "--trainer.clip_norm", "0", "--monitor.mlflow_wait", "60"), 1)
    assert run_of(client, "failed").info.status == "FAILED"


def killed(client):
    """SIGKILL and a new server during the run; SIGSTOP from before the run until after it."""
    global server
    end(start("plain", "", "--max-epochs", "6"))
    process = start("killed", server.url, "--max-epochs", "6", "--monitor.mlflow_wait", "120")
    state = logs("killed") / "mlflow.json"
    while process.poll() is None and (not state.exists() or '"run_id": ""' in state.read_text()):
        time.sleep(0.01)
    server.kill()
    server = mlflow_real.Real(server.folder, server.port)
    end(process)
    run = run_of(client, "killed")
    assert run.info.status == "FINISHED" and digest("killed") == digest("plain")
    same_metrics(client, run, "killed")
    server.signal(signal.SIGSTOP)
    said = end(start("hung", server.url, "--max-epochs", "6", "--monitor.mlflow_wait", "2"))
    assert "records were not delivered: the server does not answer in time" in said, said
    assert digest("hung") == digest("plain")
    server.signal(signal.SIGCONT)
    subprocess.run([LINNET, "mlflow", "hung"], check=True, stdout=subprocess.DEVNULL)
    run = run_of(client, "hung")  # one, although the stopped server also got requests that were given up
    assert run.info.status == "FINISHED"
    same_metrics(client, run, "hung")
    print("a server that is killed or stopped: nothing is lost, nothing is there twice, equal weights")


def main():
    global server
    if "no libcurl" in subprocess.run([LINNET, "doctor"], stdout=subprocess.PIPE, text=True).stdout:
        print("skipped: this build has no libcurl")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        subprocess.run([LINNET, "shapes", "data", "--train", "8", "--val", "4", "--size", "40", "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        server = mlflow_real.Real(os.path.join(work, "server"))
        try:
            os.makedirs("got")
            client = MlflowClient(server.url)
            whole(client, "got")
            failed(client)
            killed(client)
        finally:
            server.kill()


main()
