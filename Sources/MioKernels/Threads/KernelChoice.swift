#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Which kernels serve which kind of work. No result depends on it.
package struct KernelChoice: Sendable, Hashable {
  /// Products of at most ``maxFewRows`` rows of activations: tokens one at a time, which wait for memory.
  package var fewRows: KernelVariant
  /// Everything else: prompts, images, sound.
  package var manyRows: KernelVariant
  /// How products of few rows read weights.
  package var streaming: WeightStreaming

  package static let maxFewRows = 4

  package init(fewRows: KernelVariant, manyRows: KernelVariant, streaming: WeightStreaming) {
    self.fewRows = fewRows
    self.manyRows = manyRows
    self.streaming = streaming
  }

  /// What the processor is known for, and what `MIO_ISA` and `MIO_STREAMING` say.
  package static let preferred = KernelChoice(
    fewRows: .preferred, manyRows: .preferred, streaming: .preferred)

  /// Whether the environment says which kernels are to be used.
  package static var isFixedByEnvironment: Bool {
    unsafe getenv("MIO_ISA") != nil || getenv("MIO_STREAMING") != nil
  }
}
