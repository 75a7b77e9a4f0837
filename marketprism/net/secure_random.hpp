#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace marketprism::net {

/// Bytes nobody can guess, from the operating system. Any thread.
void fill_secure_random(std::span<std::byte> out);

/// Four of them, from a buffer of the calling thread: cheap enough for every frame.
std::uint32_t secure_random_word();

}  // namespace marketprism::net
