#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/tape/frame.hpp"

namespace marketprism::tape {

enum class Format : std::uint8_t {
  cryptofeed,  ///< text recordings of cryptofeed
  lines,       ///< `<time> <json>` lines, as hftbacktest records them
  tape,        ///< our own (block.hpp)
};

/// "cryptofeed", "lines", "tape".
std::string_view name_of(Format format);
std::optional<Format> format_named(std::string_view name);

/// The format of a file whose (decompressed) content begins with `head`; a few kilobytes are enough. Lines that belong
/// to no format are passed over. nullopt: none recognised.
std::optional<Format> detect_format(std::string_view head);

/// True where `head` begins like a gzip file.
bool looks_like_gzip(std::string_view head);

/// The symbol in the name of a recording, upper case: `binance-futures_btcusdt_20240808.gz` and `btcusdt_20240808` give
/// BTCUSDT, `binance-delivery_btcusd_perp_20240808` BTCUSD_PERP. Folders before the name are ignored. May be empty.
std::string symbol_from_file_name(std::string_view file_name);

struct ImportOptions {
  std::string exchange;                      ///< goes into each frame of a recording that does not name its venue
  std::uint32_t connection = 0;              ///< goes into each frame of a recording that does not number connections
  std::string symbol_hint;                   ///< see symbol_from_file_name
  std::size_t line_bytes_max = 64UL << 20;   ///< longer lines are skipped and reported
  std::size_t block_bytes_max = 64UL << 20;  ///< blocks of our tape that claim more than this are damaged
  std::function<void(const Error&)> on_problem;  ///< told of every line or block that could not be read, with its place
};

struct ImportStats {
  std::uint64_t frames = 0;
  std::uint64_t ignored_lines = 0;    ///< blank or `configuration:`
  std::uint64_t malformed_lines = 0;  ///< without a time stamp
  std::uint64_t oversized_lines = 0;  ///< above line_bytes_max
  std::uint64_t damaged_blocks = 0;   ///< our tape: checksum or structure wrong
  std::uint64_t lost_bytes = 0;       ///< our tape: bytes that belong to no whole block (a file cut by a crash, damage)
};

/// Turns the bytes of one recording into frames, whatever wrote it. Malformed pieces are counted and told to
/// `on_problem`; they never end the import. Payloads are not looked into: a truncated JSON text is a frame like any
/// other. No file, no clock, no thread; not thread-safe. No allocation per frame once its buffers have grown.
class Importer {
 public:
  virtual ~Importer() = default;

  /// Hands over the next bytes of the recording. They must stay valid until next() has returned false; only then may
  /// feed() be called again.
  virtual void feed(std::string_view bytes) = 0;

  /// Says that no bytes follow. next() then delivers what is left.
  virtual void finish() = 0;

  /// The next frame in the order of the file. Its views are valid until the next call. false: more bytes are wanted, or
  /// after finish(): that was all.
  virtual bool next(Frame& frame) = 0;

  [[nodiscard]] const ImportStats& stats() const { return stats_; }

 protected:
  ImportStats stats_;
};

/// Never null.
std::unique_ptr<Importer> make_importer(Format format, ImportOptions options);

// What make_importer calls; one .cpp each.
std::unique_ptr<Importer> make_cryptofeed_importer(ImportOptions options);
std::unique_ptr<Importer> make_lines_importer(ImportOptions options);
std::unique_ptr<Importer> make_tape_importer(ImportOptions options);

}  // namespace marketprism::tape
