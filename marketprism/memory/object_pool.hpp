#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "marketprism/base/time.hpp"
#include "marketprism/memory/memory_budget.hpp"
#include "marketprism/memory/object_pool_statistics.hpp"
#include "marketprism/memory/poison.hpp"

namespace marketprism::memory {

/// How a pool makes, empties and checks its objects. Derive, hide what differs, and give the type to the pool; it may
/// have members. `create` returns by value (the object need not be movable); `reset` runs at the return, on the thread
/// that returns, and must not throw; `is_valid` runs before an object is given out again.
template <class T>
struct ObjectPolicy {
  T create() { return T(); }
  void reset(T& object) {
    if constexpr (requires { object.clear(); }) object.clear();
  }
  bool is_valid(const T& /*object*/) const { return true; }
};

struct ObjectPoolOptions {
  std::string name = "objects";         ///< in statistics and errors
  std::size_t capacity = 65'536;        ///< objects at most, > 0; past it `acquire` gives nothing and counts it
  std::size_t slab_bytes = 64UL << 10;  ///< memory is taken from the heap in pieces of about this size
  MemoryAccount* account = nullptr;     ///< is told of the slabs; its hard limit bounds the pool as well
  Instant (*now)() = nullptr;           ///< a clock, if creations are to be timed
};

/// Lends objects that stay constructed between uses, so that warm code does not allocate. A pool belongs to the thread
/// that acquires first (an event loop); there an acquire or a return costs a few plain instructions. Any other thread
/// may return objects: they go over a lock-free list and are reused once the owner's free ones are used up. Returning
/// an object twice, or to a pool it is not from, and destroying a pool while objects are out abort with the pool's
/// name. Free objects are poisoned under ASan.
template <class T, class Policy = ObjectPolicy<T>>
class ObjectPool {
 public:
  struct Return {
    void operator()(T* object) const { home_of(*object).give_back(object); }
  };
  /// Returns its object when it ends, on whatever thread. As small as a pointer. Not to outlive the pool.
  using Handle = std::unique_ptr<T, Return>;

  explicit ObjectPool(ObjectPoolOptions options = {}, Policy policy = {})
      : options_(std::move(options)), policy_(std::move(policy)) {}
  ObjectPool(const ObjectPool&) = delete;
  ObjectPool& operator=(const ObjectPool&) = delete;

  ~ObjectPool() {
    collect();
    if (in_use() != 0) misuse("destroyed while objects are in use; return them first");
    for (const auto& slab : slabs_) destroy(*slab);
  }

  /// An object as the factory made it or `reset` left it. Null if the pool is at its capacity or its account at its
  /// hard limit. Owner's thread.
  [[nodiscard]] Handle acquire() { return Handle(take()); }

  /// `acquire` for those who keep plain pointers: every object goes back by `give_back`.
  [[nodiscard, gnu::always_inline]] T* take() {
    if (owner_.load(std::memory_order_relaxed) != this_thread()) [[unlikely]]
      bind();
    if (top_ <= low_ && !descend()) [[unlikely]] {
      ++exhausted_;
      return nullptr;
    }
    Node* node = *--top_;
    unpoison(node->storage, sizeof(T));
    if (!policy_.is_valid(node->object())) [[unlikely]]
      remake(*node);
    if (node->state == State::unused) [[unlikely]]
      ++first_uses_;
    ++acquired_;
    node->state = State::out;
    return &node->object();
  }

  /// Takes back an object of this pool; it must not be touched afterwards. Any thread; the object's last user only.
  void give_back(T* object) {
    Node& node = accept(*object);
    if (owner_.load(std::memory_order_relaxed) == this_thread()) [[likely]] {
      *top_++ = &node;
    } else {
      push_returned(node, node);
    }
  }

  /// Takes back many; from another thread this is cheaper than one by one (one atomic operation for 32).
  void give_back(std::span<T* const> objects);

