#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace marketprism::pool {

inline constexpr std::uint32_t no_index = 0xffff'ffff;

/// Names one record of a slab for ever: `id` grows monotonically and is never given twice, so a stale handle can be
/// told from the record that has since taken its place. `Tag` keeps handles of different slabs apart. Id 0 is "none".
template <class Tag>
struct Handle {
  std::uint64_t id = 0;
  std::uint32_t index = no_index;

  explicit operator bool() const { return id != 0; }
  friend bool operator==(const Handle& a, const Handle& b) { return a.id == b.id; }
};

/// What a record in a slab carries: its id (0 while free) and the links of the one list it is in.
struct SlabLinks {
  std::uint64_t id = 0;
  std::uint32_t prev = no_index;
  std::uint32_t next = no_index;
};

/// Records addressed by index, kept in one block of memory that grows to the largest number ever in use and is then
/// reused without allocation. A reference to a record is valid until the next `add`. `Record` derives from SlabLinks.
template <class Record, class Tag>
class Slab {
 public:
  using HandleType = Handle<Tag>;

  HandleType add() {
    std::uint32_t index = free_;
    if (index == no_index) {
      index = static_cast<std::uint32_t>(records_.size());
      records_.emplace_back();
    } else {
      free_ = records_[index].next;
      records_[index] = Record{};
    }
    records_[index].id = ++last_id_;
    ++size_;
    return {last_id_, index};
  }

  void remove(std::uint32_t index) {
    assert(records_[index].id != 0);
    records_[index] = Record{};
    records_[index].next = free_;
    free_ = index;
    --size_;
  }

  Record& operator[](std::uint32_t index) { return records_[index]; }
  const Record& operator[](std::uint32_t index) const { return records_[index]; }

  /// The record, or null when the handle is stale.
  Record* find(HandleType handle) {
    if (handle.index >= records_.size()) return nullptr;
    Record& record = records_[handle.index];
    return handle.id != 0 && record.id == handle.id ? &record : nullptr;
  }
  const Record* find(HandleType handle) const { return const_cast<Slab*>(this)->find(handle); }

  HandleType handle_of(std::uint32_t index) const { return {records_[index].id, index}; }
  std::uint32_t index_of(const Record& record) const { return static_cast<std::uint32_t>(&record - records_.data()); }

  void reserve(std::size_t count) { records_.reserve(count); }
  std::size_t size() const { return size_; }
  /// One more than the largest index in use so far; records with id 0 are free.
  std::uint32_t end() const { return static_cast<std::uint32_t>(records_.size()); }
  std::size_t bytes() const { return records_.capacity() * sizeof(Record); }

 private:
  std::vector<Record> records_;
  std::uint32_t free_ = no_index;
  std::size_t size_ = 0;
  std::uint64_t last_id_ = 0;
};

/// A doubly linked list through the records of a slab; a record is in at most one list at a time.
class IndexList {
 public:
  std::uint32_t front() const { return head_; }
  std::uint32_t back() const { return tail_; }
  std::size_t size() const { return size_; }
  bool empty() const { return head_ == no_index; }

  template <class S>
  void push_front(S& slab, std::uint32_t index) {
    auto& record = slab[index];
    record.prev = no_index;
    record.next = head_;
    if (head_ == no_index) {
      tail_ = index;
    } else {
      slab[head_].prev = index;
    }
    head_ = index;
    ++size_;
  }

  template <class S>
  void push_back(S& slab, std::uint32_t index) {
    insert_before(slab, index, no_index);
  }

  /// `before` may be `no_index`: at the end.
  template <class S>
  void insert_before(S& slab, std::uint32_t index, std::uint32_t before) {
    if (before != no_index && slab[before].prev == no_index) return push_front(slab, index);
    const std::uint32_t after = before == no_index ? tail_ : slab[before].prev;
    if (after == no_index) return push_front(slab, index);
    auto& record = slab[index];
    record.prev = after;
    record.next = before;
    slab[after].next = index;
    if (before == no_index) {
      tail_ = index;
    } else {
      slab[before].prev = index;
    }
    ++size_;
  }

  template <class S>
  void erase(S& slab, std::uint32_t index) {
    auto& record = slab[index];
    if (record.prev == no_index) {
      head_ = record.next;
    } else {
      slab[record.prev].next = record.next;
    }
    if (record.next == no_index) {
      tail_ = record.prev;
    } else {
      slab[record.next].prev = record.prev;
    }
    record.prev = record.next = no_index;
    --size_;
  }

  /// Removes the front; the list must not be empty.
  template <class S>
  std::uint32_t pop_front(S& slab) {
    const std::uint32_t index = head_;
    auto& record = slab[index];
    head_ = record.next;
    if (head_ == no_index) {
      tail_ = no_index;
    } else {
      slab[head_].prev = no_index;
    }
    record.next = no_index;
    --size_;
    return index;
  }

 private:
  std::uint32_t head_ = no_index;
  std::uint32_t tail_ = no_index;
  std::size_t size_ = 0;
};

}  // namespace marketprism::pool
