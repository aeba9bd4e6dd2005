"""The MLflow server of PyPI with a database and artefacts in a folder, for the long tests; to be imported after
packages.use("mlflow")."""
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

os.environ["no_proxy"] = "127.0.0.1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Real:
    """`folder` keeps what the server stores; a new object with the same folder and port continues it."""

    def __init__(self, folder, port=None):
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/db", "--artifacts-destination",
                 f"{folder}/artifacts", "--port", str(self.port), "--workers", "1"], stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=10):
                    return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.kill()
                    sys.exit("FAILED: the MLflow server does not start: " + open(os.path.join(folder, "log"), errors="replace").read()[-3000:])
                time.sleep(0.2)

    def signal(self, number):
        os.killpg(self.process.pid, number)  # its own session: it and its workers

    def kill(self):
        try:
            self.signal(signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
