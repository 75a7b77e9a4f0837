#include "marketprism/wire/permessage_deflate.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>
#include <zlib.h>

namespace marketprism::wire {

namespace {

using namespace std::string_view_literals;

// RFC 7692, section 7.2.1: the end of an empty stored block, which every message ends with and none carries.
constexpr std::string_view message_tail = "\x00\x00\xff\xff"sv;
constexpr std::size_t output_step_bytes = 4096;
constexpr std::size_t output_bytes_max = 1 << 30;      // at once: zlib counts in 32 bits
constexpr int memory_level = 8;                        // zlib's default
constexpr std::size_t inflate_state_bytes = 7 * 1024;  // zlib's own, besides the window

Bytef* bytes_of(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

std::unexpected<Error> zlib_error(std::string_view step, int code, const z_stream& stream) {
  const char* const why = stream.msg != nullptr ? stream.msg : zError(code);
  return fail(code == Z_MEM_ERROR ? ErrorCode::exhausted : ErrorCode::malformed, fmt::format("{}: {}", step, why));
}

}  // namespace

struct DeflateCompressor::State {
  z_stream stream{};
  bool is_open = false;
  bool forgets = false;  ///< every message starts with an empty window
  int window_bits = 15;
  int level = 6;

  ~State() {
    if (is_open) deflateEnd(&stream);
  }

  Result<> open() {
    // zlib has no raw deflate with a window of 256 bytes. With 512 it never refers back further than 512 - 262 bytes,
    // so that what it makes fits a window of 256, too.
    const int bits = std::max(window_bits, 9);
    const int code = deflateInit2(&stream, level, Z_DEFLATED, -bits, memory_level, Z_DEFAULT_STRATEGY);
    if (code != Z_OK) return zlib_error("deflate", code, stream);
    is_open = true;
    return {};
  }
};

DeflateCompressor::DeflateCompressor(const DeflateParameters& parameters, WebSocketRole role, int level)
    : state_(std::make_unique<State>()) {
  const bool is_client = role == WebSocketRole::client;
  state_->forgets = is_client ? parameters.client_no_context_takeover : parameters.server_no_context_takeover;
  state_->window_bits = is_client ? parameters.client_max_window_bits : parameters.server_max_window_bits;
  state_->level = level;
  assert(state_->window_bits >= 8 && state_->window_bits <= 15 && level >= 1 && level <= 9);
}

DeflateCompressor::~DeflateCompressor() = default;
DeflateCompressor::DeflateCompressor(DeflateCompressor&&) noexcept = default;
DeflateCompressor& DeflateCompressor::operator=(DeflateCompressor&&) noexcept = default;

Result<> DeflateCompressor::compress(std::string_view message, std::string& out) {
  if (message.empty()) {  // section 7.2.3.6: the empty stored block without its tail; zlib would refuse to flush
                          // nothing twice
    out += '\0';
    return {};
  }
  if (!state_->is_open) {
    if (auto opened = state_->open(); !opened) return opened;
  }
  z_stream& stream = state_->stream;
  std::size_t rest = message.size();
  stream.next_in = bytes_of(message);
  stream.avail_in = 0;
  std::size_t size = out.size();
  bool is_flushed = false;
  while (!is_flushed) {
    if (stream.avail_in == 0 && rest != 0) {
      stream.avail_in = static_cast<uInt>(std::min<std::size_t>(rest, 1U << 30));
      rest -= stream.avail_in;
    }
    // More than the six bytes of a flush marker are always free, so that zlib never writes the marker twice.
    const std::size_t room = std::min<std::size_t>(deflateBound(&stream, stream.avail_in) + 64, 1U << 30);
    int code = Z_OK;
    out.resize_and_overwrite(size + room, [&](char* data, std::size_t) {
      stream.next_out = reinterpret_cast<Bytef*>(data + size);
      stream.avail_out = static_cast<uInt>(room);
      code = deflate(&stream, rest == 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH);
      size += room - stream.avail_out;
      return size;
    });
    if (code != Z_OK) return zlib_error("deflate", code, stream);
    is_flushed = rest == 0 && stream.avail_in == 0 && stream.avail_out != 0;
  }
  assert(std::string_view(out).ends_with(message_tail));
  out.resize(size - message_tail.size());
  if (state_->forgets) deflateReset(&stream);
  return {};
}

std::size_t DeflateCompressor::memory_bytes() const {
  constexpr std::size_t hash_bytes = std::size_t{1} << (memory_level + 9);
  return state_->is_open ? (std::size_t{4} << std::max(state_->window_bits, 9)) + hash_bytes : 0;
}

struct DeflateDecompressor::State {
  z_stream stream{};
  bool is_open = false;
  bool forgets = false;
  bool is_at_start = true;  ///< no bytes since the start of the message, or since a block marked as the last
  int window_bits = 15;

