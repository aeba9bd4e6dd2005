"""What the tests of shards share: commands of linnet, and shards of given members."""
import io
import json
import os
import subprocess
import tarfile

LINNET, BUILD = os.environ["LINNET"], os.environ["LINNET_BUILD"]
SMALL = ["--arch", "resnet20", "--image-size", "32", "--batch-size", "16", "--workers", "2", "--trainer.threads", "2",
         "--precision", "32-true", "--lr", "0.02", "--monitor.report", "false", "--checkpoint.top_k", "1"]


def run(code, *args, says="", fault=None, variables=None):
    env = dict(os.environ, **(variables or {}))
    if fault:
        env.update(LD_PRELOAD=f"{BUILD}/tests/faults.so", LINNET_FAULT=fault,
                   ASAN_OPTIONS=env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    r = subprocess.run([LINNET, *args], capture_output=True, text=True, env=env)
    assert r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
    assert says in r.stderr + r.stdout, (args, says, r.stdout, r.stderr)
    return r


def digest(out):
    return json.loads(run(0, "info", f"{out}/checkpoints/resnet20/last.ckpt", "--json").stdout)["digest"]


def train(data, out, epochs, *more, code=0, says="", fault=None, variables=None):
    return run(code, "train", *(["--data", data] if data else []), "--out", out, "--max-epochs", str(epochs), *SMALL, *more,
               says=says, fault=fault, variables=variables)


def counts(data, says="", code=0, variables=None):
    r = run(code, "info", data, "--json", says=says, variables=variables)
    return json.loads(r.stdout)["train"]["images"] if code == 0 else None


def write_shard(path, members):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as t:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
