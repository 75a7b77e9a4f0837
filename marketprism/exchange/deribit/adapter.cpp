#include "marketprism/exchange/deribit/adapter.hpp"

namespace marketprism::exchange::deribit {
namespace {

constexpr Facts venue{.name = "deribit",
                      .websockets = {},
                      .rest_url = {},
                      .book = {},
                      .messages_per_connection = {},
                      .connects = {},
                      .rest_limit = {},
                      .ping_text = {}};

class DeribitAdapter final : public Adapter {
 public:
  const Facts& facts() const override { return venue; }
  Decoded decode(std::string_view, DecodeHandler&) override { return Decoded::unreadable("not built yet"); }
  Decoded decode_rest(std::string_view, std::string_view, std::string_view, DecodeHandler&) override {
    return Decoded::unreadable("not built yet");
  }
  std::vector<RestRequest> instrument_requests() const override { return {}; }
  Result<std::vector<Stream>> streams(Channel, const market::Instrument&, const Variants&) const override {
    return fail(ErrorCode::unsupported, "not built yet", true);
  }
  std::string subscribe_text(std::span<const std::string>, std::int64_t) const override { return {}; }
  std::string unsubscribe_text(std::span<const std::string>, std::int64_t) const override { return {}; }
};

}  // namespace

std::unique_ptr<Adapter> make() { return std::make_unique<DeribitAdapter>(); }

}  // namespace marketprism::exchange::deribit
