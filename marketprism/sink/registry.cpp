#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/nearest.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink {

#define SINK(name, space)                                  \
  namespace space {                                        \
  Result<std::unique_ptr<Sink>> open(SinkOptions options); \
  }
#include "marketprism/sink/sinks.def"
#undef SINK

namespace {

struct Entry {
  std::string_view name;
  Result<std::unique_ptr<Sink>> (*open)(SinkOptions);
};

constexpr auto entries = std::to_array<Entry>({
#define SINK(name, space) {#name, space::open},
#include "marketprism/sink/sinks.def"
#undef SINK
});

}  // namespace

std::vector<std::string_view> sink_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
}

Result<std::unique_ptr<Sink>> make_sink(std::string_view name, SinkOptions options) {
  const auto found = std::ranges::find(entries, name, &Entry::name);
  if (found != entries.end()) return found->open(std::move(options));
  return fail(ErrorCode::not_found,
              fmt::format("no sink is called \"{}\"; did you mean \"{}\"?", name, nearest(name, sink_names())), true);
}

}  // namespace marketprism::sink
