"""The sides that ./dev bench compares: natively, the kernel's swap, Faultline's.

A side has why_not, a sentence if it cannot be had here, and limited(ram_bytes), within which a
command with the prefix it gives runs in so much memory; None is without a limit.
"""
import contextlib
import json
import os

from common import say, under, why_not
from kernelswap import Cgroups, File, KernelSwap, Zram
from leftovers import put

NATIVE, NO_LIMIT = "native", "no limit"
KERNEL_FILE, KERNEL_ZRAM = "kernel file", "kernel zram"
FILE, ZRAM = "Faultline file", "Faultline zram"
# What is compared with what: the same device.
AGAINST = {FILE: KERNEL_FILE, ZRAM: KERNEL_ZRAM}
LIMITED = (KERNEL_FILE, KERNEL_ZRAM, FILE, ZRAM)

# Beside the limit, as the kernel's zram is beside its cgroup's.
ZRAM_OPTION = "zram:lz4,charge=no"


class Native:
    why_not = None

    @contextlib.contextmanager
    def limited(self, ram_bytes):
        yield []


class Faultline:
    """With these options. That it managed the program is asked of its statistics."""

    why_not = None

    def __init__(self, journal, *options):
        self.stats = os.path.join(journal.path, "managed")
        self.options = options

    @contextlib.contextmanager
    def limited(self, ram_bytes):
        ram = ["--ram", "%dK" % (ram_bytes // 1024)] if ram_bytes else []
        put(self.stats, "")
        yield under(*ram, *self.options, "--stats", self.stats)
        with open(self.stats) as f:
            if not json.load(f)["processes_seen"]:
                raise RuntimeError("it ran, but not under Faultline")


class Missing:
    def __init__(self, why_not):
        self.why_not = why_not


def faultline_zram(journal):
    lacks = why_not("--swap", ZRAM_OPTION)
    return Missing(lacks) if lacks else Faultline(journal, "--swap", ZRAM_OPTION)


def kernel(journal):
    if os.geteuid():
        why = Missing("not root")
        return {KERNEL_FILE: why, KERNEL_ZRAM: why}
    try:
        cgroups = Cgroups(journal)
    except OSError as e:
        why = Missing("no memory cgroups: %s" % e)
        return {KERNEL_FILE: why, KERNEL_ZRAM: why}
    sides = {}
    for name, device in ((KERNEL_FILE, File), (KERNEL_ZRAM, Zram)):
        try:
            sides[name] = KernelSwap(journal, cgroups, device)
            sides[name].why_not = None
        except OSError as e:
            sides[name] = Missing(str(e))
    return sides


def all_sides(journal):
    """By name; what cannot be had is said once."""
    sides = {NATIVE: Native(), NO_LIMIT: Faultline(journal), **kernel(journal),
             FILE: Faultline(journal, "--swap", "file:" + journal.path), ZRAM: faultline_zram(journal)}
    for name, side in sides.items():
        if side.why_not:
            say("bench: %s: skipped: %s" % (name, side.why_not))
    return sides
