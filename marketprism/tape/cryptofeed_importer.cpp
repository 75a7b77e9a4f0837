#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "marketprism/tape/bytes_literal.hpp"
#include "marketprism/tape/importer.hpp"
#include "marketprism/tape/line_importer.hpp"
#include "marketprism/tape/stamp.hpp"

namespace marketprism::tape {

namespace {

/// Recordings of cryptofeed (`raw_data_collection`), a line each:
///   https://host/path?query -> 1633998512.56: {...}      HTTP answer, perhaps followed by ` header: {...}`
///   wss://host/path <-> 1633998511.159679                connected
///   wss://host/path <- 1633998511.2: {...}               sent by the client
///   1633998512.564785: {...}                             received; binary as a Python literal b'...'
class CryptofeedImporter final : public LineImporter {
 public:
  using LineImporter::LineImporter;

 private:
  bool read_line(std::string_view line, Frame& frame) override {
    if (line[0] >= '0' && line[0] <= '9') return read_message(line, line, frame);
    if (line.starts_with("http") || line.starts_with("ws")) return read_url_line(line, frame);
    if (line.starts_with("configuration:")) {
      ++stats_.ignored_lines;
      return false;
    }
    if (line.find_first_not_of(" \t") == std::string_view::npos) {
      ++stats_.ignored_lines;
      return false;
    }
    return malformed(line, "does not begin with a time stamp or a URL");
  }

  /// `rest` is what follows the URL, or the whole line: a stamp, a colon, the payload.
  bool read_message(std::string_view line, std::string_view rest, Frame& frame) {
    const std::optional<UnixTime> time = take_stamp(rest);
    if (!time || !rest.starts_with(':')) return malformed(line, "no time stamp");
    frame.receive_time = *time;
    rest.remove_prefix(rest.starts_with(": ") ? 2 : 1);
    set_payload(rest, frame);
    return true;
  }

  bool read_url_line(std::string_view line, Frame& frame) {
    const std::size_t end = line.find(' ');
    if (end == std::string_view::npos) return malformed(line, "a URL without a time stamp");
    const std::string_view url = line.substr(0, end);
    std::string_view rest = line.substr(end + 1);
    if (rest.starts_with("<-> ")) {
      rest.remove_prefix(4);
      const std::optional<UnixTime> time = take_stamp(rest);
      if (!time) return malformed(line, "no time stamp");
      frame.receive_time = *time;
      frame.kind = FrameKind::connect;
      frame.direction = Direction::sent;
      frame.url = url;
      return true;
    }
    if (rest.starts_with("<- ")) {
      frame.direction = Direction::sent;
      return read_message(line, rest.substr(3), frame);
    }
    if (!rest.starts_with("-> ")) return malformed(line, "a URL without an arrow and a time stamp");
    if (!read_message(line, rest.substr(3), frame)) return false;
    if (url.starts_with("http")) {
      frame.kind = FrameKind::http_response;
      frame.url = url;
      frame.code = 200;
      cut_header(frame.payload);
    }
    return true;
  }

  void set_payload(std::string_view text, Frame& frame) {
    frame.payload = text;
    if (!is_bytes_literal(text)) return;
    read_bytes_literal(text, bytes_);
    frame.kind = FrameKind::binary;
    frame.payload = bytes_;
  }

  /// The headers of an answer, where they were recorded, follow its body on the same line.
  static void cut_header(std::string_view& payload) {
    const std::size_t at = payload.rfind(" header: {");
    if (at == std::string_view::npos || at == 0 || !payload.ends_with('}')) return;
    const char last = payload[at - 1];
    if (last == '}' || last == ']' || last == '\n' || last == ' ') payload = payload.substr(0, at);
  }

  std::string bytes_;
};

}  // namespace

std::unique_ptr<Importer> make_cryptofeed_importer(ImportOptions options) {
  return std::make_unique<CryptofeedImporter>(std::move(options));
}

}  // namespace marketprism::tape
