"""Chromium by the WebDriver protocol, as far as the tests need it."""
import base64
import json
import re
import subprocess
import tempfile

from harness import opener
import urllib.request


class Browser:
    def __init__(self, width=1280, height=900, dark=False, logs=True):
        """Without logs, which cost the page time, nothing can be told of its complaints and requests."""
        self.size = width, height
        self.profile = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(['chromedriver', '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            found = re.search(r'started successfully on port (\d+)', line)
            if found:
                break
        self.base = f'http://127.0.0.1:{found.group(1)}'
        arguments = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server', '--hide-scrollbars',
                     '--force-device-scale-factor=1', f'--user-data-dir={self.profile.name}', f'--window-size={width},{height}']
        if dark:
            arguments.append('--force-dark-mode')
        options = {'goog:chromeOptions': {'args': arguments}}
        if logs:
            options['goog:loggingPrefs'] = {'browser': 'ALL', 'performance': 'ALL'}
        made = self.call('POST', '/session', {'capabilities': {'alwaysMatch': options}})
        self.base += f'/session/{made["sessionId"]}'
        self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.prefer('dark' if dark else 'light')

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        try:
            self.call('DELETE', '')
        finally:
            self.driver.terminate()
            self.driver.wait(30)
            self.profile.cleanup()

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={'Content-Type': 'application/json'})
        try:
            with opener.open(request, timeout=120) as reply:
                return json.load(reply)['value']
        except urllib.error.HTTPError as error:
            raise RuntimeError(f'{method} {path}: {error.read().decode()[:500]}') from None

    def devtools(self, command, **parameters):
        return self.call('POST', '/goog/cdp/execute', {'cmd': command, 'params': parameters})

    def prefer(self, scheme):
        self.devtools('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme}])

    def before_pages(self, script):
        """Runs in each page that is opened from now on, before its own scripts."""
        self.devtools('Page.addScriptToEvaluateOnNewDocument', source=script)

    def open(self, url):
        self.call('POST', '/url', {'url': url})

    def run(self, script, *arguments):
        """The value that the script returns."""
        return self.call('POST', '/execute/sync', {'script': script, 'args': list(arguments)})

    def press(self, key):
        self.call('POST', '/actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': [
            {'type': 'keyDown', 'value': key}, {'type': 'keyUp', 'value': key}]}]})

    def screenshot(self, path, whole=False):
        width, height = self.size
        if whole:
            height = max(height, self.run('return document.documentElement.scrollHeight'))
            self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        with open(path, 'wb') as out:
            out.write(base64.b64decode(self.call('GET', '/screenshot')))
        if whole:
            self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=self.size[1], deviceScaleFactor=1, mobile=width < 600)

    def complaints(self):
        """What the page logged as wrong."""
        return [entry['message'] for entry in self.call('POST', '/se/log', {'type': 'browser'}) if entry['level'] in ('SEVERE', 'WARNING')]

    def requested(self):
        """The addresses of all requests so far."""
        entries = (json.loads(entry['message'])['message'] for entry in self.call('POST', '/se/log', {'type': 'performance'}))
        return [one['params']['request']['url'] for one in entries if one['method'] == 'Network.requestWillBeSent']
