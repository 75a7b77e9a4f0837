#include "apps/marketprism/bench_tools.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "marketprism/net/io_error.hpp"

namespace marketprism::app {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

std::string read_all(int file) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

double process_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

double thread_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident_megabytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long total = 0, resident = 0;
  const int count = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return count == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6 : 0;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

void add_pass_options(CLI::App& verb, int& passes, bool& as_json) {
  verb.add_option("--passes", passes, "Timed passes; the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_flag("--json", as_json, "One JSON object a line");
}

Result<net::TlsContextPtr> client_tls(const std::string& ca_file) {
  net::TlsClientOptions trust;
  trust.ca_file = ca_file;
  return net::TlsContext::make_client(trust);
}

void Figures::add(std::string name, double value, std::string unit, std::string remark) {
  figures_.push_back({std::move(name), value, std::move(unit), std::move(remark)});
}

void Figures::print(bool as_json) const {
  for (const Figure& figure : figures_) {
    const std::string value =
        figure.value >= 1000 ? fmt::format("{:.0f}", figure.value) : fmt::format("{:.4g}", figure.value);
    if (as_json) {
      fmt::print(R"({{"name":"{}","value":{},"unit":"{}"}})"
                 "\n",
                 figure.name, value, figure.unit);
    } else {
      fmt::print("{:<36} {:>12} {:<6} {}\n", figure.name, value, figure.unit, figure.remark);
    }
  }
}

// The server is this program: it reads its input, which ends with us, and tells its ports and its authority.
Result<> BenchServer::spawn(int& output) {
  std::array<int, 2> to_server{}, from_server{};
  if (::pipe2(to_server.data(), O_CLOEXEC) != 0) return std::unexpected(system_error(errno, "pipe"));
  input_ = to_server[1];
  if (::pipe2(from_server.data(), O_CLOEXEC) != 0) {
    ::close(to_server[0]);
    return std::unexpected(system_error(errno, "pipe"));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to_server[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from_server[1], STDOUT_FILENO);
  std::string program = "/proc/self/exe", bench = "bench", server = "server";
  std::array<char*, 4> arguments{program.data(), bench.data(), server.data(), nullptr};
  const int error = ::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(to_server[0]);
  ::close(from_server[1]);
  output = from_server[0];
  if (error == 0) return {};
  process_ = -1;
  ::close(output);
  return std::unexpected(system_error(error, "cannot start the server's process"));
}

Result<BenchServer> BenchServer::start() {
  BenchServer server;
  int output = -1;
  if (auto spawned = server.spawn(output); !spawned) return std::unexpected(std::move(spawned.error()));
  const std::string text = read_all(output);
  ::close(output);
  std::array<int, 4>& ports = server.ports_;
  if (std::sscanf(text.c_str(), "%d %d %d %d", &ports[0], &ports[1], &ports[2], &ports[3]) != 4) {
    return fail(ErrorCode::io_failed, "the server's process did not tell its ports");
  }
  net::TlsClientOptions trust;
  trust.use_system_authorities = false;
  trust.ca_pem = text.substr(text.find('\n') + 1);
  auto tls = net::TlsContext::make_client(trust);
  if (!tls) return std::unexpected(std::move(tls.error()));
  server.tls_ = std::move(*tls);
  return server;
}

BenchServer::BenchServer(BenchServer&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      input_(std::exchange(other.input_, -1)),
      ports_(other.ports_),
      tls_(std::move(other.tls_)) {}

BenchServer::~BenchServer() {
  if (input_ >= 0) ::close(input_);
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
}

std::string BenchServer::url(std::string_view scheme, std::string_view path) const {
  const bool is_tls = scheme == "https" || scheme == "wss";
  return fmt::format("{}://127.0.0.1:{}{}", scheme, ports_[is_tls ? 1 : 0], path);
}

std::string BenchServer::emulator_url(std::string_view scheme, std::string_view path) const {
  const bool is_tls = scheme == "https" || scheme == "wss";
  return fmt::format("{}://127.0.0.1:{}{}", scheme, ports_[is_tls ? 3 : 2], path);
}

}  // namespace marketprism::app
