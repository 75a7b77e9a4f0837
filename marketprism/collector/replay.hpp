#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/feed/session.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/sink/tape/frame_merge.hpp"

namespace marketprism::collector {

/// Gives each frame to the session of its venue, in the order of the frames: the one way from recorded frames to
/// events, used by replay, verify and bench. One thread.
class FrameRouter {
 public:
  /// `sink` must outlive the router. Frames that name no venue belong to `exchange` (may be empty if all name one).
  FrameRouter(std::string exchange, market::EventSink& sink) : exchange_(std::move(exchange)), sink_(sink) {}

  /// Makes the session of the venue if there is none yet; an error if the venue is not known.
  Result<> prepare(std::string_view exchange);

  /// Frames of venues that are not known are counted and passed over.
  void on_frame(const tape::Frame& frame);

  const std::map<std::string, std::unique_ptr<feed::Session>, std::less<>>& sessions() const { return sessions_; }
  std::uint64_t frames() const { return frames_; }
  std::uint64_t frames_of_unknown_venues() const { return unknown_; }

 private:
  feed::Session* session_of(std::string_view exchange);

  std::string exchange_;
  market::EventSink& sink_;
  feed::NoActions actions_;
  std::map<std::string, std::unique_ptr<feed::Session>, std::less<>> sessions_;
  std::pair<std::string, feed::Session*> last_{"", nullptr};
  std::uint64_t frames_ = 0;
  std::uint64_t unknown_ = 0;
};

struct ReplayOptions {
  std::string exchange;                ///< of recordings that do not name their venue
  std::vector<std::string> paths;      ///< files and folders
  std::optional<tape::Format> format;  ///< forced; else found by the content
  std::function<void(const Error&)> on_problem;
  std::function<void(std::uint64_t frames)> on_progress;  ///< every 65,536 frames
};

struct ReplaySummary {
  std::uint64_t frames = 0;
  tape::ImportStats import;
  std::vector<std::pair<std::string, feed::SessionStats>> venues;
};

/// Replays recordings into `sink`, as fast as it goes, on the caller's thread. Fails if nothing can be read or the
/// venue is not known or not named; problems within files are told to `on_problem` and do not end it.
Result<ReplaySummary> replay(const ReplayOptions& options, market::EventSink& sink);

}  // namespace marketprism::collector
