"""What it costs a run to be watched: CPU time of the process, alternating between a run that is watched by Prometheus' parser,
a JSON consumer, an MLflow server and a browser's reloads at once, and one that is not. Also the CPU time of the threads that
serve, which a loaded machine disturbs less. Then a run whose watchers hang, lie and are killed. The weights of all are equal.

The clients come once per second of the run's CPU time: on an idle machine, once per second.

LINNET_PAIRS=N: number of pairs (5). LINNET_EPOCHS=N: length of a run (20)."""
import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import packages

packages.use("mlflow")
import mlflow_real
from mlflow import MlflowClient
from prometheus_client.parser import text_string_to_metric_families

LINNET = os.environ["LINNET"]
PAIRS, EPOCHS = int(os.environ.get("LINNET_PAIRS", "5")), os.environ.get("LINNET_EPOCHS", "20")
TRAIN = [LINNET, "train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--workers", "1",
         "--trainer.threads", "1", "--precision", "32-true", "--lr", "0.02", "--max-epochs", EPOCHS]
LIMIT = 0.01  # of the CPU time of an unwatched run
STEPS = 40 * int(EPOCHS)


def check(holds, text):
    if not holds:
        sys.exit(f"FAILED: {text}")


def digest(out):
    told = subprocess.run([LINNET, "info", f"{out}/checkpoints/resnet20/last.ckpt", "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(told.stdout)["digest"]


def wait(process):
    """CPU seconds of the process."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def cpu_seconds(pid):
    """Of a process that has not been waited for."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serving_seconds(pid):
    """CPU seconds of the threads that serve."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm") as f:
                name = f.read().strip()
            if name.startswith("MHD") or name == "mlflow":
                with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0]) / 1e9
        except OSError:
            pass  # it has ended
    return total


class Client(threading.Thread):
    """Calls a function once per CPU second of a process until it is stopped; counts what worked."""

    def __init__(self, pid, act):
        super().__init__(daemon=True)
        self.pid, self.act, self.done, self.problem, self.over = pid, act, 0, None, threading.Event()
        self.start()

    def run(self):
        due = 1
        while not self.over.wait(0.05):
            try:
                if cpu_seconds(self.pid) < due:
                    continue
                due += 1
                self.act()
                self.done += 1
            except (OSError, http.client.HTTPException):
                pass  # before the start, or after the end
            except Exception as error:  # what the run serves is wrong
                self.problem = repr(error)

    def stop(self):
        self.over.set()
        self.join()
        check(self.problem is None, self.problem)
        return self.done


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def scrape(port):
    page = get(port, "/metrics")
    assert any(f.name == "linnet_steps" for f in text_string_to_metric_families(page)), page
    if shutil.which("promtool"):
        told = subprocess.run(["promtool", "check", "metrics"], input=page, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert told.returncode == 0, told.stdout


def reload(port):
    assert get(port, "/").rstrip().endswith("</html>")


def unwatched(out):
    shutil.rmtree(out, ignore_errors=True)
    process = subprocess.Popen([*TRAIN, "--out", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    used = wait(process)
    check(process.returncode == 0, f"the unwatched run: status {process.returncode}")
    return used


def watched(out, server):
    shutil.rmtree(out, ignore_errors=True)
    port, events = mlflow_real.free_port(), []
    process = subprocess.Popen([*TRAIN, "--out", out, "--progress", "json", "--metrics-port", str(port), "--mlflow", server.url,
                                "--monitor.mlflow_wait", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    clients = [Client(process.pid, lambda: scrape(port)), Client(process.pid, lambda: reload(port))]
    for line in process.stderr:
        if line.startswith("{"):
            events.append(json.loads(line))
            if events[-1]["event"] != "end":  # the threads end soon after it
                serving = serving_seconds(process.pid)
    used = wait(process)
    scrapes, reloads = (c.stop() for c in clients)
    check(process.returncode == 0, f"the watched run: status {process.returncode}")
    check(events[0]["event"] == "start" and events[-1]["state"] == "done" and
          sum(e["event"] == "step" for e in events) == STEPS // 50, f"{len(events)} events")
    check(scrapes > 1 and reloads > 1, f"{scrapes} scrapes, {reloads} reloads")
    client = MlflowClient(server.url)
    run = client.search_runs(["0"], max_results=1, order_by=["attributes.start_time DESC"])[0]
    check(run.info.status == "FINISHED" and len(client.get_metric_history(run.info.run_id, "train_loss_step")) == STEPS // 50, "MLflow")
    client.delete_run(run.info.run_id)
    return used, serving / used, f"{scrapes} scrapes, {reloads} reloads, {len(events)} events"


def attack(port, held):
    """Connections that say nothing, send garbage, or ask for the page and do not read it."""
    said = random.choice([b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50, b"POST /metrics HTTP/9\r\n\r\n"])
    for _ in range(5):
        s = socket.create_connection(("127.0.0.1", port), timeout=1)
        held.append(s)
        s.sendall(said)
    while len(held) > 40:
        held.pop(0).close()


def beset(out, server):
    """The MLflow server stops, and is killed later; clients hang and lie; one that scrapes is killed again and again."""
    shutil.rmtree(out, ignore_errors=True)
    port, held = mlflow_real.free_port(), []
    process = subprocess.Popen([*TRAIN, "--out", out, "--progress", "json", "--monitor.progress_file", "lines", "--metrics-port",
                                str(port), "--mlflow", server.url, "--monitor.mlflow_wait", "2"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    scraper = f"import urllib.request\nwhile True: urllib.request.urlopen('http://127.0.0.1:{port}/').read(9)"

    def kill_one():
        try:
            subprocess.run([sys.executable, "-c", scraper], timeout=0.5, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            pass  # was killed

    clients = [Client(process.pid, lambda: attack(port, held)), Client(process.pid, kill_one)]
    time.sleep(2)
    server.signal(signal.SIGSTOP)
    time.sleep(4)
    server.kill()
    said = process.stderr.read()
    used = wait(process)
    for c in clients:
        c.stop()
    check(process.returncode == 0, f"the beset run: status {process.returncode}: {said}")
    check("records were not delivered" in said, said)
    server = mlflow_real.Real(server.folder, server.port)
    try:
        subprocess.run([LINNET, "mlflow", out], check=True, stdout=subprocess.DEVNULL)
        client = MlflowClient(server.url)
        run, = client.search_runs(["0"])
        check(run.info.status == "FINISHED" and len(client.get_metric_history(run.info.run_id, "train_loss_step")) == STEPS // 50, "MLflow")
    finally:
        server.kill()
    return used


def main():
    doctor = subprocess.run([LINNET, "doctor"], stdout=subprocess.PIPE, text=True).stdout
    if "no libcurl" in doctor or "no libmicrohttpd" in doctor:
        print("skipped: this build has no libcurl or no libmicrohttpd")
        sys.exit(77)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        subprocess.run([LINNET, "shapes", "data", "--train", "64", "--val", "8", "--size", "40", "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        server = mlflow_real.Real(os.path.join(work, "server"))
        try:
            unwatched("plain")  # fills the caches
            expected = digest("plain")
            plain, seen, ratios, shares = [], [], [], []
            for i in range(PAIRS):
                for which in (0, 1) if i % 2 == 0 else (1, 0):
                    if which == 0:
                        plain.append(unwatched("plain"))
                        check(digest("plain") == expected, "two unwatched runs differ")
                    else:
                        used, share, told = watched("watched", server)
                        seen.append(used)
                        shares.append(share)
                        check(digest("watched") == expected, "the weights of the watched run differ")
                ratios.append(seen[-1] / plain[-1])
                print(f"pair {i + 1}: {plain[-1]:.2f} s unwatched, {seen[-1]:.2f} s watched ({100 * (ratios[-1] - 1):+.2f} %), of it "
                      f"{100 * shares[-1]:.2f} % in the threads that serve; {told}", flush=True)
            cost, served = statistics.median(ratios) - 1, statistics.median(shares)
            noise = 1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5 if PAIRS > 1 else 0  # standard error of the median
            print(f"medians: {statistics.median(plain):.2f} s unwatched, {statistics.median(seen):.2f} s watched; the ratios "
                  f"{100 * cost:+.2f} %, standard error {100 * noise:.2f} %; threads that serve {100 * served:.2f} %")
            used = beset("beset", server)
            check(digest("beset") == expected, "the weights of the beset run differ")
            print(f"watchers that hang, lie and are killed: {used:.2f} s; equal weights")
        finally:
            server.kill()
        check(served <= LIMIT and cost - 2 * noise <= LIMIT, f"being watched costs more than {100 * LIMIT:.0f} %")


main()
