#!/usr/bin/python3
"""fuzz/make_corpus.py LINNET: writes the seeds in fuzz/corpus/TARGET again, from a small run of linnet, the golden
checkpoints of tests/checkpoint and archives that Python writes. CMakeLists.txt adds files of tests/ and configs/."""
import glob, io, json, math, os, pickle, re, shutil, struct, subprocess, sys, tarfile, tempfile, zipfile, zlib

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
linnet = os.path.abspath(sys.argv[1])
golden = os.path.join(root, "tests/checkpoint/golden")


def put(target, name, data):
    folder = os.path.join(root, "fuzz/corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


def parts(*named):
    """The form of scratch.h."""
    return b"\n".join(b"@" + name.encode() + b"\n" + (data.encode() if isinstance(data, str) else data)
                      for name, data in named)


# ---- checkpoints: the pickles, and the dictionaries as JSON (fuzz_layout.c)
class Tensor:
    def __init__(self, kind, shape):
        self.text = "#%s:%s" % (kind, ",".join(str(min(n, 2)) for n in shape))  # within the target's storage


class Dict(dict):
    """An OrderedDict, which may have attributes."""


class Reader(pickle.Unpickler):
    kinds = {"FloatStorage": "t32", "DoubleStorage": "t64", "HalfStorage": "t16", "BFloat16Storage": "b16",
             "LongStorage": "i64", "IntStorage": "i32", "ByteStorage": "u8", "BoolStorage": "bool"}

    def find_class(self, module, name):
        if name in self.kinds:
            return self.kinds[name]
        if name == "OrderedDict":
            return Dict
        if name.startswith("_rebuild_tensor"):
            return lambda storage, offset, size, *rest: Tensor(storage, size)
        if name == "_rebuild_parameter":
            return lambda tensor, *rest: tensor
        return lambda *arguments: None

    def persistent_load(self, pid):
        return pid[1]


def plain(v):
    if isinstance(v, dict):
        return {(k if isinstance(k, str) else "#%d" % k): plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple, set)):
        return [plain(x) for x in v]
    if isinstance(v, Tensor):
        return v.text
    if isinstance(v, float) and not math.isfinite(v):
        return "#nan" if math.isnan(v) else "#inf" if v > 0 else "#-inf"
    return v if isinstance(v, (str, int, float, bool, type(None))) else None


def fewer(top):
    """Without most of the entries of a large dictionary, for a seed of a few KB."""
    for key in ("state_dict", "linnet_ema"):
        if key in top:
            top[key] = dict(list(top[key].items())[:6])
    for state in top.get("optimizer_states", []):
        state["state"] = dict(list(state["state"].items())[:4])
        for group in state["param_groups"]:
            group["params"] = group["params"][:4]
    return top


def checkpoint(path, name, work=""):
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as z:
        data = z.read(next(n for n in z.namelist() if n.endswith("/data.pkl")))
    if len(data) < 8192:
        put("pickle", name, data)
    top = fewer(plain(Reader(io.BytesIO(data)).load()))
    if "linnet" in top:
        top["linnet"]["items"]["config"] = "data:\n  batch_size: 8\n"
    dump = json.dumps(top, separators=(",", ":"))
    put("layout", name + ".json", dump.replace(work, "/run") if work else dump)


for path in sorted(glob.glob(golden + "/*.ckpt") + glob.glob(golden + "/*.pth")):
    checkpoint(path, os.path.basename(path).split(".")[0])
