#!/usr/bin/python3
"""examples/serving/triton.sh: Triton's client reads the configuration, whose names and shapes are those of the exported model."""
import os
import shutil
import subprocess
import sys
import tempfile

import packages

packages.use("triton")
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

SCRIPT = os.path.join(os.environ["LINNET_SOURCE"], "examples", "serving", "triton.sh")


def run(*command, code=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == code, (command, done.returncode, done.stderr)
    return done.stderr


def main():
    if shutil.which("jq") is None:
        print("skipped: no jq")
        sys.exit(77)
    linnet = os.environ["LINNET"]
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        run(linnet, "shapes", "data", "--train", "4", "--val", "2", "--size", "40")
        run(linnet, "train", "--data", "data", "--arch", "resnet20", "--image-size", "48", "--batch-size", "8", "--max-epochs", "1",
            "--lr", "0.01", "--out", "run", "--monitor.report", "false")
        checkpoint = "run/checkpoints/resnet20/last.ckpt"
        run("bash", SCRIPT, checkpoint, "models", "shapes")
        assert "exists already" in run("bash", SCRIPT, checkpoint, "models", "shapes", code=1)
        assert sorted(os.listdir("models/shapes")) == ["1", "config.pbtxt", "labels.txt"]
        with open("models/shapes/config.pbtxt") as f:
            config = text_format.Parse(f.read(), model_config_pb2.ModelConfig())
        session = onnxruntime.InferenceSession("models/shapes/1/model.onnx", providers=["CPUExecutionProvider"])
        assert config.name == "shapes" and config.backend == "onnxruntime" and config.max_batch_size > 0
        for stated, actual in zip([*config.input, *config.output], [*session.get_inputs(), *session.get_outputs()], strict=True):
            assert stated.data_type == model_config_pb2.TYPE_FP32 and actual.type == "tensor(float)"
            # Triton's dims are without the batch
            assert stated.name == actual.name and actual.shape == ["batch", *stated.dims], (stated, actual.shape)
        assert list(config.input[0].dims) == [3, 48, 48]
        with open("models/shapes/" + config.output[0].label_filename) as f:
            assert f.read().split("\n")[:-1] == sorted(os.listdir("data/train"))
        print("config.pbtxt: %s -> %s" % (list(config.input[0].dims), list(config.output[0].dims)))


main()
