#!/usr/bin/python3
"""data.sequential on several hosts: in an epoch each host downloads its part of the shards only, once for all its ranks.
The order of the images does not depend on where the shards are, and a resume is byte-equal. In the middle of an epoch a
resume on other hosts is refused. A host here is a host name (a UTS namespace), a home folder and a cache of copies."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import shard_server
from shard_commands import LINNET, SMALL, digest, run

UNSHARE = next((u for u in (["unshare", "--uts"], ["unshare", "--map-root-user", "--uts"])
                if shutil.which("unshare") and subprocess.run([*u, "true"], capture_output=True).returncode == 0), None)
STREAM = [*SMALL, "--data.sequential", "true", "--data.shuffle_buffer", "8", "--batch-size", "4", "--data.ahead", "2",
          "--data.read_ahead", "1", "--workers", "1", "--trainer.threads", "1", "--image-size", "16",
          "--trainer.limit_val_batches", "0"]


def home(host):
    return os.path.join(work, f"host{host}")


def train(hosts, *options, refused=""):
    """one rank on each host of the list; mpirun returns the exit status of the rank that ends first"""
    env = dict(os.environ, HOSTS=" ".join(map(str, hosts)), OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_btl_vader_single_copy_mechanism="none")
    env["ASAN_OPTIONS"] = ":".join(filter(None, (env.get("ASAN_OPTIONS"), "detect_leaks=0")))
    r = subprocess.run(["mpirun", "--bind-to", "none", "--oversubscribe", "--mca", "plm", "^slurm,tm,lsf,pals,rsh", "--mca", "btl",
                        "self,vader", "-n", str(len(hosts)), "./rank", "train", *STREAM, *options],
                       capture_output=True, text=True, env=env)
    assert (r.returncode != 0) == (refused != "") and refused in r.stderr, (hosts, options, r.returncode, r.stdout, r.stderr)


def forget_copies():
    for path in glob.glob("host*/cache/linnet/shards/*.tar"):
        os.remove(path)
    server.sent_to.clear()


def reads_its_part():
    """Host 0 computes two thirds of the images. One shard may be on both hosts, and rank 0 reads images of val and train
    to see whether the splits have equal images."""
    run(0, "info", URL, variables={"HOME": home(0), "XDG_CACHE_HOME": f"{home(0)}/cache"})  # makes the index
    os.makedirs("host1/cache/linnet/shards")
    for index in glob.glob("host0/cache/linnet/shards/index-*"):
        shutil.copy(index, "host1/cache/linnet/shards")
    for epochs in 1, 2:
        forget_copies()
        train([0, 0, 1], "--data", URL, "--out", "parts", "--max-epochs", str(epochs), *(["--resume", "auto"] if epochs > 1 else []))
        got = [server.sent_to[f"host{host}"] for host in (0, 1)]
        print(f"epoch {epochs}: {TOTAL} bytes of shards for training; hosts 0 and 1 read {got}")
        assert TOTAL <= sum(got) <= TOTAL + 3 * LARGEST, (got, TOTAL)
        assert abs(got[0] - TOTAL * 2 / 3) <= 4 * LARGEST, (got, TOTAL)
    # one host reads every shard once, also for several ranks
    forget_copies()
    train([0, 0], "--data", URL, "--out", "whole", "--max-epochs", "1")
    assert server.sent_to == {"host0": TOTAL + os.path.getsize("shards/val-000000.tar")}, (server.sent_to, TOTAL)


def same_run():
    """from local shards, and stopped in the middle of an epoch"""
    train([0, 0, 1], "--data", "shards", "--out", "local", "--max-epochs", "2")
    assert digest("local") == digest("parts")
    two = ["--data", "shards", "--out", "stopped", "--max-epochs", "2"]
    train([0, 0, 1], *two, "--max-steps", "3")
    for hosts, then, now in (([0, 1, 1], "0 x2, 1 x1", "0 x1, 1 x2"), ([0, 1, 0], "0 x2, 1 x1", "0 x1, 1 x1, 0 x1"),
                             ([0, 0, 0], "0 x2, 1 x1", "one host")):
        train(hosts, *two, "--resume", "auto", refused=f"a step: {then} then, {now} now): resume with the same ranks")
    train([3, 3, 2], *two, "--resume", "auto")  # the names of the hosts do not matter
    assert digest("stopped") == digest("local")
    # from one host to two: in the middle of an epoch, and at its end
    train([0, 0], "--data", "shards", "--out", "grown", "--max-epochs", "2", "--max-steps", "3")
    grown = ["--data", "shards", "--out", "grown", "--resume", "auto"]
    train([0, 1], *grown, "--max-epochs", "2", refused="a step: one host then, 0 x1, 1 x1 now)")
    train([0, 0], *grown, "--max-epochs", "1")
    train([0, 1], *grown, "--max-epochs", "2")
    # without data.sequential the hosts do not matter
    train([0, 0], "--data", "shards", "--out", "random", "--max-epochs", "1", "--max-steps", "3", "--data.sequential", "false")
    train([0, 1], "--data", "shards", "--out", "random", "--max-epochs", "1", "--data.sequential", "false", "--resume", "auto")


if not shutil.which("mpirun") or not os.path.exists(f"{os.path.dirname(LINNET)}/liblinnet_mpi.so"):
    print("skipped: there is no mpirun, or linnet was built without MPI")
    sys.exit(77)
if UNSHARE is None:
    print("skipped: UTS namespaces are not permitted")
    sys.exit(77)
work = tempfile.mkdtemp(prefix="linnet-sequential-hosts-")
os.chdir(work)
for number in range(4):
    os.mkdir(home(number))
    with open(f"{home(number)}/.netrc", "w") as netrc:
        netrc.write(f"machine 127.0.0.1 login host{number} password none\n")
with open("rank", "w") as script:
    script.write(f"""#!/bin/sh
host=host$(echo "$HOSTS" | cut -d ' ' -f $((OMPI_COMM_WORLD_RANK + 1)))
export HOME={work}/$host XDG_CACHE_HOME={work}/$host/cache
exec {" ".join(UNSHARE)} sh -c 'hostname "$0" && exec "$@"' "$host" '{LINNET}' "$@"
""")
os.chmod("rank", 0o755)
run(0, "shapes", "data", "--train", "16", "--val", "2", "--size", "40", "--seed", "1")
run(0, "pack", "data", "--out", "shards", "--shard-size", "0.008")
TRAINS = sorted(f for f in os.listdir("shards") if f.startswith("train-") and f.endswith(".tar"))
SIZES = [os.path.getsize(f"shards/{f}") for f in TRAINS]
TOTAL, LARGEST = sum(SIZES), max(SIZES)
server = shard_server.start("shards")
URL = f"{server.url}/plain/{{train-{{000000..{TRAINS[-1][6:12]}}},val-000000}}.tar"
try:
    assert len(TRAINS) > 20, TRAINS
    reads_its_part()
    same_run()
finally:
    shard_server.stop(server)
    os.chdir("/")
    shutil.rmtree(work)