# parameter groups in timm's order, of a network with one parameter of each class
shapes = {"c.weight": "#t32:2,2,1,1", "n.weight": "#t32:2", "n.bias": "#t32:2", "f.weight": "#t32:2,2", "f.bias": "#t32:2"}
order = ["n.weight", "n.bias", "f.bias", "c.weight", "f.weight"]
group = {"lr": 0.1, "momentum": 0.9, "dampening": 0, "nesterov": False}
put("layout", "groups.json", json.dumps({
    "epoch": 1, "global_step": 1, "pytorch-lightning_version": "2.6.6", "state_dict": shapes, "optimizer_states": [
        {"state": {"#%d" % i: {"momentum_buffer": shapes[name]} for i, name in enumerate(order)},
         "param_groups": [dict(group, weight_decay=0, params=[0, 1, 2]), dict(group, weight_decay=0.25, params=[3, 4])]}],
    "lr_schedulers": [{"step_size": 2, "base_lrs": [0.1, 0.1], "_last_lr": [0.1, 0.1]}]}, separators=(",", ":")))
with open(golden + "/legacy.pth", "rb") as f:
    put("legacy", "legacy", f.read()[21:])  # without the magic number and the protocol

put("safetensors", "header",
    '{"__metadata__":{"arch":"resnet18","class_names":"[\\"cat\\",\\"d\\\\u006fg\\"]"},'
    '"w":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},"n":{"dtype":"I64","shape":[],"data_offsets":[48,56]},'
    '"e":{"dtype":"BF16","shape":[2,0],"data_offsets":[56,56]},"b":{"dtype":"U8","shape":[8],"data_offsets":[56,64]}}  ')

