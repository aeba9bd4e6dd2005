#!/usr/bin/env python3
"""PyTorch loads linnet's checkpoints, and linnet reads PyTorch's with equal values. If pytorch-lightning is installed,
its Trainer continues from them."""
import os
import pickletools
import subprocess
import sys
import tempfile
import unittest
import zipfile
import zlib
from collections import OrderedDict

try:
    import numpy
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
try:
    import torchvision
except ImportError:
    torchvision = None
try:
    import pytorch_lightning
except Exception:  # an incomplete installation may raise any exception
    pytorch_lightning = None

TOOLS = os.path.join(os.environ.get("LINNET_BUILD", "build"), "tests")
# The globals and opcodes that torch.load(weights_only=True) accepts: torch/_weights_only_unpickler.py
OPCODES = set("PROTO GLOBAL REDUCE BUILD NEWOBJ MARK TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_TUPLE EMPTY_LIST EMPTY_DICT "
              "EMPTY_SET NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINSTRING "
              "BINPERSID BINGET LONG_BINGET BINPUT LONG_BINPUT APPEND APPENDS SETITEM SETITEMS STOP".split())
GLOBALS = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch LongStorage"}
WEIGHTS_ONLY = int(torch.__version__.split(".")[0]) >= 2  # 1.13 lacks BINFLOAT


def load(path):
    return torch.load(path, weights_only=True) if WEIGHTS_ONLY else torch.load(path)


def pattern(dtype, shape):
    """The tensor that checkpoint_tool_make writes."""
    size = torch.empty(0, dtype=dtype).element_size()
    n = int(numpy.prod(shape, dtype=numpy.int64)) * size
    index = numpy.arange(n, dtype=numpy.int64)
    data = index % 2 if dtype == torch.bool else (index * 31 + 7) & 0x3F
    data = bytearray(data.astype(numpy.uint8).tobytes())
    return torch.frombuffer(data, dtype=dtype).reshape(shape) if n else torch.empty(shape, dtype=dtype)


def content(tensor):
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def make(path, state, momentum=(), schedule="step", moment="end"):
    """state, momentum: (name, dtype, shape) each."""
    lines = [" ".join([where, name, str(dtype)[6:], str(len(shape)), *map(str, shape)])
             for where, rows in (("state", state), ("momentum", momentum)) for name, dtype, shape in rows]
    subprocess.run([os.path.join(TOOLS, "checkpoint_tool_make"), path, schedule, moment], input="\n".join(lines).encode(),
                   check=True)