  ~State() {
    if (is_open) inflateEnd(&stream);
  }

  Result<> open() {
    const int code = inflateInit2(&stream, -window_bits);
    if (code != Z_OK) return zlib_error("inflate", code, stream);
    is_open = true;
    return {};
  }

  /// A block marked as the last ends zlib's stream, but neither the message nor the window (section 7.2.3.4).
  Result<> reopen() {
    Bytef window[1U << 15];
    uInt size = 0;
    int code = inflateGetDictionary(&stream, window, &size);
    if (code == Z_OK) code = inflateReset(&stream);
    if (code == Z_OK) code = inflateSetDictionary(&stream, window, size);
    if (code != Z_OK) return zlib_error("inflate", code, stream);
    is_at_start = true;
    return {};
  }

  Result<> run(std::string_view input, int flush, std::string& out, std::size_t size_max);
};

Result<> DeflateDecompressor::State::run(std::string_view input, int flush, std::string& out, std::size_t size_max) {
  stream.next_in = bytes_of(input);
  stream.avail_in = static_cast<uInt>(input.size());
  std::size_t size = out.size();
  for (;;) {
    if (stream.avail_in != 0) is_at_start = false;
    const std::size_t spare = out.capacity() - size;
    const std::size_t wanted = std::min(spare < output_step_bytes ? size + output_step_bytes : spare, output_bytes_max);
    // One byte more than allowed: that is how too much is noticed.
    const std::size_t room = std::min(wanted - 1, size_max - size) + 1;
    int code = Z_OK;
    out.resize_and_overwrite(size + room, [&](char* data, std::size_t) {
      stream.next_out = reinterpret_cast<Bytef*>(data + size);
      stream.avail_out = static_cast<uInt>(room);
      code = inflate(&stream, flush);
      size += room - stream.avail_out;
      return size;
    });
    if (size > size_max) return fail(ErrorCode::too_large, fmt::format("inflate: more than {} bytes", size_max));
    if (code == Z_STREAM_END) {
      if (auto reopened = reopen(); !reopened) return reopened;
      if (stream.avail_in == 0) return {};
    } else if (code == Z_BUF_ERROR || (code == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) {
      return {};
    } else if (code != Z_OK) {
      return zlib_error("inflate", code == Z_NEED_DICT ? Z_DATA_ERROR : code, stream);
    }
  }
}

DeflateDecompressor::DeflateDecompressor(const DeflateParameters& parameters, WebSocketRole role)
    : state_(std::make_unique<State>()) {
  const bool peer_is_server = role == WebSocketRole::client;
  state_->forgets = peer_is_server ? parameters.server_no_context_takeover : parameters.client_no_context_takeover;
  state_->window_bits = peer_is_server ? parameters.server_max_window_bits : parameters.client_max_window_bits;
  assert(state_->window_bits >= 8 && state_->window_bits <= 15);
}

DeflateDecompressor::~DeflateDecompressor() = default;
DeflateDecompressor::DeflateDecompressor(DeflateDecompressor&&) noexcept = default;
DeflateDecompressor& DeflateDecompressor::operator=(DeflateDecompressor&&) noexcept = default;

std::size_t DeflateDecompressor::memory_bytes() const {
  return state_->is_open ? (std::size_t{1} << state_->window_bits) + inflate_state_bytes : 0;
}

Result<> DeflateDecompressor::decompress(std::string_view fragment, bool is_final, std::string& out,
                                         std::size_t size_max) {
  assert(out.size() <= size_max);
  State& state = *state_;
  if (!state.is_open) {
    if (auto opened = state.open(); !opened) return opened;
  }
  while (!fragment.empty()) {
    const std::string_view piece = fragment.substr(0, 1U << 30);
    fragment.remove_prefix(piece.size());
    if (auto done = state.run(piece, Z_SYNC_FLUSH, out, size_max); !done) return done;
  }
  if (!is_final) return {};
  // A message of no bytes at all, and one that ends with a block marked as the last, have no open block for the tail to
  // end.
  if (!state.is_at_start) {
    if (auto done = state.run(message_tail, Z_BLOCK, out, size_max); !done) return done;
    constexpr int at_block_boundary = 128;
    if (state.stream.avail_in != 0 || (state.stream.data_type & at_block_boundary) == 0) {
      return fail(ErrorCode::malformed, "inflate: the message ends inside a block");
    }
  }
  state.is_at_start = true;
  if (state.forgets) inflateReset(&state.stream);
  return {};
}

}  // namespace marketprism::wire
