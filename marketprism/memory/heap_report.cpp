// What heap profiles look like to people. Declared in heap_profiler.hpp.
#include <algorithm>
#include <map>
#include <ranges>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/base/stack_trace.hpp"
#include "marketprism/memory/heap_profiler.hpp"

namespace marketprism::memory {
namespace {

using Stack = std::vector<std::string>;  // innermost first

/// The stacks of all sites by name, without the profiler's and the allocator's own frames.
std::vector<Stack> named_stacks(const HeapProfile& profile) {
  std::vector<void*> addresses;
  std::unordered_map<void*, std::size_t> place;
  for (const HeapSite& site : profile.sites) {
    for (void* frame : site.stack()) {
      if (place.emplace(frame, addresses.size()).second) addresses.push_back(frame);
    }
  }
  const std::vector<std::string> names = function_names(addresses);
  std::vector<Stack> stacks;
  for (const HeapSite& site : profile.sites) {
    Stack& stack = stacks.emplace_back();
    for (void* frame : site.stack()) stack.push_back(names[place[frame]]);
    const auto is_own = [](const std::string& name) {
      return name.starts_with("operator new") || name.find("memory::detail::HeapSampler") != name.npos ||
             name.find("::(anonymous namespace)::allocate(") != name.npos ||
             name.starts_with("(anonymous namespace)::allocate(") || name.find("__sanitizer_malloc_hook") != name.npos;
    };
    const auto last = std::ranges::find_if(stack.rbegin(), stack.rend(), is_own);
    stack.erase(stack.begin(), last.base());
  }
  return stacks;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text);
  return out += '"';
}

std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

struct Flame {
  std::uint64_t bytes = 0;
  std::map<std::string, Flame> callees;
};

constexpr double width = 1200, row = 17, narrowest = 0.5;

std::size_t height_of(const Flame& flame) {
  std::size_t highest = 0;
  for (const auto& [name, callee] : flame.callees) highest = std::max(highest, height_of(callee));
  return highest + 1;
}

void draw(std::string& out, const std::string& name, const Flame& flame, double x, double bottom, double scale) {
  const double wide = static_cast<double>(flame.bytes) * scale;
  if (wide < narrowest) return;
  const std::size_t letters = static_cast<std::size_t>(wide / 7);
  const std::string label = letters < 3 ? "" : name.size() <= letters ? name : name.substr(0, letters - 1) + "…";
  const auto green = 120 + std::hash<std::string>{}(name) % 110;  // red to yellow
  out +=
      fmt::format(R"(<g><title>{}: {:.2f} MiB</title><rect x="{:.1f}" y="{:.0f}" width="{:.1f}" height="{:.0f}" )"
                  R"(fill="#ff{:02x}60" stroke="white" stroke-width="0.5"/><text x="{:.1f}" y="{:.0f}">{}</text></g>)"
                  "\n",
                  xml_text(name), static_cast<double>(flame.bytes) / (1 << 20), x, bottom - row, wide, row, green,
                  x + 3, bottom - 5, xml_text(label));
  for (const auto& [callee, its] : flame.callees) {
    draw(out, callee, its, x, bottom - row, scale);
    x += static_cast<double>(its.bytes) * scale;
  }
}

}  // namespace

std::string heap_profile_json(const HeapProfile& profile) {
  const std::vector<Stack> stacks = named_stacks(profile);
  std::string out = fmt::format(R"({{"on":{},"sample_bytes":{},"samples":{},"dropped":{},"sites":[)", profile.is_on,
                                profile.sample_bytes, profile.samples, profile.dropped);
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    const HeapSite& site = profile.sites[i];
    out += fmt::format(
        R"({}{{"live_bytes":{},"peak_bytes":{},"total_bytes":{},"live_samples":{},"total_samples":{},"stack":[)",
        i == 0 ? "" : ",", site.live_bytes, site.peak_bytes, site.total_bytes, site.live_samples, site.total_samples);
    for (std::size_t f = 0; f < stacks[i].size(); ++f) out += (f == 0 ? "" : ",") + quoted(stacks[i][f]);
    out += "]}";
  }
  return out += "]}";
}

std::string heap_flame_graph_svg(const HeapProfile& profile) {
  Flame all;
  const std::vector<Stack> stacks = named_stacks(profile);
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    const std::uint64_t bytes = profile.sites[i].live_bytes;
    if (bytes == 0) continue;
    Flame* at = &all;
    at->bytes += bytes;
    for (const std::string& name : stacks[i] | std::views::reverse) {
      at = &at->callees[name];
      at->bytes += bytes;
    }
  }
  const double high = static_cast<double>(height_of(all)) * row;
  std::string out = fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {:.0f} {:.0f}" )"
                                R"(font-family="sans-serif" font-size="11">)"
                                "\n",
                                width, high);
  if (all.bytes > 0) draw(out, "live heap", all, 0, high, width / static_cast<double>(all.bytes));
  return out += "</svg>\n";
}

}  // namespace marketprism::memory
