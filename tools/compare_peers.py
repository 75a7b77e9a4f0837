#!/usr/bin/env python3
"""compare_peers.py [http] [ws] [pool] [--rounds N] [--program FILE] [--peers DIR] [--out DIR]

Measures `marketprism bench` beside other programs that do the same job, in turn within each round, and prints the medians with the
ratio to the reference of the same round (wrk for http, a read without any parsing for ws, ours for pool). Machines and neighbours
differ: only ratios of one run mean something.

DIR of --peers (default $MARKETPRISM_PEERS, else ../shared/peers beside the project) has the peers' sources; its README tells what
to install. `build.sh OUT` there builds them; --out is that OUT (default $PEERS_OUT, else marketprism-peers in the temporary
directory). Peers that are not built are left out. Not part of any test.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
JARS = ('slf4j-api', 'slf4j-nop', 'HikariCP', 'commons-pool2')


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('groups', nargs='*', metavar='http|ws|pool', help='default: all')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--program', default=os.path.join(HERE, '../build/release/bin/marketprism'))
    parser.add_argument('--peers', default=os.environ.get('MARKETPRISM_PEERS') or os.path.join(HERE, '../../shared/peers'))
    parser.add_argument('--out', default=os.environ.get('PEERS_OUT') or os.path.join(tempfile.gettempdir(), 'marketprism-peers'))
    arguments = parser.parse_args()
    arguments.groups = arguments.groups or ['http', 'ws', 'pool']
    for path, what in ((arguments.program, 'program'), (arguments.peers, 'folder of peers')):
        if not os.path.exists(path):
            parser.error(f'there is no {what} {path}')
    for group in arguments.groups:
        if group not in ('http', 'ws', 'pool'):
            parser.error(f'unknown group {group}; there are http, ws and pool')
    return arguments


class Runner:
    def __init__(self, arguments):
        self.arguments = arguments
        self.environment = dict(os.environ, PEERS_OUT=os.path.abspath(arguments.out))
        self.missing = set()

    def peer(self, name):
        return os.path.join(self.arguments.out, 'bin', name)

    def script(self, path):
        return os.path.join(self.arguments.peers, path)

    def lines(self, command):
        """The JSON lines a command prints; none if it is not there or fails."""
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, env=self.environment, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            self.complain(command, str(error))
            return []
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
        if done.returncode != 0 or not found:
            self.complain(command, done.stderr.strip()[-200:])
            return []
        return found

    def complain(self, command, text):
        name = os.path.basename(command[0]) + ' ' + ' '.join(command[1:])
        if name not in self.missing:
            self.missing.add(name)
            print(f'left out: {name[:100]}: {text}', file=sys.stderr)

    def ours(self, *arguments):
        return {row['name']: row['value'] for row in self.lines([self.arguments.program, 'bench', *arguments, '--json'])}

    def other(self, cost_key, cost_factor, *command):
        """(work per second, CPU time per piece or million) of a peer."""
        rows = self.lines(list(command))
        return (rows[-1]['value'], rows[-1].get(cost_key, 0) * cost_factor) if rows else None


def http(run):
    def wrk():
        return run.other('cpu_s_per_1k', 1000, '/usr/bin/python3', run.script('wrk_json.py'), 'wrk', '64', '2')

    def ours():
        got = run.ours('http', '--url', 'http://127.0.0.1:18080/t', '--connections', '64', '--requests', '200000')
        return (got['http_requests_per_s'], got['http_cpu_us_per_request']) if got else None

    def peer(*command):
        return lambda: run.other('cpu_s_per_1k', 1000, *command)

    return 'requests/s', 'us CPU', 'nginx/ctl.sh', {
        'wrk': wrk, 'marketprism': ours, 'hyper (one thread)': peer(run.peer('http_rust'), 'hyper', '64', '100000'),
        'libcurl multi': peer(run.peer('curl_multi'), 'epoll', '64', '80000'), 'Go net/http': peer(run.peer('httpgo'), '64', '50000')}


def ws(run):
    def ours():
        got = run.ours('ws', '--url', 'ws://127.0.0.1:18090/', '--connections', '1', '--messages', '5000000', '--passes', '1')
        return (got['ws_messages_per_s'], got['ws_cpu_s_per_million']) if got else None

    def peer(name, count):
        return lambda: run.other('cpu_s_per_1M', 1, run.peer(name), '1', count)

    return 'messages/s', 's CPU/M', 'ws/ctl.sh', {
        'raw read': peer('ws_raw_sink', '5000000'), 'marketprism': ours, 'gorilla': peer('wsgo', '1000000'),
        'websocketpp': peer('ws_wspp', '500000'), 'Beast': peer('ws_beast', '500000'), 'libwebsockets': peer('ws_lws', '250000')}


def pool(run):
    got = {}

    def ours(name):
        def measure():
            if name == 'pool_try_acquire_ops_per_s' or name not in got:
                got.update(run.ours('pool', '--passes', '1'))
            return (got[name], 0) if name in got else None
        return measure

    def peer(*command):
        return lambda: run.other('cpu', 0, *command)

    path = ':'.join(f'/usr/share/java/{jar}.jar' for jar in JARS) + f':{run.arguments.out}/java'
    return 'pairs/s', '', None, {
        'marketprism try_acquire': ours('pool_try_acquire_ops_per_s'), 'marketprism co_await acquire': ours('pool_await_acquire_ops_per_s'),
        'marketprism, two loops': ours('pool_loops2_ops_per_s'), 'HikariCP': peer('java', '-cp', path, 'PoolJava', 'hikari', '1', '10', '4000000'),
        'HikariCP, two threads': peer('java', '-cp', path, 'PoolJava', 'hikari', '2', '10', '4000000'),
        'r2d2': peer(run.peer('pool_r2d2'), '1', '10', '2000000'), 'Go database/sql': peer(run.peer('pool_go'), '1', '10', '1000000')}


def compare(run, group):
    unit, cost_unit, server, contestants = {'http': http, 'ws': ws, 'pool': pool}[group](run)
    control = [run.script(server)] if server else None
    was_started = False
    if control:
        started = subprocess.run([*control, 'start'], stdout=subprocess.PIPE, text=True, env=run.environment, check=True)
        was_started = started.stdout.strip() == 'started'
    values = {name: [] for name in contestants}
    try:
        for _ in range(run.arguments.rounds):
            reference = None
            for name, measure in contestants.items():
                got = measure()
                if got is None:
                    continue
                reference = reference or got[0]
                values[name].append((got[0], got[1], got[0] / reference))
    finally:
        if was_started:
            subprocess.run([*control, 'stop'], env=run.environment, check=False)
    print(f'\n| {group} | {unit} | {cost_unit or "-"} | ratio, median [least, most] |\n|---|---|---|---|')
    for name, rows in values.items():
        if not rows:
            continue
        ratios = [row[2] for row in rows]
        cost = statistics.median(row[1] for row in rows)
        print(f'| {name} | {statistics.median(row[0] for row in rows):,.0f} | {f"{cost:.3g}" if cost else "-"} | '
              f'{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}] |')


def main():
    run = Runner(parse_arguments())
    for group in run.arguments.groups:
        compare(run, group)


main()
