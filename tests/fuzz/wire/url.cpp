// A URL that is taken can be printed and is read back the same; nothing in it can break a request.
#include "marketprism/wire/url.hpp"

#include <cstdint>
#include <cstdlib>

#include "marketprism/wire/http_message.hpp"

namespace {

void require(bool is_true) {
  if (!is_true) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace marketprism::wire;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  require(percent_decode(percent_encode(input)).value() == input);
  (void)percent_decode(input);
  const auto url = parse_url(input);
  if (!url) {
    require(!url.error().message.empty());
    return 0;
  }
  require(!url->host.empty() && url->port != 0 && url->path.starts_with('/'));
  std::string head;
  require(append_head(head, HttpRequestHead{.target = url->target(), .headers = {{"Host", url->host_header()}}})
              .has_value());
  require(parse_request_head(head).has_value());
  auto expected = *url;
  expected.user.clear();
  expected.password.clear();
  const auto again = parse_url(url->to_string());
  require(again.has_value() && *again == expected);
  return 0;
}
