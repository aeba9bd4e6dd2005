"""The version comes from the build (tools/wheel.sh). The wheel contains a library for one platform, and works with every
Python of it, because cffi's ABI mode compiles nothing."""
import os

from setuptools import Distribution, setup
from wheel.bdist_wheel import bdist_wheel


class PlatformDistribution(Distribution):
    def has_ext_modules(self):
        return True


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(version=os.environ["LINNET_VERSION"], distclass=PlatformDistribution, cmdclass={"bdist_wheel": PlatformWheel})
