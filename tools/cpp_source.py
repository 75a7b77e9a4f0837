"""Reads C++ source as far as tidy.py needs it: without comments and literals, its includes, functions and co_await operands.

Heuristics, not a parser: they hold for code that clang-format has laid out and that balances its braces in every branch of
an #if. Lines are counted from 1.
"""
import re

_LITERAL = re.compile(
    r"""(?P<comment>//[^\n]*(?:\\\n[^\n]*)*|/\*.*?\*/)
      |(?P<raw>\b(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
      |(?P<number>\b\d(?:'?[\w.])*)
      |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.X | re.S)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


class Source:
    """One file's text in three forms of the same length, so that a position means the same line in all of them."""

    def __init__(self, text):
        self.text = text
        self.uncommented = _LITERAL.sub(lambda m: _blank(m[0]) if m["comment"] else m[0], text)
        self.code = _LITERAL.sub(self._without_content, text)
        self._plain = _DIRECTIVE.sub(lambda m: _blank(m[0]), self.code)

    @staticmethod
    def _without_content(match):
        if match["number"]:
            return match[0]
        blank = _blank(match[0])
        return blank if match["comment"] or len(blank) < 2 else '"' + blank[1:-1] + '"'

    def line_of(self, position):
        return self.text.count("\n", 0, position) + 1

    def includes(self):
        """(line, '<' or '"', name) of every include."""
        return [(self.line_of(m.start(1)), m[1], m[2]) for m in _INCLUDE.finditer(self.uncommented)]

    def functions(self):
        """(name, first line, last line) of every function body outside of another one."""
        return _FunctionFinder(self).run()

    def balanced(self):
        return self._plain.count("{") == self._plain.count("}")

    def awaited(self):
        """(line, operand) of every co_await; the operand ends where its statement, argument or parenthesis does."""
        for match in re.finditer(r"\bco_await\b", self._plain):
            yield self.line_of(match.start()), self._plain[match.end():self._operand_end(match.end())]

    def _operand_end(self, position):
        depth = 0
        for match in re.compile(r"[()\[\]{};,]").finditer(self._plain, position):
            sign = match[0]
            if sign in "([{":
                depth += 1
            elif sign in ")]}":
                if depth == 0:
                    return match.start()
                depth -= 1
            elif depth == 0:
                return match.start()
        return len(self._plain)


class _FunctionFinder:
    """Walks braces at namespace and class scope; what a brace opens is told by the text since the last boundary."""

    def __init__(self, source):
        self.source = source
        self.code = source._plain
        self.found = []
        self._forget_header(0)

    def _forget_header(self, position):
        self.header_start = position
        self.header = ""  # the text since the last boundary, with () and {} for whatever they enclose
        self.parens = 0

    def run(self):
        position = 0
        while match := re.compile(r"[{}();]").search(self.code, position):
            if self.parens == 0:
                self.header += self.code[position:match.start()]
            position = self._take(match[0], match.start())
        return self.found

    def _take(self, sign, at):
        """Handles one sign; returns where to go on."""
        if sign == "(":
            self.header += "(" if self.parens == 0 else ""
            self.parens += 1
        elif sign == ")":
            self.parens = max(0, self.parens - 1)
            self.header += ")" if self.parens == 0 else ""
        elif sign == "}" or (sign == ";" and self.parens == 0):
            self._forget_header(at + 1)
        elif sign == "{":
            return self._take_brace(at)
        return at + 1

    def _take_brace(self, at):
        kind = "value" if self.parens else _kind_of(self.header)
        if kind == "scope":
            self._forget_header(at + 1)
            return at + 1
        end = self._closing(at)
        if kind == "value":
            self.header += "{}" if self.parens == 0 else ""
            return end + 1
        self.found.append(self._function(at, end))
        self._forget_header(end + 1)
        return end + 1

    def _closing(self, at):
        depth = 0
        for match in re.compile(r"[{}]").finditer(self.code, at):
            depth += 1 if match[0] == "{" else -1
            if depth == 0:
                return match.start()
        return len(self.code)

    def _function(self, at, end):
        header = self.code[self.header_start:at]
        lead = re.match(r"(?:\s|\b(?:public|private|protected)\s*:(?!:))*", header).end()
        text = " ".join(self.source.uncommented[self.header_start + lead:at].split())
        name = re.search(r"(operator\s*\S+?|[~\w:]+)\s*\(", text)
        shown = name[1] if name else text[:40]
        if re.match(r"(TYPED_)?TEST", shown):
            shown = text[:text.find(")") + 1]
        return shown, self.source.line_of(self.header_start + lead), self.source.line_of(end)


def _without_template_lists(header):
    while match := re.search(r"\btemplate\s*<", header):
        depth, at = 1, match.end()
        while depth and at < len(header):
            depth += {"<": 1, ">": -1}.get(header[at], 0)
            at += 1
        header = header[:match.start()] + " " + header[at:]
    return header


def _kind_of(header):
    """'scope' (namespace, class), 'function' or 'value' (an initialiser), from the text before the brace."""
    header = re.sub(r"\b(?:public|private|protected)\s*:(?!:)", " ", header)
    header = re.sub(r"\[\[.*?\]\]|\balignas\s*\(\)|\b__attribute__\s*\(\)", " ", _without_template_lists(header))
    if re.search(r'\bnamespace\b|\bextern\s+""', header):
        return "scope"
    if re.match(r"\s*(?:typedef\s+|inline\s+|static\s+|constexpr\s+|const\s+)*(?:class|struct|union|enum)\b[^()=]*(?::.*)?$", header,
                re.S):
        return "scope"
    plain = re.sub(r"\boperator\s*[^\s\w(]+|[=!<>]=", " ", header)
    if "=" in plain:
        return "function" if re.search(r"=\s*\[", plain) else "value"
    if "()" not in header:
        return "value"
    if re.search(r"\)[^()]*(?<!-)>\s*\w+\s*$", header):
        return "value"  # a member such as std::function<void(int)> x_{}
    if re.search(r"\)[^:]*(?<!:):(?!:)", header) and not re.search(r"[)}]\s*$", header):
        return "value"  # a member in a constructor's initialiser list
    return "function"
