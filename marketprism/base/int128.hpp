#pragma once

namespace marketprism {

/// 128-bit integers, an extension of both supported compilers.
__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

}  // namespace marketprism
