#!/usr/bin/env python3
"""Checks the rules of this tree that no compiler checks: layering, sans-I/O, lengths, names, includes, co_await operands.

    tools/tidy.py [FILE…]     all files of the tree, or only those named; prints file:line, rule and what to do
A line may be excepted, with its reason:   // tidy-allow(rule): reason      on the line itself or the one above it.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cpp_source import Source  # noqa: E402

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
SANS_IO_LAYERS = {"base", "memory", "wire", "pool", "market", "exchange", "feed", "tape"}
# What a sans-I/O layer may use after all: file prefix → what. Logging writes to stderr; ledger and memory are shared by all loops.
SANS_IO_EXCEPTIONS = {"marketprism/base/log.": {"I/O", "atomic", "thread", "clock"}, "marketprism/pool/permit_ledger": {"atomic"},
                      "marketprism/memory/": {"atomic"}}
SANS_IO_INCLUDES = {
    "I/O": r"boost/asio.*|boost/beast.*|sys/(socket|epoll|uio|mman|stat)\.h|unistd\.h|fcntl\.h|netdb\.h|poll\.h"
           r"|fstream|iostream|filesystem",
    "thread": r"thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token|pthread\.h",
    "atomic": r"atomic|stdatomic\.h",
}
SANS_IO_CODE = {
    "clock": r"\b\w*[cC]lock(?:_type)?\s*::\s*now\s*\(|\bclock_gettime\b|\bgettimeofday\b|\bstd::time\s*\(|\brandom_device\b",
    "thread": r"\bstd::(?:jthread|thread|this_thread|mutex|shared_mutex|condition_variable)\b|\bsleep_(?:for|until)\b",
    "atomic": r"\bstd::atomic\w*",
}
HEAVY_INCLUDES = r"boost/beast.*|fmt/.*|toml\+\+/.*"
BANNED_WORDS = {"Helper", "Helpers", "Util", "Utils", "Misc", "Common"}
INCLUDE_ROOTS = ("marketprism/", "tests/", "apps/", "bench/", "examples/")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME)\b")
MACHINE_PATH = re.compile(r"(?<![\w./$}~-])/(?:home|work|root|tmp)(?:/[\w.-]|\b(?!/))")
CPP = (".cpp", ".hpp", ".def")
TEXT = CPP + (".py", ".sh", ".cmake", ".txt", ".md", ".toml", ".json", ".js", ".css", ".html", ".yml")
COUNTED = CPP + (".py", ".sh", ".js", ".css")


def tree_files(root):
    """Paths of the tree's files relative to root: what git tracks or would track."""
    try:
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True, capture_output=True)
        names = listed.stdout.decode().splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(folder, name), root) for folder, _, files in os.walk(root) for name in files]
        names = [name for name in names if not re.match(r"(build|\.deps|\.git|install|out)/", name)]
    return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))


def read_layers(cmake_text):
    """{layer: set of layers it may include} from the add_layer calls, in their order."""
    layers = {}
    for match in re.finditer(r"^\s*add_layer\(\s*(\w+)([^)]*)\)", cmake_text, re.M):
        depends = re.search(r"\bDEPENDS\b([^A-Z]*)", match[2])
        layers[match[1]] = set(depends[1].split()) if depends else set()
    return layers


