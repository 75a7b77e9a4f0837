"""bad_input_test.py PROGRAM: what people and peers do wrong gets a clear message and the right exit code; what was there stays."""
import gzip
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

program = os.path.abspath(sys.argv[1])
failures = []


def run(*arguments, cwd=None, timeout=60):
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr


def expect(name, result, code, *texts):
    status, _, errors = result
    missing = [t for t in texts if t not in errors]
    if status != code or missing:
        failures.append(name)
        print(f'FAILED {name}: exit {status} (should be {code}); without {missing}; said:\n{errors}')
    else:
        print(f'ok {name}')


def collect(*more, exchange='binance', symbols='BTCUSDT', channels='trade'):
    return run('collect', '-q', '--exchange', exchange, '--symbols', symbols, '--channels', channels, '--duration', '3', *more)


class Listener:
    """A server on loopback that does one wrong thing to each connection."""

    def __init__(self, behave):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.behave = behave
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                self.behave(connection)
            except OSError:
                pass

    def close(self):
        self.socket.close()


def reset(connection):
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def emulator(*arguments):
    process = subprocess.Popen([program, 'emulate', '--json', '--no-limits', *arguments], stdout=subprocess.PIPE, text=True)
    place = json.loads(process.stdout.readline())
    return process, place


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    # names
    expect('unknown exchange', collect(exchange='binanse'), 2, 'unknown exchange "binanse"; did you mean "binance"?')
    expect('unknown channel', collect(channels='trades'), 2, 'unknown channel "trades"; did you mean "trade"?')
    expect('no symbols', collect(symbols=''), 2)
    expect('unknown option', run('collect', '--exchang', 'x'), 2, '--exchang')
    expect('unknown verb', run('colect'), 2)
    with open('bad.toml', 'w', encoding='utf-8') as out:
        out.write('[[exchange]]\nname = "okx"\nsymbols = ["BTC-USDT"]\nchanels = ["trade"]\n')
    expect('unknown key', run('collect', 'bad.toml'), 2, 'bad.toml:4: unknown key "chanels"; did you mean "channels"?')
    expect('unknown key checked', run('check-config', 'bad.toml'), 1, 'bad.toml:4:')
    expect('no such file', run('collect', 'absent.toml'), 2, 'absent.toml')
    # replay
    expect('replay of nothing', run('replay', '-e', 'binance', 'absent'), 1, 'absent')
    expect('replay without a venue', run('replay', 'bad.toml'), 1)
    # peers
    expect('host that does not resolve', collect('--address', 'https://no-such-host.invalid:443'), 1, 'no-such-host.invalid')
    free = socket.create_server(('127.0.0.1', 0))
    port = free.getsockname()[1]
    free.close()
    expect('refused', collect('--address', f'http://127.0.0.1:{port}'), 1, f'127.0.0.1:{port}', 'refused')
    listener = Listener(reset)
    expect('reset in the handshake', collect('--address', f'https://127.0.0.1:{listener.port}'), 1, f'127.0.0.1:{listener.port}', 'handshake')
    listener.close()
    # an exchange that takes the connection and says nothing: the first signal drains, the second ends
    asked = threading.Event()
    listener = Listener(lambda connection: (connection.recv(1000), asked.set(), connection.recv(1000)))
    process = subprocess.Popen([program, 'collect', '-q', '--exchange', 'binance', '--symbols', 'BTCUSDT', '--channels', 'trade',
                                '--address', f'http://127.0.0.1:{listener.port}'], stderr=subprocess.PIPE, text=True)
    asked.wait(60)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    expect('two signals while it starts', (process.wait(5), '', process.stderr.read()), 130)
    listener.close()
    os.mkdir('certificate')
    process, place = emulator('--exchange', 'binance', '--tls', '--certificate-folder', 'certificate')
    try:
        expect('unknown authority', collect('--address', place['rest']), 1, 'certificate')
        expect('wrong name', collect('--ca-file', 'certificate/ca.pem', '--address', place['rest'].replace('127.0.0.1', '127.0.0.2')), 1)
        expect('no such CA file', collect('--ca-file', 'absent.pem', '--address', place['rest']), 1, 'absent.pem')
        ca = ['--ca-file', 'certificate/ca.pem', '--address', place['rest']]
        expect('unknown symbol alone', collect(*ca, symbols='NOSUCH'), 1, 'unknown symbol "NOSUCH"', 'none of the symbols')
        result = collect(*ca, symbols='NOSUCH,BTCUSDT', channels='trade,bbo')
        expect('unknown symbol among others', result, 0, 'unknown symbol "NOSUCH"')
        expect('not writable', collect(*ca, '-d', '/proc/marketprism'), 1, '/proc/marketprism')
        expect('port in use', run('emulate', '--exchange', 'okx', '--port', str(place['port'])), 1, str(place['port']), 'in use')
    finally:
        process.terminate()
        process.wait(30)
    expect('query without data', run('query', '-d', 'nothing-here', 'SELECT 1'), 1, 'nothing-here')
    expect('wrong SQL', run('query', 'SELECT * FROM trades'), 1, 'trade')
    # a recording cut in the middle: what is readable is replayed, the cut is named
    line = '1633998512.1: {"e":"trade","E":1,"s":"X","t":%d,"p":"1.5","q":"2","T":1633998512000,"m":true}\n'
    whole = gzip.compress(b'wss://stream.binance.com <-> 1633998511.0\n' + ''.join(line % n for n in range(5000)).encode())
    with open('cut.gz', 'wb') as out:
        out.write(whole[:len(whole) // 2])
    status, events, errors = run('replay', '-q', '-e', 'binance', 'cut.gz')
    expect('cut recording', (status, events, errors), 1, 'cut.gz')
    if events.count('\n') < 100:
        failures.append('cut recording gave nothing')
    # disk full
    os.mkdir('small')
    if os.geteuid() == 0 and subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', 'small'], check=False,
                                             stderr=subprocess.DEVNULL).returncode == 0:
        process, place = emulator('--exchange', 'binance', '--rate', '20000')
        try:
            status, out, errors = run('collect', '-q', '-e', 'binance', '-s', '*', '-c', 'trade,book,bbo', '--address', place['rest'],
                                      '-d', 'small', '--duration', '15', timeout=120)
            expect('disk full', (status, out, errors), 1, 'No space left')
            expect('readable after disk full', run('replay', '--crc', '-q', 'small/tape'), 0)
        finally:
            process.terminate()
            process.wait(30)
            subprocess.run(['umount', 'small'], check=False)
    else:
        print('disk full: no tmpfs can be mounted here, not tried')
print(f'{len(failures)} failed: {failures}')
sys.exit(1 if failures else 0)
