#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace marketprism::net {

/// Finds the handler of a method and path: exact paths, and prefixes written with a '*' at the end; the longest match
/// wins, an exact path before a prefix, a named method before "*". Used by HttpServer; no thread, no I/O.
template <class Handler>
class HttpRouter {
 public:
  struct Match {
    const Handler* handler = nullptr;
    bool path_exists = false;  ///< another method would match
  };

  void add(std::string_view method, std::string_view path, Handler handler) {
    const bool is_prefix = path.ends_with('*');
    if (is_prefix) path.remove_suffix(1);
    routes_.push_back({std::string(method), std::string(path), is_prefix, std::move(handler)});
  }

  [[nodiscard]] bool empty() const { return routes_.empty(); }

  [[nodiscard]] Match find(std::string_view method, std::string_view path) const {
    Match best;
    std::size_t best_rank = 0;
    for (const Route& route : routes_) {
      if (route.is_prefix ? !path.starts_with(route.path) : path != route.path) continue;
      best.path_exists = true;
      const bool names_method = route.method == method;
      if (!names_method && route.method != "*") continue;
      const std::size_t rank = 4 * (route.path.size() + 1) + (route.is_prefix ? 0 : 2) + (names_method ? 1 : 0);
      if (rank <= best_rank) continue;
      best_rank = rank;
      best.handler = &route.handler;
    }
    return best;
  }

 private:
  struct Route {
    std::string method;
    std::string path;
    bool is_prefix;
    Handler handler;
  };

  std::vector<Route> routes_;
};

}  // namespace marketprism::net
