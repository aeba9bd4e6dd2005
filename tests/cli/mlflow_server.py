"""A server for tests that speaks as much of MLflow's REST API as a run needs, and keeps what it was told. The first part of
a path selects the behaviour:

    /plain/       as MLflow
    /refuse/      as MLflow, but refuses metrics (status 400) and files (status 403)
    /escape/      as MLflow, but does not store files; its artifact_uri has an escape sequence
    /busy/        503 to the first request of each call
    /lost/        does what it is asked to, but closes the connection before the answer, at first
    /hang/        no answer
    /slow/        one byte of an endless head every 0.05 s
    /huge/        an endless answer
    /garbage/     no HTTP
    /html/        status 200 and a page
    /empty/       status 200 and {}
    /lie/         ids and addresses that are not MLflow's
    /redirect/    to /plain/
    /STATUS/      that status
"""
import collections
import http.server
import json
import os
import re
import threading
import time
import urllib.parse

os.environ["no_proxy"] = "127.0.0.1"


class Store:
    """What the server was told."""

    def __init__(self):
        self.lock = threading.RLock()
        self.experiments, self.runs, self.files = {}, {}, {}
        self.requests, self.problems, self.headers = collections.Counter(), [], set()

    def of(self, logs):
        """The run of a log folder."""
        found = [r for r in self.runs.values() if r["tags"].get("linnet.logs") == os.path.realpath(logs)]
        assert len(found) == 1, f"{len(found)} of {len(self.runs)} runs are of {logs}"
        return found[0]

    def need(self, holds, problem):
        if not holds:
            self.problems.append(problem)

    def create(self, body):
        number = f"{len(self.runs):032x}"
        self.need({t["key"] for t in body["tags"]} >= {"mlflow.user", "mlflow.source.name", "linnet.key", "linnet.logs"}, body["tags"])
        self.runs[number] = {
            "info": {"run_id": number, "experiment_id": body["experiment_id"], "status": "RUNNING", "start_time": body["start_time"],
                     "run_name": body["run_name"], "artifact_uri": f"mlflow-artifacts:/{body['experiment_id']}/{number}/artifacts"},
            "tags": {t["key"]: t["value"] for t in body["tags"]}, "params": {}, "metrics": [], "status": ["RUNNING"]}
        return {"run": {"info": self.runs[number]["info"]}}

    def search(self, body):
        key = re.fullmatch(r"tags\.`linnet\.key` = '(\w+)'", body["filter"]).group(1)
        return {"runs": [{"info": r["info"]} for r in self.runs.values() if r["tags"].get("linnet.key") == key]}

    def batch(self, body):
        run = self.runs[body["run_id"]]
        metrics, params = body.get("metrics", []), body.get("params", [])
        self.need(len(metrics) <= 1000 and len(params) <= 100 and metrics + params + body.get("tags", []), f"a batch: {body}")
        for p in params:
            self.need(len(p["value"]) <= 500 and run["params"].get(p["key"], p["value"]) == p["value"], f"a param: {p}")
            run["params"][p["key"]] = p["value"]
        for m in metrics:
            self.need(isinstance(m["timestamp"], int) and abs(m["timestamp"] / 1000 - time.time()) < 600 and isinstance(m["step"], int), m)
            row = (m["key"], m["step"], m["timestamp"], float(m["value"]))
            if repr(row) not in map(repr, run["metrics"]):  # as the table of the real server, whose key is all of it
                run["metrics"].append(row)
        run["tags"].update({t["key"]: t["value"] for t in body.get("tags", [])})
        return {}

    def update(self, body):
        run = self.runs[body["run_id"]]
        run["status"].append(body["status"])
        run["info"]["status"] = body["status"]
        self.need((body["status"] == "RUNNING") == ("end_time" not in body), f"end_time: {body}")
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args):
        pass

    def say(self, status, body, kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self, store, path, query, body):
        """MLflow's answer: status and object."""
        if self.command == "PUT":
            store.files[urllib.parse.unquote(path.removeprefix("mlflow-artifacts/artifacts/"))] = body
            return 200, None
        asked = json.loads(body) if body else {}
        name = path.removeprefix("mlflow/")
        if name == "experiments/get-by-name":
            wanted = query["experiment_name"][0]
            if wanted not in store.experiments:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}
            return 200, {"experiment": {"experiment_id": store.experiments[wanted], "name": wanted}}
        if name == "experiments/create":
            store.experiments[asked["name"]] = str(len(store.experiments) + 1)
            return 200, {"experiment_id": store.experiments[asked["name"]]}
        if name == "runs/get":
            run = store.runs.get(query["run_id"][0])
            return (200, {"run": {"info": run["info"]}}) if run else (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"})
        calls = {"runs/create": store.create, "runs/search": store.search, "runs/log-batch": store.batch, "runs/update": store.update}
        if name not in calls:
            store.problems.append(f"{self.command} {path}")
            return 404, {}
        return 200, calls[name](asked)

    def fault(self, how, path, first):
        """Does what the behaviour means; whether the request is finished with."""
        store, self.close_connection = self.server.store, True
        if how == "hang":
            self.server.over.wait(60)
        elif how == "slow":
            while not self.server.over.wait(0.05):
                self.wfile.write(b"H")
                self.wfile.flush()
        elif how == "huge":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                self.wfile.write(b"{" * 65536)
        elif how == "garbage":
            self.wfile.write(b"\x00\x1b[31m no HTTP \xff" * 10)
        elif how in ("html", "empty"):
            self.say(200, b"<html>\x1b[31m" if how == "html" else b"{}")
        elif how == "lie":
            info = {"run_id": "../../x", "experiment_id": "1", "artifact_uri": "mlflow-artifacts:/../../etc"}
            self.say(200, json.dumps({"experiment": {"experiment_id": "7"}, "runs": [{"info": info}], "run": {"info": info}}).encode())
        elif how == "redirect":
            self.say(302, b"", Location=f"{self.server.url}/plain/{path}")
        elif how.isdigit():
            self.say(int(how), b'{"error_code": "X", "message": "told \\u001b[31m so"}')
        elif how == "busy" and first:
            self.say(503, b"later")
        else:
            self.close_connection = False
            return False
        return True

    def serve(self):
        store = self.server.store
        part = urllib.parse.urlsplit(self.path)
        how, _, path = part.path[1:].partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with store.lock:
            store.requests[how] += 1
            store.requests[f"{how} {part.path}"] += 1
            first = store.requests[f"{how} {part.path}"] == 1
            store.headers.add(self.headers.get("Authorization"))
        path = path.removeprefix("api/2.0/")
        try:
            if self.fault(how, path, first):
                return
            with store.lock:
                if how == "refuse" and self.command == "PUT":
                    status, found = 403, {}
                elif how == "refuse" and b'"metrics"' in body:
                    status, found = 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no \x1b[31m metrics"}
                else:
                    status, found = self.answer(store, path, urllib.parse.parse_qs(part.query), body)
                if how == "escape" and found and "run" in found:
                    found = {"run": {"info": {**found["run"]["info"], "artifact_uri": "file:///\x1b[31m/x"}}}
            if how == "lost" and first:
                self.close_connection = True
                return
            self.say(status, b"" if found is None else json.dumps(found).encode())
        except OSError:
            self.close_connection = True  # the client is gone

    do_GET = do_POST = do_PUT = serve


class Server(http.server.ThreadingHTTPServer):
    """Begins to answer at once; `store` and port may be those of a server that was stopped."""
    daemon_threads, allow_reuse_address = True, True

    def __init__(self, store=None, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.store, self.over = store or Store(), threading.Event()
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()
