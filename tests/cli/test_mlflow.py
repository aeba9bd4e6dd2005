"""monitor.mlflow: what a server is told of a run, a resumed, a stopped and a failed one; that no server of any kind changes,
delays or ends the training; that what was not delivered is sent later; and that no password is written anywhere."""
import csv
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import mlflow_server

LINNET = os.environ["LINNET"]
TRAIN = [LINNET, "train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--workers", "1",
         "--trainer.threads", "1", "--precision", "32-true", "--lr", "0.02", "--trainer.log_every_n_steps", "1", "--monitor.report", "false"]
SECRET = "a-secret-token"
FAULTS = ["hang", "slow", "huge", "garbage", "html", "empty", "lie", "redirect", "401", "404", "500"]


def check(holds, text):
    if not holds:
        sys.exit(f"FAILED: {text}")


def logs(out, version=0):
    return pathlib.Path(out, "logs", "resnet20", f"version_{version}")


def digest(out):
    told = subprocess.run([LINNET, "info", f"{out}/checkpoints/resnet20/last.ckpt", "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(told.stdout)["digest"]


def start(out, uri, *options, **variables):
    return subprocess.Popen([*TRAIN, "--out", out, *(["--mlflow", uri] if uri else []), *options], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, errors="replace", env={**os.environ, **variables})


def end(process, code=0):
    said = process.communicate(timeout=250)[1]
    check(process.returncode == code, f"status {process.returncode}, expected {code}: {said}")
    return said


def rows(out):
    """metrics.csv as (name, step, value)."""
    with open(logs(out) / "metrics.csv", newline="") as f:
        return [(k, int(r["step"]), float(v)) for r in csv.DictReader(f) for k, v in r.items() if v and k not in ("epoch", "step")]


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-6 * abs(b)


def told(out, store):
    """Compares what the server was told with metrics.csv, in its order."""
    has = [(key, step, value) for key, step, _, value in store.of(logs(out))["metrics"] if key != "epoch" and "/" not in key]
    wanted = rows(out)
    check(len(has) == len(wanted), f"{out}: {len(has)} values, metrics.csv has {len(wanted)}")
    for one, other in zip(has, wanted):
        check(one[:2] == other[:2] and same(one[2], other[2]), f"{out}: {one}, metrics.csv has {other}")
    check(not store.problems, store.problems)


def send(out, *options, code=0):
    done = subprocess.run([LINNET, "mlflow", out, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(done.returncode == code, f"linnet mlflow: {done.returncode}: {done.stdout}")
    return done.stdout


def normal(server):
    """Params, metrics, tags, files, status; the weights are those of a run without MLflow."""
    end(start("plain", "", "--max-epochs", "1"))
    said = end(start("watched", server.url + "/plain", "--max-epochs", "1", "--monitor.report", "true", "--monitor.mlflow_checkpoint",
                     "--monitor.mlflow_experiment", "an experiment/ü", "--monitor.device_seconds", "0.1",
                     MLFLOW_TRACKING_TOKEN=SECRET))
    check(digest("plain") == digest("watched"), "the weights of the watched run differ")
    told("watched", server.store)
    run = server.store.of(logs("watched"))
    info = run["info"]
    check(server.store.experiments == {"an experiment/ü": info["experiment_id"]}, server.store.experiments)
    check(f"MLflow     {server.url}/plain/#/experiments/{info['experiment_id']}/runs/{info['run_id']}" in said, "the address: " + said)
    check(info["run_name"] == "resnet20 on data" and run["status"] == ["RUNNING", "RUNNING", "FINISHED"], run["status"])
    names = subprocess.run([LINNET, "train", "--print-config"], stdout=subprocess.PIPE, text=True, check=True).stdout
    check(len(run["params"]) == sum(":" in line and line.startswith(" ") for line in names.splitlines()), f"{len(run['params'])} params")
    check(run["params"]["data.batch_size"] == "16" and run["params"]["model.arch"] == "resnet20", run["params"])
    check({"device/cpu", "device/process_memory"} <= {m[0] for m in run["metrics"]}, "no values of the machine")
    best = [p.name for p in pathlib.Path("watched/checkpoints/resnet20").glob("epoch=*")]
    root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for name in ["hparams.yaml", "metrics.csv", "viewlogs.md", "report.html"]:
        path = pathlib.Path("watched", name) if name in ("viewlogs.md", "report.html") else logs("watched") / name
        if path.exists():
            check(server.store.files.get(f"{root}/{name}") == path.read_bytes(), f"{name} was not uploaded: {server.store.files.keys()}")
    check([f for f in server.store.files if f.startswith(root) and f.split("/")[-1] in best], "no checkpoint was uploaded")
    check(not (logs("watched") / "mlflow.spool").exists(), "a file remains")
    check(server.store.headers == {"Bearer " + SECRET}, server.store.headers)
    for path in pathlib.Path("watched").rglob("*"):
        check(not path.is_file() or SECRET.encode() not in path.read_bytes(), f"{path} contains the token")
    check(SECRET not in said, "the token is printed")
    check("everything is delivered" in send("watched"), "linnet mlflow")
    check("was not logged to MLflow (--mlflow)" in send("plain", code=1), "a run without MLflow")


def faults(server):
    """Servers of all kinds, all runs at once; then the command delivers to a server that works."""
    running = {how: start(how, f"{server.url}/{how}", "--max-epochs", "1", "--monitor.mlflow_wait", "1") for how in FAULTS}
    running["none"] = start("none", "http://127.0.0.1:9", "--max-epochs", "1", "--monitor.mlflow_wait", "1")
    running["tls"] = start("tls", server.url.replace("http", "https"), "--max-epochs", "1", "--monitor.mlflow_wait", "1")
    running["name"] = start("name", "http://no.such.host.invalid", "--max-epochs", "1", "--monitor.mlflow_wait", "1")
    for how, process in running.items():
        said = end(process)
        check(digest(how) == digest("plain"), f"{how}: the weights differ")
        check("to send them: linnet mlflow" in said and "resume" not in said, f"{how}: {said}")
        check(said.count("records were not delivered") == 1 and said.count("warning: MLflow") <= 2, f"{how}: {said}")
        check("\x1b" not in said, f"{how}: a control character is printed")
        check(not [r for r in server.store.runs.values() if r["tags"]["linnet.logs"].endswith(f"/{how}/logs/resnet20/version_0")],
              f"{how}: a run was created")
        send(how, "--uri", server.url + "/plain")
        told(how, server.store)
        check(server.store.of(logs(how))["info"]["status"] == "FINISHED", f"{how}: the status")
        check(not (logs(how) / "mlflow.spool").exists(), f"{how}: a file remains")
    check("address: of" not in send("none", "--uri", "ftp://x", code=2), "ftp")


def troubled(server):
    """Every second request fails; answers are lost; metrics are refused."""
    for how in ("busy", "lost"):
        end(start(how, f"{server.url}/{how}", "--max-epochs", "1", "--monitor.mlflow_wait", "60"))
        told(how, server.store)
        check(server.store.of(logs(how))["status"][-1] == "FINISHED", how)
    said = end(start("refuse", server.url + "/refuse", "--max-epochs", "1", "--monitor.mlflow_wait", "30"))
    check("a record is skipped: status 400: no  [31m metrics" in said and "records were skipped" in said, said)
    run = server.store.of(logs("refuse"))
    check(run["status"][-1] == "FINISHED" and run["params"] and not run["metrics"], run)
    check("not delivered" not in said and not (logs("refuse") / "mlflow.spool").exists(), said)
    (logs("refuse") / "mlflow.spool").write_text('{"time":1,"step":1,"metrics":{"a":1}}\n')
    said = send("refuse")
    check("delivered, except 1 records that were skipped" in said and "everything" not in said, said)
    check(f"no token or password is sent to {server.url}/refuse" in said, said)
    said = end(start("escape", server.url + "/escape", "--max-epochs", "1", "--monitor.mlflow_wait", "30"))
    check("the server stores them at file:///" in said and "\x1b" not in said, said)


def restarted(server):
    """The server is stopped during the run, and started again before its end."""
    process = start("restarted", server.url + "/plain", "--max-epochs", "4", "--monitor.mlflow_wait", "60")
    deadline = time.monotonic() + 100
    while not [r for r in server.store.runs.values() if r["tags"]["linnet.logs"].endswith("/restarted/logs/resnet20/version_0")]:
        check(time.monotonic() < deadline and process.poll() is None, "no run was created")
        time.sleep(0.01)
    server.stop()
    time.sleep(1)
    server = mlflow_server.Server(server.store, server.port)
    check("not delivered" not in end(process), "the records were not delivered")
    told("restarted", server.store)
    return server


def resumed(server):
    """A signal, a killed process and a failure; each resume continues the same run."""
    options = ("--monitor.mlflow_wait", "30", "--checkpoint.every_n_steps", "1")
    process = start("resumed", server.url + "/plain", "--max-epochs", "500", *options)
    while process.poll() is None and not pathlib.Path("resumed/checkpoints/resnet20/last.ckpt").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    end(process, 143)
    run = server.store.of(logs("resumed"))
    check(run["status"][-1] == "KILLED", run["status"])
    told("resumed", server.store)
    first = {**run["params"]}
    # killed while the server is away: the next process sends what this one could not
    process = start("resumed", f"{server.url}/hang", "--max-epochs", "500", "--resume", "auto", *options)
    size = (logs("resumed") / "metrics.csv").stat().st_size
    while process.poll() is None and (logs("resumed") / "metrics.csv").stat().st_size <= size + 500:
        time.sleep(0.01)
    process.kill()
    process.wait()
    said = end(start("resumed", server.url + "/plain", "--max-epochs", "500", "--resume", "auto", "--lr", "1e6",
                     "--trainer.clip_norm", "0", *options), 1)
    check("not finite" in said and f"/runs/{run['info']['run_id']}" in said, said)
    check(run["status"][-1] == "FAILED" and run["params"] == first, "the failed run")
    check(server.store.of(logs("resumed")) is run, "another run")
    has = {(key, step) for key, step, _, _ in run["metrics"] if key == "train_loss_step"}
    check({(k, s) for k, s, _ in rows("resumed") if k == "train_loss_step"} <= has, "steps of the resumed run are missing")
    check(not server.store.problems, server.store.problems)


def refused(server):
    """What is wrong with an address is said before anything is written."""
    for uri, says, variables in (
            ("http://me:hidden@127.0.0.1", "contains a password", {}), ("./mlruns", "must be the address of a server", {}),
            ("env", "MLFLOW_TRACKING_URI is not set", {"MLFLOW_TRACKING_URI": ""}),
            ("env", "set MLFLOW_TRACKING_USERNAME", {"MLFLOW_TRACKING_URI": "http://me:hidden@127.0.0.1"})):
        said = end(start("refused", uri, "--max-epochs", "1", **variables), 2)
        check(says in said and "hidden" not in said and said.count("\n") == 1, said)
    check(not os.path.exists("refused"), "a start that is refused leaves a folder")
    # the variables of MLflow's own clients
    variables = {"MLFLOW_TRACKING_URI": server.url + "/plain", "MLFLOW_EXPERIMENT_NAME": "from env", "MLFLOW_TRACKING_USERNAME": "me",
                 "MLFLOW_TRACKING_PASSWORD": "hidden"}
    server.store.headers.clear()
    end(start("env", "env", "--max-epochs", "1", "--monitor.mlflow_wait", "30", **variables))
    check("from env" in server.store.experiments and server.store.headers == {"Basic bWU6aGlkZGVu"}, server.store.headers)
    other = server.store.of(logs("env"))
    other["tags"].clear()  # as if another program had created it
    other["params"].clear()
    end(start("other", "env", "--max-epochs", "1", "--monitor.mlflow_wait", "30", "--seed", "0", **variables, MLFLOW_RUN_ID=other["info"]["run_id"]))
    check(server.store.of(logs("other")) is other and other["status"][-1] == "FINISHED", "MLFLOW_RUN_ID")
    check(not server.store.problems, server.store.problems)


def ranks(server):
    """Only rank 0 sends."""
    if not os.path.exists(os.path.join(os.path.dirname(LINNET), "liblinnet_mpi.so")) or shutil.which("mpirun") is None:
        return
    variables = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    if "ASAN_OPTIONS" in os.environ:
        variables["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":detect_leaks=0"
    before = len(server.store.runs)
    end(start("ranks", server.url + "/plain", "--max-epochs", "1", "--batch-size", "8", "--devices", "2", "--monitor.mlflow_wait", "30",
              **variables))
    told("ranks", server.store)
    check(len(server.store.runs) == before + 1 and "ranks/comm" in {m[0] for m in server.store.of(logs("ranks"))["metrics"]}, "two ranks")


def main():
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        subprocess.run([LINNET, "shapes", "data", "--train", "4", "--val", "2", "--size", "40", "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        server = mlflow_server.Server()
        if "no libcurl" in subprocess.run([LINNET, "doctor"], stdout=subprocess.PIPE, text=True).stdout:
            check("this build has no libcurl" in end(start("x", server.url, "--max-epochs", "1"), 1), "a build without libcurl")
            return
        normal(server)
        faults(server)
        troubled(server)
        server = restarted(server)
        resumed(server)
        refused(server)
        ranks(server)


main()
