import CMioKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An instruction-set variant: a table of C kernels.
///
/// All variants give the same bits. The environment variable `MIO_ISA` (`portable`; `avx2`, `avxvnni`, `avx512vnni`; `neon`,
/// `neoni8mm`) chooses a lower variant than the best one.
@safe
package struct KernelVariant: Sendable, Hashable, CustomStringConvertible {
  package let name: String
  package nonisolated(unsafe) let table: UnsafePointer<mio_kernels>

  package var description: String { name }

  /// - Parameter table: lives as long as the process.
  @unsafe
  package init(name: String, table: UnsafePointer<mio_kernels>) {
    self.name = name
    unsafe self.table = table
  }

  /// Those that this machine can run, the portable one first and the best one last.
  package static let available: [KernelVariant] = (0..<mio_variant_count()).compactMap { index in
    guard let table = unsafe mio_variant(index) else { return nil }
    return unsafe KernelVariant(name: String(cString: table.pointee.name), table: table)
  }

  /// The variant named by `MIO_ISA` if this machine can run it, otherwise the best one.
  package static let preferred: KernelVariant = {
    let wanted = unsafe getenv("MIO_ISA").map { unsafe String(cString: $0) }
    return available.last { $0.name == wanted } ?? available[available.count - 1]
  }()

  package static func == (a: KernelVariant, b: KernelVariant) -> Bool { a.name == b.name }
  package func hash(into hasher: inout Hasher) { hasher.combine(name) }

  /// The one of that name, if this machine can run it.
  package static func named(_ name: String) -> KernelVariant? { available.first { $0.name == name } }

  /// The variant of a context, or the preferred one.
  static func of(_ context: KernelContext?) -> KernelVariant { context?.variant ?? preferred }
}
