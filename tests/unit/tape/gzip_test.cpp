#include "marketprism/tape/gzip.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

namespace marketprism::tape {
namespace {

using ::testing::HasSubstr;

std::string gzip(std::string_view plain) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, plain.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

struct Inflated {
  std::string plain;
  std::string error;
};

Inflated inflate_all(std::string_view packed, std::size_t portion, std::size_t room) {
  GzipInflater inflater;
  Inflated result;
  std::vector<char> output(room);
  for (;;) {
    const std::string piece(packed.substr(0, portion));
    packed.remove_prefix(piece.size());
    std::string_view input = piece;
    for (;;) {
      const std::size_t offered = input.size();
      const Result<std::size_t> count = inflater.inflate(input, output);
      if (!count) {
        result.error = count.error().message;
        return result;
      }
      result.plain.append(output.data(), *count);
      if (*count == 0 && input.empty()) break;
      EXPECT_TRUE(*count > 0 || input.size() < offered);
    }
    if (piece.empty()) break;
  }
  if (const Result<> end = inflater.finish(); !end) result.error = end.error().message;
  return result;
}

std::string varied_text() {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919 % 10007) + "\n";
  return text;
}

TEST(GzipInflater, MembersAndPortionsOfAnySize) {
  const std::string text = varied_text();
  const std::string packed = gzip(text) + gzip("") + gzip("second\n");
  for (const std::size_t portion : {1UL, 7UL, 4096UL, packed.size()}) {
    for (const std::size_t room : {13UL, 65536UL, text.size() * 2}) {
      const Inflated got = inflate_all(packed, portion, room);
      EXPECT_EQ(got.error, "") << portion << " " << room;
      EXPECT_EQ(got.plain, text + "second\n") << portion << " " << room;
    }
  }
}

TEST(GzipInflater, ACutFileGivesWhatIsReadableAndThenAnError) {
  const std::string text = varied_text();
  const std::string packed = gzip(text);
  for (const std::size_t kept : {1UL, 12UL, packed.size() / 2, packed.size() - 9, packed.size() - 1}) {
    const Inflated got = inflate_all(packed.substr(0, kept), 4096, 4096);
    EXPECT_THAT(got.error, HasSubstr("the file ends in the middle")) << kept;
    EXPECT_TRUE(text.starts_with(got.plain)) << kept;
    if (kept >= packed.size() - 9) EXPECT_EQ(got.plain.size(), text.size());
  }
}

TEST(GzipInflater, DamageIsNamedAfterWhatStandsBeforeIt) {
  const std::string text = varied_text();
  std::string packed = gzip(text);
  for (std::size_t i = packed.size() / 2; i < packed.size() / 2 + 40; ++i) packed[i] = '\x55';
  const Inflated got = inflate_all(packed, 4096, 4096);
  EXPECT_THAT(got.error, HasSubstr("gzip data is damaged at byte"));
  EXPECT_GT(got.plain.size(), text.size() / 4);
}

TEST(GzipInflater, PaddingIsFineOtherTrailersAreNot) {
  EXPECT_EQ(inflate_all(gzip("a") + std::string(512, '\0'), 100, 100).error, "");
  const Inflated got = inflate_all(gzip("a") + "trailer", 100, 100);
  EXPECT_EQ(got.plain, "a");
  EXPECT_THAT(got.error, HasSubstr("bytes that are not gzip follow"));
  EXPECT_THAT(inflate_all("plain text", 100, 100).error, HasSubstr("damaged at byte"));
  EXPECT_EQ(inflate_all("", 1, 1).error, "");
}

}  // namespace
}  // namespace marketprism::tape
