#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/emulator/moment.hpp"
#include "marketprism/emulator/rest.hpp"

namespace marketprism::emulator {

/// The venue's list of instruments for a recording that has none (a tape of streams only): the symbols its streams
/// name, everything else guessed from the symbol. Nothing if `query` asks for no such list or the venue is none of
/// Binance's.
std::optional<RestAnswer> guessed_instruments(std::string_view exchange, std::span<const std::string> streams,
                                              const RestQuery& query, Moment moment);

}  // namespace marketprism::emulator