  /// The pool an object of this type is from.
  [[nodiscard]] static ObjectPool& home_of(const T& object) { return *Node::of(&object)->home; }

  /// Makes objects until `count` exist, so that the first acquires are hits. False if capacity or budget forbid it.
  /// Owner's thread.
  bool reserve(std::size_t count) {
    while (live() < count) {
      note_peak();
      Node* node = create();
      if (node == nullptr) return false;
      poison(node->storage, sizeof(T));
      *top_++ = node;
      low_ = top_;
    }
    return true;
  }

  /// Gives slabs whose objects are all free back to the heap, as long as at least `keep` free objects remain; returns
  /// how many objects were destroyed. Owner's thread.
  std::size_t trim(std::size_t keep = 0);

  /// Lets another thread become the owner: the next that acquires. The caller hands the pool over in its own way
  /// (starts that thread, posts to its loop).
  void detach() { owner_.store(nullptr, std::memory_order_relaxed); }

  /// Objects given out. Those returned by other threads are seen when the owner runs out, or asks for `statistics`.
  [[nodiscard]] std::size_t in_use() const { return live() - free_count(); }
  [[nodiscard]] std::size_t live() const { return created_ - destroyed_; }
  /// Owner's thread.
  [[nodiscard]] ObjectPoolStatistics statistics();

 private:
  enum class State : std::uint32_t { unused, used, out };  // free and never given out, free, given out
  struct Slab;
  struct Node {
    ObjectPool* home;
    Slab* slab;
    Node* next;  // in the list of those returned by other threads
    State state;
    alignas(T) std::byte storage[sizeof(T)];

    T& object() { return *std::launder(reinterpret_cast<T*>(storage)); }
    static Node* of(const T* object) {
      const auto* bytes = reinterpret_cast<const std::byte*>(object) - offsetof(Node, storage);
      return reinterpret_cast<Node*>(const_cast<std::byte*>(bytes));
    }
  };
  struct FreeMemory {
    void operator()(Node* nodes) const { ::operator delete(nodes, std::align_val_t(alignof(Node))); }
  };
  struct Slab {
    std::unique_ptr<Node, FreeMemory> nodes;
    std::size_t size = 0;
    std::size_t made = 0;  // the first so many hold objects
    std::size_t free = 0;  // counted by trim
  };

  static constexpr std::size_t going_mark = SIZE_MAX;
  /// Tells threads apart for the price of one register: the address of a variable that each has its own of.
  static const void* this_thread() {
    static constinit thread_local char mark = 0;
    return &mark;
  }

  [[noreturn, gnu::noinline, gnu::cold]] void misuse(std::string_view what) const {
    detail::object_pool_misuse(options_.name, what);
  }

  [[gnu::noinline, gnu::cold]] void bind() {
    const void* unowned = nullptr;
    if (!owner_.compare_exchange_strong(unowned, this_thread())) {
      misuse("acquired on a thread that does not own it; give each event loop its own pool");
    }
  }

  /// Checks an object that comes back and makes it ready for its next use.
  Node& accept(T& object) {
    Node& node = *Node::of(&object);
    if (node.home != this) [[unlikely]]
      misuse("an object was returned that is not from this pool");
    if (node.state != State::out) [[unlikely]]
      misuse("an object was returned twice");
    policy_.reset(object);
    node.state = State::used;
    poison(node.storage, sizeof(T));
    return node;
  }

  [[nodiscard]] std::size_t free_count() const { return static_cast<std::size_t>(top_ - free_.data()); }
  void set_free(std::size_t count, std::size_t room);
  void note_peak();
  [[gnu::noinline]] bool descend();
  Node* create();
  bool add_slab();
  [[gnu::noinline]] void remake(Node& node);
  void construct(Node& node);
  void destroy(Slab& slab);
  void collect();
  void push_returned(Node& first, Node& last) {
    Node* head = returned_list_.load(std::memory_order_relaxed);
    do {
      last.next = head;
    } while (!returned_list_.compare_exchange_weak(head, &first, std::memory_order_release, std::memory_order_relaxed));
  }

