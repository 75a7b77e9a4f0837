#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "marketprism/async/block_on.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/net/connector.hpp"
#include "marketprism/net/self_signed.hpp"

namespace marketprism::net {

/// One loop on the test's thread; `run` drives a task to its end. Deadlines are generous: they only end a hanging test.
class LoopFixture {
 public:
  async::EventLoop loop;

  template <class T>
  T run(Task<T> task) {
    return async::block_on(loop, std::move(task));
  }
  void run(Task<> task) { async::block_on(loop, std::move(task)); }
  [[nodiscard]] Instant soon() { return loop.refresh_now() + std::chrono::seconds(20); }
};

/// Certificates for localhost, made once a process.
inline const SelfSigned& test_certificates() {
  static const SelfSigned certificates = make_self_signed().value();
  return certificates;
}

inline TlsContextPtr server_context() { return TlsContext::make_server(test_certificates().server_options()).value(); }

inline TlsContextPtr client_context() {
  TlsClientOptions options;
  options.use_system_authorities = false;
  options.ca_pem = test_certificates().ca_pem;
  return TlsContext::make_client(options).value();
}

}  // namespace marketprism::net
