#include "marketprism/tape/block.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include "marketprism/tape/varint.hpp"

namespace marketprism::tape {

namespace {

constexpr std::string_view file_magic = "MPTAPE";
constexpr std::string_view block_magic = "MPBK";
constexpr std::uint16_t version = 1;

// The flags byte of a frame.
constexpr unsigned sent_flag = 0x01;
constexpr unsigned kind_shift = 1;  // three bits
constexpr unsigned kind_mask = 0x07;
constexpr unsigned stream_flag = 0x10;  // another stream than the frame before
constexpr unsigned url_flag = 0x20;
constexpr unsigned code_flag = 0x40;
constexpr unsigned hint_flag = 0x80;

constexpr std::size_t streams_max = 65536;

std::uint32_t crc_of(const char* bytes, std::size_t size) {
  return static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(bytes), static_cast<uInt>(size)));
}

}  // namespace

std::string encode_file_header(UnixTime first_time) {
  std::string bytes(file_header_bytes, '\0');
  char* at = std::ranges::copy(file_magic, bytes.data()).out;
  put_fixed(at, version);
  put_fixed(at, ns_since_epoch(first_time));
  return bytes;
}

void encode_block_header(const BlockHeader& header, char* bytes) {
  char* at = std::ranges::copy(block_magic, bytes).out;
  put_fixed(at, header.compressed_bytes);
  put_fixed(at, header.plain_bytes);
  put_fixed(at, header.frames);
  put_fixed(at, ns_since_epoch(header.first_time));
  put_fixed(at, ns_since_epoch(header.last_time));
  put_fixed(at, crc_of(bytes, block_header_bytes - 4));
}

std::optional<BlockHeader> decode_block_header(std::string_view bytes) {
  if (bytes.size() < block_header_bytes || !bytes.starts_with(block_magic)) return std::nullopt;
  const char* at = bytes.data() + block_magic.size();
  BlockHeader header;
  header.compressed_bytes = take_fixed<std::uint32_t>(at);
  header.plain_bytes = take_fixed<std::uint32_t>(at);
  header.frames = take_fixed<std::uint32_t>(at);
  header.first_time = unix_time_ns(take_fixed<std::int64_t>(at));
  header.last_time = unix_time_ns(take_fixed<std::int64_t>(at));
  if (take_fixed<std::uint32_t>(at) != crc_of(bytes.data(), block_header_bytes - 4)) return std::nullopt;
  return header;
}

BlockBuffer::BlockBuffer(std::size_t bytes_max) : bytes_(bytes_max, '\0') { bytes_.clear(); }

std::size_t BlockBuffer::stream_of(const Frame& frame, bool& is_new) {
  is_new = false;
  for (std::size_t i = 0; i < stream_count_; ++i) {
    if (streams_[i].connection == frame.connection && streams_[i].exchange == frame.exchange) return i;
  }
  is_new = true;
  assert(stream_count_ < streams_max);
  if (stream_count_ == streams_.size()) streams_.emplace_back();
  streams_[stream_count_].exchange.assign(frame.exchange);
  streams_[stream_count_].connection = frame.connection;
  return stream_count_++;
}

void BlockBuffer::append(const Frame& frame) {
  assert(frame.payload.size() + frame.url.size() + frame.symbol_hint.size() < (1UL << 30));
  if (frames_ == 0) first_time_ = last_time_ = frame.receive_time;
  bool is_new = stream_count_ == 0;
  std::size_t stream = last_stream_;
  if (is_new || streams_[stream].connection != frame.connection || streams_[stream].exchange != frame.exchange) {
    stream = stream_of(frame, is_new);
  }
  unsigned flags = static_cast<unsigned>(frame.kind) << kind_shift;
  if (frame.direction == Direction::sent) flags |= sent_flag;
  if (is_new || stream != last_stream_) flags |= stream_flag;
  if (!frame.url.empty()) flags |= url_flag;
  if (frame.code != 0) flags |= code_flag;
  if (!frame.symbol_hint.empty()) flags |= hint_flag;
  bytes_.push_back(static_cast<char>(flags));
  put_varint(bytes_, zigzag((frame.receive_time - last_time_).count()));
  if ((flags & stream_flag) != 0) put_varint(bytes_, stream);
  if (is_new) {
    put_text(bytes_, frame.exchange);
    put_varint(bytes_, frame.connection);
  }
  if (!frame.url.empty()) put_text(bytes_, frame.url);
  if (frame.code != 0) put_varint(bytes_, zigzag(frame.code));
  if (!frame.symbol_hint.empty()) put_text(bytes_, frame.symbol_hint);
  put_text(bytes_, frame.payload);
  last_stream_ = stream;
  last_time_ = frame.receive_time;
  ++frames_;
}

void BlockBuffer::clear() {
  bytes_.clear();
  stream_count_ = 0;
  last_stream_ = 0;
  frames_ = 0;
}

struct BlockEncoder::State {
  ZSTD_CCtx* context = ZSTD_createCCtx();
};

