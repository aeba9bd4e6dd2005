"""A server of shards for tests, with the faults of real ones. The first part of a path selects the behaviour:

    /plain/      ranges, ETag, Content-Length
    /drop/       closes the connection after each STEP bytes of a file
    /norange/    as drop, at first; ignores ranges, and then sends everything
    /changed/    as drop, with another ETag in each answer
    /nolength/   neither Content-Length nor ranges nor ETag
    /busy/       503 to the first two requests of a file
    /later/      redirects once
    /chaos/      by chance: ends early, 503, 429, a pause, no answer
    /STATUS/     that status, always
    /hang/       no answer
    /stall/      half a file, then nothing
    /short/      always ends at the same byte
    anything else: a bucket of S3 that checks the signature (KEYS, TOKEN) and drops as drop does
"""
import base64
import collections
import hashlib
import hmac
import http.server
import os
import random
import re
import socket
import threading
import urllib.parse

os.environ["no_proxy"] = "127.0.0.1"
STEP = 8000
KEY, SECRET, TOKEN, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/token+with=signs", "eu-test-1"


def signature(method, path, headers, signed, date, scope):
    """AWS, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)" """
    canonical = "\n".join([method, path, "", *(f"{h}:{headers[h].strip()}" for h in signed), "", ";".join(signed),
                           headers["x-amz-content-sha256"]])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def refuse(self, status):
        body = b"<Error>\nrefused\n</Error>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signed(self):
        h = {k.lower(): v for k, v in self.headers.items()}
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]*)/([^,]*), *SignedHeaders=([^,]*), *Signature=(\w+)",
                         h.get("authorization", ""))
        if not m or m[1] != KEY or h.get("x-amz-security-token") != TOKEN or "x-amz-content-sha256" not in h:
            return False
        names = m[3].split(";")
        if m[2].split("/")[1:] != [REGION, "s3", "aws4_request"] or not {"host", "x-amz-date", "x-amz-security-token"} <= set(names):
            return False
        return m[4] == signature(self.command, self.path, h, names, h["x-amz-date"], m[2])

    def user(self):
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(value).decode().partition(":")[0] if kind == "Basic" else ""

    def do_GET(self):
        s = self.server
        with s.lock:
            s.count[self.path] = count = s.count.get(self.path, 0) + 1
            s.requests += 1
        behaviour, _, name = urllib.parse.unquote(self.path)[1:].partition("/")
        known = "plain chaos drop norange changed nolength busy later hang stall short".split()
        if behaviour.isdigit():
            return self.refuse(int(behaviour))
        if behaviour not in known and not self.signed():
            return self.refuse(403)
        if behaviour == "hang":
            s.release.wait(20)
            return None
        if behaviour == "chaos":
            chance = s.chance.random()
            if chance < 0.1:
                return self.refuse(s.chance.choice((503, 429, 500)))
            if chance < 0.12:
                s.release.wait(3)
                return None
        if behaviour == "busy" and count <= 2:
            return self.refuse(503)
        if behaviour == "later" and "?" not in self.path:
            self.send_response(302)
            self.send_header("Location", self.path + "?again")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        name = name.split("?")[0]
        path = os.path.join(s.folder, name)
        if not os.path.isfile(path):
            return self.refuse(404)
        data = open(path, "rb").read()
        return self.send(behaviour, data, count)

    def send(self, behaviour, data, count):
        first = 0
        m = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if m and behaviour not in ("norange", "nolength"):
            first = int(m[1])
            if first >= len(data):
                return self.refuse(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        last = len(data)
        if behaviour != "nolength":
            self.send_header("Content-Length", str(len(data) - first))
            tag = hashlib.md5(data + (str(count).encode() if behaviour == "changed" else b"")).hexdigest()
            self.send_header("ETag", f'"{tag}"')
        if behaviour == "chaos":
            last = min(last, first + self.server.chance.randrange(1, 40000))
        elif behaviour not in ("plain", "nolength", "busy", "later", "stall", "short") and not (behaviour == "norange" and count > 1):
            last = min(last, first + STEP)
        if behaviour in ("short", "stall"):
            last = min(last, max(first, STEP))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data[first:last])
        self.wfile.flush()
        with self.server.lock:
            self.server.sent += last - first
            self.server.sent_to[self.user()] += last - first
        if behaviour == "stall" and count == 1:
            self.server.release.wait(20)
        elif behaviour == "stall":
            self.wfile.write(data[last:])
        self.close_connection = True
        return None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that is killed


def start(folder):
    server = Server(("127.0.0.1", 0), Handler)
    server.folder, server.count, server.requests, server.sent = folder, {}, 0, 0
    server.sent_to = collections.Counter()  # bytes by the user's name of basic authentication
    server.chance = random.Random(1)
    server.lock, server.release = threading.Lock(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def stop(server):
    server.release.set()
    server.shutdown()
    server.server_close()


def dead_port():
    """an address where nobody listens"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
