#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <variant>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/pool/connection_state.hpp"
#include "marketprism/pool/slab.hpp"

namespace marketprism::pool {

using ConnectionHandle = Handle<struct ConnectionTag>;
using WaiterHandle = Handle<struct WaiterTag>;

/// What a LeasePool asks its driver to do, in this order.
struct Dial {  ///< open a connection; answer with `dialed` or `dial_failed`
  ConnectionHandle connection;
  std::uint32_t endpoint = 0;
  Instant deadline;
};
struct AbortDial {  ///< the dial is not wanted any more; answer with `closed` when nothing of it is open
  ConnectionHandle connection;
};
struct Check {  ///< check an idle connection; answer with `checked`
  ConnectionHandle connection;
  Instant deadline;
};
struct Close {  ///< the connection has left the pool (its handle is stale for all else): end what runs on it, destroy
                ///< it, and answer with `closed`
  ConnectionHandle connection;
  CloseReason reason{};
};
struct Cut {  ///< closing this connection, or ending its dial, takes too long: close its socket now. `closed` is owed
              ///< still
  ConnectionHandle connection;
};
struct Break {  ///< cut a connection that is still held, without destroying it; answer with `closed` if its socket
                ///< could be closed. A Close follows when its holder returns it
  ConnectionHandle connection;
};
struct Grant {  ///< the waiter gets the connection
  WaiterHandle waiter;
  ConnectionHandle connection;
};
struct Reject {  ///< the waiter gets an error
  WaiterHandle waiter;
  Error error;
};
struct Drained {         ///< the pool has stopped; nothing follows but Close and Cut of what is left
  std::size_t left = 0;  ///< connections still held when the deadline passed
};
struct Overdue {  ///< a lease is out for longer than leak_threshold (told once a lease): perhaps it was forgotten
  ConnectionHandle connection;
  Nanoseconds held{};
  std::source_location holder;
};
using LeaseAction = std::variant<Dial, AbortDial, Check, Close, Cut, Break, Grant, Reject, Drained, Overdue>;

}  // namespace marketprism::pool
