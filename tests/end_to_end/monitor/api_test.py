"""api_test.py PROGRAM: every path of docs/openapi.json is answered as it says, and clients that behave badly disturb nobody."""
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import Collector, expect, until  # noqa: E402

with open('docs/openapi.json', encoding='utf-8') as file:
    api = json.load(file)


def faults(value, schema, place='$'):
    """What in the value is not as the schema says; the keywords that docs/openapi.json uses."""
    if '$ref' in schema:
        schema = api['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]]
    if 'oneOf' in schema:
        return min((faults(value, one, place) for one in schema['oneOf']), key=len)
    kinds = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int, 'number': (int, float)}
    kind = schema.get('type')
    if value is None:
        return [] if schema.get('nullable') else [f'{place} is null']
    if kind and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != 'boolean')):
        return [f'{place} is {value!r}, not {kind}']
    found = []
    if kind == 'object':
        properties = schema.get('properties', {})
        found += [f'{place}.{name} is missing' for name in schema.get('required', properties) if name not in value]
        for name, one in value.items():
            inner = properties.get(name, schema.get('additionalProperties'))
            found += faults(one, inner, f'{place}.{name}') if inner else [f'{place}.{name} is not documented']
    if kind == 'array':
        for i, one in enumerate(value):
            found += faults(one, schema['items'], f'{place}[{i}]') if schema.get('items') else []
    if 'enum' in schema and value not in schema['enum']:
        found.append(f'{place} is {value!r}, none of {schema["enum"]}')
    return found


def check_documented(collector):
    for path, methods in api['paths'].items():
        for method, operation in methods.items():
            if method == 'post' or 'text/event-stream' in operation['responses']['200']['content']:
                continue
            status, headers, body = collector.request(path + operation.get('x-example-query', ''))
            expect(f'{path} answers 200', status == 200, status, body)
            for kind, content in operation['responses']['200']['content'].items():
                if kind == 'application/json' and headers['Content-Type'] == kind:
                    found = faults(json.loads(body), content['schema'])
                    expect(f'{path} is as documented', not found, found[:5])
    for path in ('/api/v1/pools', '/api/v1/connections', '/api/v1/feeds', '/api/v1/books', '/api/v1/gaps'):
        first = next(iter(collector.get(path).values()))
        expect(f'{path} is not empty', path.endswith('gaps') or len(first) > 0)


