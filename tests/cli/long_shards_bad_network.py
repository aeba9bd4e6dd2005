#!/usr/bin/python3
"""Remote shards over a bad network: a run of several epochs from a server that ends, refuses and delays answers by
chance, in sequential mode with a cache for a part of the shards, killed again and again, ends with the weights of a run
from local shards. So does a run over S3 with two ranks."""
import os
import random
import shutil
import subprocess
import tempfile

import shard_server
from shard_commands import LINNET, SMALL, digest, run, train

EPOCHS, KILLS = 6, 8
STREAM = ("--data.sequential", "true", "--data.shuffle_buffer", "40", "--data.ahead", "2", "--data.read_ahead", "1")
chance = random.Random(2)
work = tempfile.mkdtemp(prefix="linnet-shards-remote-")
os.chdir(work)
run(0, "shapes", "data", "--train", "60", "--val", "4", "--size", "40", "--seed", "1")
run(0, "pack", "data", "--out", "shards", "--shard-size", "0.02")
names = sorted(f for f in os.listdir("shards") if f.endswith(".tar"))
last = {split: max(f[:-4] for f in names if f.startswith(split)) for split in ("train", "val")}
list_ = "{train-{000000..%s},val-{000000..%s}}.tar" % (last["train"].split("-")[1], last["val"].split("-")[1])
limit = sum(os.path.getsize(f"shards/{f}") for f in names if f.startswith("val")) + 45 * max(os.path.getsize(f"shards/{f}") for f in names)
assert limit < sum(os.path.getsize(f"shards/{f}") for f in names)
server = shard_server.start("shards")
try:
    train("shards", "plain", EPOCHS, *STREAM)
    command = [LINNET, "train", "--data", f"{server.url}/chaos/{list_}", "--out", "chaos", "--max-epochs", str(EPOCHS), *SMALL,
               *STREAM, "--data.cache_dir", "cache", "--data.cache_size", str(limit / 1e9), "--data.timeout", "8",
               "--checkpoint.every_n_steps", "3"]
    killed = 0
    while True:
        try:
            seconds = chance.uniform(2, 12) if killed < KILLS else None
            r = subprocess.run(command + ["--resume", "auto"] * os.path.exists("chaos/checkpoints"), capture_output=True, text=True,
                               timeout=seconds)
        except subprocess.TimeoutExpired:
            killed += 1  # by SIGKILL
            continue
        assert r.returncode == 0, r.stderr
        break
    assert killed > 0 and digest("chaos") == digest("plain")
    if shutil.which("mpirun"):
        keys = {"AWS_ACCESS_KEY_ID": shard_server.KEY, "AWS_SECRET_ACCESS_KEY": shard_server.SECRET,
                "AWS_SESSION_TOKEN": shard_server.TOKEN, "AWS_REGION": shard_server.REGION, "AWS_ENDPOINT_URL": server.url}
        train("shards", "two", 2, *STREAM, "--devices", "2")
        train(f"s3://bucket/{list_}", "s3", 2, *STREAM, "--devices", "2", "--data.cache_dir", "cache2", variables=keys)
        assert digest("s3") == digest("two")
finally:
    shard_server.stop(server)
    os.chdir("/")
    shutil.rmtree(work)
