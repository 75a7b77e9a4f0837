"""alerts_test.py PROGRAM: promtool accepts the alert rules, and they fire when they should and only then."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import needed  # noqa: E402

needed('promtool')
for command in (['check', 'rules', 'monitoring/alerts.yml'], ['test', 'rules', os.path.join(os.path.dirname(__file__), 'alerts_test.yml')]):
    subprocess.run(['promtool', *command], check=True)
