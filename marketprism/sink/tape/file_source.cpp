#include "marketprism/sink/tape/file_source.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <span>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "marketprism/tape/gzip.hpp"

namespace marketprism::sink {

struct FileSource::State {
  State(std::string file_path, FileSourceOptions file_options)
      : path(std::move(file_path)), options(std::move(file_options)) {}
  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void report(Error error) {
    error.message.insert(0, path + ": ");
    if (options.on_problem) options.on_problem(error);
  }

  std::string_view read_raw();
  std::string_view read_portion();
  std::string_view inflate_portion();
  Result<> start();

  std::string path;
  FileSourceOptions options;
  int descriptor = -1;
  bool is_at_end = false;     // read() has given 0 or an error
  bool is_finished = false;   // the importer was told so
  std::vector<char> raw;      // as read
  std::vector<char> plain;    // decompressed
  std::string_view raw_rest;  // of raw, not decompressed yet
  std::unique_ptr<tape::GzipInflater> inflater;
  std::unique_ptr<tape::Importer> importer;
  tape::Format format = tape::Format::lines;
};

std::string_view FileSource::State::read_raw() {
  if (is_at_end) return {};
  std::size_t filled = 0;
  while (filled < raw.size()) {
    const ssize_t count = ::read(descriptor, raw.data() + filled, raw.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) report(system_error(errno, "cannot read"));
    if (count <= 0) {
      is_at_end = true;
      break;
    }
    filled += static_cast<std::size_t>(count);
  }
  return {raw.data(), filled};
}

std::string_view FileSource::State::inflate_portion() {
  std::size_t filled = 0;
  while (filled < plain.size()) {
    if (raw_rest.empty()) raw_rest = read_raw();
    const std::size_t offered = raw_rest.size();
    const Result<std::size_t> count = inflater->inflate(raw_rest, std::span(plain).subspan(filled));
    if (!count) {
      report(count.error());
      raw_rest = {};
      is_at_end = true;
      inflater = nullptr;
      break;
    }
    filled += *count;
    if (*count == 0 && offered == 0) {
      if (const Result<> end = inflater->finish(); !end) report(end.error());
      inflater = nullptr;
      break;
    }
  }
  return {plain.data(), filled};
}

/// Empty at the end of the file.
std::string_view FileSource::State::read_portion() {
  if (inflater != nullptr) return inflate_portion();
  return plain.empty() ? read_raw() : std::string_view{};
}

Result<> FileSource::State::start() {
  descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::unexpected(system_error(errno, path + ": cannot open"));
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  raw.resize(std::max<std::size_t>(options.read_bytes, 4096));
  errno = 0;
  raw_rest = read_raw();
  if (raw_rest.empty() && errno == EISDIR)
    return fail(ErrorCode::invalid_argument, path + ": is a folder, not a recording");
  std::string_view head = raw_rest;
  if (tape::looks_like_gzip(raw_rest)) {
    inflater = std::make_unique<tape::GzipInflater>();
    plain.resize(raw.size());
    head = inflate_portion();
  }
  const std::optional<tape::Format> found = tape::detect_format(head);
  if (!found && !options.format && !head.empty()) {
    return fail(ErrorCode::unsupported,
                path +
                    ": is no recording this program knows (cryptofeed, <time> <json> lines, our tape); "
                    "force one with --format if it is",
                true);
  }
  format = options.format.value_or(found.value_or(tape::Format::lines));
  tape::ImportOptions import{.exchange = options.exchange,
                             .connection = options.connection,
                             .symbol_hint = tape::symbol_from_file_name(path),
                             .line_bytes_max = options.line_bytes_max,
                             .on_problem = [this](const Error& error) { report(error); }};
  importer = tape::make_importer(format, std::move(import));
  importer->feed(head);
  return {};
}

FileSource::FileSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileSource::FileSource(FileSource&&) noexcept = default;
FileSource& FileSource::operator=(FileSource&&) noexcept = default;
FileSource::~FileSource() = default;

Result<FileSource> FileSource::open(const std::string& path, FileSourceOptions options) {
  auto state = std::make_unique<State>(path, std::move(options));
  if (const Result<> started = state->start(); !started) return std::unexpected(started.error());
  return FileSource(std::move(state));
}

bool FileSource::next(tape::Frame& frame) {
  State& state = *state_;
  for (;;) {
    if (state.importer->next(frame)) return true;
    if (state.is_finished) return false;
    const std::string_view portion = state.read_portion();
    if (portion.empty()) {
      state.is_finished = true;
      state.importer->finish();
    } else {
      state.importer->feed(portion);
    }
  }
}

const std::string& FileSource::path() const { return state_->path; }
tape::Format FileSource::format() const { return state_->format; }
const tape::ImportStats& FileSource::stats() const { return state_->importer->stats(); }

}  // namespace marketprism::sink
