#!/usr/bin/python3
"""The committed parity values of ResNet-50 can be reproduced."""
from parity_golden import check

check("resnet50")
