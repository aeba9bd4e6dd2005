#!/usr/bin/python3
"""The committed tables of parameters (tests/model/resnet_tables.txt) equal those of the installed torchvision."""
import os
import sys

NET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model")
sys.dont_write_bytecode = True
sys.path.insert(0, NET)
try:
    import make_resnet_tables
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

with open(os.path.join(NET, "resnet_tables.txt")) as f:
    committed = f.read().splitlines()
made = make_resnet_tables.make().splitlines()
for line, (a, b) in enumerate(zip(committed, made), 1):
    if a != b:
        sys.exit(f"resnet_tables.txt:{line}: '{a}', torchvision has '{b}'")
if len(committed) != len(made):
    sys.exit(f"resnet_tables.txt: {len(committed)} lines, torchvision gives {len(made)}")
print(f"{len(made)} lines equal")
