"""What tools/soak.py calls growth: a leak is found, a plateau that wanders is not taken for one."""
import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools'))
import soak  # noqa: E402


def wander(seed, keeps, noise, count=20):
    """Samples a minute apart around 150 MiB (in KiB) that remember `keeps` of where they were."""
    source = random.Random(seed)
    offset, samples = 0.0, []
    for minute in range(count):
        offset = keeps * offset + source.gauss(0, noise)
        samples.append((60 * minute, 150 * 1024 + offset))
    return samples


class SlopeTest(unittest.TestCase):
    def test_finds_a_leak_of_100_kib_a_minute(self):
        for seed in range(50):
            samples = [(time, value + 100 * time / 60) for time, value in wander(seed, 0, 300)]
            slope, low, high = soak.slope_per_minute(samples)
            self.assertTrue(0 < low <= slope <= high, (seed, slope, low, high))
            self.assertTrue(60 < slope < 140, (seed, slope))

    def test_finds_a_leak_of_1_mib_a_minute_in_memory_that_wanders(self):
        found = 0
        for seed in range(200):
            samples = [(time, value + 1024 * time / 60) for time, value in wander(seed, 0.6, 2000)]
            found += soak.slope_per_minute(samples)[1] > 0
        self.assertGreater(found, 160)

    def test_takes_no_wandering_plateau_for_a_leak(self):
        wrong = sum(soak.slope_per_minute(wander(seed, 0.6, 3000))[1] > 0 for seed in range(400))
        self.assertLess(wrong, 0.08 * 400)


if __name__ == '__main__':
    unittest.main()
