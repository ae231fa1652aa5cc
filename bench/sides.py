"""The sides that ./dev bench compares: natively, the kernel's swap, Faultline's.

A side has why_not, a sentence if it cannot be had here, and limited(ram_bytes), within which a
command with the prefix it gives runs in so much memory; None is without a limit.
"""
import contextlib
import os
import subprocess

from common import TOOL, say, under
from kernelswap import Cgroups, File, KernelSwap, Zram

NATIVE, NO_LIMIT = "native", "no limit"
KERNEL_FILE, KERNEL_ZRAM = "kernel file", "kernel zram"
FILE, ZRAM = "Faultline file", "Faultline zram"
# What is compared with what: the same device.
AGAINST = {FILE: KERNEL_FILE, ZRAM: KERNEL_ZRAM}
LIMITED = (KERNEL_FILE, KERNEL_ZRAM, FILE, ZRAM)

# Beside the limit, as the kernel's zram is beside its cgroup's.
ZRAM_OPTION = "zram:lz4,charge=no"


class Plain:
    """Natively, or under Faultline with these options."""

    why_not = None

    def __init__(self, *options, managed=True):
        self.options = options if managed else None

    @contextlib.contextmanager
    def limited(self, ram_bytes):
        if self.options is None:
            yield []
        elif ram_bytes is None:
            yield under(*self.options)
        else:
            yield under("--ram", "%dK" % (ram_bytes // 1024), *self.options)


class Missing:
    def __init__(self, why_not):
        self.why_not = why_not


def faultline_zram():
    r = subprocess.run([TOOL, "run", "--quiet", "--swap", ZRAM_OPTION, "--", "true"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True, check=False)
    if r.returncode:
        return Missing((r.stderr.strip() or "exit status %d" % r.returncode).removeprefix("faultline: "))
    return Plain("--swap", ZRAM_OPTION)


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
    sides = {NATIVE: Plain(managed=False), NO_LIMIT: Plain(), **kernel(journal),
             FILE: Plain("--swap", "file:" + journal.path), ZRAM: faultline_zram()}
    for name, side in sides.items():
        if side.why_not:
            say("bench: %s: skipped: %s" % (name, side.why_not))
    return sides
