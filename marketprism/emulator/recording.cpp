#include "marketprism/emulator/recording.hpp"

#include <algorithm>
#include <array>

namespace marketprism::emulator {
namespace {

constexpr std::array<std::string_view, 7> subject_names{"symbol",   "pair", "instId",         "instType",
                                                        "currency", "kind", "instrument_name"};

std::string_view family(const RestQuery& query) {
  return query.has("instFamily") ? query.value("instFamily") : query.value("uly");
}

/// How many things both name and are equal; nothing if one differs.
std::optional<int> likeness(const RestQuery& asked, const RestQuery& recorded) {
  if (recorded.path.empty()) {  // a snapshot without a URL
    const bool is_it = asked.path.ends_with("/depth") && asked.value("symbol") == recorded.value("symbol");
    return is_it ? std::optional(1) : std::nullopt;
  }
  if (asked.path != recorded.path) return std::nullopt;
  int equal = 0;
  const auto compare = [&](std::string_view a, std::string_view b) {
    if (a.empty() || b.empty()) return true;
    ++equal;
    return a == b;
  };
  for (const std::string_view name : subject_names) {
    if (!compare(asked.value(name), recorded.value(name))) return std::nullopt;
  }
  if (!compare(family(asked), family(recorded))) return std::nullopt;
  return equal;
}

std::string joined_answer(const Recording& recording, const Dialect& dialect, const RestQuery& query) {
  std::vector<std::string_view> bodies;
  std::vector<const RestQuery*> seen;
  for (const Recording::Answer& answer : recording.answers()) {
    if (answer.query.path != query.path) continue;
    const auto same = [&](const RestQuery* other) { return other->parameters == answer.query.parameters; };
    if (std::ranges::any_of(seen, same)) continue;
    seen.push_back(&answer.query);
    bodies.push_back(recording.text(answer));
  }
  return bodies.empty() ? std::string() : dialect.join(bodies);
}

}  // namespace

std::size_t Recording::keep(std::string_view payload) {
  const std::size_t at = text_.size();
  text_.append(payload);
  return at;
}

void Recording::add(const tape::Frame& frame) {
  if (frame.direction == tape::Direction::sent) return;
  if (frame.kind == tape::FrameKind::http_response) {
    if (frame.code != 200 && frame.code != 0) return;
    RestQuery query = frame.url.empty() ? RestQuery() : RestQuery::of(frame.url);
    if (frame.url.empty()) query.parameters.emplace_back("symbol", frame.symbol_hint);
    answers_.push_back({frame.receive_time, std::move(query), keep(frame.payload), frame.payload.size()});
    return;
  }
  if (frame.kind != tape::FrameKind::text && frame.kind != tape::FrameKind::binary) return;
  std::string name = dialect_->stream_of(frame.payload);
  if (name.empty()) {
    ++control_frames_;
    return;
  }
  const auto [at, is_new] = stream_numbers_.try_emplace(name, static_cast<std::uint32_t>(streams_.size()));
  if (is_new) streams_.push_back(std::move(name));
  frames_.push_back({frame.receive_time, at->second, keep(frame.payload), frame.payload.size()});
}

Result<std::shared_ptr<Recording>> make_recording(std::string_view exchange) {
  Result<std::unique_ptr<Dialect>> dialect = make_dialect(exchange);
  if (!dialect) return std::unexpected(std::move(dialect.error()));
  return std::make_shared<Recording>(std::move(*dialect));
}

std::optional<std::string> find_answer(const Recording& recording, const Dialect& dialect, const RestQuery& query,
                                       UnixTime position) {
  const Recording::Answer* best = nullptr;
  int best_likeness = -1;
  for (const Recording::Answer& answer : recording.answers()) {
    const std::optional<int> equal = likeness(query, answer.query);
    if (!equal) continue;
    const bool is_later_but_due = *equal == best_likeness && answer.time <= position;
    if (*equal > best_likeness || is_later_but_due) {
      best = &answer;
      best_likeness = *equal;
    }
  }
  if (best != nullptr) return std::string(recording.text(*best));
  if (!dialect.joins_answers(query)) return std::nullopt;
  std::string joined = joined_answer(recording, dialect, query);
  return joined.empty() ? std::nullopt : std::optional(std::move(joined));
}

}  // namespace marketprism::emulator
