#pragma once
#include <cstdint>
#include <string_view>

namespace marketprism {

/// The CRC-32 of zip, PNG and zlib (polynomial 0x04C11DB7, reflected). `so_far` is the result for the bytes before, so
/// that a text can be given in parts.
std::uint32_t crc32(std::string_view bytes, std::uint32_t so_far = 0);

}  // namespace marketprism
