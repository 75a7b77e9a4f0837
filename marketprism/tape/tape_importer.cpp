#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "marketprism/tape/block.hpp"
#include "marketprism/tape/importer.hpp"

namespace marketprism::tape {

namespace {

constexpr std::string_view file_magic = "MPTAPE";
constexpr std::string_view block_magic = "MPBK";

/// Our own tapes. Reads on behind a damaged block, and at the end says how much belongs to no whole block: after a
/// crash that is the block that was being written.
class TapeImporter final : public Importer {
 public:
  explicit TapeImporter(ImportOptions options) : options_(std::move(options)) {}

  void feed(std::string_view bytes) override {
    if (pending_.empty()) {
      fresh_ = bytes;
      return;
    }
    pending_.append(bytes);
  }

  void finish() override { is_finished_ = true; }

  bool next(Frame& frame) override {
    for (;;) {
      const Result<bool> read = decoder_.next(frame);
      if (read && *read) {
        if (frame.exchange.empty()) frame.exchange = options_.exchange;
        ++stats_.frames;
        return true;
      }
      if (!read) damaged(read.error().message, 0);
      if (!open_block()) return false;
    }
  }

 private:
  [[nodiscard]] std::string_view rest() const {
    return pending_.empty() ? fresh_ : std::string_view(pending_).substr(pending_at_);
  }

  void drop(std::size_t bytes) {
    offset_ += bytes;
    if (pending_.empty()) {
      fresh_.remove_prefix(bytes);
      return;
    }
    pending_at_ += bytes;
  }

  /// Keeps what is not a whole block yet until more bytes come.
  void keep_rest() {
    if (pending_.empty()) {
      pending_.assign(fresh_);
      fresh_ = {};
    } else {
      pending_.erase(0, pending_at_);
    }
    pending_at_ = 0;
  }

  bool open_block() {
    for (;;) {
      const std::string_view bytes = rest();
      const std::size_t wanted = !has_file_header_ ? file_header_bytes : block_header_bytes;
      if (bytes.size() < wanted) return starve();
      if (!has_file_header_) {
        take_file_header(bytes);
        continue;
      }
      const std::optional<BlockHeader> header = decode_block_header(bytes);
      if (!header || header->compressed_bytes > options_.block_bytes_max ||
          header->plain_bytes > options_.block_bytes_max) {
        if (!skip_to_block(bytes)) return starve();
        continue;
      }
      const std::size_t size = block_header_bytes + header->compressed_bytes;
      if (bytes.size() < size) return starve();
      flush_lost();
      const Result<> opened = decoder_.open(*header, bytes.substr(block_header_bytes, header->compressed_bytes));
      if (!opened) damaged(opened.error().message, size);
      drop(size);
      if (opened) return true;
    }
  }

  bool starve() {
    if (!is_finished_) {
      keep_rest();
      return false;
    }
    if (!rest().empty()) {
      lost_ += rest().size();
      drop(rest().size());
      stats_.lost_bytes += lost_;
      report(
          fmt::format("the tape ends in the middle of a block: the last {} bytes, from byte {}, are lost, all before "
                      "them is whole",
                      lost_, offset_ - lost_));
      lost_ = 0;
    }
    flush_lost();
    return false;
  }

  void take_file_header(std::string_view bytes) {
    has_file_header_ = true;
    if (!bytes.starts_with(file_magic)) return;  // perhaps a cut-out: blocks are found by their own magic
    const unsigned version = static_cast<unsigned char>(bytes[6]) + 256U * static_cast<unsigned char>(bytes[7]);
    if (version != 1)
      report(fmt::format("version {} of the tape format is newer than this program (1); trying", version));
    drop(file_header_bytes);
  }

  /// Moves to the next place that may be a block; false: there is none in the bytes at hand.
  bool skip_to_block(std::string_view bytes) {
    const std::size_t at = bytes.find(block_magic, 1);
    // The last bytes may be the first ones of a magic.
    const std::size_t lost = at != std::string_view::npos ? at : bytes.size() - (block_magic.size() - 1);
    lost_ += lost;
    drop(lost);
    return at != std::string_view::npos;
  }

  void flush_lost() {
    if (lost_ == 0) return;
    ++stats_.damaged_blocks;
    stats_.lost_bytes += lost_;
    report(fmt::format("{} bytes before byte {} are no block and are skipped", lost_, offset_));
    lost_ = 0;
  }

  void damaged(std::string_view reason, std::size_t size) {
    ++stats_.damaged_blocks;
    stats_.lost_bytes += size;
    report(fmt::format("block at byte {}: {}; it is skipped", offset_, reason));
  }

  void report(std::string message) {
    if (options_.on_problem) options_.on_problem(Error{ErrorCode::malformed, std::move(message), true, nullptr});
  }

  ImportOptions options_;
  BlockDecoder decoder_;
  std::string_view fresh_;      // the portion fed last, while nothing is pending
  std::string pending_;         // the beginning of a block from earlier portions, and what came after it
  std::size_t pending_at_ = 0;  // how much of pending_ is used
  std::uint64_t offset_ = 0;    // of rest() in the file
  std::uint64_t lost_ = 0;      // bytes skipped that have not been reported
  bool has_file_header_ = false;
  bool is_finished_ = false;
};

}  // namespace

std::unique_ptr<Importer> make_tape_importer(ImportOptions options) {
  return std::make_unique<TapeImporter>(std::move(options));
}

}  // namespace marketprism::tape
