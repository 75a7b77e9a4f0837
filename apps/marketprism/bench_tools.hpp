#pragma once
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/net/tls_context.hpp"

namespace CLI {
class App;
}

namespace marketprism::app {

/// What the bench verbs share: clocks, figures, and a server in a process of its own.

/// CPU time of this process, all threads, user and system.
double process_cpu_seconds();
/// CPU time of this thread, so that a neighbour on the machine does not count; on a quiet machine it is the wall's.
double thread_cpu_seconds();
/// Monotonic.
double wall_seconds();
/// Resident memory of this process.
double resident_megabytes();
/// The middle one (the upper of two); 0 when empty.
double median(std::vector<double> values);

/// The median of so many calls.
template <class Measure>
double median_of(int passes, Measure&& measure) {
  std::vector<double> values;
  for (int i = 0; i < passes; ++i) values.push_back(measure());
  return median(std::move(values));
}

/// The options that most bench verbs have: --passes and --json.
void add_pass_options(CLI::App& verb, int& passes, bool& as_json);

/// For clients: trusts what the system trusts, and `ca_file` unless empty.
Result<net::TlsContextPtr> client_tls(const std::string& ca_file);

/// Named results, printed as a table, or with --json as one object a line.
class Figures {
 public:
  void add(std::string name, double value, std::string unit, std::string remark = {});
  void print(bool as_json) const;

 private:
  struct Figure {
    std::string name;
    double value;
    std::string unit;
    std::string remark;
  };
  std::vector<Figure> figures_;
};

/// Servers in another process, so that their work does not count as the client's: `marketprism bench server`, a plain
/// HTTP and WebSocket server, and an emulated Binance; each also over TLS. Ends with this object, or when this process
/// ends.
class BenchServer {
 public:
  static Result<BenchServer> start();
  BenchServer(BenchServer&& other) noexcept;
  BenchServer& operator=(BenchServer&& other) = delete;
  ~BenchServer();

  /// "SCHEME://127.0.0.1:PORTPATH"; `scheme`: http, https, ws or wss.
  [[nodiscard]] std::string url(std::string_view scheme, std::string_view path) const;
  [[nodiscard]] std::string emulator_url(std::string_view scheme, std::string_view path) const;
  /// Trusts the servers' certificate and nothing else.
  [[nodiscard]] const net::TlsContextPtr& tls() const { return tls_; }

 private:
  BenchServer() = default;
  Result<> spawn(int& output);

  int process_ = -1;
  int input_ = -1;  // open as long as the servers shall live
  std::array<int, 4> ports_{};
  net::TlsContextPtr tls_;
};

/// Paths of the plain server.
inline constexpr std::string_view bench_get_path = "/t";          ///< 200 bytes of JSON
inline constexpr std::string_view bench_trades_path = "/trades";  ///< a page of Binance trades, one frame a line
inline constexpr std::string_view bench_firehose_path = "/ws";    ///< ?n=COUNT text messages of 200 bytes, then a close

}  // namespace marketprism::app
