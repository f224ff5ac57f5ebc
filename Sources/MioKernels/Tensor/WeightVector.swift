/// A vector of 32-bit floats (bias, norm weight, slope, codebook): a view on memory that `owner` keeps alive.
@safe
package struct WeightVector: Sendable {
  package let count: Int
  nonisolated(unsafe) let base: UnsafePointer<Float>
  let owner: any AnyObject & Sendable

  /// - Parameter bytes: the floats, on a 4-byte boundary.
  @unsafe
  package init(bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable) {
    precondition(bytes.count % 4 == 0, "a vector of 32-bit floats has a multiple of 4 bytes, not \(bytes.count)")
    guard let address = bytes.baseAddress else { preconditionFailure("a vector needs at least one element") }
    precondition(UInt(bitPattern: address) % 4 == 0, "a vector of 32-bit floats starts on a 4-byte boundary")
    count = bytes.count / 4
    unsafe base = address.assumingMemoryBound(to: Float.self)
    self.owner = owner
  }

  /// A vector with its own memory.
  package init(_ values: [Float]) {
    precondition(!values.isEmpty, "a vector needs at least one element")
    let storage = OwnedBytes(byteCount: values.count * 4)
    unsafe values.withUnsafeBytes { unsafe storage.bytes.copyMemory(from: $0) }
    unsafe self.init(bytes: UnsafeRawBufferPointer(storage.bytes), owner: storage)
  }

  package subscript(index: Int) -> Float {
    precondition(index >= 0 && index < count, "vector index out of range")
    return unsafe base[index]
  }

  /// The elements. The caller must not let the buffer outlive `self`.
  @unsafe
  package var elements: UnsafeBufferPointer<Float> { unsafe UnsafeBufferPointer(start: base, count: count) }
}

/// Memory on a 64-byte boundary, freed with the last reference.
@safe
package final class OwnedBytes: Sendable {
  /// Zero at the start. Write only before the bytes are shared.
  @unsafe package nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer

  package init(byteCount: Int) {
    unsafe bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe bytes.deallocate() }
}
