#include "marketprism/base/json_reader.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace marketprism {
namespace {

TEST(JsonReader, WalksObjectsAndArrays) {
  JsonReader json(
      R"( {"e":"trade", "t":12345,"p":"61837.63000000" ,"m":false,"n":null,"x":[[1,"2"],[]],"o":{"deep":{"er":[{}]}}} )");
  std::vector<std::string> seen;
  ASSERT_TRUE(json.enter_object());
  for (std::string_view key; json.next_key(key);) {
    if (key == "t") {
      seen.push_back("t=" + std::to_string(json.integer()));
    } else if (key == "p") {
      seen.push_back("p=" + json.decimal().to_string());
    } else if (key == "m") {
      seen.push_back(json.boolean() ? "m" : "not m");
    } else if (key == "x") {
      json.enter_array();
      while (json.next_element()) {
        json.enter_array();
        std::string row = "row";
        while (json.next_element()) row += ":" + std::string(json.text());
        seen.push_back(row);
      }
    } else {
      seen.push_back(std::string(key) + "~" + std::string(json.skip()));
    }
  }
  EXPECT_TRUE(json.finish());
  EXPECT_EQ(seen, (std::vector<std::string>{"e~\"trade\"", "t=12345", "p=61837.63000000", "not m", "n~null", "row:1:2",
                                            "row", R"(o~{"deep":{"er":[{}]}})"}));
}

bool is_whole(std::string_view text) {
  JsonReader json(text);
  json.skip();
  return json.finish();
}

TEST(JsonReader, EveryCutOfATextIsNoticed) {
  const std::string text =
      R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","b":[["1.0","2"],["3","4e-7"]],"u\u00e9":true,"z":[{},[],-1.5]}})";
  EXPECT_TRUE(is_whole(text));
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(is_whole(text.substr(0, length))) << text.substr(0, length);
  }
}

TEST(JsonReader, RefusesWhatIsNotJson) {
  for (const char* text :
       {"",           " ",       "{",        "}",        "[1,2",  "[1,]",      "[,1]",    "{,}",
        "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{a:1}",    "[1 2]", "nul",       "tru",     "01x",
        "-",          "1.",      ".5",       "1e",       "+1",    "\"a",       "\"\\x\"", "\"\\u12g4\"",
        "\"\n\"",     "{}{}",    "1 2",      "not json", "[1}",   "{\"a\":1]", "\xff"}) {
    EXPECT_FALSE(is_whole(text)) << text;
  }
  EXPECT_FALSE(is_whole(std::string(5000, '[')));
  for (const char* text :
       {"{}", "[]", "0", "null", "\"\"", "\"\\u0000\\uffff\"", "[[],{},\"\",0,true,false,null]", "-0.5e+10"}) {
    EXPECT_TRUE(is_whole(text)) << text;
  }
}

TEST(JsonReader, AFaultStaysAFault) {
  JsonReader json(R"({"a":"x","b":2})");
  ASSERT_TRUE(json.enter_object());
  std::string_view key;
  ASSERT_TRUE(json.next_key(key));
  EXPECT_EQ(json.integer(), 0);  // "x" is no integer
  EXPECT_TRUE(json.failed());
  EXPECT_FALSE(json.next_key(key));
  EXPECT_EQ(json.peek(), JsonReader::Kind::none);
  EXPECT_FALSE(json.finish());
}

TEST(JsonReader, LongStringsAreFoundAcrossBlocks) {
  for (std::size_t length = 0; length < 70; ++length) {
    const std::string body(length, 'a');
    const std::string text = "[\"" + body + "\",\"" + body + "\\\"" + body + "\"]";
    JsonReader reader(text);
    ASSERT_TRUE(reader.enter_array());
    ASSERT_TRUE(reader.next_element());
    EXPECT_EQ(reader.string(), body);
    ASSERT_TRUE(reader.next_element());
    EXPECT_EQ(unescape(reader.string()), body + "\"" + body);
    EXPECT_FALSE(reader.next_element());
    EXPECT_TRUE(reader.finish());
  }
}

TEST(Unescape, DecodesAndReplacesLoneSurrogates) {
  EXPECT_EQ(unescape(R"(a\n\t\"\\\/\u0041\u00e9\u4e2d\ud83d\ude00)"),
            "a\n\t\"\\/A\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80");
  EXPECT_EQ(unescape(R"(\ud83dx)"), "\xef\xbf\xbdx");
  std::string out;
  append_escaped(out, "a\"b\\c\n\x01");
  EXPECT_EQ(out, R"(a\"b\\c\n\u0001)");
  EXPECT_EQ(unescape(out), "a\"b\\c\n\x01");
}

}  // namespace
}  // namespace marketprism
