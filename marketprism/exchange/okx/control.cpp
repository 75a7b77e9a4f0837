#include "marketprism/exchange/okx/decode.hpp"
#include "marketprism/exchange/okx/facts.hpp"

// What a frame with "event" says; the payloads stand in decode.cpp.

namespace marketprism::exchange::okx {
namespace {

/// The value behind `name` in an error's prose, up to a comma or space: "…channel:candle1m,instId:BTC-USDT doesn't…".
std::string_view value_in_prose(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + name.size());
  return text.substr(0, text.find_first_of(", "));
}

}  // namespace

std::string_view Decoder::stream_of(std::string_view channel, std::string_view subject) {
  stream_.clear();
  if (channel.empty()) return {};
  stream_.append(channel).append(":").append(subject);
  return stream_;
}

Decoded Decoder::emit_event(DecodeHandler& handler) {
  ControlMessage message{.stream = {}, .text = text_};
  message.id = whole_number(id_).value_or(-1);
  message.code = whole_number(code_).value_or(0);
  if (event_ == "subscribe" || event_ == "unsubscribe") {
    message.kind = event_ == "subscribe" ? ControlMessage::Kind::subscribed : ControlMessage::Kind::unsubscribed;
    message.stream = stream_of(channel_, symbol_.empty() ? kind_ : symbol_);
  } else if (event_ == "error" || event_ == "channel-conn-count-error") {
    message.kind = ControlMessage::Kind::refused;
    message.is_temporary = message.code == 60014 || message.code == 50011;  // asked too fast
    std::string_view channel = channel_;
    std::string_view subject = symbol_.empty() ? kind_ : symbol_;
    if (channel.empty()) {
      channel = value_in_prose(text_, "channel:");
      subject = value_in_prose(text_, "instId:");
      if (subject.empty()) subject = value_in_prose(text_, "instType:");
    }
    if (!subject.empty()) message.stream = stream_of(channel, subject);
  } else if (event_ == "notice" && code_ == upgrade_notice) {
    message.kind = ControlMessage::Kind::closing;
  } else {
    return Decoded::ignored("event_of_another_kind");  // "channel-conn-count", "login", other notices
  }
  handler.on_control(message);
  return Decoded::control();
}

}  // namespace marketprism::exchange::okx
