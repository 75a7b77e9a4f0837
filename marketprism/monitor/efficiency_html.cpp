// The efficiency report as one page: tables as in Markdown, plots as inline SVG.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "marketprism/monitor/efficiency_report.hpp"

namespace marketprism::monitor {
namespace {

constexpr std::string_view style =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#17212b;"
    "background:#fff;font-variant-numeric:tabular-nums}h1{font-size:24px}h2{font-size:17px;margin:1.8em 0 .5em}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid "
    "#d9dee4}th{color:#5c6873;font-weight:500;font-size:13px}svg{width:100%;height:auto}.scroll{overflow-x:auto}"
    "figcaption{color:#5c6873;font-size:13px}figure{margin:1em 0}text{fill:#5c6873;font:11px system-ui}"
    "@media(prefers-color-scheme:dark){body{color:#e4eaf0;background:#0c1116}th,td{border-color:#26303a}"
    "th,figcaption{color:#93a0ad}text{fill:#93a0ad}}";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

/// **bold** of one line of Markdown.
std::string inline_html(std::string_view line) {
  std::string out = escaped(line);
  for (bool is_open = true; out.find("**") != std::string::npos; is_open = !is_open)
    out.replace(out.find("**"), 2, is_open ? "<b>" : "</b>");
  return out;
}

void add_row(std::string& html, std::string_view line, std::string_view tag) {
  html += "<tr>";
  line = line.substr(2, line.size() - 4);  // "| " and " |"
  while (true) {
    const std::size_t end = std::min(line.find(" | "), line.size());
    html += fmt::format("<{0}>{1}</{0}>", tag, inline_html(line.substr(0, end)));
    if (end == line.size()) break;
    line.remove_prefix(end + 3);
  }
  html += "</tr>\n";
}

/// The subset of Markdown that this report is written in.
std::string body_html(std::string_view markdown) {
  std::string html;
  bool is_table = false;
  while (!markdown.empty()) {
    const std::size_t end = std::min(markdown.find('\n'), markdown.size());
    const std::string_view line = markdown.substr(0, end);
    markdown.remove_prefix(std::min(end + 1, markdown.size()));
    if (line.starts_with("|---")) continue;
    if (line.starts_with("| ")) {
      if (!is_table) html += "<div class=scroll><table>\n";
      add_row(html, line, is_table ? "td" : "th");
      is_table = true;
      continue;
    }
    if (std::exchange(is_table, false)) html += "</table></div>\n";
    if (line.starts_with("# "))
      html += "<h1>" + inline_html(line.substr(2)) + "</h1>\n";
    else if (line.starts_with("## "))
      html += "<h2>" + inline_html(line.substr(3)) + "</h2>\n";
    else if (line.starts_with("- "))
      html += "<p>" + inline_html(line.substr(2)) + "</p>\n";
    else if (!line.empty())
      html += "<p>" + inline_html(line) + "</p>\n";
  }
  if (is_table) html += "</table></div>\n";
  return html;
}

constexpr double plot_width = 920, plot_height = 200, left = 70, bottom = 24;

std::string figure(std::string_view caption, std::string_view drawing) {
  return fmt::format(
      "<figure><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg><figcaption>{}"
      "</figcaption></figure>\n",
      plot_width, plot_height, escaped(caption), drawing, escaped(caption));
}

std::string line_plot(std::string_view caption, const TimeSeries& series, double divisor, std::string_view unit) {
  if (series.values.size() < 2) return {};
  const double most = std::max(*std::ranges::max_element(series.values), 1e-9) * 1.1;
  const double first = static_cast<double>(series.time_s.front());
  const double span = std::max(static_cast<double>(series.time_s.back()) - first, 1.0);
  const auto y = [&](double value) { return 8 + (plot_height - bottom - 8) * (1 - value / most); };
  std::string points;
  for (std::size_t i = 0; i < series.values.size(); ++i) {
    const double x = left + (plot_width - left - 10) * (static_cast<double>(series.time_s[i]) - first) / span;
    points += fmt::format("{:.1f},{:.1f} ", x, y(series.values[i]));
  }
  std::string out;
  for (const double share : {0.0, 0.5, 1.0}) {
    const double value = most / 1.1 * share;
    out += fmt::format(
        "<path d=\"M{0} {1:.1f}H{2}\" stroke=\"#8884\"/><text x=\"{3}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5:.4g} {6}</text>",
        left, y(value), plot_width - 10, left - 8, y(value) + 4, value / divisor, unit);
  }
  out += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#2f6fed\" stroke-width=\"2\"/>", points);
  out += fmt::format("<text x=\"{}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.0f} s</text>",
                     left, plot_height - 6, plot_width - 10, plot_height - 6, span);
  return figure(caption, out);
}

/// Opened and saved connections of each pool, side by side.
std::string savings_plot(const EfficiencyInput& input) {
  std::vector<const PoolEfficiency*> used;
  std::uint64_t most = 1;
  for (const PoolEfficiency& pool : input.pools) {
    if (pool.stats.counters.created == 0) continue;
    used.push_back(&pool);
    most = std::max({most, pool.stats.counters.created, pool.connections_saved()});
  }
  if (used.empty()) return {};
  const double slot = (plot_width - left - 10) / static_cast<double>(used.size());
  const auto height = [&](std::uint64_t value) {
    return (plot_height - bottom - 20) * static_cast<double>(value) / static_cast<double>(most);
  };
  std::string out;
  for (std::size_t i = 0; i < used.size(); ++i) {
    const double x = left + slot * static_cast<double>(i);
    const auto bar = [&](double offset, std::uint64_t value, std::string_view fill) {
      out += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
          x + offset * slot, plot_height - bottom - height(value), slot * 0.3, height(value), fill, x + offset * slot,
          plot_height - bottom - height(value) - 4, value);
    };
    bar(0.1, used[i]->stats.counters.created, "#94a3b8");
    bar(0.45, used[i]->connections_saved(), "#15803d");
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text>", x + 0.1 * slot, plot_height - 6,
                       escaped(used[i]->name.substr(0, static_cast<std::size_t>(slot / 7))));
  }
  return figure("Connections opened (grey) and saved (green), by pool", out);
}

}  // namespace

std::string efficiency_html(const EfficiencyInput& input) {
  std::string body = body_html(efficiency_markdown(input));
  const auto insert_before = [&](std::string_view heading, const std::string& plot) {
    const std::size_t at = body.find(heading);
    if (at != std::string::npos) body.insert(at, plot);
  };
  insert_before("<h2>Memory", savings_plot(input));
  insert_before("<h2>Event loop", line_plot("Resident memory", input.memory.rss_bytes, 1 << 20, "MiB"));
  insert_before("<h2>What to change",
                line_plot("Lag of the event loop, p99 of each 5 s", input.loop_lag_p99_ms, 1, "ms"));
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>MarketPrism efficiency report</title><style>{}</style>"
      "</head><body>\n{}</body></html>\n",
      style, body);
}

}  // namespace marketprism::monitor
