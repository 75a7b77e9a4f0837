#include "marketprism/sink/tape/frame_merge.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace marketprism::sink {

namespace {

void add(tape::ImportStats& sum, const tape::ImportStats& more) {
  sum.frames += more.frames;
  sum.ignored_lines += more.ignored_lines;
  sum.malformed_lines += more.malformed_lines;
  sum.oversized_lines += more.oversized_lines;
  sum.damaged_blocks += more.damaged_blocks;
  sum.lost_bytes += more.lost_bytes;
}

/// What the parts of one venue's tape have in common: "…/exchange=E". Empty for any other file.
std::string tape_folder(const std::string& path) {
  if (!path.ends_with(".mptape")) return {};
  const std::size_t date = path.rfind("/date=");
  return date == std::string::npos ? std::string{} : path.substr(0, date);
}

}  // namespace

FrameMerge::FrameMerge(std::vector<std::string> files, FileSourceOptions options) : options_(std::move(options)) {
  std::map<std::string, std::size_t> tapes;
  for (std::string& path : files) {
    const std::string folder = tape_folder(path);
    if (!folder.empty()) {
      const auto [at, is_new] = tapes.try_emplace(folder, inputs_.size());
      if (!is_new) {
        inputs_[at->second].parts.push_back(std::move(path));
        continue;
      }
    }
    inputs_.emplace_back().parts.push_back(std::move(path));
  }
  for (Input& input : inputs_) {
    if (input.parts.size() > 1) std::ranges::sort(input.parts, natural_less);
  }
  heap_.reserve(inputs_.size());
}

Result<> FrameMerge::open() {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (Result<> opened = open_part(i); !opened) return opened;
  }
  for (std::size_t i = 0; i < inputs_.size(); ++i) advance(i);
  number_connections();
  return {};
}

/// By the time of their first frame, whatever the order they were named in: what begins later is the newer one.
void FrameMerge::number_connections() {
  std::vector<std::size_t> order = heap_;
  std::ranges::sort(order, [this](std::size_t a, std::size_t b) { return is_before(a, b); });
  std::uint32_t number = options_.connection;
  for (const std::size_t index : order) inputs_[index].connection = number++;
}

Result<> FrameMerge::open_part(std::size_t index) {
  Input& input = inputs_[index];
  FileSourceOptions options = options_;
  if (options.exchange.empty() && options.exchange_of) options.exchange = options.exchange_of(input.parts[input.part]);
  Result<FileSource> source = FileSource::open(input.parts[input.part], std::move(options));
  if (!source) return std::unexpected(std::move(source).error());
  input.source = std::move(*source);
  return {};
}

/// Reads the next head of an input, from its next part where one has ended, and puts it back into the heap.
void FrameMerge::advance(std::size_t index) {
  Input& input = inputs_[index];
  for (;;) {
    if (input.source && input.source->next(input.head)) {
      push(index);
      return;
    }
    if (input.source) add(closed_stats_, input.source->stats());
    input.source.reset();
    if (++input.part >= input.parts.size()) return;
    if (const Result<> opened = open_part(index); !opened && options_.on_problem) options_.on_problem(opened.error());
  }
}

bool FrameMerge::is_before(std::size_t left, std::size_t right) const {
  const UnixTime a = inputs_[left].head.receive_time;
  const UnixTime b = inputs_[right].head.receive_time;
  return a != b ? a < b : left < right;
}

void FrameMerge::push(std::size_t index) {
  heap_.push_back(index);
  std::ranges::push_heap(heap_, [this](std::size_t a, std::size_t b) { return is_before(b, a); });
}

std::size_t FrameMerge::pop() {
  std::ranges::pop_heap(heap_, [this](std::size_t a, std::size_t b) { return is_before(b, a); });
  const std::size_t index = heap_.back();
  heap_.pop_back();
  return index;
}

bool FrameMerge::next(tape::Frame& frame) {
  if (delivered_) {
    const std::size_t last = *delivered_;
    delivered_.reset();
    advance(last);
  }
  if (heap_.empty()) return false;
  const std::size_t index = pop();
  frame = inputs_[index].head;
  if (inputs_[index].source->format() != tape::Format::tape) frame.connection = inputs_[index].connection;
  delivered_ = index;
  return true;
}

tape::ImportStats FrameMerge::stats() const {
  tape::ImportStats sum = closed_stats_;
  for (const Input& input : inputs_) {
    if (input.source) add(sum, input.source->stats());
  }
  return sum;
}

}  // namespace marketprism::sink
