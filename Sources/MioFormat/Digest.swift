import CCrypto

/// A SHA-256 digest.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
  package static let byteCount = 32
  /// Exactly 32 bytes.
  package let bytes: [UInt8]

  init(bytes: [UInt8]) {
    precondition(bytes.count == Self.byteCount, "a SHA-256 digest has 32 bytes")
    self.bytes = bytes
  }

  /// Hashes `data` in one go.
  package init(of data: [UInt8]) {
    var hasher = Hasher()
    unsafe data.withUnsafeBytes { unsafe hasher.update($0) }
    self = hasher.finalize()
  }

  package var description: String {
    var text = ""
    for byte in bytes {
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }

  /// SHA-256 over data that arrives in pieces. libcrypto picks the CPU's hash instructions at run time.
  @safe
  package struct Hasher: ~Copyable {
    private let context: OpaquePointer

    package init() {
      guard let created = unsafe EVP_MD_CTX_new() else { preconditionFailure("libcrypto has no memory for a digest") }
      unsafe context = created
      reset()
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    package mutating func update(_ data: UnsafeRawBufferPointer) {
      guard let base = data.baseAddress else { return }
      let done = unsafe EVP_DigestUpdate(context, base, data.count)
      precondition(done == 1, "libcrypto failed to hash memory")
    }

    /// The digest of everything since the start or the last call; the hasher starts anew.
    package mutating func finalize() -> Digest {
      var bytes = [UInt8](repeating: 0, count: Digest.byteCount)
      let done = unsafe bytes.withUnsafeMutableBufferPointer { unsafe EVP_DigestFinal_ex(context, $0.baseAddress, nil) }
      precondition(done == 1, "libcrypto failed to finish a digest")
      reset()
      return Digest(bytes: bytes)
    }

    private func reset() {
      let done = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
      precondition(done == 1, "libcrypto offers no SHA-256")
    }
  }
}
