#include "marketprism/monitor/json_writer.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace marketprism::monitor {
namespace {

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("a", 1).begin_array("b").value(1).value("x").begin_object().end_object().end_array();
  json.begin_object("c").end_object().null("d").raw("e", "[1,2]").field("f", true).end_object();
  EXPECT_EQ(text, R"({"a":1,"b":[1,"x",{}],"c":{},"d":null,"e":[1,2],"f":true})");
}

TEST(JsonWriter, EscapesWhatJsonForbids) {
  std::string text;
  JsonWriter(text).begin_object().field("k\"", std::string("a\\b\"c\nd\x01") + "ü").end_object();
  EXPECT_EQ(text, "{\"k\\\"\":\"a\\\\b\\\"c\\nd\\u0001ü\"}");
}

TEST(JsonWriter, WritesNumbersThatJsonKnows) {
  std::string text;
  JsonWriter json(text);
  json.begin_array().value(0.1 + 0.2).value(1e300).value(std::numeric_limits<double>::quiet_NaN());
  json.value(std::numeric_limits<double>::infinity()).value(UINT64_MAX).value(-5).end_array();
  EXPECT_EQ(text, "[0.3,1e+300,null,null,18446744073709551615,-5]");
}

}  // namespace
}  // namespace marketprism::monitor
