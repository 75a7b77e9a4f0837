#!/usr/bin/env python3
"""Shows that the simulation finds bugs: plants each of mutations.py into a copy of the pools' sources, builds the program
simulate_pools with it and runs it until a rule is broken.

    run.py --build build/release [--jobs 2] [NAME…]     the build must have made simulate_pools
Fails if a mutation does not apply exactly once, does not compile, or survives.
"""
import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mutations import MUTATIONS  # noqa: E402

SCHEDULES = "20000"  # of all worlds together; each mutation is found within the first few hundred
RUN_SECONDS_MAX = 100


class Unit:
    """A source of simulate_pools: how it is compiled, and the object the build has made of it."""

    def __init__(self, entry):
        words = shlex.split(entry["command"])
        self.compiler_at = 1 if os.path.basename(words[0]) == "ccache" else 0
        at = words.index("-o")
        self.folder = entry["directory"]
        self.source = os.path.normpath(os.path.join(self.folder, entry["file"]))
        self.object = os.path.join(self.folder, words[at + 1])
        self.flags = [word for word in words[:at] + words[at + 2:] if word not in ("-c", entry["file"])]

    def command(self, source, overlay, target):
        # The overlay comes first among the places where headers are looked for.
        head = self.compiler_at + 1
        return [*self.flags[:head], "-I" + overlay, *self.flags[head:], "-O1", "-g0", "-w", "-c", source, "-o", target]


def units_of(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    return [Unit(entry) for entry in entries
            if "/marketprism_pool.dir/" in entry["command"] or "/simulate_pools.dir/" in entry["command"]]


def plant(root, mutation, overlay):
    """Writes the mutated copy; returns its path."""
    name = os.path.join("marketprism", "pool", mutation.file)
    with open(os.path.join(root, name), encoding="utf-8") as file:
        text = file.read()
    if text.count(mutation.old) != 1:
        raise RuntimeError(f"its place is in {mutation.file} {text.count(mutation.old)} times, not once: mend mutations.py")
    path = os.path.join(overlay, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(mutation.old, mutation.new))
    return path


def make(root, build, units, mutation, folder):
    """Builds the mutated program; returns its path. Only what the mutation touches is compiled again."""
    copy = plant(root, mutation, folder)
    original = os.path.join(root, "marketprism", "pool", mutation.file)
    objects = []
    for unit in units:
        if mutation.file.endswith(".cpp") and unit.source != original:
            objects.append(unit.object)
            continue
        source = copy if unit.source == original else unit.source
        target = os.path.join(folder, os.path.basename(unit.source) + ".o")
        subprocess.run(unit.command(source, folder, target), cwd=unit.folder, check=True, capture_output=True, text=True)
        objects.append(target)
    program = os.path.join(folder, "simulate_pools")
    base = os.path.join(build, "marketprism", "libmarketprism_base.a")
    subprocess.run([units[0].flags[units[0].compiler_at], *objects, base, "-lfmt", "-pthread", "-fuse-ld=lld-19", "-o", program], check=True,
                   capture_output=True, text=True)
    return program


def test(root, build, units, mutation):
    """(True, what noticed it) or (False, why not)."""
    folder = os.path.join(build, "mutations", mutation.name.replace(" ", "_").replace("'", ""))
    os.makedirs(folder, exist_ok=True)
    try:
        program = make(root, build, units, mutation, folder)
        ran = subprocess.run([program, "--schedules", SCHEDULES, "--threads", "1", "--small-scope-steps", "7"],
                             capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    except RuntimeError as error:
        return False, str(error)
    except subprocess.CalledProcessError as error:
        return False, "does not build: " + error.stderr[-2000:]
    except subprocess.TimeoutExpired:
        return False, f"the simulation did not end in {RUN_SECONDS_MAX} s"
    if ran.returncode == 0:
        return False, f"survives {SCHEDULES} schedules"
    if ran.returncode < 0:
        return True, "an assertion: " + ran.stderr.strip().rpartition("Assertion ")[2][:100]
    return True, next((line for line in ran.stdout.splitlines() if " schedules" not in line), "?")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))
    build = os.path.abspath(options.build)
    chosen = [mutation for mutation in MUTATIONS if not options.names or mutation.name in options.names]
    units = units_of(build)
    if not chosen or not units:
        sys.exit("mutations: nothing to do: no such mutation, or simulate_pools is not part of this build")
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda mutation: test(root, build, units, mutation), chosen)
        survivors = 0
        for mutation, (is_caught, what) in zip(chosen, results):
            survivors += not is_caught
            print(f"{'caught' if is_caught else 'MISSED'}  {mutation.name}: {what}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutations caught in {time.monotonic() - start:.0f} s")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
