#!/bin/bash
# What ./dev bench makes of its figures: which ratios it takes, and where it does not know.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

have python3 || skip_all "python3 is not installed"
make_tmp

cat >"$tmp/check.py" <<'PY'
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from report import compared_table
from verdict import table, verdicts

KILLED, FAILED = {"killed": "OutOfMemory"}, {"failed": "exit status 1"}


def figure(name, percent=None, pages=None, **sides):
    def one(v):
        return v if isinstance(v, dict) else {"median": v, "min": v, "max": v, "values": [v]}
    return {"name": name, "what": name, "unit": "s", "digits": 2, "percent": percent, "pages": pages,
            "variants": {side.replace("_", " "): one(v) for side, v in sides.items()}}


def program(name, percent, theirs, ours):
    return figure(name, percent, native=1, no_limit=1, kernel_file=theirs, Faultline_file=ours)


def verdict(what, **tables):
    found = [v for v in verdicts(tables) if v["work"].startswith(what)]
    assert len(found) == 1, found
    return found[0]


def about(v):
    return v["ratio"] and round(v["ratio"], 3), v["met"], len(v["of"]), len(v["missing"])


def check(name, got, wanted):
    print("ok" if got == wanted else "FAIL", name, "" if got == wanted else "%r, not %r" % (got, wanted))


mean = "programs at 50%, file"
two = [program("a", 50, 4, 1), program("b", 50, 1, 1)]
check("a mean is the geometric one", about(verdict(mean, programs=two)), (0.5, True, 2, 0))
check("over the limit", about(verdict(mean, programs=[program("a", 50, 1, 0.81)])), (0.81, False, 1, 0))
check("at the limit", about(verdict(mean, programs=[program("a", 50, 1, 0.8)])), (0.8, True, 1, 0))
killed = [program("a", 75, 2, 1), program("a", 50, KILLED, 9), program("a", 100, 1, 5)]
check("killed: the next size", about(verdict(mean, programs=killed)), (0.5, True, 1, 1))
check("killed: it is said", verdict(mean, programs=killed)["missing"][0],
      {"what": "a at 50%", "why": "kernel file: killed by the kernel"})
check("ours failed: not known", about(verdict(mean, programs=[*two, program("c", 50, 1, FAILED)])),
      (0.5, None, 2, 1))
check("ours failed: no other size", verdict(mean, programs=[
    program("c", 75, 1, 0.1), program("c", 50, 1, FAILED)])["of"], [])
check("the larger sizes are not looked at", about(verdict(mean, programs=[
    program("a", 100, 9, 1), program("a", 50, 1, 2)])), (2, False, 1, 0))
check("another size is not it", verdicts({"programs": [program("a", 100, 2, 1)]})[2:], [])

scan = [figure("scan", 50, "2:1", kernel_file=10, Faultline_file=1),
        figure("scan", 50, "random", kernel_file=10, Faultline_file=5)]
check("the largest of several", about(verdict("sequential scan", micro=scan)), (0.5, False, 2, 0))
check("one program above its limit", about(verdict("programs without pressure, each", programs=[
    figure("a", 50, native=10, no_limit=9), figure("b", 50, native=10, no_limit=12)])), (1.2, False, 2, 0))
check("nothing measured, no line", verdicts({"micro": []}), [])
check("the table has a line each", table(verdicts({"micro": scan})).count("\n"), 3)
check("a side that was not measured has no column", "Faultline zram |" in compared_table(scan), False)
check("a kill is in its cell", "| killed |" in compared_table([killed[1]]), True)
PY
python3 "$tmp/check.py" "$FL_TOP/bench" >"$tmp/out" 2>"$tmp/err" || fail "the check" "it did not end" "$tmp/err"
while read -r result name; do
	if [ "$result" = ok ]; then pass "$name"; else fail "${name%%:*}" "${name#*:}"; fi
done <"$tmp/out"
finish
