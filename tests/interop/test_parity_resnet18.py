#!/usr/bin/python3
"""The committed parity figures of ResNet-18 can be made again."""
from parity_golden import check

check("resnet18")
