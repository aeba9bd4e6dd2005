#!/usr/bin/python3
"""Shards on a server (http and S3): training from them equals training from local shards byte for byte, whatever the
server does, and after SIGKILL; what lasts is one clear line within data.timeout; ranks and processes share one copy."""
import os
import shutil
import subprocess
import tempfile
import threading
import time

import shard_server
from shard_commands import LINNET, SMALL, counts, digest, run, train

STREAM = ("--data.sequential", "true", "--data.shuffle_buffer", "8", "--data.ahead", "2", "--data.read_ahead", "1",
          "--data.batch_size", "8")


def cache(name):
    return "--data.cache_dir", name


def same_weights():
    train("shards", "plain", 2)
    for behaviour in "plain", "drop":
        train(f"{server.url}/{behaviour}/{BOTH}", f"{behaviour}-run", 2, *cache(f"c-{behaviour}"))
        assert digest(f"{behaviour}-run") == digest("plain")
    # nothing is downloaded again, also by another run
    before = server.requests
    train(f"{server.url}/plain/{BOTH}", "again", 2, *cache("c-plain"))
    assert server.requests == before and digest("again") == digest("plain")


def killed():
    """SIGKILL in the middle of a download, and after a checkpoint"""
    url, options = f"{server.url}/drop/{BOTH}", (*SMALL, *cache("c-kill"), "--max-epochs", "2", "--out", "kill",
                                                 "--checkpoint.every_n_steps", "2")
    def start():
        return subprocess.Popen([LINNET, "train", "--data", url, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = start()
    while not (os.path.isdir("c-kill") and any(f.endswith(".tar") for f in os.listdir("c-kill"))):
        time.sleep(0.01)
    p.kill()
    p.wait()
    assert not os.path.exists("kill/checkpoints/resnet20/last.ckpt")
    p = start()
    while p.poll() is None and not os.path.exists("kill/checkpoints/resnet20/last.ckpt"):
        time.sleep(0.01)
    p.kill()
    p.wait()
    run(0, "train", "--data", url, *options, "--resume", "auto")
    assert digest("kill") == digest("plain")
    assert not [f for f in os.listdir("c-kill") if f.endswith(".part")]


def sequential():
    """room for a part of the shards: they are downloaded in each epoch, ahead of their use"""
    sizes = sorted(os.path.getsize(f"shards/{f}") for f in os.listdir("shards") if f.endswith(".tar"))
    val = sum(os.path.getsize(f"shards/{f}") for f in os.listdir("shards") if f.startswith("val-") and f.endswith(".tar"))
    limit = val + 19 * sizes[-1]
    assert limit < sum(sizes), (limit, sizes)
    room = ("--data.cache_size", str(limit / 1e9))
    train("shards", "stream", 2, *STREAM)
    for behaviour in "plain", "busy":
        train(f"{server.url}/{behaviour}/{BOTH}", f"s-{behaviour}", 2, *STREAM, *cache(f"c-s-{behaviour}"), *room)
        assert digest(f"s-{behaviour}") == digest("stream")
        assert sum(os.path.getsize(f"c-s-{behaviour}/{f}") for f in os.listdir(f"c-s-{behaviour}") if f.endswith(".tar")) <= limit
    train(f"{server.url}/plain/{BOTH}", "x", 1, *cache("c-x"), *room, code=1, says="raise data.cache_size, or set data.sequential")


def faults():
    """each fault: one line, or retries"""
    for behaviour in "norange", "nolength", "busy", "later":
        shutil.rmtree("home", ignore_errors=True)
        assert counts(f"{server.url}/{behaviour}/{FEW}", variables=HOME) == N
    for behaviour, says in (("403", "access denied (status 403)"), ("404", "does not exist on the server (status 404)"),
                            ("500", "no data for 1 s, in spite of retries: the server answers with status 500"),
                            ("hang", "in spite of retries: the server sends no data"), ("short", "no data for 1 s, in spite of retries"),
                            ("changed", "changed on the server while it was downloaded")):
        before = time.time()
        r = run(1, "preview", f"{server.url}/{behaviour}/{FEW}", *cache("c-f"), "--data.timeout", "1", says=says)
        assert time.time() - before < 20
        assert len([line for line in r.stderr.splitlines() if says in line]) == 1, r.stderr
        assert not [f for f in os.listdir("c-f") if f.endswith((".part", ".tar")) or f.startswith("index")], os.listdir("c-f")
    run(0, "preview", f"{server.url}/stall/{FEW}", *cache("c-f2"), "--data.timeout", "2", says="the server sends no data; trying again from byte")
    dead = f"http://127.0.0.1:{shard_server.dead_port()}/{FEW}"
    run(1, "preview", dead, *cache("c-f"), "--data.timeout", "1", says="in spite of retries: Failed to connect")
    run(2, "info", f"http://me:secret@127.0.0.1/{FEW}", says="write it into ~/.netrc")
    run(2, "info", "https://127.0.0.1", says="expected the address of .tar files")
    # a compressed shard that comes in pieces, and one that is cut
    os.makedirs("shards/z", exist_ok=True)
    for name in "train-000000.tar", "val-000000.tar":
        subprocess.run(f"gzip -c shards/few/{name} > shards/z/{name}.gz", shell=True, check=True)
    assert counts(f"{server.url}/drop/z/{{train,val}}-000000.tar.gz", variables=HOME) == N
    os.truncate("shards/z/val-000000.tar.gz", 5000)
    run(1, "info", f"{server.url}/drop/z/val-000000.tar.gz", variables=HOME, says="has no shard of train")
    run(1, "preview", f"{server.url}/drop/z/val-000000.tar.gz", "--split", "val", *cache("c-f3"),
        says="ends at byte 5000 in the middle of the compressed data: it is truncated")
    shutil.rmtree("shards/z")
    # another file on the server after the index was made
    shutil.rmtree("home", ignore_errors=True)
    assert counts(f"{server.url}/plain/{FEW}", variables=HOME) == N
    folder = "home/linnet/shards"
    for f in os.listdir(folder):
        if f.endswith("train-000000.tar"):
            os.remove(f"{folder}/{f}")
    data = open("shards/few/train-000000.tar", "rb").read()
    open("shards/few/train-000000.tar", "wb").write(data[:2000] + b"?" + data[2001:])
    r = run(1, "bench", "data", f"{server.url}/plain/{FEW}", "--workers", "1", "--images", "1", "--image-size", "16", variables=HOME,
            says="train-000000.tar was modified after it was indexed: remove home/linnet/shards/index-* and start again".replace("home", os.path.abspath("home")))
    open("shards/few/train-000000.tar", "wb").write(data)


def s3():
    keys = {"AWS_ACCESS_KEY_ID": shard_server.KEY, "AWS_SECRET_ACCESS_KEY": shard_server.SECRET,
            "AWS_SESSION_TOKEN": shard_server.TOKEN, "AWS_REGION": shard_server.REGION, "AWS_ENDPOINT_URL": server.url + "/"}
    train(f"s3://bucket/{BOTH}", "s3", 2, *cache("c-s3"), variables=keys)
    assert digest("s3") == digest("plain")
    os.makedirs("shards/a b+c", exist_ok=True)
    for name in "train-000000.tar", "val-000000.tar":
        shutil.copy(f"shards/few/{name}", f"shards/a b+c/{name}")
    assert counts(f"s3://bucket/a b+c/{{train,val}}-000000.tar", variables=dict(keys, **HOME)) == N
    shutil.rmtree("shards/a b+c")
    for name, value in ("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_REGION", "other"), ("AWS_SESSION_TOKEN", "old"), ("AWS_ACCESS_KEY_ID", ""):
        run(1, "preview", f"s3://bucket/{FEW}", *cache("c-s3-x"), variables=dict(keys, **{name: value}),
            says="access denied (status 403): check AWS_ACCESS_KEY_ID")
    run(2, "preview", f"s3://bucket/{FEW}", *cache("c-s3-x"), variables=dict(keys, AWS_SECRET_ACCESS_KEY=""),
        says="AWS_SECRET_ACCESS_KEY is not")


def shared():
    """processes that start at the same time: each shard is downloaded once"""
    before, codes = server.sent, []
    def one():
        codes.append(subprocess.run([LINNET, "bench", "data", f"{server.url}/norange/{ALL_TRAIN}", "--workers", "1", "--images", "1",
                                     "--image-size", "16", *cache("c-shared")], capture_output=True).returncode)
    threads = [threading.Thread(target=one) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert codes == [0, 0, 0]
    names = [f for f in os.listdir("shards") if f.startswith("train-") and f.endswith(".tar")]
    size = sum(os.path.getsize(f"shards/{f}") for f in names)
    assert server.sent - before <= size + len(names) * shard_server.STEP, (server.sent - before, size)
    # ranks
    if shutil.which("mpirun"):
        before = server.sent
        # Open MPI keeps some of its memory until the process ends, which is no leak of linnet
        os.environ["ASAN_OPTIONS"] = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0")))
        plain = train("shards", "ranks-plain", 1, "--devices", "2")
        assert "error" not in plain.stderr
        train(f"{server.url}/plain/{BOTH}", "ranks", 1, "--devices", "2", *cache("c-ranks"))
        assert digest("ranks") == digest("ranks-plain")
        assert server.sent - before == sum(os.path.getsize(f"shards/{f}") for f in os.listdir("shards") if f.endswith(".tar"))


work = tempfile.mkdtemp(prefix="linnet-shards-remote-")
os.chdir(work)
HOME = {"XDG_CACHE_HOME": os.path.abspath("home")}
run(0, "shapes", "data", "--train", "8", "--val", "2", "--size", "40", "--seed", "1")
run(0, "pack", "data", "--out", "shards", "--shard-size", "0.008")
run(0, "pack", "data", "--out", "shards/few")  # one shard for each split, with all classes
trains = sorted(f for f in os.listdir("shards") if f.startswith("train-") and f.endswith(".tar"))
vals = sorted(f for f in os.listdir("shards") if f.startswith("val-") and f.endswith(".tar"))
ALL_TRAIN = f"train-{{000000..{trains[-1][6:12]}}}.tar"
BOTH = f"{{train-{{000000..{trains[-1][6:12]}}},val-{{000000..{vals[-1][4:10]}}}}}.tar"
FEW = "few/{train,val}-000000.tar"
server = shard_server.start("shards")
try:
    N = counts("shards")
    same_weights()
    killed()
    sequential()
    faults()
    s3()
    shared()
finally:
    shard_server.stop(server)
    os.chdir("/")
    shutil.rmtree(work)
