#pragma once
#include <span>
#include <string>

#include "marketprism/collector/config.hpp"
#include "marketprism/collector/picture.hpp"

namespace marketprism::collector {

/// The bodies of the admin API's answers, each a JSON object. Times are in milliseconds (`_ms`), ages and uptimes in
/// seconds (`_s`); docs/openapi.json describes every field.
std::string status_json(const Picture& picture);
std::string pools_json(const Picture& picture);
std::string connections_json(const Picture& picture);
std::string feeds_json(const Picture& picture);
std::string loops_json(const Picture& picture);
std::string queues_json(const Picture& picture);
std::string sinks_json(const Picture& picture);
std::string gaps_json(const Picture& picture);
/// The configuration as it holds, without secrets: tokens are left out, users and passwords are cut out of URLs.
std::string config_json(const CollectConfig& config);
std::string book_json(const BookSnapshot& book);
std::string books_json(std::span<const BookSummary> books, UnixTime now);

/// One table for terminals, of the same numbers.
std::string status_text(const Picture& picture);

}  // namespace marketprism::collector
