#pragma once
#include <memory>

#include "marketprism/collector/picture.hpp"
#include "marketprism/monitor/admin_server.hpp"
#include "marketprism/monitor/metrics.hpp"

namespace marketprism::collector {

/// The collector's metric families and how they are filled. docs/monitoring.md lists them; a test holds it to that.
class CollectorMetrics {
 public:
  explicit CollectorMetrics(monitor::Registry& registry);
  ~CollectorMetrics();

  void add(monitor::Scrape& scrape, const Picture& picture) const;
  void add(monitor::Scrape& scrape, const net::HttpServer::Statistics& admin, const monitor::EventStream& stream) const;
  /// The family of a loop's lag, whose histogram lives on that loop.
  monitor::FamilyId loop_lag() const;

 private:
  struct Families;
  void add_venue(monitor::Scrape& scrape, const VenueSnapshot& venue) const;
  void add_pool(monitor::Scrape& scrape, const PoolSnapshot& pool) const;
  void add_pool_counters(monitor::Scrape& scrape, const PoolSnapshot& pool) const;
  void add_store(monitor::Scrape& scrape, const StoreSnapshot& store) const;

  std::unique_ptr<Families> f_;
};

}  // namespace marketprism::collector
