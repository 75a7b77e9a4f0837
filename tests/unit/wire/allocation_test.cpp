// Once warm, neither parser nor writer allocates for a message.
#include <cstring>

#include <gtest/gtest.h>

#include "marketprism/memory/allocation_counter.hpp"
#include "marketprism/wire/websocket_parser.hpp"
#include "marketprism/wire/websocket_writer.hpp"

namespace marketprism::wire {
namespace {

struct Row {
  const char* name;
  std::size_t payload_bytes;
  std::size_t fragment_bytes_max;
  bool deflate;
};

TEST(Allocation, NoneForAMessageOnceWarm) {
  for (const Row& row :
       {Row{"plain", 200, 0, false}, Row{"fragments", 2000, 300, false}, Row{"compressed", 2000, 0, true},
        Row{"large", 1'500'000, 0, false}, Row{"large in fragments", 1'500'000, 100'000, false}}) {
    for (const WebSocketRole role : {WebSocketRole::client, WebSocketRole::server}) {
      std::optional<DeflateParameters> deflate;
      if (row.deflate) deflate.emplace();
      WebSocketWriter writer({.role = role,
                              .mask_key = [] { return 0x12345678U; },
                              .fragment_bytes_max = row.fragment_bytes_max,
                              .deflate = deflate});
      WebSocketParser parser(
          {.role = role == WebSocketRole::client ? WebSocketRole::server : WebSocketRole::client, .deflate = deflate});
      const std::string payload(row.payload_bytes, 'x');
      std::string out;
      std::size_t delivered = 0;
      const auto send_and_receive = [&] {
        out.clear();
        ASSERT_TRUE(writer.write_text(out, payload) && writer.write_ping(out, "p"));
        std::string_view rest = out;
        while (!rest.empty()) {
          const auto room = parser.prepare();
          const std::size_t count = std::min({rest.size(), room.size(), std::size_t{70'000}});
          std::memcpy(room.data(), rest.data(), count);
          rest.remove_prefix(count);
          parser.commit(count);
          for (;;) {
            const auto next = parser.next();
            ASSERT_TRUE(next);
            if (!*next) break;
            ++delivered;
          }
        }
      };
      for (int i = 0; i < 5; ++i) send_and_receive();
      const memory::AllocationCounter allocations;
      for (int i = 0; i < 20; ++i) send_and_receive();
      EXPECT_EQ(allocations.count(), 0U) << row.name;
      EXPECT_EQ(delivered, 50U);
    }
  }
  EXPECT_TRUE(memory::counts_allocations());
}

}  // namespace
}  // namespace marketprism::wire
