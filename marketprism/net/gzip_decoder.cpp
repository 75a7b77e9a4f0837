#include "marketprism/net/gzip_decoder.hpp"

#include <algorithm>
#include <cassert>
#include <new>

#include <zlib.h>

namespace marketprism::net {

struct GzipDecoder::State {
  z_stream stream{};
  bool has_begun = false;
  bool is_complete = false;
  bool has_more = false;
};

GzipDecoder::GzipDecoder() : state_(std::make_unique<State>()) {
  // 32: gzip or zlib, told by the first bytes.
  if (inflateInit2(&state_->stream, 15 + 32) != Z_OK) throw std::bad_alloc();
}

GzipDecoder::~GzipDecoder() { inflateEnd(&state_->stream); }

void GzipDecoder::reset() {
  inflateReset(&state_->stream);
  state_->has_begun = state_->is_complete = state_->has_more = false;
}

bool GzipDecoder::has_begun() const { return state_->has_begun; }
bool GzipDecoder::is_complete() const { return state_->is_complete; }
bool GzipDecoder::has_more() const { return state_->has_more; }

Result<> GzipDecoder::decode(std::string_view bytes, std::string& out, std::size_t size_max) {
  const auto taken = decode_some(bytes, out, size_max == SIZE_MAX ? size_max : size_max + 1);
  if (!taken) return std::unexpected(taken.error());
  if (out.size() <= size_max) return {};
  return fail(ErrorCode::too_large,
              "HTTP: the body is larger than " + std::to_string(size_max) + " bytes when decompressed");
}

Result<std::size_t> GzipDecoder::decode_some(std::string_view bytes, std::string& out, std::size_t size_max) {
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(bytes.size());
  state_->has_begun |= !bytes.empty();
  while (out.size() < size_max) {
    state_->has_more = false;
    if (state_->is_complete) {
      constexpr Bytef gzip_begins = 0x1F;  // RFC 1952, section 2.2: another member may follow
      if (stream.avail_in == 0) return bytes.size();
      if (*stream.next_in != gzip_begins) {
        return fail(ErrorCode::malformed, "HTTP: bytes after the end of the gzip stream");
      }
      inflateReset(&stream);
      state_->is_complete = false;
    }
    const std::size_t used = out.size();
    const std::size_t room = std::min(std::max<std::size_t>(bytes.size() * 3, 4096), size_max - used);
    out.resize(used + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    out.resize(used + room - stream.avail_out);
    if (result == Z_STREAM_END) {
      state_->is_complete = true;
    } else if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) {
      return bytes.size() - stream.avail_in;
    } else if (result != Z_OK) {
      return fail(ErrorCode::malformed, "HTTP: the body is not the gzip stream it says it is");
    }
    state_->has_more = !state_->is_complete;
  }
  return bytes.size() - stream.avail_in;
}

std::string gzip(std::string_view text, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  assert(result == Z_STREAM_END);
  static_cast<void>(result);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace marketprism::net
