"""An emulated exchange, a proxy that can misbehave, and a collector with its admin API, for the tests in this folder."""
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

SKIPPED = 77
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # what the environment says of proxies is not for loopback


def needed(*programs):
    """Ends the test (skipped, or failed when CI is set) unless all are there."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        print(f'not installed: {", ".join(missing)} (scripts/setup.sh --tests does): ' + ('a failure, since CI is set' if os.environ.get('CI') else 'skipped'))
        sys.exit(1 if os.environ.get('CI') else SKIPPED)


def until(what, condition, seconds=60, log=sys.stdout):
    """Waits for something to become true and returns it; that it comes is what is tested."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            print(f'ok {what}', file=log, flush=True)
            return value
        if time.monotonic() > end:
            raise SystemExit(f'FAILED {what}')
        time.sleep(0.05)


def expect(what, is_so, *more):
    if not is_so:
        raise SystemExit(f'FAILED {what} {more}')
    print(f'ok {what}', flush=True)


class Proxy:
    """Passes connections on to a port of this machine, until told otherwise."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.is_stalled = False
        self.pairs = {}
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            for key, _ in self.selector.select(0.02):
                if key.fileobj is self.listener:
                    self.accept()
                elif not self.is_stalled:
                    self.forward(key.fileobj)
            if self.is_stalled:
                time.sleep(0.02)  # everything is ready to be read and must not be

    def accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(('127.0.0.1', self.target))
        except OSError:
            client.close()
            return
        with self.lock:
            self.pairs[client], self.pairs[server] = server, client
        for one in (client, server):
            self.selector.register(one, selectors.EVENT_READ)

    def forward(self, source):
        target = self.pairs.get(source)
        if target is None:
            return
        try:
            data = source.recv(1 << 18)
            if data:
                target.sendall(data)
                return
        except OSError:
            pass
        self.close(source)

    def close(self, one):
        with self.lock:
            other = self.pairs.pop(one, None)
            self.pairs.pop(other, None)
        for end in (one, other):
            if end is not None:
                self.selector.unregister(end)
                end.close()

    def cut_all(self):
        """Ends all connections that there are; new ones are let in."""
        with self.lock:
            ends = list(self.pairs)
        for one in ends:
            try:
                one.shutdown(socket.SHUT_RDWR)  # the thread that reads it does the rest
            except OSError:
                pass


class Collector:
    """`emulate`, a proxy before it, and `collect` with --admin; all ended at the end of the `with`."""

    def __init__(self, program, exchanges=('binance',), rate=500, symbols='*', channels='trade,book,bbo', extra='', emulate=(), log=sys.stdout):
        self.program = os.path.abspath(program)
        self.exchanges, self.rate, self.symbols, self.channels, self.extra, self.emulate = exchanges, rate, symbols, channels, extra, emulate
        self.log = log
        self.processes = []

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        command = [self.program, 'emulate', '--json', '--no-limits', '--exchange', ','.join(self.exchanges), '--rate', str(self.rate), *self.emulate]
        emulator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes.append(emulator)
        self.proxies = {}
        config = f'[store]\ndirectory = "{self.folder.name}/data"\n[admin]\nlisten = "127.0.0.1:0"\n{self.extra}\n'
        for _ in self.exchanges:
            place = json.loads(emulator.stdout.readline())
            proxy = self.proxies[place['exchange']] = Proxy(place['port'])
            config += (f'[[exchange]]\nname = "{place["exchange"]}"\nsymbols = {json.dumps(self.symbols.split(","))}\n'
                       f'channels = {json.dumps(self.channels.split(","))}\naddress = "http://127.0.0.1:{proxy.port}"\n')
        self.config = os.path.join(self.folder.name, 'collect.toml')
        with open(self.config, 'w', encoding='utf-8') as out:
            out.write(config)
        self.collector = subprocess.Popen([self.program, 'collect', self.config], stderr=subprocess.PIPE, text=True, cwd=self.folder.name)
        self.processes.append(self.collector)
        self.said = []
        self.url = None
        threading.Thread(target=self.listen, daemon=True).start()
        until('the address is told', lambda: self.url or self.collector.poll() is not None, log=self.log)
        return self

    def listen(self):
        for line in self.collector.stderr:
            self.said.append(line)
            found = re.search(r'dashboard and API: (\S+)', line)
            if found:
                self.url = found.group(1)

    def __exit__(self, *problem):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(60)
        if problem[0]:
            print(''.join(self.said[-40:]))
        self.folder.cleanup()

    def request(self, path, method='GET', headers=None):
        """(status, headers, body), whatever the status."""
        request = urllib.request.Request(self.url + path, method=method, headers=headers or {})
        try:
            with opener.open(request, timeout=30) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def get(self, path):
        status, _, body = self.request(path)
        expect(f'{path} answers', status == 200, status, body) if status != 200 else None
        return json.loads(body)

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def fill_stream(self):
        """As many listeners to the event stream as there may be; the next one is refused."""
        until('nobody listens', lambda: '\nmarketprism_admin_stream_clients 0\n' in self.request('/metrics')[2])
        listeners = [socket.create_connection(('127.0.0.1', self.port())) for _ in range(16)]
        for one in listeners:
            one.sendall(b'GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
            expect('a listener is let in', b'200' in one.recv(20))
        return listeners

    def is_ready(self):
        return self.request('/readyz')[0] == 200

    def port(self):
        return int(self.url.rsplit(':', 1)[1])
