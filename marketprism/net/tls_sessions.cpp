#include "marketprism/net/tls_sessions.hpp"

#include <utility>

#include <openssl/ssl.h>

namespace marketprism::net {

void TlsSessionDeleter::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }

void TlsSessions::put(const std::string& peer, TlsSessionPtr session) {
  const std::lock_guard lock(mutex_);
  if (!sessions_.contains(peer) && sessions_.size() >= peers_max_) sessions_.erase(sessions_.begin());
  auto& of_peer = sessions_[peer];
  if (of_peer.size() == sessions_per_peer_max) of_peer.erase(of_peer.begin());
  of_peer.push_back(std::move(session));
}

TlsSessionPtr TlsSessions::take(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(peer);
  if (found == sessions_.end()) return nullptr;
  auto& of_peer = found->second;
  if (SSL_SESSION_is_resumable(of_peer.back().get()) != 1) {
    sessions_.erase(found);
    return nullptr;
  }
  if (of_peer.size() == 1) {
    SSL_SESSION_up_ref(of_peer.back().get());
    return TlsSessionPtr(of_peer.back().get());
  }
  TlsSessionPtr session = std::move(of_peer.back());
  of_peer.pop_back();
  return session;
}

}  // namespace marketprism::net
