// Numbers and times as people read them.

// Made once: making one costs more than all it formats for a view.
const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const timeOfDay = new Intl.DateTimeFormat('en-GB', {timeStyle: 'medium'});

export function count(value) {
  if (value < 10000) return whole.format(Math.round(value));
  if (value < 1e6) return (value / 1e3).toFixed(value < 1e5 ? 1 : 0) + 'k';
  if (value < 1e9) return (value / 1e6).toFixed(value < 1e7 ? 2 : 1) + 'M';
  return (value / 1e9).toFixed(2) + 'G';
}

export function bytes(value) {
  if (value < 0) return `−${bytes(-value)}`;
  for (const unit of ['B', 'KiB', 'MiB']) {
    if (value < 1000) return `${value < 10 && unit !== 'B' ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(2)} GiB`;
}

export function milliseconds(value) {
  if (value < 0.0995) return `${Math.round(value * 1000)} µs`;
  if (value < 9.95) return `${value.toFixed(value < 0.995 ? 2 : 1)} ms`;
  if (value < 999.5) return `${Math.round(value)} ms`;
  return duration(value / 1000);
}

export function duration(seconds) {
  if (seconds < 0) return 'never';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86400).toFixed(1)} d`;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0.0995 ? 0 : 1)} %`;

export const clock = (time_ms) => timeOfDay.format(time_ms);
