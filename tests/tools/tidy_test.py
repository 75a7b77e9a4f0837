#!/usr/bin/env python3
"""Tests of tools/tidy.py: each rule on the smallest bad sample and on its nearest good neighbour."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import cpp_source  # noqa: E402
import tidy  # noqa: E402

CMAKE = """
# A comment about add_layer(NAME).
add_layer(base PRIVATE_LINK fmt::fmt)
add_layer(pool DEPENDS base PRIVATE_LINK fmt::fmt)
add_layer(async DEPENDS base LINK Boost::headers)
  add_layer(net DEPENDS base pool async
            LINK Boost::headers)
"""
FILES = ["marketprism/base/error.hpp", "marketprism/pool/backoff.hpp", "marketprism/net/dns.hpp"]


def violations(path, text, files=()):
    checker = tidy.Checker(tidy.read_layers(CMAKE), FILES + list(files))
    checker.check(path, text)
    return checker.violations


class Rules(unittest.TestCase):
    def assert_only(self, path, text, rule, line):
        found = violations(path, text)
        self.assertEqual([v.split(": ")[:2] for v in found], [[f"{path}:{line}", rule]], found)

    def assert_clean(self, path, text):
        self.assertEqual(violations(path, text), [])

    def test_layers_are_read_from_cmake(self):
        self.assertEqual(tidy.read_layers(CMAKE),
                         {"base": set(), "pool": {"base"}, "async": {"base"}, "net": {"base", "pool", "async"}})

    def test_a_layer_depends_only_on_those_above(self):
        checker = tidy.Checker(tidy.read_layers("add_layer(base DEPENDS pool)\nadd_layer(pool DEPENDS base)\n"), [])
        checker.check_table("CMakeLists.txt")
        self.assertEqual(len(checker.violations), 1)
        self.assertIn("base DEPENDS on pool", checker.violations[0])

    def test_layering(self):
        self.assert_only("marketprism/pool/a.cpp", '#include <vector>\n#include "marketprism/net/dns.hpp"\n', "layering", 2)
        self.assert_only("marketprism/base/a.cpp", '#include "marketprism/pool/backoff.hpp"\n', "layering", 1)
        self.assert_clean("marketprism/net/a.cpp", '#include "marketprism/pool/backoff.hpp"\n')
        self.assert_clean("tests/unit/pool/a_test.cpp", '#include "marketprism/net/dns.hpp"\n')
        self.assert_clean("marketprism/pool/a.cpp", '// #include "marketprism/net/dns.hpp"\n')

    def test_unknown_layer(self):
        self.assert_only("marketprism/extras/a.cpp", "int x;\n", "layering", 1)

    def test_sans_io_includes(self):
        for name in ("mutex", "thread", "boost/asio.hpp", "boost/asio/ip/tcp.hpp", "sys/socket.h", "atomic", "fstream"):
            self.assert_only("marketprism/pool/a.cpp", f"#include <{name}>\n", "sans-io", 1)
            self.assert_clean("marketprism/net/a.cpp", f"#include <{name}>\n")
        self.assert_clean("marketprism/base/log.cpp", "#include <mutex>\n#include <atomic>\n")
        self.assert_clean("marketprism/pool/permit_ledger.cpp", "#include <atomic>\n")
        self.assert_only("marketprism/pool/permit_ledger.cpp", "#include <mutex>\n", "sans-io", 1)

    def test_sans_io_code(self):
        clock = "auto f() {\n  return std::chrono::steady_clock::now();\n}\n"
        self.assert_only("marketprism/pool/a.cpp", clock, "sans-io", 2)
        self.assert_clean("marketprism/async/a.cpp", clock)
        self.assert_clean("marketprism/pool/a.cpp", "// steady_clock::now() is the caller's\nbool operator<(Instant now);\n")
        self.assert_only("marketprism/pool/a.cpp", "std::mutex lock;\n", "sans-io", 1)

    def test_file_length(self):
        self.assert_only("marketprism/pool/a.cpp", "int x;\n" * 401, "file-length", 401)
        self.assert_clean("marketprism/pool/a.cpp", "int x;\n" * 400)
        self.assert_only("scripts/a.sh", "true\n" * 401, "file-length", 401)

    def test_function_length(self):
        body = "  step();\n" * 69
        self.assert_only("marketprism/pool/a.cpp", "int x;\n\nvoid f() {\n" + body + "}\n", "function-length", 3)
        self.assert_clean("marketprism/pool/a.cpp", "void f() {\n" + body[10:] + "}\n")
        # A class or a table may be long; only its functions count.
        self.assert_clean("marketprism/pool/a.cpp", "class A {\n" + "  int x = 0;\n" * 90 + "};\n")
        self.assert_clean("marketprism/pool/a.cpp", "constexpr int table[] = {\n" + "  1,\n" * 90 + "};\n")

    def test_names(self):
        for name in ("StringHelper", "HelperPool", "UrlUtils", "net_util", "Misc", "parse_v2", "parse_old", "TaskManager",
                     "session_manager"):
            self.assert_only("marketprism/pool/a.cpp", f"int {name};\n", "name", 1)
        for name in ("ConnectionPoolManager", "ConnectionPoolManagerOptions", "Utilization", "with_common", "address_v4", "is_old", "threshold",
                     "std::common_type_t<int> x", "OfACommonScale"):
            self.assert_clean("marketprism/pool/a.cpp", f"int {name};\n")
        self.assert_only("marketprism/pool/string_util.cpp", "int x;\n", "name", 1)
        self.assert_only("marketprism/pool/common/a.cpp", "int x;\n", "name", 1)
        self.assert_clean("marketprism/pool/a.cpp", '// a Helper\nauto x = "Helper";\n')

    def test_co_await(self):
        bad = ["co_await send({1, 2});", "auto r = co_await send(Options{.x = 1});", "co_await run([this] { stop(); });",
               "if (co_await f(A{})) stop();", "co_await Awaiter{1};", "co_return co_await f(\n  {});"]
        for statement in bad:
            self.assert_only("marketprism/net/a.cpp", f"int x;\nTask f() {{\n  {statement}\n}}\n", "co_await", 3)
        good = ["if (co_await f(x)) { stop(); }", "auto o = A{1}; co_await send(o);", "co_await f(a[1], b(2)); x = {1};",
                "for (auto x : co_await f()) { g(x); }", "// co_await f({})"]
        for statement in good:
            self.assert_clean("marketprism/net/a.cpp", f"Task f() {{\n  {statement}\n}}\n")

    def test_includes_are_from_the_root(self):
        self.assert_only("marketprism/pool/a.cpp", '#include "backoff.hpp"\n', "include", 1)
        self.assert_only("marketprism/pool/a.cpp", '#include "marketprism/pool/../base/error.hpp"\n', "include", 1)
        self.assert_only("marketprism/pool/a.cpp", '#include "marketprism/base/absent.hpp"\n', "include", 1)
        self.assert_only("marketprism/pool/a.cpp", "#include <marketprism/base/error.hpp>\n", "include", 1)
        self.assert_clean("marketprism/pool/a.cpp", '#include "marketprism/base/error.hpp"\n')

    def test_pragma_once(self):
        self.assert_only("marketprism/pool/a.hpp", "int x;\n", "pragma-once", 1)
        self.assert_clean("marketprism/pool/a.hpp", "// What this is.\n#pragma once\nint x;\n")

    def test_heavy_headers(self):
        self.assert_only("marketprism/net/a.hpp", "#pragma once\n#include <boost/beast/http.hpp>\n", "heavy-header", 2)
        self.assert_clean("marketprism/net/a.cpp", "#include <boost/beast/http.hpp>\n")

    def test_machine_paths(self):
        self.assert_only("marketprism/pool/a.cpp", 'auto x = "/ho' 'me/me/data";\n', "machine-path", 1)
        self.assert_only("scripts/a.sh", "cd /tm" "p\n", "machine-path", 1)
        self.assert_clean("marketprism/pool/a.cpp", 'auto x = "https://a.example/work/tmp";  // see data/tmp/x\n')
        self.assert_clean("tests/unit/pool/a_test.cpp", 'auto x = "/tm' 'p/x";\n')

    def test_unfinished(self):
        self.assert_only("docs/a.md", "# A\nTO" "DO: more\n", "unfinished", 2)
        self.assert_clean("docs/a.md", "a todo list\n")

    def test_exception_needs_a_reason(self):
        text = "// tidy-allow(sans-io): counts allocations of all threads\n#include <atomic>\n"
        self.assert_clean("marketprism/pool/a.cpp", text)
        self.assert_clean("marketprism/pool/a.cpp", "#include <atomic>  // tidy-allow(sans-io): counts\n")
        self.assert_only("marketprism/pool/a.cpp", "// tidy-allow(sans-io):\n#include <atomic>\n", "sans-io", 2)
        self.assert_only("marketprism/pool/a.cpp", "// tidy-allow(name): x\n#include <atomic>\n", "sans-io", 2)


class Functions(unittest.TestCase):
    """What counts as a function, and where it starts and ends."""

    def found(self, text):
        return cpp_source.Source(text).functions()

    def test_kinds(self):
        text = """namespace a::b {
template <class T, int N = (3 > 2)>
struct alignas(64) A : public Base<T> {
 public:
  A(int x) : x_{x}, y_(x), z_{1, 2} {
    go();
  }
  ~A() noexcept override { stop(); }
  bool operator()(int) const { return true; }
  A& operator=(const A&) {
    return *this;
  }
  void f(Options o = {}, int y = 2) const noexcept {
    auto g = [&] { return 1; };
    if (x) { y(); } else { z(); }
  }
  std::function<void(int)> callback_{};
  int x_{1};
  std::array<int, 2> z_ = {1, 2};
};
enum class E : std::uint8_t { one, two };
constexpr auto lambda = [](int x) {
  return x;
};
auto g(int x) -> std::vector<int> {
  return {x};
}
template <class T>
concept C = requires(T t) { t.x(); };
}  // namespace a::b
TEST(Pool, Waits) {
}
extern "C" int run(const char* data) {
  return R"x( } } )x"[0] + '}' + 1'000;
}
"""
        self.assertEqual([(name, last - first + 1) for name, first, last in self.found(text)],
                         [("A", 3), ("~A", 1), ("operator()", 1), ("operator=", 3), ("f", 4),
                          ("constexpr auto lambda = [](int x)", 3), ("g", 3), ("TEST(Pool, Waits)", 2), ("run", 3)])

    def test_preprocessor_lines_do_not_count(self):
        text = "#define OPEN() { \\\n  {\nvoid f() {\n#if X\n  a();\n#endif\n}\n"
        source = cpp_source.Source(text)
        self.assertTrue(source.balanced())
        self.assertEqual(source.functions(), [("f", 3, 7)])

    def test_half_a_brace_in_a_branch_is_told(self):
        found = violations("marketprism/pool/a.cpp", "#if X\nvoid f() {\n#else\nvoid f(int) {\n#endif\n}\n")
        self.assertEqual(len(found), 1)
        self.assertIn("do not balance", found[0])


if __name__ == "__main__":
    unittest.main()
