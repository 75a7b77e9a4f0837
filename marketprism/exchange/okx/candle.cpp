#include "marketprism/exchange/okx/candle.hpp"

#include <algorithm>

#include "marketprism/exchange/held_events.hpp"

namespace marketprism::exchange::okx {
namespace {

UnixTime close_time_of(UnixTime open_time, const Interval& interval) {
  using namespace std::chrono;
  if (interval.months > 0) {
    const year_month_day day(floor<days>(open_time));
    return sys_days(day.year() / day.month() / 1 + months(interval.months)) - milliseconds(1);
  }
  return open_time + (interval.minutes > 0 ? nanoseconds(minutes(interval.minutes)) : nanoseconds(seconds(1))) -
         milliseconds(1);
}

}  // namespace

const Interval* interval_of_channel(std::string_view channel) {
  const auto at = std::ranges::find(intervals, channel, &Interval::channel);
  return at == intervals.end() ? nullptr : &*at;
}

const Interval* interval_named(std::string_view name) {
  const auto at = std::ranges::find(intervals, name, &Interval::name);
  return at == intervals.end() ? interval_of_channel(name) : &*at;
}

bool read_candle(JsonReader& json, std::string_view channel, market::Candle& candle) {
  const Interval* const interval = interval_of_channel(channel);
  candle.interval = interval != nullptr ? interval->name : channel;
  if (!json.enter_array()) return false;
  std::size_t count = 0;
  std::string_view last;
  bool is_good = true;
  while (json.next_element()) {
    last = json.text();
    switch (count++) {
      case 0: candle.open_time = time_of_ms(last); break;
      case 1: is_good = is_good && Decimal::parse(last, candle.open); break;
      case 2: is_good = is_good && Decimal::parse(last, candle.high); break;
      case 3: is_good = is_good && Decimal::parse(last, candle.low); break;
      case 4: is_good = is_good && Decimal::parse(last, candle.close); break;
      case 5: is_good = is_good && Decimal::parse(last, candle.volume); break;
      default: break;
    }
  }
  if (json.failed() || count < 6 || !is_good || candle.open_time == no_time) return false;
  candle.close_time = interval != nullptr ? close_time_of(candle.open_time, *interval) : no_time;
  candle.is_closed =
      count >= 9 && last == "1";  // recordings before 2022-11 have seven or eight columns and no such mark
  return true;
}

}  // namespace marketprism::exchange::okx
