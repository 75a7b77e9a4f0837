#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "marketprism/wire/http_message.hpp"
#include "marketprism/wire/permessage_deflate.hpp"

namespace marketprism::wire {

namespace {

constexpr std::string_view extension_name = "permessage-deflate";
constexpr std::size_t extensions_max = 32;
constexpr std::size_t parameters_max = 16;

struct Parameter {
  std::string name;
  std::optional<std::string> value;
};

struct Extension {
  std::string name;
  std::vector<Parameter> parameters;
};

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::malformed, fmt::format("websocket extensions: {}", what), true);
}

/// Reads `extension *(";" name ["=" value])`, separated by commas (RFC 6455, section 9.1).
class ExtensionReader {
 public:
  explicit ExtensionReader(std::string_view text) : rest_(text) {}

  Result<std::vector<Extension>> read() {
    std::vector<Extension> extensions;
    for (;;) {
      skip_blanks();
      if (take(',')) continue;  // empty elements of a list are allowed (RFC 9110, section 5.6.1)
      if (rest_.empty()) return extensions;
      if (extensions.size() == extensions_max) return malformed("too many");
      Extension extension{.name = take_token(), .parameters = {}};
      if (extension.name.empty()) return malformed("a name is missing");
      while (take(';')) {
        if (extension.parameters.size() == parameters_max) return malformed("too many parameters");
        Parameter parameter{.name = take_token(), .value = {}};
        if (parameter.name.empty()) return malformed("the name of a parameter is missing");
        if (take('=')) {
          parameter.value = take_value();
          if (parameter.value->empty()) return malformed("a parameter has no value after '='");
        }
        extension.parameters.push_back(std::move(parameter));
      }
      extensions.push_back(std::move(extension));
      if (!rest_.empty() && !take(',')) return malformed("something other than ',' or ';' follows a parameter");
    }
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string take_token() {
    skip_blanks();
    std::size_t size = 0;
    while (size < rest_.size() && check_header(rest_.substr(size, 1), {})) ++size;
    std::string token(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return token;
  }

  /// A token, or a token in quotes; empty if there is neither.
  std::string take_value() {
    if (!take('"')) return take_token();
    std::string value;
    while (!rest_.empty() && rest_[0] != '"') {
      if (rest_[0] == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) return {};
      value += rest_[0];
      rest_.remove_prefix(1);
    }
    return take('"') ? value : std::string();
  }

  std::string_view rest_;
};

/// The parameters of one permessage-deflate, well formed (RFC 7692, section 7.1).
struct Deflate {
  bool server_no_context_takeover = false;
  bool client_no_context_takeover = false;
  std::optional<int> server_max_window_bits;
  std::optional<int> client_max_window_bits;
  bool has_client_max_window_bits = false;  ///< an offer may have it without a value
};

std::optional<int> window_bits(const std::string& text) {
  if (text.size() == 1 && (text[0] == '8' || text[0] == '9')) return text[0] - '0';
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') return 10 + (text[1] - '0');
  return std::nullopt;
}

Result<Deflate> read_deflate(const Extension& extension) {
  Deflate deflate;
  bool has_server_bits = false;
  for (const auto& [name, value] : extension.parameters) {
    const auto wrong = [&name](std::string_view what) { return malformed(fmt::format("{} {}", name, what)); };
    bool* seen = nullptr;
    std::optional<int>* bits = nullptr;
    if (name == "server_no_context_takeover") {
      seen = &deflate.server_no_context_takeover;
    } else if (name == "client_no_context_takeover") {
      seen = &deflate.client_no_context_takeover;
    } else if (name == "server_max_window_bits") {
      seen = &has_server_bits;
      bits = &deflate.server_max_window_bits;
    } else if (name == "client_max_window_bits") {
      seen = &deflate.has_client_max_window_bits;
      bits = &deflate.client_max_window_bits;
    } else {
      return wrong("is no parameter of permessage-deflate");
    }
    if (*seen) return wrong("stands twice");
    *seen = true;
    if (bits == nullptr && value) return wrong("takes no value");
    if (bits != nullptr && value) {
      *bits = window_bits(*value);
      if (!*bits) return wrong(fmt::format("is \"{}\", not 8 to 15", *value));
    }
    if (bits == &deflate.server_max_window_bits && !value) return wrong("has no value");
  }
  return deflate;
}

std::string to_text(const DeflateParameters& parameters) {
  std::string text(extension_name);
  if (parameters.server_no_context_takeover) text += "; server_no_context_takeover";
  if (parameters.client_no_context_takeover) text += "; client_no_context_takeover";
  if (parameters.server_max_window_bits < 15) {
    text += fmt::format("; server_max_window_bits={}", parameters.server_max_window_bits);
  }
  if (parameters.client_max_window_bits < 15) {
    text += fmt::format("; client_max_window_bits={}", parameters.client_max_window_bits);
  }
  return text;
}

}  // namespace

std::string make_deflate_offer(const DeflateOptions& options) {
  std::string offer = to_text(options.wanted);
  if (options.wanted.client_max_window_bits == 15 && options.allow_client_window_limit) {
    offer += "; client_max_window_bits";
  }
  return offer;
}

Result<std::optional<DeflateParameters>> read_deflate_response(const DeflateOptions& options,
                                                               std::string_view extensions) {
  const auto list = ExtensionReader(extensions).read();
  if (!list) return std::unexpected(list.error());
  if (list->empty()) return std::nullopt;
  if (list->size() > 1) return malformed("the server answered with more than the one that was offered");
  if (list->front().name != extension_name) return malformed("the server answered one that was not offered");
  const auto answer = read_deflate(list->front());
  if (!answer) return std::unexpected(answer.error());
  const DeflateParameters& wanted = options.wanted;
  const bool offered_client_bits = wanted.client_max_window_bits < 15 || options.allow_client_window_limit;
  if (wanted.server_no_context_takeover && !answer->server_no_context_takeover) {
    return malformed("the server left out server_no_context_takeover");
  }
  if (answer->server_max_window_bits.value_or(15) > wanted.server_max_window_bits) {
    return malformed("the server left out server_max_window_bits or raised it");
  }
  if (answer->has_client_max_window_bits) {
    if (!offered_client_bits) return malformed("the server answered client_max_window_bits, which was not offered");
    if (!answer->client_max_window_bits) return malformed("the server's client_max_window_bits has no value");
    if (*answer->client_max_window_bits > wanted.client_max_window_bits) {
      return malformed("the server raised client_max_window_bits");
    }
  }
  return DeflateParameters{
      .server_no_context_takeover = answer->server_no_context_takeover,
      // What we hinted at for our own side we may do whatever the server says.
      .client_no_context_takeover = answer->client_no_context_takeover || wanted.client_no_context_takeover,
      .server_max_window_bits = answer->server_max_window_bits.value_or(15),
      .client_max_window_bits = answer->client_max_window_bits.value_or(wanted.client_max_window_bits),
  };
}

std::optional<DeflateAnswer> answer_deflate_offer(const DeflateOptions& options, std::string_view extensions) {
  const auto list = ExtensionReader(extensions).read();
  if (!list) return std::nullopt;
  for (const Extension& extension : *list) {
    if (extension.name != extension_name) continue;
    const auto offer = read_deflate(extension);
    if (!offer) continue;
    const DeflateParameters& wanted = options.wanted;
    DeflateParameters agreed;
    agreed.server_no_context_takeover = offer->server_no_context_takeover || wanted.server_no_context_takeover;
    agreed.client_no_context_takeover = offer->client_no_context_takeover || wanted.client_no_context_takeover;
    agreed.server_max_window_bits = std::min(offer->server_max_window_bits.value_or(15), wanted.server_max_window_bits);
    // A client that did not say it understands a limit of its window must not be given one.
    if (offer->has_client_max_window_bits) {
      agreed.client_max_window_bits =
          std::min(offer->client_max_window_bits.value_or(15), wanted.client_max_window_bits);
    }
    return DeflateAnswer{agreed, to_text(agreed)};
  }
  return std::nullopt;
}

}  // namespace marketprism::wire
