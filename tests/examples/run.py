#!/usr/bin/env python3
"""Runs an example against a server that it starts and ends: run.py NAME EXAMPLE SERVER. 77: skipped."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time


@contextlib.contextmanager
def our_server(program):
    server = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(server.stdout.readline())
    finally:
        server.stdin.close()  # tells it to end
        status = server.wait(timeout=20)
        if status != 0:
            sys.exit(f"the server ended with {status}")


@contextlib.contextmanager
def redis_server():
    program = shutil.which("redis-server")
    if program is None:
        message = "redis-server is not installed (scripts/setup.sh --tests does it)"
        if os.environ.get("CI"):
            sys.exit(message)
        print("skipped: " + message)
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):  # somebody else may take the port in between
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            server = subprocess.Popen(
                [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder],
                stdout=subprocess.DEVNULL)
            try:
                if is_listening(server, port):
                    yield port
                    return
            finally:
                server.terminate()
                server.wait(timeout=20)
    sys.exit("redis-server does not start")


def is_listening(server, port):
    for _ in range(1000):
        if server.poll() is not None:
            return False
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.01)
    return False


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=90)
    print(done.stdout + done.stderr)
    if done.returncode != 0:
        sys.exit(f"the example ended with {done.returncode}")
    return done.stdout


def expect(output, *lines):
    missing = [line for line in lines if line not in output]
    if missing:
        sys.exit(f"not in the output: {missing}")


def main(name, example, server):
    if name == "http_pool":
        with our_server(server) as port:
            expect(run(example, f"http://127.0.0.1:{port}/"), "hello")
    elif name == "websocket_pool":
        with our_server(server) as port:
            expect(run(example, f"ws://127.0.0.1:{port}/stream"), "lent: hello yourself", "trades is up", "book: 3",
                   "ticker: 3", "3 streams on 2 connections")
    else:
        with redis_server() as port:
            expect(run(example, "127.0.0.1", str(port)), "visits: 1000", "nonsense: Redis: ERR unknown command",
                   "1002 acquires, 4 connections", "after a cut: 1001")


if __name__ == "__main__":
    main(*sys.argv[1:])
