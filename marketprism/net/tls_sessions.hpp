#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct ssl_session_st;

namespace marketprism::net {

struct TlsSessionDeleter {
  void operator()(ssl_session_st* session) const;
};
using TlsSessionPtr = std::unique_ptr<ssl_session_st, TlsSessionDeleter>;

/// The sessions servers gave us, so that the next handshake with the same server is a short one. Belongs to a client's
/// TlsContext and so to one set of verification settings: a certificate checked for one host counts for that host only.
/// Any thread.
class TlsSessions {
 public:
  explicit TlsSessions(std::size_t peers_max = 1024) : peers_max_(peers_max) {}

  /// `peer`: host, port and the name that was verified. The oldest of a peer's is dropped, and of too many peers any.
  void put(const std::string& peer, TlsSessionPtr session);
  /// The newest one; each is used once, as servers ask for, but the last is kept for the connections that follow.
  TlsSessionPtr take(const std::string& peer);

 private:
  static constexpr std::size_t sessions_per_peer_max = 4;

  std::mutex mutex_;
  std::size_t peers_max_;
  std::map<std::string, std::vector<TlsSessionPtr>> sessions_;
};

}  // namespace marketprism::net
