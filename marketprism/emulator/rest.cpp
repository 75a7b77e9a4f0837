#include "marketprism/emulator/rest.hpp"

#include <algorithm>

#include "marketprism/wire/url.hpp"

namespace marketprism::emulator {
namespace {

std::string decoded(std::string_view text) {
  Result<std::string> result = wire::percent_decode(text);
  return result ? std::move(*result) : std::string(text);
}

}  // namespace

RestQuery RestQuery::of(std::string_view target) {
  if (const std::size_t scheme = target.find("://"); scheme != std::string_view::npos && scheme < target.find('?')) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  RestQuery query;
  const std::size_t mark = std::min(target.find('?'), target.size());
  query.path = target.substr(0, mark);
  target.remove_prefix(std::min(mark + 1, target.size()));
  while (!target.empty()) {
    const std::size_t end = std::min(target.find('&'), target.size());
    const std::string_view part = target.substr(0, end);
    const std::size_t equals = std::min(part.find('='), part.size());
    if (!part.empty()) {
      query.parameters.emplace_back(decoded(part.substr(0, equals)),
                                    decoded(part.substr(std::min(equals + 1, part.size()))));
    }
    target.remove_prefix(std::min(end + 1, target.size()));
  }
  return query;
}

std::string_view RestQuery::value(std::string_view name) const {
  const auto found = std::ranges::find(parameters, name, [](const auto& parameter) { return parameter.first; });
  return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

bool RestQuery::has(std::string_view name) const {
  return std::ranges::find(parameters, name, [](const auto& parameter) { return parameter.first; }) != parameters.end();
}

}  // namespace marketprism::emulator
