"""prometheus_test.py PROGRAM: Debian's Prometheus scrapes a running collector and has every metric; the alert rules load and fire."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
from harness import Collector, expect, needed, opener, until  # noqa: E402

needed('prometheus', 'promtool')
CONFIG = '''global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: marketprism
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
'''


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def documented():
    with open('docs/monitoring.md', encoding='utf-8') as document:
        rows = [line.split('|') for line in document if line.startswith('| `marketprism_')]
    return [(row[1].strip(' `'), row[2].strip()) for row in rows]


with Collector(sys.argv[1], extra='late_after_s = 60\nstale_after_s = 120') as collector, tempfile.TemporaryDirectory() as scratch:
    until('the collector is ready', collector.is_ready)
    for accept in ('text/plain', 'application/openmetrics-text'):
        status, headers, body = collector.request('/metrics', headers={'Accept': accept})
        expect(f'{accept} is answered', status == 200 and headers['Content-Type'].startswith(accept))
        if accept == 'text/plain':
            done = subprocess.run(['promtool', 'check', 'metrics'], input=body, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            expect('promtool finds nothing wrong', done.returncode == 0, done.stdout)
    config = os.path.join(scratch, 'prometheus.yml')
    with open(config, 'w', encoding='utf-8') as out:
        out.write(CONFIG.format(rules=os.path.abspath('monitoring/alerts.yml'), port=collector.port()))
    port = free_port()
    log = open(os.path.join(scratch, 'log'), 'w+', encoding='utf-8')
    prometheus = subprocess.Popen(['prometheus', f'--config.file={config}', f'--storage.tsdb.path={scratch}/data',
                                   f'--web.listen-address=127.0.0.1:{port}'], stdout=log, stderr=log)

    def ask(path, **query):
        try:
            with opener.open(f'http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}', timeout=10) as reply:
                return json.load(reply)['data']
        except OSError:
            return None

    def value(query):
        data = ask('query', query=query)
        return data['result'] if data else []

    try:
        until('Prometheus scrapes the collector', lambda: value('up{job="marketprism"} == 1'))
        for name, kind in documented():
            query = f'{name}_count' if kind == 'histogram' else name
            until(f'{query} is there', lambda: value(query))
        until('rates can be made', lambda: any(float(one['value'][1]) > 0 for one in value('rate(marketprism_feed_frames_total[10s])')))
        until('quantiles can be made', lambda: value('histogram_quantile(0.99, rate(marketprism_feed_delay_seconds_bucket[10s]))'))
        loaded = [rule['name'] for group in ask('rules')['groups'] for rule in group['rules']]
        expect('the alert rules are loaded', len(loaded) >= 16, loaded)
        # Not even one that waits whether it lasts; a book may have waited for its snapshot just now.
        until('no alarm while all is well', lambda: ask('alerts')['alerts'] == [])
        types = {name: one[0]['type'] for name, one in ask('metadata').items() if name.startswith('marketprism_')}
        expect('the types are those of the document', all(types.get(name, types.get(name.removesuffix('_total'))) == kind for name, kind in documented()), types)
    finally:
        prometheus.terminate()
        prometheus.wait(60)
        log.seek(0)
        errors = [line for line in log if ('level=error' in line or 'level=warn' in line) and 'SIGTERM' not in line]
        log.close()
    expect('Prometheus has nothing to complain of', not errors, errors)
