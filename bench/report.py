"""The report of ./dev bench: the machine, the tables, and their place in the documentation."""
import os
import re
import tempfile

from common import LIMIT_S, TOP
from leftovers import swaps, text_of
from sides import AGAINST, LIMITED, NATIVE, NO_LIMIT

DOC = os.path.join(TOP, "docs", "benchmarks.md")


def cell(row, figure):
    if figure is None:
        return "–"
    if "median" not in figure:
        said = {"TooLong": "over %d s" % LIMIT_S, "OutOfMemory": "killed"}
        return said.get(figure.get("killed"), "failed")
    d = row["digits"]
    return "%.*f (%.*f–%.*f)" % (d, figure["median"], d, figure["min"], d, figure["max"])


def ratio(row, side, other):
    ours, theirs = (row["variants"].get(s, {}).get("median") for s in (side, other))
    return "%.2f" % (ours / theirs) if ours is not None and theirs else "–"


def table(results):
    """A line for each variant: of rows whose variants are their own."""
    lines = ["| What | Variant | Median (min–max) | Unit | Of native |", "|---|---|---:|---|---:|"]
    for row in results:
        what = row["what"]
        for variant, figure in row["variants"].items():
            lines.append("| %s | %s | %s | %s | %s |" % (
                what, variant, cell(row, figure), row["unit"], ratio(row, variant, NATIVE)))
            what = ""
    return "\n".join(lines) + "\n"


def compared_table(results):
    """A line for each case, a column for each side: of the rows of compared.py."""
    sides = [s for s in (NATIVE, NO_LIMIT, *LIMITED) if any(s in row["variants"] for row in results)]
    pairs = list(AGAINST.items())
    kinds = any(row["pages"] for row in results)
    head = ["What", *["Pages"] * kinds, "Memory", "Unit", *sides, *("%s of %s" % p for p in pairs)]
    lines = ["| %s |" % " | ".join(head),
             "|---|%s---:|---|%s" % ("---|" * kinds, "---:|" * (len(sides) + len(pairs)))]
    last = None
    for row in results:
        what = "" if row["what"] == last else row["what"]
        last = row["what"]
        lines.append("| %s |" % " | ".join(
            [what, *[row["pages"]] * kinds, "%d%%" % row["percent"], row["unit"],
             *(cell(row, row["variants"].get(s)) for s in sides), *(ratio(row, *p) for p in pairs)]))
    return "\n".join(lines) + "\n"


def disk(directory):
    dev = os.stat(directory).st_dev
    sys_dev = "/sys/dev/block/%d:%d" % (os.major(dev), os.minor(dev))
    kind = "unknown file system"
    for line in text_of("/proc/self/mountinfo").splitlines():
        if line.split()[2] == "%d:%d" % (os.major(dev), os.minor(dev)):
            kind = line.split(" - ")[1].split()[0]
    if not os.path.exists(sys_dev):
        return kind + ", no disk of its own"
    name = os.path.basename(os.path.realpath(sys_dev))
    turning = text_of(sys_dev + "/queue/rotational") or text_of(sys_dev + "/../queue/rotational")
    said = {"0": ", which says it is solid-state", "1": ", which says it rotates"}
    return "%s on disk %s%s" % (kind, name, said.get(turning, ""))


def machine():
    total_kib = int(re.search(r"MemTotal: *(\d+)", text_of("/proc/meminfo")).group(1))
    model = re.search(r"model name\s*: (.*)", text_of("/proc/cpuinfo"))
    cpuinfo = text_of("/proc/cpuinfo")
    thp = re.search(r"\[(\w+)\]", text_of("/sys/kernel/mm/transparent_hugepage/enabled"))
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": model.group(1) if model else os.uname().machine,
        "virtual": " hypervisor" in cpuinfo,
        "kernel": os.uname().release.split("-")[0],
        "memory_mib": total_kib // 1024,
        "thp": thp.group(1) if thp else "none",
        "swap_file": disk(tempfile.gettempdir()),
        "swaps_of_its_own": list(swaps()),
        "swappiness": int(text_of("/proc/sys/vm/swappiness", "-1")),
        "page_cluster": int(text_of("/proc/sys/vm/page-cluster", "-1")),
        "load_before": os.getloadavg()[0],
    }


def describe(m, rounds):
    return ("%d CPUs (%s%s), %d MiB, Linux %s, transparent huge pages `%s`, swap file: %s, "
            "swappiness %d, page-cluster %d; %d rounds; load average before: %.2f\n" %
            (m["cpus"], m["cpu"], ", virtual machine" if m["virtual"] else "", m["memory_mib"],
             m["kernel"], m["thp"], m["swap_file"], m["swappiness"], m["page_cluster"], rounds, m["load_before"]))


def write_doc(texts):
    """Puts each table in its place; a name without one is an error, and nothing is written."""
    with open(DOC) as f:
        doc = f.read()
    for name, text in texts.items():
        doc, n = re.subn(r"(<!-- %s: begin -->\n).*?(<!-- %s: end -->)" % (name, name),
                         lambda m, text=text: m.group(1) + text + m.group(2), doc, flags=re.S)
        if n != 1:
            raise RuntimeError("docs/benchmarks.md: no place for the table " + name)
    with open(DOC, "w") as f:
        f.write(doc)
