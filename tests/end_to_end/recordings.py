"""Where the recordings and the tools that judge replays are, and running the program on them."""
import os
import subprocess
import sys

SKIPPED = 77


def folder():
    """The recordings' folder; ends the test (skipped, or failed when CI is set) if it is not there."""
    path = os.environ.get('MARKETPRISM_RECORDINGS') or os.path.join('..', 'shared', 'recordings')
    if os.path.isdir(path):
        return path
    print(f'no recordings in {path} (MARKETPRISM_RECORDINGS): ' + ('a failure, since CI is set' if os.environ.get('CI') else 'skipped'))
    sys.exit(1 if os.environ.get('CI') else SKIPPED)


def tool(name):
    return os.path.join(folder(), '..', 'tools', name)


def replay(program, exchange, paths, output):
    """Replays into the file `output`; returns the exit status."""
    with open(output, 'wb') as events:
        return subprocess.run([program, 'replay', '--quiet', '--exchange', exchange, *paths], stdout=events, check=False).returncode


def run(*command):
    """Runs a tool; returns (exit status, what it printed)."""
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout
