"""report.html, and the live page of a run, in headless Chromium, at 400 and 1,600 pixels, light and dark: no request, no message on the console, no
horizontal scrolling of the page, every picture decoded, wide tables reachable. Skipped without Chromium.

LINNET_SHOTS=FOLDER keeps the screenshots."""
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

LINNET = os.environ["LINNET"]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEASURE = """(() => {
  const wide = [...document.querySelectorAll('*')].filter(e => {
    const r = e.getBoundingClientRect();
    return r.width > 0 && r.right > innerWidth + 0.5 && !e.closest('.wide, pre');
  });
  return {
    scroll: document.scrollingElement.scrollWidth, window: innerWidth,
    cut: wide.map(e => e.outerHTML.slice(0, 80)),
    images: document.images.length, broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
    background: getComputedStyle(document.body).backgroundColor, color: getComputedStyle(document.body).color,
    smallest: Math.min(...[...document.querySelectorAll('p, td, th, pre, a')].map(e => parseFloat(getComputedStyle(e).fontSize))),
    height: document.documentElement.scrollHeight, links: [...document.querySelectorAll('nav a')].length,
    dead: [...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href'))).length};
})()"""


class Browser:
    """Chromium, driven by the DevTools protocol through two pipes (its descriptors 3 and 4)."""

    def __init__(self, profile):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()

        def descriptors():
            a, b = os.dup(to_read), os.dup(back_write)  # neither is 3 or 4, which dup2 would overwrite
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}",
             "--no-first-run", "--disable-background-networking", "--hide-scrollbars"],
            preexec_fn=descriptors, close_fds=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_read)
        os.close(back_write)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 20)
            if not more:
                sys.exit("FAILED: Chromium ended")
            self.rest += more
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **parameters):
        self.number += 1
        said = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            said["sessionId"] = self.session
        os.write(self.to, json.dumps(said).encode() + b"\0")
        while True:
            got = self.message()
            if got.get("id") == self.number:
                if "error" in got:
                    sys.exit(f"FAILED: {method}: {got['error']}")
                return got["result"]
            self.events.append(got)

    def wait(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.message())

    def open(self, url, width, scheme):
        """Loads a page. Returns what MEASURE finds, the addresses requested, and the messages of the console."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")
        found = self.call("Runtime.evaluate", expression=MEASURE, returnByValue=True)["result"]["value"]
        asked = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        said = [e["params"] for e in self.events if e.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled",
                                                                        "Runtime.exceptionThrown")]
        return found, [u for u in asked if not u.startswith("data:")], said

    def picture(self, file, height):
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": self.call("Page.getLayoutMetrics")["cssLayoutViewport"]["clientWidth"],
                               "height": min(height, 8000), "scale": 1})
        file.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()


def fail(text):
    sys.exit(f"FAILED: {text}")


def check(browser, url, width, scheme, shots, name):
    found, asked, said = browser.open(url, width, scheme)
    where = f"{name} at {width} px, {scheme}"
    if shots:
        browser.picture(pathlib.Path(shots, f"{name}-{width}-{scheme}.png"), found["height"])
    if set(asked) != {url}:
        fail(f"{where}: requests {asked}")
    if said:
        fail(f"{where}: the console has {said}")
    if found["scroll"] > width or found["window"] != width:
        fail(f"{where}: the page is {found['scroll']} px wide")
    if found["cut"]:
        fail(f"{where}: beyond the edge: {found['cut']}")
    if not found["images"] or found["broken"]:
        fail(f"{where}: {found['broken']} of {found['images']} pictures are not shown")
    if not found["links"] or found["dead"]:
        fail(f"{where}: {found['dead']} of {found['links']} links to sections lead nowhere")
    if found["smallest"] < 12:
        fail(f"{where}: text of {found['smallest']} px")
    return found["background"], found["color"]


def runs():
    """Two short runs and their comparison; the first has a long name and options that look like HTML."""
    def linnet(*words):
        subprocess.run([LINNET, *words], check=True, stdout=subprocess.DEVNULL)

    linnet("shapes", "data", "--train", "8", "--val", "4", "--size", "40", "--seed", "1")
    for split in ("train", "val"):
        os.rename(f"data/{split}/dots", f"data/{split}/<img src=x onerror=alert(1)>")
    out = "a-folder-with-a-name-of-many-words-" * 3 + "<script src='http:"
    for folder, lr in ((out, "0.02"), ("second", "0.05")):
        linnet("train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--workers", "1",
               "--trainer.threads", "1", "--trainer.log_every_n_steps", "1", "--max-epochs", "3", "--lr", lr, "--out", folder)
    linnet("report", out, "second", "--out", "both")
    return {"run": pathlib.Path(out, "report.html"), "compared": pathlib.Path("both", "report.html")}


def check_all(browser, url, shots, name):
    colors = {scheme: [check(browser, url, width, scheme, shots, name) for width in (400, 1600)] for scheme in ("light", "dark")}
    if colors["light"] == colors["dark"]:
        fail(f"{name}: light and dark have the same colours")


def check_live(browser, shots):
    """The page of a run in progress, which reloads itself."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}/"
    run = subprocess.Popen([LINNET, "train", "--data", "data", "--arch", "resnet20", "--image-size", "32", "--batch-size", "16",
                            "--workers", "1", "--trainer.threads", "1", "--trainer.log_every_n_steps", "1", "--max-epochs", "1000",
                            "--monitor.report_seconds", "0.5", "--out", "live", "--metrics-port", url.rsplit(":")[-1].strip("/")],
                           stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if b"<img " in urllib.request.urlopen(url).read():
                    break
            except OSError:
                pass
            time.sleep(0.1)
        check_all(browser, url, shots, "live")
        browser.events.clear()
        browser.wait("Page.loadEventFired")
    finally:
        run.kill()
        run.wait()


def main():
    if CHROMIUM is None:
        print("skipped: no Chromium: apt install chromium")
        sys.exit(77)
    shots = os.environ.get("LINNET_SHOTS")
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        pages = runs()
        if not all(p.exists() for p in pages.values()):
            print("skipped: this build writes no report.html")
            sys.exit(77)
        browser = Browser(pathlib.Path(work, "profile"))
        try:
            for name, page in pages.items():
                check_all(browser, page.resolve().as_uri(), shots, name)
            if "no libmicrohttpd" not in subprocess.run([LINNET, "doctor"], stdout=subprocess.PIPE, text=True).stdout:
                check_live(browser, shots)
        finally:
            browser.close()
    print("report.html: no request, no message, no horizontal scrolling at 400 and 1,600 px, light and dark")


main()
