#include "marketprism/base/stack_trace.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <link.h>
#include <memory>
#include <optional>

#include <fmt/format.h>

namespace marketprism {
namespace {

constexpr std::size_t name_bytes_max = 240;  // names of templates have no end

struct Wanted {
  std::uintptr_t address = 0;
  std::size_t index = 0;              // in the answer
  std::optional<std::uint64_t> name;  // where its name lies in the strings
};

/// A file of which pieces are read as arrays.
class ElfFile {
 public:
  explicit ElfFile(const char* path) : file_(std::fopen(path, "rb"), &std::fclose) {}
  [[nodiscard]] bool is_open() const { return file_ != nullptr; }

  template <class T>
  bool read(std::uint64_t offset, std::span<T> into) {
    return std::fseek(file_.get(), static_cast<long>(offset), SEEK_SET) == 0 &&
           std::fread(into.data(), sizeof(T), into.size(), file_.get()) == into.size();
  }

  std::string read_text(std::uint64_t offset) {
    if (std::fseek(file_.get(), static_cast<long>(offset), SEEK_SET) != 0) return {};
    std::string text;
    for (int c = std::fgetc(file_.get()); c > 0 && text.size() < 16'384; c = std::fgetc(file_.get())) {
      text += static_cast<char>(c);
    }
    return text;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

std::string readable(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status),
                                                    &std::free);
  std::string name = status == 0 ? text.get() : symbol;
  if (name.size() > name_bytes_max) name = name.substr(0, name_bytes_max) + "…";
  return name;
}

/// Looks the addresses (sorted) up in one table of symbols.
void look_up(ElfFile& file, const ElfW(Shdr) & table, std::uintptr_t base, std::span<Wanted> wanted) {
  std::vector<ElfW(Sym)> symbols(4096);
  const std::uint64_t count = table.sh_size / sizeof(ElfW(Sym));
  for (std::uint64_t at = 0; at < count; at += symbols.size()) {
    const std::span piece(symbols.data(),
                          static_cast<std::size_t>(std::min<std::uint64_t>(symbols.size(), count - at)));
    if (!file.read(table.sh_offset + at * sizeof(ElfW(Sym)), piece)) return;
    for (const ElfW(Sym) & symbol : piece) {
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_size == 0) continue;
      const std::uintptr_t first = base + symbol.st_value;
      for (auto w = std::ranges::lower_bound(wanted, first, {}, &Wanted::address);
           w != wanted.end() && w->address < first + symbol.st_size; ++w) {
        w->name = symbol.st_name;
      }
    }
  }
}

void name_in_file(const char* path, std::uintptr_t base, std::span<Wanted> wanted, std::vector<std::string>& names) {
  ElfFile file(path);
  std::array<ElfW(Ehdr), 1> head{};
  if (!file.is_open() || !file.read(0, std::span<ElfW(Ehdr)>(head)) || head[0].e_shentsize != sizeof(ElfW(Shdr)))
    return;
  std::vector<ElfW(Shdr)> sections(head[0].e_shnum);
  if (!file.read(head[0].e_shoff, std::span<ElfW(Shdr)>(sections))) return;
  for (const std::uint32_t type : {std::uint32_t{SHT_SYMTAB}, std::uint32_t{SHT_DYNSYM}}) {
    const auto table = std::ranges::find(sections, type, &ElfW(Shdr)::sh_type);
    if (table == sections.end() || table->sh_link >= sections.size()) continue;
    look_up(file, *table, base, wanted);
    for (Wanted& w : wanted) {
      if (w.name) names[w.index] = readable(file.read_text(sections[table->sh_link].sh_offset + *w.name));
    }
    return;
  }
}

struct Search {
  std::vector<Wanted> wanted;  // sorted by address
  std::vector<std::string> names;
};

int search_module(dl_phdr_info* module, std::size_t /*size*/, void* context) {
  auto& search = *static_cast<Search*>(context);
  const bool is_program = module->dlpi_name == nullptr || *module->dlpi_name == '\0';
  const std::string path = is_program ? "/proc/self/exe" : module->dlpi_name;
  for (std::size_t i = 0; i < module->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = module->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t first = module->dlpi_addr + segment.p_vaddr;
    const auto from = std::ranges::lower_bound(search.wanted, first, {}, &Wanted::address);
    const auto to = std::ranges::lower_bound(search.wanted, first + segment.p_memsz, {}, &Wanted::address);
    if (from == to) continue;
    for (auto w = from; w != to; ++w) {
      const std::string file = is_program ? "program" : path.substr(path.rfind('/') + 1);
      search.names[w->index] = fmt::format("{}+{:#x}", file, w->address - module->dlpi_addr);
    }
    name_in_file(path.c_str(), module->dlpi_addr, std::span(from, to), search.names);
  }
  return 0;
}

}  // namespace

std::vector<std::string> function_names(std::span<void* const> addresses) {
  Search search;
  search.names.resize(addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // The call lies before the address it returns to, perhaps at the very end of its function.
    search.wanted.push_back({reinterpret_cast<std::uintptr_t>(addresses[i]) - 1, i, {}});
    search.names[i] = fmt::format("{}", fmt::ptr(addresses[i]));
  }
  std::ranges::sort(search.wanted, {}, &Wanted::address);
  dl_iterate_phdr(search_module, &search);
  return std::move(search.names);
}

}  // namespace marketprism
