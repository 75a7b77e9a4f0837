#pragma once
#include <string_view>
#include <vector>

#include "marketprism/exchange/adapter.hpp"

namespace marketprism::exchange::deribit {

std::vector<RestRequest> instrument_requests();

/// Decodes the REST answers we ask for: the instruments list.
Decoded decode_rest(std::string_view target, std::string_view body, DecodeHandler& handler);

/// The error of an answer, with the venue's own code and text.
Error rest_error(int status, std::string_view body);

}  // namespace marketprism::exchange::deribit
