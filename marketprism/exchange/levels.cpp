#include "marketprism/exchange/levels.hpp"

namespace marketprism::exchange {

bool read_levels(JsonReader& json, std::vector<market::Level>& levels) {
  if (!json.enter_array()) return false;
  while (json.next_element()) {
    market::Level& level = levels.emplace_back();
    if (!json.enter_array() || !json.next_element()) return false;
    if (!Decimal::parse(json.text(), level.price) || !json.next_element()) return false;
    if (!Decimal::parse(json.text(), level.amount)) return false;
    while (json.next_element()) json.skip();
  }
  return !json.failed();
}

std::string_view query_value(std::string_view target, std::string_view name) {
  std::size_t at = target.find('?');
  while (at != std::string_view::npos) {
    ++at;
    const std::size_t end = target.find('&', at);
    const std::string_view pair = target.substr(at, end == std::string_view::npos ? end : end - at);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return pair.substr(name.size() + 1);
    at = end;
  }
  return {};
}

std::string_view path_of(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (const std::size_t scheme = target.find("://"); scheme != std::string_view::npos) {
    const std::size_t path = target.find('/', scheme + 3);
    return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  return target;
}

}  // namespace marketprism::exchange