def show(path):
    """The tool's lines, and a dict of the tensors among them."""
    run = subprocess.run([os.path.join(TOOLS, "checkpoint_tool_show"), path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.decode())
    lines = run.stdout.decode("utf-8", "surrogateescape").splitlines()
    tensors = {tuple(line.split(" ")[:2]): tuple(line.split(" ")[2:]) for line in lines
               if line.startswith(("state ", "momentum "))}
    return lines, tensors


def shown(tensor):
    shape = "(" + "".join(f"{n}," for n in tensor.shape) + ")"
    return str(tensor.dtype)[6:], shape, f"{zlib.crc32(content(tensor)):08x}"


class WrittenByLinnet(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "a.ckpt")

    def tearDown(self):
        self.folder.cleanup()

    def test_every_type(self):
        rows = [(str(dtype)[6:], dtype, shape) for dtype, shape in (
            (torch.float32, (2, 3, 4)), (torch.float64, (5,)), (torch.float16, (3, 3)), (torch.bfloat16, (1,)),
            (torch.int64, ()), (torch.int32, (2, 1)), (torch.uint8, (7,)), (torch.bool, (4,)))]
        rows.append(("empty", torch.float32, (0, 3)))
        make(self.path, rows)
        state = load(self.path)["state_dict"]
        self.assertEqual([name for name, _, _ in rows], list(state))
        for name, dtype, shape in rows:
            self.assertEqual(state[name].dtype, dtype)
            self.assertEqual(tuple(state[name].shape), shape)
            self.assertEqual(content(state[name]), content(pattern(dtype, shape)), name)

    @unittest.skipIf(torchvision is None, "no torchvision")
    def test_resnet18(self):
        net = torchvision.models.resnet18()
        rows = [("model." + name, t.dtype, tuple(t.shape)) for name, t in net.state_dict().items()]
        momentum = [(name, p.dtype, tuple(p.shape)) for name, p in net.named_parameters()]
        make(self.path, rows, momentum)
        file = load(self.path)
        net.load_state_dict({name[len("model."):]: t for name, t in file["state_dict"].items()})
        for name, t in net.state_dict().items():
            self.assertEqual(content(t), content(pattern(t.dtype, tuple(t.shape))), name)
        self.assertTrue(bool(torch.isfinite(net.eval()(torch.zeros(1, 3, 64, 64))).all()))
        sgd = torch.optim.SGD(net.parameters(), lr=1)
        sgd.load_state_dict(file["optimizer_states"][0])
        self.assertEqual(sgd.param_groups[0]["lr"], 0.1)
        self.assertEqual(len(sgd.state), 62)
        for p in net.parameters():
            self.assertEqual(content(sgd.state[p]["momentum_buffer"]), content(pattern(p.dtype, tuple(p.shape))))
        torch.optim.lr_scheduler.StepLR(sgd, 1).load_state_dict(file["lr_schedulers"][0])
        self.assertEqual(file["MixedPrecision"], {"scale": 32768.0, "growth_factor": 2.0, "backoff_factor": 0.5,
                                                  "growth_interval": 2000, "_growth_tracker": 17})

    def test_layout(self):
        for schedule, moment in ("plateau", "end"), ("cosine", "middle"), ("none", "end"):
            make(self.path, [("model.w", torch.float32, (2,))], [("w", torch.float32, (2,))], schedule, moment)
            file = load(self.path)
            end = moment == "end"
            loop = file["loops"]["fit_loop"]
            self.assertEqual((file["epoch"], file["global_step"]), (1, 8 if end else 6))
            self.assertEqual(loop["epoch_loop.batch_progress"]["total"]["completed"], 8 if end else 6)
            self.assertEqual(loop["epoch_loop.batch_progress"]["current"]["processed"], 4 if end else 2)
            self.assertIs(loop["epoch_loop.batch_progress"]["is_last_batch"], end)
            self.assertEqual(loop["epoch_progress"]["current"],
                             {"ready": 2, "completed": 1, "started": 2, "processed": 2 if end else 1})
            self.assertEqual(len(file["lr_schedulers"]), 0 if schedule == "none" else 1)
            self.assertEqual(file["hyper_parameters"], {"arch": "resnet18", "lr": 0.1, "class_names": ["café", "€"]})
            (key, best), = [i for i in file["callbacks"].items() if not i[0].startswith("EarlyStopping")]
            self.assertTrue(key.startswith("ModelCheckpoint{'monitor': 'val_loss', 'mode': 'min'"))
            self.assertEqual(best["best_k_models"][os.fsdecode(b"caf\xc3\xa9 \xff.ckpt")], torch.tensor(0.5))
            self.assertEqual(best["kth_best_model_path"], "worse.ckpt")
            if schedule == "plateau":
                self.assertEqual(file["lr_schedulers"][0]["best"], float("inf"))

    def test_early_stopping(self):
        """The state of Lightning's callback, under its key; read back without linnet's own part."""
        make(self.path, [("model.w", torch.float32, (2,))], (), "none", "middle")
        file = load(self.path)
        self.assertEqual(file["callbacks"]["EarlyStopping{'monitor': 'val_acc', 'mode': 'max'}"],
                         {"wait_count": 2, "stopped_epoch": 0, "best_score": torch.tensor(0.75), "patience": 5})
        self.assertIn("early_stopping val_acc max 2 0 5 0.75", show(self.path)[0])
        del file["linnet"]
        torch.save(file, self.path)
        self.assertIn("early_stopping val_acc max 2 0 5 0.75", show(self.path)[0])
        self.assertIn("monitor val_loss min", show(self.path)[0])
        file["callbacks"]["EarlyStopping{'monitor': 'something/quite/long', 'mode': 'max'}"] = \
            file["callbacks"].pop("EarlyStopping{'monitor': 'val_acc', 'mode': 'max'}")
        torch.save(file, self.path)
        self.assertFalse([line for line in show(self.path)[0] if line.startswith("early_stopping")])

    def test_separate_rate_of_the_head(self):
        """The head's group: an optimizer with two groups and its schedule load the file."""
        shapes = [(3, 2), (3,), (4, 3)]
        rows = [(f"model.{i}", torch.float32, shape) for i, shape in enumerate(shapes)]
        parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for schedule in "step", "plateau":
            make(self.path, rows, rows, schedule, "head")
            file = load(self.path)
            first, head = file["optimizer_states"][0]["param_groups"]
            self.assertEqual((first["params"], head["params"]), ([0, 1], [2]))
            self.assertEqual((head["lr"], head["initial_lr"]), (4 * first["lr"], 4 * first["initial_lr"]))
            sgd = torch.optim.SGD([{"params": parameters[:2]}, {"params": parameters[2:]}], 1.0, momentum=0.9)
            sgd.load_state_dict(file["optimizer_states"][0])
            self.assertEqual([g["lr"] for g in sgd.param_groups], [first["lr"], head["lr"]])
            torch.testing.assert_close(sgd.state[parameters[2]]["momentum_buffer"], pattern(torch.float32, shapes[2]))
            kind = torch.optim.lr_scheduler.StepLR if schedule == "step" else torch.optim.lr_scheduler.ReduceLROnPlateau
            scheduler = kind(sgd, 1) if schedule == "step" else kind(sgd)
            scheduler.load_state_dict(file["lr_schedulers"][0])
            rates = scheduler.base_lrs if schedule == "step" else scheduler.min_lrs
            self.assertEqual(rates[1], 4 * rates[0])
            # and as Lightning writes it: without linnet's part, with the groups in torch's form
            del file["linnet"]
            file["optimizer_states"] = [sgd.state_dict()]
            torch.save(file, self.path)
            self.assertIn("head 1 4", show(self.path)[0])
            file["optimizer_states"][0]["param_groups"].append({"params": [], "lr": 1.0})
            torch.save(file, self.path)
            self.assertIn("head 1 4", show(self.path)[0])
            file["optimizer_states"][0]["param_groups"] = [{"params": [0], "lr": 1.0}, {"params": [1], "lr": 2.0},
                                                           {"params": [2], "lr": 4.0}]  # not the head's alone
            torch.save(file, self.path)
            self.assertIn("head 0 0", show(self.path)[0])

    def test_plateau_without_its_initial_rate(self):
        """torch does not store the initial rate; the current rate, which may be lower, must not be used instead."""
        make(self.path, [("model.w", torch.float32, (2,))], (), "plateau")
        file = load(self.path)
        base = file["optimizer_states"][0]["param_groups"][0]["initial_lr"]
        self.assertIn(f"base_lr {base:.17g}", show(self.path)[0])
        del file["linnet"], file["optimizer_states"][0]["param_groups"][0]["initial_lr"]
        torch.save(file, self.path)
        self.assertIn("base_lr 0", show(self.path)[0])

    def test_weights_only(self):
        make(self.path, [("model.w", torch.float32, (2,)), ("model.n", torch.int64, ())])
        with zipfile.ZipFile(self.path) as archive:
            self.assertIsNone(archive.testzip())
            for opcode, argument, _ in pickletools.genops(archive.read("archive/data.pkl")):
                self.assertIn(opcode.name, OPCODES)
                if opcode.name == "GLOBAL":
                    self.assertIn(argument, GLOBALS)
            for entry in archive.infolist():
                archive.fp.seek(entry.header_offset + 26)
                name_n, extra_n = numpy.frombuffer(archive.fp.read(4), "<u2")
                self.assertEqual((entry.header_offset + 30 + int(name_n) + int(extra_n)) % 64, 0, entry.filename)


class WrittenByTorch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "a.pth")

    def tearDown(self):
        self.folder.cleanup()

    def check(self, saved, state, **options):
        torch.save(saved, self.path, **options)
        _, tensors = show(self.path)
        self.assertEqual(tensors, {("state", name): shown(t) for name, t in state.items()})

    def test_tensors(self):
        torch.manual_seed(0)
        base = torch.randn(4, 6, 5)
        flat = torch.arange(30)
        state = OrderedDict(
            base=base, transposed=base.transpose(0, 2), sliced=base[1:3, ::2, 1:], row=base[2], column=base[:, 3, 4],
            expanded=torch.randn(3, 1).expand(3, 4), channels_last=torch.randn(2, 3, 4, 4).to(
                memory_format=torch.channels_last), view=flat[3:27].view(4, 6), other=flat[::7],
            half=torch.randn(3).half(), bfloat16=torch.randn(2, 3).bfloat16().t(), double=torch.randn(2).double(),
            int=torch.arange(4, dtype=torch.int32), byte=torch.arange(9, dtype=torch.uint8), bool=base[0] > 0,
            scalar=torch.tensor(7), empty=torch.empty(2, 0), parameter=torch.nn.Parameter(torch.randn(3, 2)),
            eight=torch.randn(1, 2, 1, 2, 1, 2, 1, 2).permute(7, 6, 5, 4, 3, 2, 1, 0))
        self.check(state, state)
        self.check(dict(state), state)
        self.check({"epoch": 3, "state_dict": state, "lr": 0.1, "note": None, "sizes": (1, [2, {3: b"" == 0}])}, state)
        self.check(state, state, _use_new_zipfile_serialization=False)
        self.check({"model": {"state_dict": state}, "big": 1 << 80, "negative": -(1 << 40)}, state)

    @unittest.skipIf(torchvision is None, "no torchvision")
    def test_module(self):
        net = torchvision.models.resnet18()
        self.check(net.state_dict(), net.state_dict())

    def test_refused(self):
        for saved, part in ((torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
                            ({"a": torch.zeros(2, dtype=torch.complex64)}, "ComplexFloatStorage"),
                            ({"model": torch.nn.Linear(2, 2)}, "'model' is of type torch.nn.modules.linear.Linear"),
                            ([1, 2], "not contain a dict"), ({"a": 1}, "no tensors")):
            torch.save(saved, self.path)
            with self.assertRaisesRegex(RuntimeError, part):
                show(self.path)

    def test_multistep(self):
        """MultiStepLR loads linnet's state, and linnet reads its file, which contains a Counter."""
        make(self.path, [("model.w", torch.float32, (2,))], [("w", torch.float32, (2,))], "multistep", "end")
        file = load(self.path)
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], 0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.MultiStepLR(sgd, [5])
        scheduler.load_state_dict(file["lr_schedulers"][0])
        self.assertEqual(sorted(scheduler.milestones.elements()), [1, 30])
        self.assertEqual((scheduler.gamma, scheduler.last_epoch), (0.1, 2))
        del file["linnet"]
        file["lr_schedulers"] = [scheduler.state_dict()]
        torch.save(file, self.path)
        lines, _ = show(self.path)
        self.assertIn("schedule 4", lines)
        self.assertIn("last_epoch 2", lines)
        self.assertFalse([line for line in lines if line.startswith("skipped")])

    def test_optimizer_and_schedule(self):
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        sgd = torch.optim.SGD(net.parameters(), lr=0.25, momentum=0.9, weight_decay=1e-4)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd)
        net(torch.randn(2, 3, 5, 5)).square().sum().backward()
        sgd.step()
        plateau.step(1.5)
        state = OrderedDict(("model." + name, t) for name, t in net.state_dict().items())
        torch.save({"pytorch-lightning_version": "2.1.0", "epoch": 4, "global_step": 40, "state_dict": state,
                    "optimizer_states": [sgd.state_dict()], "lr_schedulers": [plateau.state_dict()],
                    "hyper_parameters": {"lr": 0.25, "n": 3, "on": True, "name": "x", "list": [1], "none": None}}, self.path)
        lines, tensors = show(self.path)
        for (name, p) in net.named_parameters():
            self.assertEqual(tensors["momentum", "model." + name], shown(sgd.state[p]["momentum_buffer"]))
        for line in ("epoch 4", "global_step 40", "lr 0.25", "momentum_factor 0.90000000000000002", "params 4", "schedule 2",
                     "best 1.5", "last_epoch 1", "hyper.lr 0.25", "hyper.n 3", "hyper.on 1", "hyper.name x"):
            self.assertIn(line, lines)
        self.assertFalse([line for line in lines if line.startswith(("hyper.list", "hyper.none"))])


