#!/usr/bin/python3
"""The committed parity values of ResNet-18, ResNet-20 and the small grouped model can be reproduced."""
from parity_golden import check

check("resnet18")
check("resnet20")
check("grouped")
