#!/usr/bin/python3
"""The committed parity figures of ResNet-18 and of the small net with groups can be made again."""
from parity_golden import check

check("resnet18")
check("grouped")
