#pragma once

namespace marketprism::app {

struct ScrapeFigures {
  double scrape_ms = 0;      ///< from the request for the numbers to the finished page
  double loop_delay_ms = 0;  ///< how long the loop that owns the numbers is kept from its work
  double page_bytes = 0;
};

/// Scrapes a registry of 5,000 series, counters of one running loop, a number of times; the medians.
ScrapeFigures measure_scrape();

}  // namespace marketprism::app
