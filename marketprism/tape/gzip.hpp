#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "marketprism/base/error.hpp"

namespace marketprism::tape {

/// Decompresses a gzip stream of any number of members, portion by portion. One thread; about 40 KiB of memory.
class GzipInflater {
 public:
  GzipInflater();
  ~GzipInflater();
  GzipInflater(const GzipInflater&) = delete;
  GzipInflater& operator=(const GzipInflater&) = delete;

  /// Takes bytes off the front of `input` and writes to `output`; returns how many were written. 0 with `input` empty:
  /// more input is wanted (call again with `input` empty while the output came back full). Fails (malformed) at damage,
  /// with the place; all bytes before it have been delivered by then.
  Result<std::size_t> inflate(std::string_view& input, std::span<char> output);

  /// To be called after the last input: fails (malformed) where the stream ends in the middle of a member.
  [[nodiscard]] Result<> finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::tape
