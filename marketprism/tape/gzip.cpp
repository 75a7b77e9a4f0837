#include "marketprism/tape/gzip.hpp"

#include <algorithm>
#include <climits>
#include <new>

#include <fmt/format.h>
#include <zlib.h>

namespace marketprism::tape {

struct GzipInflater::State {
  z_stream stream{};
  std::uint64_t bytes_in = 0;
  bool is_between_members = true;   // at the start, or a member has just ended
  bool is_past_end = false;         // zero padding after the last member
  bool has_pending_output = false;  // the output was full: zlib may hold more without more input
  const char* damage = nullptr;     // what is wrong, once it is; static text
};

GzipInflater::GzipInflater() : state_(std::make_unique<State>()) {
  constexpr int gzip_only = MAX_WBITS + 16;
  if (inflateInit2(&state_->stream, gzip_only) != Z_OK) throw std::bad_alloc();
}

GzipInflater::~GzipInflater() { inflateEnd(&state_->stream); }

Result<std::size_t> GzipInflater::inflate(std::string_view& input, std::span<char> output) {
  State& state = *state_;
  std::size_t written = 0;
  while (state.damage == nullptr && written < output.size() && (!input.empty() || state.has_pending_output)) {
    if (state.is_between_members && state.bytes_in > 0) {
      if (input[0] == '\0') {  // padding to a block size, as tar and tapes do it
        input.remove_prefix(std::min(input.find_first_not_of('\0'), input.size()));
        state.is_past_end = true;
        continue;
      }
      if (state.is_past_end || input[0] != '\x1f') {
        state.damage = "bytes that are not gzip follow";
        break;
      }
    }
    z_stream& stream = state.stream;
    const std::size_t offered = std::min<std::size_t>(input.size(), UINT_MAX);
    const std::size_t room = std::min<std::size_t>(output.size() - written, UINT_MAX);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream.avail_in = static_cast<uInt>(offered);
    stream.next_out = reinterpret_cast<Bytef*>(output.data() + written);
    stream.avail_out = static_cast<uInt>(room);
    state.is_between_members = false;
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    const std::size_t taken = offered - stream.avail_in;
    const std::size_t gained = room - stream.avail_out;
    input.remove_prefix(taken);
    state.bytes_in += taken;
    written += gained;
    state.has_pending_output = stream.avail_out == 0 && status == Z_OK;
    if (status == Z_STREAM_END) {
      state.is_between_members = true;
      inflateReset(&stream);
      continue;
    }
    if (status == Z_OK || status == Z_BUF_ERROR) {
      if (taken == 0 && gained == 0) break;
      continue;
    }
    state.damage = stream.msg != nullptr ? stream.msg : "no gzip data";
  }
  if (written > 0 || state.damage == nullptr) return written;  // what stands before the damage comes first
  return fail(ErrorCode::malformed, fmt::format("gzip data is damaged at byte {}: {}", state.bytes_in, state.damage),
              true);
}

Result<> GzipInflater::finish() const {
  if (state_->is_between_members) return {};
  return fail(ErrorCode::malformed,
              fmt::format("the file ends in the middle (after {} bytes of gzip data)", state_->bytes_in), true);
}

}  // namespace marketprism::tape
