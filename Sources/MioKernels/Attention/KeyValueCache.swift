/// Keys and values of many sequences, in pages of 64 positions that sequences may share.
///
/// A page holds its positions for every layer and head, so a sequence is a list of page numbers. Forking copies the list
/// and counts references; a shared page is copied before one of its owners writes to it. Pages are allocated on first use,
/// up to `capacity` positions in all, and are reused afterwards.
@safe
package final class KeyValueCache {
  /// What a cache is made for.
  package struct Shape: Hashable, Sendable {
    package let layerCount: Int
    package let kvHeadCount: Int  // K
    package let headWidth: Int  // D
    package let format: KeyValueFormat

    package init(layerCount: Int, kvHeadCount: Int, headWidth: Int, format: KeyValueFormat) {
      precondition(layerCount > 0 && kvHeadCount > 0 && headWidth > 0, "a cache needs layers, heads and a head width")
      self.layerCount = layerCount
      self.kvHeadCount = kvHeadCount
      self.headWidth = headWidth
      self.format = format
    }

    /// Bytes of one position in all layers.
    package var bytesPerToken: Int { 2 * layerCount * kvHeadCount * format.vectorByteCount(headWidth: headWidth) }

    /// Bytes that `tokens` positions of one sequence take, in whole pages.
    package func byteCount(tokens: Int) -> Int {
      (tokens + KeyValueFormat.pageLength - 1) / KeyValueFormat.pageLength * pageByteCount
    }

    var pageByteCount: Int { bytesPerToken * KeyValueFormat.pageLength }
    /// Bytes of one head's keys (or values) in a page.
    var blockByteCount: Int { format.vectorByteCount(headWidth: headWidth) * KeyValueFormat.pageLength }

    /// Where the keys of a layer's head start in a page; the values follow after `blockByteCount`.
    func offset(layer: Int, head: Int) -> Int { (layer * kvHeadCount + head) * 2 * blockByteCount }
  }

  package let shape: Shape
  /// Most positions of one sequence.
  package let contextLength: Int
  /// Pages that may exist.
  package let pageLimit: Int

  private var pages: [UnsafeMutableRawPointer] = unsafe []
  private var references: [Int32] = []  // per page
  private var unused: [Int] = []  // pages without references
  private var sequences: [Sequence] = []
  private var freeHandles: [Int] = []

  /// A list of pages and how many of their positions are filled.
  @safe
  private struct Sequence {
    var length = 0
    var pageCount = 0
    var isLive = true
    let numbers: UnsafeMutablePointer<Int>  // [contextLength / 64] page numbers
    let addresses: UnsafeMutablePointer<UnsafePointer<UInt8>?>  // the same pages, as the kernels want them
  }

  /// - Parameter capacity: positions that all sequences together may hold, rounded up to whole pages.
  package init(shape: Shape, contextLength: Int, capacity: Int) {
    precondition(contextLength > 0 && capacity > 0, "a cache needs room for one position")
    self.shape = shape
    self.contextLength = contextLength
    pageLimit = Self.pageCount(capacity)
  }

  deinit {
    for index in pages.indices { unsafe pages[index].deallocate() }
    for sequence in sequences {
      unsafe sequence.numbers.deallocate()
      unsafe sequence.addresses.deallocate()
    }
  }

  /// Bytes of the pages allocated so far.
  package var allocatedByteCount: Int { unsafe pages.count * shape.pageByteCount }

  static func pageCount(_ length: Int) -> Int { (length + KeyValueFormat.pageLength - 1) / KeyValueFormat.pageLength }

  // MARK: - Sequences

  /// Starts an empty sequence and returns its handle.
  package func makeSequence() -> Int {
    if let handle = freeHandles.popLast() {
      sequences[handle].isLive = true
      return handle
    }
    let count = Self.pageCount(contextLength)
    let numbers = UnsafeMutablePointer<Int>.allocate(capacity: count)
    let addresses = UnsafeMutablePointer<UnsafePointer<UInt8>?>.allocate(capacity: count)
    unsafe numbers.initialize(repeating: 0, count: count)
    unsafe addresses.initialize(repeating: nil, count: count)
    unsafe sequences.append(Sequence(numbers: numbers, addresses: addresses))
    freeHandles.reserveCapacity(sequences.count)
    return sequences.count - 1
  }

  /// Starts a sequence that shares all pages of `source`.
  package func fork(_ source: Int) -> Int {
    check(source)
    let handle = makeSequence()
    let (from, to) = (sequences[source], sequences[handle])
    for index in 0..<from.pageCount {
      unsafe to.numbers[index] = unsafe from.numbers[index]
      unsafe to.addresses[index] = unsafe from.addresses[index]
      unsafe references[from.numbers[index]] += 1
    }
    sequences[handle].pageCount = from.pageCount
    sequences[handle].length = from.length
    return handle
  }

  /// Ends a sequence; its handle and the pages that nobody else shares may be reused.
  package func release(_ handle: Int) {
    check(handle)
    truncate(handle, to: 0)
    sequences[handle].isLive = false
    freeHandles.append(handle)
  }

  /// Filled positions of a sequence.
  package func length(of handle: Int) -> Int {
    check(handle)
    return sequences[handle].length
  }

  /// Forgets the positions from `length` on.
  package func truncate(_ handle: Int, to length: Int) {
    check(handle)
    precondition(length >= 0 && length <= sequences[handle].length, "a sequence can only be truncated to a shorter length")
    let kept = Self.pageCount(length)
    for index in kept..<max(kept, sequences[handle].pageCount) {
      let number = unsafe sequences[handle].numbers[index]
      references[number] -= 1
      if references[number] == 0 { unused.append(number) }
    }
    sequences[handle].pageCount = kept
    sequences[handle].length = length
  }

  /// Pages that must be found before `count` positions can be appended: new ones, and a copy of a shared last page.
  package func pagesNeeded(by handle: Int, appending count: Int) -> Int {
    check(handle)
    let sequence = sequences[handle]
    let added = Self.pageCount(sequence.length + count) - sequence.pageCount
    return added + (count > 0 && isLastPageShared(sequence) ? 1 : 0)
  }

  /// Pages that can still be given out.
  package var pagesAvailable: Int { unsafe unused.count + pageLimit - pages.count }

  /// Makes room for `count` more positions at the end of a sequence; the caller then stores them.
  package func append(_ count: Int, to handle: Int) {
    precondition(pagesNeeded(by: handle, appending: count) <= pagesAvailable, "the cache has no page left")
    precondition(count >= 0 && sequences[handle].length + count <= contextLength, "the sequence is longer than its context")
    if count > 0 && isLastPageShared(sequences[handle]) { copyLastPage(of: handle) }
    while sequences[handle].pageCount < Self.pageCount(sequences[handle].length + count) {
      setPage(takePage(), at: sequences[handle].pageCount, of: handle)
      sequences[handle].pageCount += 1
    }
    sequences[handle].length += count
  }

  private func isLastPageShared(_ sequence: Sequence) -> Bool {
    guard sequence.length % KeyValueFormat.pageLength != 0 else { return false }
    return unsafe references[sequence.numbers[sequence.pageCount - 1]] > 1
  }

  private func check(_ handle: Int) {
    precondition(
      handle >= 0 && handle < sequences.count && sequences[handle].isLive, "sequence \(handle) does not exist")
  }

  // MARK: - Pages

  private func takePage() -> Int {
    if let number = unused.popLast() {
      references[number] = 1
      return number
    }
    unsafe pages.append(UnsafeMutableRawPointer.allocate(byteCount: shape.pageByteCount, alignment: 64))
    references.append(1)
    unused.reserveCapacity(references.count)
    return references.count - 1
  }

  private func setPage(_ number: Int, at index: Int, of handle: Int) {
    unsafe sequences[handle].numbers[index] = number
    unsafe sequences[handle].addresses[index] = unsafe UnsafePointer(
      pages[number].assumingMemoryBound(to: UInt8.self))
  }

  private func copyLastPage(of handle: Int) {
    let index = sequences[handle].pageCount - 1
    let shared = unsafe sequences[handle].numbers[index]
    let copy = takePage()
    unsafe pages[copy].copyMemory(from: pages[shared], byteCount: shape.pageByteCount)
    references[shared] -= 1
    setPage(copy, at: index, of: handle)
  }

  /// The page list of a sequence, valid until the sequence is released or written to.
  @unsafe
  func pageAddresses(of handle: Int) -> UnsafeMutablePointer<UnsafePointer<UInt8>?> {
    unsafe sequences[handle].addresses
  }

  /// The page that holds a position.
  @unsafe
  func page(
    of position: Int, in addresses: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  ) -> UnsafeMutableRawPointer {
    guard let page = unsafe addresses[position / KeyValueFormat.pageLength] else {
      preconditionFailure("the cache has no page for this position")
    }
    return unsafe UnsafeMutableRawPointer(mutating: page)
  }
}
