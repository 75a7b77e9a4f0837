#include "marketprism/emulator/faulty_transport.hpp"

namespace marketprism::emulator {

net::Task<Result<>> FaultyTransport::write(std::span<const std::string_view> parts) {
  if (swallows_) return succeed();
  if (halves_) return write_half(parts);
  return inner_->write(parts);
}

net::Task<Result<>> FaultyTransport::write_half(std::span<const std::string_view> parts) {
  const std::string_view first = parts.empty() ? std::string_view() : parts.front();
  const std::string_view half = first.substr(0, first.size() / 2);
  static_cast<void>(co_await inner_->write(std::span(&half, 1)));
  inner_->close();
  co_return std::unexpected(cut_error());
}

Result<std::size_t> FaultyTransport::write_now(std::string_view bytes) {
  if (swallows_) return bytes.size();
  if (!halves_) return inner_->write_now(bytes);
  static_cast<void>(inner_->write_now(bytes.substr(0, bytes.size() / 2)));
  inner_->close();
  return std::unexpected(cut_error());
}

}  // namespace marketprism::emulator
