#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Rotary position embedding in the half-rotation form: columns j and j + D/2 of a head are turned by
/// `position · theta^(-2j/D)`.
///
/// Su et al. 2021, arXiv:2104.09864; pairing as in `LlamaRotaryEmbedding` of huggingface/transformers. Angles, sines and
/// cosines are computed in double precision and rounded once.
@safe
package final class RotaryEmbedding {
  package let headWidth: Int  // D, even
  private let frequencies: [Double]  // [D/2]
  private let table: UnsafeMutablePointer<Float>  // [capacity][2][D/2]: cosines, sines
  private let capacity: Int
  private var prepared = 0

  package init(headWidth: Int, theta: Double, contextLength: Int) {
    precondition(headWidth > 0 && headWidth % 2 == 0, "rotary embedding needs an even head width")
    precondition(theta > 0 && contextLength > 0, "rotary embedding needs a positive base and context length")
    self.headWidth = headWidth
    capacity = contextLength
    frequencies = (0..<headWidth / 2).map { pow(theta, -2 * Double($0) / Double(headWidth)) }
    unsafe table = .allocate(capacity: contextLength * headWidth)
  }

  deinit { unsafe table.deallocate() }

  /// Fills the table for positions below `count`; cheap when that was done before.
  package func prepare(positions count: Int) {
    precondition(count <= capacity, "position beyond the context length")
    let half = headWidth / 2
    while prepared < count {
      for j in 0..<half {
        let angle = Double(prepared) * frequencies[j]
        unsafe table[prepared * headWidth + j] = Float(cos(angle))
        unsafe table[prepared * headWidth + half + j] = Float(sin(angle))
      }
      prepared += 1
    }
  }

  /// Cosines [D/2] and sines [D/2] of a position.
  @unsafe
  func row(_ position: Int) -> UnsafePointer<Float> {
    precondition(position >= 0 && position < prepared, "the rotation of this position was not prepared")
    return unsafe UnsafePointer(table + position * headWidth)
  }
}