def check_stream(collector):
    with socket.create_connection(('127.0.0.1', collector.port())) as client:
        client.settimeout(30)
        client.sendall(b'GET /api/v1/stream?exchange=binance&symbol=BTCUSDT HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
        text = client.makefile('r', encoding='utf-8')
        seen = {}
        while set(seen) != {'picture', 'book'}:
            line = text.readline().rstrip()
            if line.startswith('event: '):
                seen[line[7:]] = json.loads(text.readline()[len('data: '):])
        expect('the stream sends what the paths give', set(seen['picture']) ==
               {'status', 'pools', 'connections', 'feeds', 'loops', 'queues', 'sinks', 'gaps', 'memory', 'messages'})
        for name, part in seen['picture'].items():
            schema = api['paths'][f'/api/v1/{name}']['get']['responses']['200']['content']['application/json']['schema']
            expect(f'{name} in the stream is as documented', not faults(part, schema), faults(part, schema)[:5])
        expect('the book in the stream is as documented', not faults(seen['book'], {'$ref': '#/components/schemas/Book'}),
               faults(seen['book'], {'$ref': '#/components/schemas/Book'})[:5])
        expect('the book has levels', len(seen['book']['bids']) > 0 and seen['book']['symbol'] == 'BTCUSDT')


def is_ended(client):
    client.setblocking(False)
    try:
        return client.recv(4096, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True


def check_bad_clients(collector):
    def events():
        return sum(feed['events'] for feed in collector.get('/api/v1/feeds')['feeds'])
    port = collector.port()
    silent = [socket.socket() for _ in range(4)]
    for one in silent:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(('127.0.0.1', port))
        one.sendall(b'GET /api/v1/stream?exchange=binance&symbol=BTCUSDT HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    long = socket.create_connection(('127.0.0.1', port))
    try:
        long.sendall(b'GET /' + b'x' * 100000)
    except OSError:
        pass  # cut while it was still sending
    idle = [socket.create_connection(('127.0.0.1', port)) for _ in range(1000)]
    # A busy collector accepts them late: those it refuses are known by the end of their stream.
    until('connections over the limit are refused', lambda: sum(is_ended(one) for one in idle) >= 500)
    for one in idle:
        one.close()
    until('it still answers', lambda: collector.request('/healthz')[0] == 200)
    before = events()
    until('data still comes', lambda: events() > before + 100)
    metrics = collector.request('/metrics')[2]
    refused = next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith('marketprism_admin_refused_connections_total'))
    expect('clients over the limit were refused and counted', refused >= 500, refused)  # those that left made room for others
    for one in silent + [long]:
        one.close()
    expect('nothing was lost meanwhile', collector.get('/api/v1/status')['dropped'] == 0 and collector.get('/api/v1/gaps')['recent'] == [])


def refused(collector, path, wanted, method='GET', headers=None):
    """The error, which must be one of those that are documented for the path."""
    status, got, body = collector.request(path, method, headers)
    expect(f'{method} {path} is refused with {wanted}', status == wanted, status, body)
    reply = api['paths'][path.split('?')[0]][method.lower()]['responses'].get(str(status))
    expect('… which is documented', reply is not None)
    if '$ref' in reply:
        reply = api['components']['responses'][reply['$ref'].rsplit('/', 1)[1]]
    found = faults(json.loads(body), reply['content'][got['Content-Type']]['schema'])
    expect('… as it is', not found, found)
    return json.loads(body)['error']


def operations():
    return [(path, method.upper()) for path, methods in api['paths'].items() for method in methods]


def check_strangers(collector):
    for path, method in operations():
        refused(collector, path, 403, method, {'Host': 'a.name.elsewhere'})
        if method == 'POST':
            refused(collector, path, 403, method, {'Origin': 'http://elsewhere'})
    listeners = collector.fill_stream()
    refused(collector, '/api/v1/stream', 503)
    for one in listeners:
        one.close()


def check_token(program):
    with Collector(program, extra='token = "0123456789abcdef"') as collector:
        for path, method in operations():
            if path not in ('/healthz', '/readyz'):
                refused(collector, path, 401, method)
        key = {'Authorization': 'Bearer 0123456789abcdef'}
        expect('the token lets in', collector.request('/api/v1/status', headers=key)[0] == 200)
        expect('and out', collector.request('/api/v1/drain', 'POST', key)[0] == 202 and collector.collector.wait(60) == 0)


def check_errors(collector):
    expect('a book that is not collected', 'NOSUCH' in refused(collector, '/api/v1/books?exchange=binance&symbol=NOSUCH', 404))
    book = collector.get('/api/v1/books?exchange=binance&symbol=BTCUSDT')
    expect('one that is, is as documented', not faults(book, {'$ref': '#/components/schemas/Book'}), faults(book, {'$ref': '#/components/schemas/Book'}))
    refused(collector, '/api/v1/report?format=pdf', 400)
    refused(collector, '/api/v1/heap?format=pdf', 400)
    expect('memory is kept under a label', collector.request('/api/v1/memory?label=before', 'POST')[0] == 200)
    refused(collector, '/api/v1/memory?label=a%20b', 400, 'POST')
    changes = collector.get('/api/v1/memory/changes?from=before&to=latest')
    expect('and compared', {'rss', 'books', 'queues'} <= {change['name'] for change in changes['changes']}, changes)
    expect('a label that is not there is named', 'before' in refused(collector, '/api/v1/memory/changes?from=never', 404))
    expect('labels are listed', collector.get('/api/v1/memory')['labels'] == ['baseline', 'latest', 'before'])
    expect('a path that is not there', collector.request('/api/v1/nothing')[0] == 404)
    refused(collector, '/api/v1/log_level?level=loud', 400, 'POST')
    expect('a level that is', collector.request('/api/v1/log_level?level=info', 'POST')[0] == 200)
    started = collector.request('/api/v1/heap?on=true', 'POST')[0]
    expect('the heap profiler starts, or this build has none (a sanitizer)', started in (200, 501), started)
    if started == 501:
        refused(collector, '/api/v1/heap?on=true', 501, 'POST')
    expect('and says so', collector.get('/api/v1/heap')['on'] is (started == 200))
    expect('its flame graph is a drawing', '<svg' in collector.request('/api/v1/heap?format=svg')[2])
    expect('and it stops', collector.request('/api/v1/heap?on=false', 'POST')[0] == 200)
    refused(collector, '/api/v1/heap?on=maybe', 400, 'POST')
    expect('reading does not drain', collector.request('/api/v1/drain')[0] == 405)
    code, _, said = collector.run('collect', '-e', 'binance', '-s', 'BTCUSDT', '-c', 'trade', '--to', 'jsonl', '--admin', f'127.0.0.1:{collector.port()}')
    expect('a port in use is named', code == 1 and 'the port is in use' in said, code, said)
    code, _, said = collector.run('collect', '-e', 'binance', '-s', 'BTCUSDT', '-c', 'trade', '--admin', '0.0.0.0:0')
    expect('without a token only this machine', code == 2 and 'needs a token' in said, code, said)
    code, _, said = collector.run('status', '--url', 'http://127.0.0.1:1')
    expect('status names who does not answer', code == 1 and '127.0.0.1:1' in said, said)


def check_verbs(collector):
    code, out, said = collector.run('status', '--url', collector.url)
    expect('status prints a table', code == 0 and out.startswith('ready') and 'binance public' in out, out, said)
    code, out, _ = collector.run('status', '--json', '--url', collector.url)
    expect('status prints JSON', code == 0 and json.loads(out)['is_ready'])
    code, out, _ = collector.run('report', '--url', collector.url)
    expect('the report names what was saved', code == 0 and '| binance REST |' in out and '## What to change' in out, out)
    code, out, _ = collector.run('report', '--format', 'json', '--url', collector.url)
    report = json.loads(out)
    objects = {pool['name']: pool for pool in report['object_pools']}
    expect('the report tells what memory was used again', objects['event trade']['acquired'] > 100 and
           0 < objects['event trade']['reuse_rate'] <= 1 and report['bytes_not_allocated'] > 100000, objects)
    public = next(pool for pool in report['pools'] if pool['name'] == 'binance public')
    expect('streams that share a connection save dials', public['connections_saved'] == public['streams'] - public['opened'] > 0, public)
    code, out, _ = collector.run('report', '--format', 'html', '--url', collector.url)
    expect('the page has plots and needs nothing else', code == 0 and '<svg' in out and 'src=' not in out and 'href=' not in out)


with Collector(sys.argv[1], extra='late_after_s = 60\nstale_after_s = 120') as collector:
    until('the collector is ready', collector.is_ready)
    until('there is some history', lambda: len(collector.get('/api/v1/memory')['history']['time_s']) >= 2)
    check_documented(collector)
    check_stream(collector)
    check_errors(collector)
    check_strangers(collector)
    check_verbs(collector)
    check_bad_clients(collector)
    proxy = collector.proxies['binance']
    proxy.cut_all()
    until('a lost connection is named', lambda: any('was lost' in m['text'] for m in collector.get('/api/v1/messages')['messages']))
    until('its gap is named', lambda: any(g['reason'] == 'disconnected' for g in collector.get('/api/v1/gaps')['counts']))
    until('it is ready again', collector.is_ready)
    began = time.monotonic()
    expect('drain is taken', collector.request('/api/v1/drain', 'POST')[0] == 202)
    expect('the collector ends in order', collector.collector.wait(60) == 0)
check_token(sys.argv[1])
