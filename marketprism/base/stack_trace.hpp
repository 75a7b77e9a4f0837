#pragma once
#include <span>
#include <string>
#include <vector>

namespace marketprism {

/// The functions that code addresses lie in, readable, in the same order: "feed::Session::on_frame(…)", also static
/// ones and coroutines, as long as the program was not stripped; "module+0x1f2e" where nothing is known. `addresses`
/// are as `backtrace()` gives them: where each call returns to. Reads the program's own file: takes milliseconds and
/// memory, so collect many addresses first. Any thread.
[[nodiscard]] std::vector<std::string> function_names(std::span<void* const> addresses);

}  // namespace marketprism