# ---- archives
for kind, style in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT), ("ustar", tarfile.USTAR_FORMAT)):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as t:
        for name in ("a/1.jpg", "a/1.cls", ("b" * 60 + "/") * (1 if kind == "ustar" else 3) + "2.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 5
            t.addfile(info, io.BytesIO(b"12345"))
    data = buffer.getvalue().rstrip(b"\0")
    put("tar", kind, data + bytes(-len(data) % 512 + 1024))

put("shards", "labels", parts(("1.jpg", "jpeg"), ("1.cls", "0"), ("2.png", "png!"), ("2.cls", "1\n"), ("@", ""),
                              ("3.JPG", "x"), ("3.json", '{"label":1,"filename":"dog/3.jpg"}')))
put("shards", "unsafe_labels", parts(("1.jpg", "jpeg"), ("1.cls", "a/b"), ("2.png", "png!"), ("2.cls", ".."), ("3.jpg", "jpg"),
                                     ("3.cls", "dog")))
put("shards", "no_file_name", parts(("1.jpg", "jpeg"), ("1.json", '{"filename":"cat/","label":0}')))
put("shards", "names", parts(
    ("_info.json", '{"splits":{"train":{"filenames":["train-0.tar","train-9.tar"],"shard_lengths":[1,2]}}}'),
    ("a/1.jpg", "jpeg"), ("a/1.json", '{"filename":"cat/1.jpg","label":0}'), ("@", ""),
    ("a/1.seg.png", "mask"), ("a/1.jpg", "jpeg"), ("a/1.json", '{"filename":"dog/1.jpg","label":1}'),
    ("../b.jpg", "out"), ("c.cls", "x"), ("d.jpg", "no label")))
truth = "devkit/data/ILSVRC2012_validation_ground_truth.txt"
put("prepare", "val", parts((truth, "1\n490\n"), ("ILSVRC2012_val_00000001.JPEG", "one"),
                            ("ILSVRC2012_val_00000002.JPEG", "two")))
put("prepare", "train", parts((truth, "1\n"), ("n01440764.tar", "no archive"), ("../up.JPEG", "")))

# ---- large images in few bytes
def png(w, h):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 1, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(bytes((1 + (w + 7) // 8) * h), 9)) + chunk(b"IEND", b""))


def tiff(w, h):
    strip = zlib.compress(bytes((w + 7) // 8 * h), 9)
    tags = [(256, w), (257, h), (258, 1), (259, 8), (262, 1), (273, 8), (277, 1), (278, h), (279, len(strip))]
    return (b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) +
            b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + bytes(4))


put("png", "large.png", png(4200, 4100))
put("tif", "large.tif", tiff(4200, 4100))
try:
    from PIL import Image
    large = io.BytesIO()
    Image.new("RGB", (4200, 4100)).save(large, "WEBP", lossless=True)
    put("webp", "large.webp", large.getvalue())
except ImportError:
    print("no Pillow: fuzz/corpus/webp stays as it is")

# ---- texts
put("autotune", "two", "linnet cudnn choices 1\nforward-1x3x224x224-64x3x7x7 2 40 12.500\ndata-a 0 7 1e3\n")
put("onnx", "names", b"\x04\x08\x05RGB, 0 to 1\0class_names\0[\"cat\", \"d\xc3\xb6g\", \"\xff\"]\0arch\0resnet18\0")
put("onnx", "fold", b"\x03\x02\x03\0mean\0std")

# ---- a run
work = tempfile.mkdtemp()
run = lambda *arguments: subprocess.run([linnet, *map(str, arguments)], cwd=work, check=True, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env={**os.environ, "XDG_CACHE_HOME": work + "/cache"})
run("shapes", "data", "--train", 2, "--val", 1, "--size", 24)
run("train", "--data", "data", "--arch", "resnet18", "--image-size", 32, "--batch-size", 8, "--workers", 1,
    "--trainer.threads", 1, "--max-epochs", 2, "--trainer.log_every_n_steps", 1, "--out", ".",
    "--checkpoint.top_k", 1, "--monitor.device_seconds", 1)
run("pack", "data", "--out", "packed")
logs = glob.glob(work + "/logs/*/version_0")[0]
read = lambda path: open(path, "rb").read()
names = ("metrics.csv", "run.json", "hparams.yaml", "journal.log", "device.csv", "worst.csv")
found = [(n, read(logs + "/" + n)) for n in names if os.path.exists(logs + "/" + n)]
found = [(n, re.sub(rb'"(host|system|CPU|memory|GPU|engine)": "[^"]*"', rb'"\1": "of a machine"', d)) for n, d in found]
found = [(n, d.replace(work.encode(), b"/run")) for n, d in found]
found.append(("lr_finder.csv", b"lr,loss,smoothed,low,median,high\n0.001,2.3,2.3,2.2,2.3,2.4\n0.1,1.9,2,1.8,2,nan\n10,inf,,,,\n"))
# a few rows of each table
put("report", "run", parts(*((n, b"\n".join(d.split(b"\n")[:8]) + b"\n" if n.endswith(".csv") else d) for n, d in found)))
put("csv", "metrics", b"\x05" + b"\n".join(read(logs + "/metrics.csv").split(b"\n")[:14]) + b"\n")
events = read(glob.glob(logs + "/events.out.tfevents.*")[0])
at, kept = 0, b""
while at < len(events) and len(kept) < 3000:
    size = 16 + struct.unpack_from("<Q", events, at)[0]
    kept += events[at:at + size] if size < 400 else b""
    at += size
put("events", "run", kept)
put("list", "named", b'0path,label,split\r\n1.jpg,"a, ""b""",train\r\n2.PNG,b,Valid\r\n')
put("list", "ids", b"1id_code;diagnosis\n1;a\n2;b\n")
put("list", "tabs", b"1\xef\xbb\xbf1.jpg\ta\ttrain\n2.PNG\tb\ttest\n")
put("list", "classes", b"1a\n1.jpg\n")


def index(name, path):
    """With the path that fuzz_index.c expects; the target corrects length and checksum. 32: header.path_bytes."""
    data = bytearray(read(path))
    n = struct.unpack_from("<Q", data, 32)[0]
    struct.pack_into("<Q", data, 32, 3)
    data[104:104 + n] = b"/d\0"
    put("index", name, bytes(data))


shards = sorted(glob.glob(work + "/packed/**/*.index", recursive=True) + glob.glob(work + "/packed/**/.*index*", recursive=True))
for kind, files in (("shards", shards), ("folder", sorted(glob.glob(work + "/cache/linnet/index-*")))):
    index(kind, min(files, key=os.path.getsize))
checkpoint(glob.glob(work + "/checkpoints/*/last.ckpt")[0], "linnet", work)
shutil.rmtree(work)