@unittest.skipIf(pytorch_lightning is None, "no pytorch-lightning")
class Lightning(unittest.TestCase):
    """Trainer.fit(ckpt_path=...) continues from the file; load_from_checkpoint rebuilds the module."""

    def resume(self, schedule, moment):
        from torch.utils.data import DataLoader, TensorDataset

        class Module(pytorch_lightning.LightningModule):
            def __init__(self, arch="", lr=0.0):
                super().__init__()
                self.save_hyperparameters()
                self.model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(),
                                                 torch.nn.Linear(4, 2))
                self.seen = []

            def training_step(self, batch, index):
                self.seen.append((self.current_epoch, index, self.global_step))
                return torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])

            def validation_step(self, batch, index):
                self.log("val_loss", torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1]))

            def configure_optimizers(self):
                sgd = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
                rules = torch.optim.lr_scheduler
                if schedule == "none":
                    return sgd
                rule = {"step": lambda: rules.StepLR(sgd, 30), "plateau": lambda: rules.ReduceLROnPlateau(sgd),
                        "cosine": lambda: rules.CosineAnnealingLR(sgd, 10),
                        "multistep": lambda: rules.MultiStepLR(sgd, [1, 30])}[schedule]()
                return {"optimizer": sgd, "lr_scheduler": {"scheduler": rule, "monitor": "val_loss"}}

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.ckpt")
            module = Module()
            make(path, [(name, t.dtype, tuple(t.shape)) for name, t in module.state_dict().items()],
                 [(name, p.dtype, tuple(p.shape)) for name, p in module.named_parameters()], schedule, moment)
            again = Module.load_from_checkpoint(path)
            self.assertEqual(again.hparams.arch, "resnet18")
            best = pytorch_lightning.callbacks.ModelCheckpoint(folder, monitor="val_loss", save_top_k=3)
            trainer = pytorch_lightning.Trainer(max_epochs=3, callbacks=[best], accelerator="cpu", logger=False,
                                                enable_progress_bar=False, enable_model_summary=False)
            data = DataLoader(TensorDataset(torch.randn(16, 3, 3, 3), torch.randint(0, 2, (16,))), 4)
            trainer.fit(module, data, data, ckpt_path=path)
            return module.seen, trainer

    def test_resume(self):
        for schedule in "step", "plateau", "cosine", "multistep", "none":
            seen, trainer = self.resume(schedule, "end")
            self.assertEqual(seen, [(2, i, 8 + i) for i in range(4)], schedule)
            self.assertEqual((trainer.current_epoch, trainer.global_step), (3, 12))

    def test_resume_in_the_middle(self):
        seen, trainer = self.resume("step", "middle")
        self.assertEqual(seen, [(1, 2, 6), (1, 3, 7)] + [(2, i, 8 + i) for i in range(4)])
        self.assertEqual(trainer.global_step, 12)


if __name__ == "__main__":
    unittest.main(verbosity=1)
