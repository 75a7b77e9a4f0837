// When data counts as late or stale: the collector's own rules (marketprism/collector/freshness.cpp), for what the page works out itself.
const factors = {candle: 12, funding_rate: 12, open_interest: 12, liquidation: Infinity, gap: Infinity, instrument: Infinity};
let limits = {late_after_s: 5, stale_after_s: 15};

export const lateAfter = () => limits.late_after_s;

export async function loadLimits() {
  const reply = await fetch('/api/v1/config').catch(() => null);
  if (reply?.ok) limits = (await reply.json()).admin;
}

export function healthOf(type, age_s) {
  const factor = factors[type] ?? 1;
  if (age_s >= limits.stale_after_s * factor) return 'stale';
  return age_s >= limits.late_after_s * factor ? 'late' : 'fresh';
}

// A stream that was never heard (-1) has been silent since the collector began, as the API counts it.
export const silentFor = (age_s, {status, silence_s = 0}) => (age_s < 0 ? status.uptime_s + silence_s : age_s);

// The picture as it is `seconds` later if nothing has come since: ages go on counting.
export function aged(picture, seconds) {
  const {status} = picture;
  const attention = [{level: 'stale', view: 'overview', text: 'the collector does not answer; see whether it runs'}, ...status.attention];
  const later = {...picture, silence_s: seconds, status: {...status, attention, is_ready: false, why_not: 'the collector does not answer'}};
  const counts = {};
  const streams = picture.feeds.streams.map(([exchange, symbol, type, age_s, ...others]) => {
    const age = age_s < 0 ? age_s : age_s + seconds;
    const count = (counts[`${exchange}/${type}`] ??= {fresh: 0, late: 0, stale: 0});
    ++count[healthOf(type, silentFor(age, later))];
    return [exchange, symbol, type, age, ...others];
  });
  const feeds = picture.feeds.feeds.map((feed) => {
    const age_s = feed.age_s + seconds;
    return {...feed, ...counts[`${feed.exchange}/${feed.data_type}`], age_s, health: healthOf(feed.data_type, age_s)};
  });
  return {...later, feeds: {...picture.feeds, feeds, streams}};
}