class Checker:
    """Collects the violations of one tree. `layers` as read_layers gives them; `files` is what includes may name."""

    def __init__(self, layers, files):
        self.layers = layers
        self.files = set(files)
        self.violations = []
        self.path = ""
        self.lines = []

    def report(self, line, rule, advice):
        allowed = re.compile(r"tidy-allow\(" + re.escape(rule) + r"\): \S")
        if any(allowed.search(text) for text in self.lines[max(0, line - 2):line]):
            return
        self.violations.append(f"{self.path}:{line}: {rule}: {advice}")

    def check_table(self, path):
        """The table of layers itself: each may include only what stands above it."""
        self.path, self.lines = path, []
        above = set()
        for layer, depends in self.layers.items():
            for name in sorted(depends - above):
                self.report(1, "layering", f"layer {layer} DEPENDS on {name}, which does not stand above it; move it or cut the dependency")
            above.add(layer)

    def check(self, path, text):
        self.path, self.lines = path, text.split("\n")
        self.check_name(path)
        if text.startswith("#!") or path.endswith(COUNTED):
            self.check_length(text)
        if text.startswith("#!") or path.endswith(TEXT):
            self.check_text(path, text)
        if path.endswith(CPP):
            self.check_cpp(path, Source(text))

    def check_name(self, path):
        for part in re.split(r"[/.]", path):
            if word := banned_word(part) or (part if part == "common" else None):
                self.report(1, "name", f"'{word}' in a file's name; name it after what it holds")

    def check_length(self, text):
        count = text.count("\n")
        if count > FILE_LINES_MAX:
            self.report(count, "file-length", f"{count} lines, at most {FILE_LINES_MAX}; split it along its concepts")

    def check_text(self, path, text):
        for number, line in enumerate(self.lines, 1):
            if UNFINISHED.search(line):
                self.report(number, "unfinished", "finish it, or file an issue and say here what holds now")
            if not path.startswith(("tests/", "docs/")) and not path.endswith(".md") and MACHINE_PATH.search(line):
                self.report(number, "machine-path", "no absolute path of one machine; take it from an argument, or be relative")

    def check_cpp(self, path, source):
        self.check_includes(path, source)
        self.check_functions(source)
        self.check_identifiers(source)
        self.check_awaits(source)
        if path.endswith(".hpp"):
            self.check_header(path, source)
        layer = layer_of(path)
        if layer in SANS_IO_LAYERS:
            self.check_sans_io(path, source)

    def check_includes(self, path, source):
        layer = layer_of(path)
        if layer and layer not in self.layers:
            self.report(1, "layering", f"no layer {layer}; add it to marketprism/CMakeLists.txt or move the file into one that is there")
            return
        for line, quote, name in source.includes():
            if name.startswith("marketprism/") and quote == "<" and not path.startswith(("tests/consumer/", "examples/")):
                self.report(line, "include", f'write #include "{name}"; angle brackets are for what is installed')
            if quote == '"':
                if not name.startswith(INCLUDE_ROOTS) or "/../" in name:
                    self.report(line, "include", f'"{name}" is not a path from the repository\'s root, such as "marketprism/base/error.hpp"')
                elif name not in self.files and not path.startswith("tests/consumer/"):
                    self.report(line, "include", f'there is no "{name}"')
            other = layer_of(name)
            if layer and other and other != layer and other not in self.layers[layer]:
                may = ", ".join(name for name in self.layers if name in self.layers[layer]) or "nothing else"
                self.report(line, "layering", f"{layer}/ may not include {other}/ (it may: {may}); move the code or pass what it needs in")

    def check_functions(self, source):
        if not source.balanced():
            self.report(1, "function-length", "braces do not balance (an #if with half a brace?); keep each branch balanced")
            return
        for name, first, last in source.functions():
            length = last - first + 1
            if length > FUNCTION_LINES_MAX:
                self.report(first, "function-length", f"{name} has {length} lines, at most {FUNCTION_LINES_MAX}; give its steps names")

    def check_identifiers(self, source):
        seen = set()
        for match in re.finditer(r"(?<!std::)(?<!ranges::)\b[A-Za-z_]\w*", source.code):
            if match[0] in seen:
                continue
            seen.add(match[0])
            if word := banned_word(match[0]):
                self.report(source.line_of(match.start()), "name", f"'{word}' in {match[0]} says nothing; name it after what it does")

    def check_awaits(self, source):
        for line, operand in source.awaited():
            if "{" in operand:
                self.report(line, "co_await", "braces (or a lambda) inside a co_await expression; GCC 12 destroys them twice: "
                                              "name the temporary before it")

    def check_header(self, path, source):
        if not re.match(r"\s*#pragma once\n", source.uncommented):
            self.report(1, "pragma-once", "a header starts with #pragma once")
        if path.startswith("marketprism/"):
            for line, _, name in source.includes():
                if re.fullmatch(HEAVY_INCLUDES, name):
                    self.report(line, "heavy-header", f"<{name}> costs every reader of this header seconds; include it in the .cpp")

    def check_sans_io(self, path, source):
        excepted = set().union(*(what for prefix, what in SANS_IO_EXCEPTIONS.items() if path.startswith(prefix)))
        for line, _, name in source.includes():
            for what, pattern in SANS_IO_INCLUDES.items():
                if what not in excepted and re.fullmatch(pattern, name):
                    self.report(line, "sans-io", f"<{name}> ({what}) in a layer that takes bytes and `now` and gives events and actions")
        for what, pattern in SANS_IO_CODE.items():
            if what in excepted:
                continue
            for match in re.finditer(pattern, source.code):
                self.report(source.line_of(match.start()), "sans-io", f"{match[0].strip('( ')} ({what}): pass it in from above instead")


def layer_of(path):
    match = re.match(r"marketprism/(\w+)/", path)
    return match[1] if match else None


def banned_word(name):
    """The word of an identifier or file name that this tree does not use, or None."""
    if re.search(r"_v(?![46]$)\d+$|(?<!is)(?<!too)_old$", name):  # IPv4 and IPv6 are no versions of ours
        return name[name.rfind("_"):]
    words = [word for part in name.split("_") for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", part)]
    for word in BANNED_WORDS:  # as the noun of a name; "common_columns" and "OfACommonScale" say something
        if words and word in (words[0], words[-1]) or (name.split("_")[-1] == word.lower() and word != "Common"):
            return word
    if "Manager" in words and "ConnectionPoolManager" not in name:
        return "Manager"
    if "manager" in name.split("_") and "connection_pool_manager" not in name:
        return "manager"
    return None


def main(arguments):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    table = "marketprism/CMakeLists.txt"
    with open(os.path.join(root, table), encoding="utf-8") as file:
        layers = read_layers(file.read())
    files = tree_files(root)
    checker = Checker(layers, files)
    checker.check_table(table)
    chosen = [os.path.relpath(os.path.abspath(name), root) for name in arguments] or files
    for path in chosen:
        if path.startswith("tests/tools/") or path == "LICENSE":
            continue
        with open(os.path.join(root, path), "rb") as file:
            data = file.read()
        if b"\0" not in data:
            checker.check(path, data.decode("utf-8", "replace"))
    for violation in checker.violations:
        print(violation)
    print(f"tidy: {len(chosen)} files, {len(checker.violations)} violations")
    return 1 if checker.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
