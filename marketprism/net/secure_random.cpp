#include "marketprism/net/secure_random.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sys/random.h>

namespace marketprism::net {

void fill_secure_random(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t count = ::getrandom(out.data(), out.size(), 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      std::abort();  // a system without randomness cannot speak WebSocket or TLS
    }
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

std::uint32_t secure_random_word() {
  thread_local std::array<std::uint32_t, 256> words;
  thread_local std::size_t left = 0;
  if (left == 0) {
    fill_secure_random(std::as_writable_bytes(std::span(words)));
    left = words.size();
  }
  return words[--left];
}

}  // namespace marketprism::net
