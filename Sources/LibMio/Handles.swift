import CMioLite

/// An object that C holds by an opaque pointer.
protocol Handle: AnyObject {}

extension Handle {
  /// The pointer for C, which owns the object from now on.
  func handedOver() -> OpaquePointer { unsafe OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

  /// The object behind a pointer, which stays C's; nil for NULL.
  static func at(_ pointer: OpaquePointer?) -> Self? {
    guard let pointer = unsafe pointer else { return nil }
    return unsafe Unmanaged<Self>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
  }

  /// Ends C's ownership.
  static func release(_ pointer: OpaquePointer?) {
    guard let pointer = unsafe pointer else { return }
    unsafe Unmanaged<Self>.fromOpaque(UnsafeRawPointer(pointer)).release()
  }
}

/// Text that C reads: a copy that ends with a zero byte, as long as this object lives.
@safe final class CText: @unchecked Sendable {
  let pointer: UnsafePointer<CChar>
  private let bytes: UnsafeMutableBufferPointer<CChar>

  init(_ text: String) {
    let utf8 = text.utf8.map { CChar(bitPattern: $0) } + [0]
    unsafe bytes = .allocate(capacity: utf8.count)
    _ = unsafe bytes.initialize(from: utf8)
    unsafe pointer = UnsafePointer(bytes.baseAddress!)
  }

  deinit { unsafe bytes.deallocate() }
}

/// Text that lives as long as the process.
func constant(_ text: StaticString) -> UnsafePointer<CChar> {
  unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
