import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Memory of activations. Large blocks that are no longer used are kept for the next ones of about their size: networks
/// over images need the same sizes again and again, and fresh pages cost the system as much time as a layer.
///
/// The one mutable state of the process, as a block may outlive the context that asked for it. It is bounded, no result
/// depends on it, and the last ``KernelContext`` that goes takes what is kept with it.
package final class LargeBlocks: Sendable {
  package static let shared = LargeBlocks()

  /// Blocks from this size on are kept.
  private static let minBytes = 1 << 20
  /// Bytes that are kept at most: about what a clip of the speech codec or two layers of the U-Net need.
  private static let maxBytes = 320 << 20
  /// Larger blocks are not kept, and while one is in use, few of the others are.
  private static let hugeBytes = 96 << 20
  private static let fewestBytes = 8 << 20
  /// The system's large pages: one fault instead of 512. Blocks of twice this size ask for them.
  private static let largePageBytes = 2 << 20

  @safe
  private struct Block: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
  }

  private struct State {
    /// Those that are not used, the oldest first.
    var blocks: [Block] = []
    /// Blocks in use that serve a smaller size than theirs.
    var loose: [Block] = []
    /// Blocks in use that are too large to be kept.
    var hugeCount = 0
    /// Contexts that will want blocks; without one, none are kept.
    var userCount = 0

    var limit: Int { userCount == 0 ? 0 : hugeCount > 0 ? fewestBytes : maxBytes }

    mutating func trim(to byteCount: Int) {
      var total = blocks.reduce(0) { $0 + $1.byteCount }
      while total > byteCount {
        let oldest = blocks.removeFirst()
        total -= oldest.byteCount
        unsafe oldest.base.deallocate()
      }
    }

    /// The smallest block that is at most half as large again, the newest of several.
    mutating func take(_ size: Int) -> Block? {
      var best: Int?
      for index in blocks.indices.reversed() where size...size + size / 2 ~= blocks[index].byteCount {
        if best.map({ blocks[index].byteCount < blocks[$0].byteCount }) ?? true { best = index }
      }
      guard let best else { return nil }
      let block = blocks.remove(at: best)
      if block.byteCount > size { loose.append(block) }
      return block
    }

    /// Takes a block back; one that served a smaller size has its own again.
    mutating func give(_ block: Block) {
      let index = loose.lastIndex { unsafe $0.base == block.base }
      blocks.append(index.map { loose.remove(at: $0) } ?? block)
      trim(to: limit)
    }
  }

  private let state = Mutex(State())

  package init() {}

  /// Bytes that nobody uses at the moment.
  package var keptByteCount: Int { state.withLock { $0.blocks.reduce(0) { $0 + $1.byteCount } } }

  package func addUser() { state.withLock { $0.userCount += 1 } }

  /// The last one to leave returns all that is kept to the system.
  package func removeUser() {
    state.withLock { state in
      state.userCount -= 1
      state.trim(to: state.limit)
    }
  }

  /// Memory on a 64-byte boundary with unspecified contents.
  @unsafe
  package func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    let size = Self.rounded(byteCount)
    guard size >= Self.minBytes else {
      return unsafe UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    }
    let found: Block? = state.withLock { state in
      if let block = state.take(size) { return block }
      if size > Self.hugeBytes { state.hugeCount += 1 }
      // What has not been wanted again makes room.
      state.trim(to: min(state.limit, max(0, Self.maxBytes - size)))
      return nil
    }
    if let found { return unsafe found.base }
    guard size >= 2 * Self.largePageBytes else {
      return unsafe UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    }
    let base = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: Self.largePageBytes)
    #if os(Linux)
      unsafe _ = madvise(base, size, MADV_HUGEPAGE)
    #endif
    return unsafe base
  }

  package func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) {
    let size = Self.rounded(byteCount)
    guard size >= Self.minBytes else { return unsafe base.deallocate() }
    guard size <= Self.hugeBytes else {
      unsafe base.deallocate()
      return state.withLock { $0.hugeCount -= 1 }
    }
    let block = unsafe Block(base: base, byteCount: size)
    state.withLock { $0.give(block) }
  }

  /// Whole megabytes where blocks are kept, of large blocks eighths of a power of two, so that buffers of about the same
  /// size can take turns.
  private static func rounded(_ byteCount: Int) -> Int {
    guard byteCount >= minBytes else { return byteCount }
    let unit = max(minBytes, (1 << (Int.bitWidth - 1 - byteCount.leadingZeroBitCount)) / 8)
    return (byteCount + unit - 1) & ~(unit - 1)
  }
}
