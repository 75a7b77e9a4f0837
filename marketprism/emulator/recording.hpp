#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "marketprism/emulator/dialect.hpp"
#include "marketprism/tape/frame.hpp"

namespace marketprism::emulator {

/// A recording of one venue in memory: the market data frames it received, in order, and the REST answers. It is filled
/// frame by frame from whatever reads recordings, in the order in which they are to be played. Plain data afterwards.
class Recording {
 public:
  struct Frame {
    UnixTime time;
    std::uint32_t stream = 0;  ///< index into `streams()`
    std::size_t at = 0;
    std::size_t size = 0;
  };
  struct Answer {
    UnixTime time;
    RestQuery query;  ///< path empty: a book snapshot of the symbol in it, whatever the path
    std::size_t at = 0;
    std::size_t size = 0;
  };

  /// `dialect` tells which stream a frame belongs to.
  explicit Recording(std::shared_ptr<const Dialect> dialect) : dialect_(std::move(dialect)) {}

  /// Copies what it needs. What the client sent, acknowledgements, heartbeats and refused REST requests are left out.
  void add(const tape::Frame& frame);

  [[nodiscard]] const std::vector<Frame>& frames() const { return frames_; }
  [[nodiscard]] const std::vector<Answer>& answers() const { return answers_; }
  [[nodiscard]] const std::vector<std::string>& streams() const { return streams_; }
  [[nodiscard]] std::string_view text(const Frame& frame) const { return view(frame.at, frame.size); }
  [[nodiscard]] std::string_view text(const Answer& answer) const { return view(answer.at, answer.size); }
  /// Received frames that are no market data.
  [[nodiscard]] std::uint64_t control_frames() const { return control_frames_; }
  [[nodiscard]] std::size_t bytes() const { return text_.size(); }

 private:
  [[nodiscard]] std::string_view view(std::size_t at, std::size_t size) const {
    return std::string_view(text_).substr(at, size);
  }
  std::size_t keep(std::string_view payload);

  std::shared_ptr<const Dialect> dialect_;
  std::string text_;
  std::vector<Frame> frames_;
  std::vector<Answer> answers_;
  std::vector<std::string> streams_;
  std::unordered_map<std::string, std::uint32_t> stream_numbers_;
  std::uint64_t control_frames_ = 0;
};

/// An empty recording of the venue, to be filled. An error for an exchange `make_dialect` does not know.
Result<std::shared_ptr<Recording>> make_recording(std::string_view exchange);

/// The answer to `query` at `position` of the recording: path equal; of the parameters that say what is asked for
/// (symbol, instrument type, currency, …) none different; how much is asked for (limit) does not matter. Of several the
/// one with most in common, then the last before `position`, then the first after it.
std::optional<std::string> find_answer(const Recording& recording, const Dialect& dialect, const RestQuery& query,
                                       UnixTime position);

}  // namespace marketprism::emulator