  ObjectPoolOptions options_;
  [[no_unique_address]] Policy policy_;
  std::atomic<const void*> owner_{nullptr};
  std::vector<Node*> free_;  // a stack with room for all that exist, so that a return never allocates
  Node** top_ = nullptr;     // one past the object returned last
  Node** low_ = nullptr;     // how far down the stack has been used: what an acquire compares instead of two things
  std::uint64_t acquired_ = 0;
  std::uint64_t first_uses_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t invalid_ = 0;
  std::uint64_t exhausted_ = 0;
  std::uint64_t created_ = 0;
  std::uint64_t destroyed_ = 0;
  std::uint64_t returned_from_others_ = 0;
  std::uint64_t in_use_max_ = 0;
  std::uint64_t slab_bytes_ = 0;
  Nanoseconds creation_time_{};
  std::vector<std::unique_ptr<Slab>> slabs_;
  alignas(64) std::atomic<Node*> returned_list_{nullptr};  // written by other threads: a cache line of its own
};

template <class T, class Policy>
void ObjectPool<T, Policy>::set_free(std::size_t count, std::size_t room) {
  note_peak();
  free_.resize(room);
  top_ = free_.data() + count;
  low_ = top_;
}

/// To be called before the number of objects changes. What other threads have returned counts as in use until it is
/// collected.
template <class T, class Policy>
void ObjectPool<T, Policy>::note_peak() {
  in_use_max_ = std::max<std::uint64_t>(in_use_max_, live() - static_cast<std::size_t>(low_ - free_.data()));
}

/// The stack gets lower than it has been: notes it, or fills it up when there is nothing left.
template <class T, class Policy>
bool ObjectPool<T, Policy>::descend() {
  if (top_ == free_.data()) collect();
  if (top_ == free_.data()) {
    Node* node = create();
    if (node == nullptr) return false;
    ++misses_;
    *top_++ = node;
  }
  low_ = top_ - 1;
  return true;
}

/// Makes one object more, not yet in the list of free ones; null if there is no room.
template <class T, class Policy>
typename ObjectPool<T, Policy>::Node* ObjectPool<T, Policy>::create() {
  if (live() >= options_.capacity) return nullptr;
  if ((slabs_.empty() || slabs_.back()->made == slabs_.back()->size) && !add_slab()) return nullptr;
  Slab& slab = *slabs_.back();
  Node* node = slab.nodes.get() + slab.made;
  construct(*node);
  node->home = this;
  node->slab = &slab;
  node->state = State::unused;
  ++slab.made;
  return node;
}

template <class T, class Policy>
bool ObjectPool<T, Policy>::add_slab() {
  const std::size_t count = std::clamp<std::size_t>(options_.slab_bytes / sizeof(Node), 1, options_.capacity - live());
  const std::size_t bytes = count * sizeof(Node);
  if (options_.account != nullptr && !options_.account->reserve(bytes)) return false;  // first: it may be refused often
  set_free(free_count(), live() + count);
  auto slab = std::make_unique<Slab>();
  slabs_.reserve(slabs_.size() + 1);
  slab->nodes.reset(static_cast<Node*>(::operator new(bytes, std::align_val_t(alignof(Node)))));
  slab->size = count;
  slab_bytes_ += bytes;
  slabs_.push_back(std::move(slab));
  return true;
}

template <class T, class Policy>
void ObjectPool<T, Policy>::construct(Node& node) {
  const Instant start = options_.now != nullptr ? options_.now() : Instant{};
  ::new (static_cast<void*>(node.storage)) T(policy_.create());
  if (options_.now != nullptr) creation_time_ += options_.now() - start;
  ++created_;
}

template <class T, class Policy>
void ObjectPool<T, Policy>::remake(Node& node) {
  node.object().~T();
  construct(node);
  ++destroyed_;
  ++invalid_;
  ++misses_;
  node.state = State::unused;
}

template <class T, class Policy>
void ObjectPool<T, Policy>::destroy(Slab& slab) {
  for (std::size_t i = 0; i < slab.made; ++i) {
    Node& node = slab.nodes.get()[i];
    unpoison(node.storage, sizeof(T));
    node.object().~T();
  }
  destroyed_ += slab.made;
  const std::size_t bytes = slab.size * sizeof(Node);
  slab_bytes_ -= bytes;
  slab.nodes.reset();
  if (options_.account != nullptr) options_.account->release(bytes);
}

/// Takes in what other threads returned.
template <class T, class Policy>
void ObjectPool<T, Policy>::collect() {
  if (returned_list_.load(std::memory_order_relaxed) == nullptr) return;
  Node* node = returned_list_.exchange(nullptr, std::memory_order_acquire);
  Node** before = top_;
  for (; node != nullptr; node = node->next) *top_++ = node;
  returned_from_others_ += static_cast<std::uint64_t>(top_ - before);
}

template <class T, class Policy>
void ObjectPool<T, Policy>::give_back(std::span<T* const> objects) {
  if (owner_.load(std::memory_order_relaxed) == this_thread()) {
    for (T* object : objects) give_back(object);
    return;
  }
  constexpr std::size_t chain = 32;
  while (!objects.empty()) {
    const auto part = objects.first(std::min(chain, objects.size()));
    Node* first = nullptr;
    for (T* object : part) {
      Node& node = accept(*object);
      node.next = first;
      first = &node;
    }
    push_returned(*first, *Node::of(part.front()));
    objects = objects.subspan(part.size());
  }
}

template <class T, class Policy>
std::size_t ObjectPool<T, Policy>::trim(std::size_t keep) {
  collect();
  for (const auto& slab : slabs_) slab->free = 0;
  for (Node** node = free_.data(); node != top_; ++node) ++(*node)->slab->free;
  std::size_t left = free_count();
  const auto may_go = [&](const Slab& slab) {
    if (slab.free != slab.made || left < keep + slab.made) return false;
    left -= slab.made;
    return true;
  };
  // The last slab is where new objects are made, the first ones are the fullest: go from the back.
  std::vector<std::unique_ptr<Slab>> going;
  for (std::size_t i = slabs_.size(); i-- > 0;) {
    if (!may_go(*slabs_[i])) continue;
    going.push_back(std::move(slabs_[i]));
    slabs_.erase(slabs_.begin() + static_cast<std::ptrdiff_t>(i));
    going.back()->free = going_mark;
  }
  Node** kept = std::remove_if(free_.data(), top_, [](const Node* node) { return node->slab->free == going_mark; });
  set_free(static_cast<std::size_t>(kept - free_.data()), free_.size());
  const std::uint64_t before = destroyed_;
  for (const auto& slab : going) destroy(*slab);
  return destroyed_ - before;
}

template <class T, class Policy>
ObjectPoolStatistics ObjectPool<T, Policy>::statistics() {
  collect();
  note_peak();
  ObjectPoolStatistics out;
  out.name = options_.name;
  out.object_bytes = sizeof(Node);
  out.capacity = options_.capacity;
  out.live = live();
  out.in_use = in_use();
  out.in_use_max = in_use_max_;
  out.slab_bytes = slab_bytes_;
  out.created = created_;
  out.destroyed = destroyed_;
  out.acquired = acquired_;
  out.returned = acquired_ - in_use();
  out.returned_from_other_threads = returned_from_others_;
  out.reused = acquired_ - first_uses_;
  out.hits = acquired_ - misses_;
  out.misses = misses_;
  out.invalid = invalid_;
  out.exhausted = exhausted_;
  out.creation_time = creation_time_;
  return out;
}

}  // namespace marketprism::memory
