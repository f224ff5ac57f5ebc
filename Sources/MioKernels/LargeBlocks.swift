import Synchronization

/// Memory of activations. Large blocks that are no longer used are kept for the next ones of about their size: networks
/// over pictures need the same sizes again and again, and fresh pages cost the system as much time as a layer.
enum LargeBlocks {
  /// Blocks from this size on are kept.
  private static let leastBytes = 1 << 20
  /// Bytes that are kept at most: about what a clip of the speech codec or a layer of the U-Net needs.
  private static let mostBytes = 192 << 20
  /// Larger blocks are not kept, and while one is in use, few of the others are.
  private static let hugeBytes = 96 << 20
  private static let fewestBytes = 8 << 20

  @safe
  private struct Block: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
  }

  private struct State {
    /// The oldest first.
    var blocks: [Block] = []
    /// Blocks in use that are too large to be kept.
    var hugeCount = 0

    mutating func trim(to byteCount: Int) {
      var total = blocks.reduce(0) { $0 + $1.byteCount }
      while total > byteCount {
        let oldest = blocks.removeFirst()
        total -= oldest.byteCount
        unsafe oldest.base.deallocate()
      }
    }
  }

  private static let state = Mutex(State())

  /// Memory on a 64-byte boundary with unspecified contents.
  static func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    let size = rounded(byteCount)
    guard size >= leastBytes else { return UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64) }
    let found: Block? = state.withLock { state in
      if let index = state.blocks.lastIndex(where: { $0.byteCount == size }) { return state.blocks.remove(at: index) }
      if size > hugeBytes { state.hugeCount += 1 }
      // What has not been wanted again makes room, so that no more memory is held than ever was in use.
      let total = state.blocks.reduce(0) { $0 + $1.byteCount }
      state.trim(to: max(0, total - size))
      return nil
    }
    if let found { return unsafe found.base }
    return UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
  }

  static func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) {
    let size = rounded(byteCount)
    guard size >= leastBytes else { return unsafe base.deallocate() }
    guard size <= hugeBytes else {
      unsafe base.deallocate()
      return state.withLock { $0.hugeCount -= 1 }
    }
    let block = unsafe Block(base: base, byteCount: size)
    state.withLock { state in
      state.blocks.append(block)
      state.trim(to: state.hugeCount > 0 ? fewestBytes : mostBytes)
    }
  }

  /// Whole megabytes where blocks are kept, so that buffers of about the same size can take turns.
  private static func rounded(_ byteCount: Int) -> Int {
    byteCount < leastBytes ? byteCount : (byteCount + leastBytes - 1) & ~(leastBytes - 1)
  }
}