BlockEncoder::BlockEncoder(int level, std::size_t block_bytes_ready) : state_(std::make_unique<State>()) {
  if (state_->context == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(state_->context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(state_->context, ZSTD_c_checksumFlag, 1);
  if (block_bytes_ready == 0) return;
  const std::string plain(block_bytes_ready, 'x');
  std::string compressed(ZSTD_compressBound(plain.size()), '\0');
  static_cast<void>(ZSTD_compress2(state_->context, compressed.data(), compressed.size(), plain.data(), plain.size()));
}

BlockEncoder::~BlockEncoder() { ZSTD_freeCCtx(state_->context); }

std::size_t BlockEncoder::block_bytes_max(std::size_t plain_bytes) {
  return block_header_bytes + ZSTD_compressBound(plain_bytes);
}

void BlockEncoder::encode(const BlockBuffer& buffer, std::string& file) {
  assert(!buffer.empty());
  const std::string_view plain = buffer.bytes();
  const std::size_t begin = file.size();
  file.resize(begin + block_bytes_max(plain.size()));
  char* const payload = file.data() + begin + block_header_bytes;
  const std::size_t room = file.size() - begin - block_header_bytes;
  const std::size_t size = ZSTD_compress2(state_->context, payload, room, plain.data(), plain.size());
  assert(!ZSTD_isError(size));  // the room is what zstd asks for, so only a lack of memory is left
  file.resize(begin + block_header_bytes + size);
  const BlockHeader header{static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(plain.size()), buffer.frames(),
                           buffer.first_time(), buffer.last_time()};
  encode_block_header(header, file.data() + begin);
}

struct BlockDecoder::State {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  std::string plain;
  std::string_view rest;
  std::uint32_t frames_left = 0;
  UnixTime time{};
  struct Stream {
    std::string_view exchange;
    std::uint32_t connection = 0;
  };
  std::vector<Stream> streams;
  std::size_t stream = 0;

  bool read(Frame& frame);
  bool read_stream();
};

BlockDecoder::BlockDecoder() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr) throw std::bad_alloc();
}

BlockDecoder::~BlockDecoder() { ZSTD_freeDCtx(state_->context); }

Result<> BlockDecoder::open(const BlockHeader& header, std::string_view compressed) {
  State& state = *state_;
  state.frames_left = 0;
  if (state.plain.size() < header.plain_bytes) state.plain.resize(header.plain_bytes);
  const std::size_t size =
      ZSTD_decompressDCtx(state.context, state.plain.data(), header.plain_bytes, compressed.data(), compressed.size());
  if (ZSTD_isError(size))
    return fail(ErrorCode::malformed, fmt::format("damaged block: {}", ZSTD_getErrorName(size)), true);
  if (size != header.plain_bytes) {
    return fail(ErrorCode::malformed, fmt::format("damaged block: {} bytes instead of {}", size, header.plain_bytes),
                true);
  }
  state.rest = std::string_view(state.plain).substr(0, size);
  state.frames_left = header.frames;
  state.time = header.first_time;
  state.streams.clear();
  state.stream = 0;
  return {};
}

bool BlockDecoder::State::read_stream() {
  std::uint64_t number = 0;
  if (!take_varint(rest, number) || number > streams.size() || number >= streams_max) return false;
  stream = number;
  if (number < streams.size()) return true;
  Stream added;
  std::uint64_t connection = 0;
  if (!take_text(rest, added.exchange) || !take_varint(rest, connection) || connection > UINT32_MAX) return false;
  added.connection = static_cast<std::uint32_t>(connection);
  streams.push_back(added);
  return true;
}

bool BlockDecoder::State::read(Frame& frame) {
  if (rest.empty()) return false;
  const unsigned flags = static_cast<unsigned char>(rest[0]);
  rest.remove_prefix(1);
  const unsigned kind = (flags >> kind_shift) & kind_mask;
  std::uint64_t step = 0;
  if (kind > static_cast<unsigned>(FrameKind::hole) || !take_varint(rest, step)) return false;
  if ((flags & stream_flag) != 0 && !read_stream()) return false;
  if (stream >= streams.size()) return false;
  frame = Frame{};
  frame.exchange = streams[stream].exchange;
  frame.connection = streams[stream].connection;
  frame.kind = static_cast<FrameKind>(kind);
  frame.direction = (flags & sent_flag) != 0 ? Direction::sent : Direction::received;
  if ((flags & url_flag) != 0 && !take_text(rest, frame.url)) return false;
  if ((flags & code_flag) != 0) {
    std::uint64_t code = 0;
    if (!take_varint(rest, code)) return false;
    frame.code = static_cast<int>(unzigzag(code));
  }
  if ((flags & hint_flag) != 0 && !take_text(rest, frame.symbol_hint)) return false;
  if (!take_text(rest, frame.payload)) return false;
  // Unsigned, because a foreign tape may hold any number.
  const auto sum = static_cast<std::uint64_t>(ns_since_epoch(time)) + static_cast<std::uint64_t>(unzigzag(step));
  time = unix_time_ns(static_cast<std::int64_t>(sum));
  frame.receive_time = time;
  return true;
}

Result<bool> BlockDecoder::next(Frame& frame) {
  State& state = *state_;
  if (state.frames_left == 0) return false;
  --state.frames_left;
  if (state.read(frame)) return true;
  state.frames_left = 0;
  return fail(ErrorCode::malformed, "damaged block: its content is not what its version says", true);
}

}  // namespace marketprism::tape
