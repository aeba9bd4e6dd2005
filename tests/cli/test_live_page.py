"""monitor.port: what it serves during a run, that clients of any kind neither change nor delay the training, and that a
port that cannot be had is refused before the first step."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

LINNET = os.environ["LINNET"]
TRAIN = [LINNET, "train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--workers", "1",
         "--trainer.threads", "1", "--precision", "32-true", "--lr", "0.02"]
GARBAGE = [b"\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost: " + b"x" * 100000, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]


def check(holds, text):
    if not holds:
        sys.exit("FAILED: " + text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=20) as answer:
        return answer.read(), answer.headers


def digest(out):
    told = subprocess.run([LINNET, "info", f"{out}/checkpoints/resnet20/last.ckpt", "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(told.stdout)["digest"]


def start(*options):
    return subprocess.Popen([*TRAIN, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")


def wait_for(port, process):
    """Until the port answers."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            return get(port, "/metrics")
        except (OSError, http.client.HTTPException):
            check(process.poll() is None, "the run has ended: " + (process.stderr.read() if process.poll() is not None else ""))
            time.sleep(0.01)
    sys.exit("FAILED: the port does not answer")


class Clients(threading.Thread):
    """Connections that send garbage or nothing, and pages that nobody reads."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stop, self.open = port, threading.Event(), []

    def run(self):
        i = 0
        while not self.stop.wait(0.02):
            try:
                s = socket.create_connection(("127.0.0.1", self.port), timeout=1)
                s.sendall(GARBAGE[i % 4] if i % 2 else b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" if i % 4 else b"")
                self.open.append(s)
            except OSError:
                pass
            i += 1
            if len(self.open) > 12:
                self.open.pop(0).close()


def no_server(port):
    """A build without libmicrohttpd refuses the option."""
    p = start("--out", "none", "--max-epochs", "1", "--metrics-port", str(port))
    said = p.communicate()[1]
    check(p.returncode == 1 and "this build has no libmicrohttpd" in said, f"status {p.returncode}: {said}")


def served(port, process):
    """Compares what the port says with the files, until the run ends. Returns which of it was seen."""
    seen = set()
    while process.poll() is None:
        try:
            before = open("run.prom", "rb").read()
            values, headers = get(port, "/metrics")
            check(headers["Content-Type"].startswith("text/plain; version=0.0.4"), f"/metrics: {headers}")
            if values in (before, open("run.prom", "rb").read()):  # else the values changed meanwhile
                seen.add("metrics")
            event = json.loads(get(port, "/progress.json")[0])
            check(event["v"] == 1 and {"event", "time", "epoch", "steps_done"} <= set(event), f"progress.json: {event}")
            seen.add(event["event"])
            page, headers = get(port, "/")
            check(headers["Refresh"] == "10" and headers["Content-Type"] == "text/html; charset=utf-8", f"/: {headers}")
            check(re.search(r'<p class="live"><strong>(running|done)</strong> · epoch \d+ of 12 · step ', page.decode()),
                  "the page has no status: " + page.decode()[:3000])
            check(page.decode().rstrip().endswith("</html>"), "the page is cut")
            if b'<h2 id="s1">Loss</h2>' in page:
                seen.add("report")
        except (OSError, http.client.HTTPException):
            pass  # the run is about to end, or the clients occupy every connection
    return seen


def watched(port):
    """The weights of a run that is watched are those of a run that is not."""
    common = ["--max-epochs", "12", "--trainer.log_every_n_steps", "10"]
    p = start("--out", "plain", *common)
    check(p.wait() == 0, "the plain run failed: " + p.stderr.read())
    p = start("--out", "watched", *common, "--monitor.report_seconds", "0.2", "--metrics-port", str(port), "--monitor.prometheus_file", "run.prom")
    wait_for(port, p)
    try:
        get(port, "/metrics", "127.0.0.2")
        sys.exit("FAILED: the port is open at another address than 127.0.0.1")
    except OSError:
        pass
    seen = served(port, p)
    said = p.stderr.read()
    check(p.returncode == 0, "the watched run failed: " + said)
    check(f"live page  http://127.0.0.1:{port}/" in said, "the address is not told: " + said)
    has_html = "no cmark-gfm" not in subprocess.run([LINNET, "doctor"], stdout=subprocess.PIPE, text=True).stdout
    check(seen >= {"metrics"} | ({"report"} if has_html else set()), f"seen: {seen}")
    check(digest("plain") == digest("watched"), "the weights of the watched run differ")

    p = start("--out", "beset", *common, "--metrics-port", str(port))
    wait_for(port, p)
    clients = Clients(port)
    clients.start()
    check(p.wait() == 0, "the beset run failed: " + p.stderr.read())
    clients.stop.set()
    clients.join()
    check(digest("plain") == digest("beset"), "the weights of the run with hostile clients differ")


def ended(port):
    """A signal ends a run whose clients hang."""
    p = start("--out", "ended", "--max-epochs", "1000", "--metrics-port", str(port))
    wait_for(port, p)
    hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(18)]
    time.sleep(0.3)
    p.send_signal(signal.SIGTERM)
    try:
        check(p.wait(60) == 143, "stopped: " + p.stderr.read())
    except subprocess.TimeoutExpired:
        p.kill()
        sys.exit("FAILED: the hanging clients delay the end of the run")
    for s in hanging:
        s.close()


def refused(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        p = start("--out", "refused", "--max-epochs", "1", "--metrics-port", str(port))
        said = p.communicate()[1].strip()
    check(p.returncode == 1 and said == f"linnet: monitor.port: port {port} of 127.0.0.1 is in use by another process: choose another port",
          f"a port in use: status {p.returncode}: {said}")
    check(not os.path.exists("refused"), "a start that is refused leaves a folder")
    for address in ("no.such.host.invalid", "203.0.113.7"):
        p = start("--out", "refused", "--max-epochs", "1", "--metrics-port", str(port), "--monitor.address", address)
        said = p.communicate()[1]
        check(p.returncode == 2 and f"monitor.port: {address} is not an address of this machine" in said,
              f"status {p.returncode}: {said}")
    check(not os.path.exists("refused"), "a start that is refused leaves a folder")


def odd_name(port):
    """A folder whose name is not UTF-8, with a quote: the metrics are UTF-8. Without a report there is a page that says so."""
    os.mkdir(b"caf\xe9")
    os.chdir(b"caf\xe9")
    p = start("--data", "../data", "--out", 'a"x', "--max-epochs", "100", "--monitor.report", "false",
              "--metrics-port", str(port))
    os.chdir("..")
    values = wait_for(port, p)[0].decode()
    check('/caf\\\\xE9/a\\"x/logs/resnet20/version_0"} 1' in values, "the label: " + values)
    page = get(port, "/")[0].decode()
    check('/caf\\xE9/a"x/logs/resnet20/version_0</h1>' in page and "There is no report: monitor.report is false." in page, page)
    check('<p class="live">' in page, "a page without a report has no status: " + page)
    p.kill()
    p.wait()


def ranks(port):
    """Only rank 0 serves: the others need no port."""
    if not os.path.exists(os.path.join(os.path.dirname(LINNET), "liblinnet_mpi.so")) or shutil.which("mpirun") is None:
        return
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if "ASAN_OPTIONS" in os.environ:
        os.environ["ASAN_OPTIONS"] += ":detect_leaks=0"
    p = start("--out", "ranks", "--max-epochs", "3", "--batch-size", "8", "--devices", "2", "--metrics-port", str(port))
    values = wait_for(port, p)[0].decode()
    check("linnet_running" in values, "two ranks: " + values)
    said = p.communicate()[1]
    check(p.returncode == 0, f"two ranks: {said}")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        p = start("--out", "refused", "--batch-size", "8", "--devices", "2", "--metrics-port", str(port))
        said = p.communicate(timeout=120)[1]
    check(p.returncode == 1 and said.count("is in use by another process") == 1, f"two ranks, a port in use: status {p.returncode}: {said}")
    check(not os.path.exists("refused"), "a start of two ranks that is refused leaves a folder")


def main():
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        subprocess.run([LINNET, "shapes", "data", "--train", "8", "--val", "4", "--size", "40", "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        if "no libmicrohttpd" in subprocess.run([LINNET, "doctor"], stdout=subprocess.PIPE, text=True).stdout:
            no_server(free_port())
            return
        for part in (watched, ended, refused, odd_name, ranks):
            part(free_port())


main()
