import MioConverter

/// A tensor of a random checkpoint: its place in the file and the distribution of its numbers.
package struct TensorSpecification: Sendable {
  package let name: String
  package let shape: [Int]
  package let type: StoredType
  package let mean: Float
  package let deviation: Float
  /// Columns whose weights are several times larger, as in trained networks; none if false.
  package let hasOutliers: Bool

  package init(
    _ name: String, _ shape: [Int], type: StoredType, mean: Float = 0, deviation: Float, hasOutliers: Bool = false
  ) {
    self.name = name
    self.shape = shape
    self.type = type
    self.mean = mean
    self.deviation = deviation
    self.hasOutliers = hasOutliers
  }

  package var elementCount: Int { shape.reduce(1, *) }
  package var byteCount: Int { elementCount * type.byteCount }

  /// About one column in five hundred, the same ones in every matrix of this width.
  func outlierColumns(seed: UInt64) -> [Int] {
    guard hasOutliers, let width = shape.last else { return [] }
    var generator = Xoshiro(seed: seed, name: "outliers \(width)")
    return (0..<max(1, width / 500)).map { _ in Int.random(in: 0..<width, using: &generator) }
  }

  static let outlierFactor: Float = 6
}

/// Makes the bytes of one tensor, piece by piece.
struct TensorFiller {
  private let specification: TensorSpecification
  private let outliers: [Int]
  private let plain: [UInt32]
  private let large: [UInt32]
  private var generator: Xoshiro

  init(_ specification: TensorSpecification, seed: UInt64, table: NormalTable) {
    self.specification = specification
    outliers = specification.outlierColumns(seed: seed)
    generator = Xoshiro(seed: seed, name: specification.name)
    plain = Self.bits(specification, table, factor: 1)
    large = outliers.isEmpty ? [] : Self.bits(specification, table, factor: TensorSpecification.outlierFactor)
  }

  /// The stored form of every step of the distribution.
  private static func bits(_ specification: TensorSpecification, _ table: NormalTable, factor: Float) -> [UInt32] {
    table.values.map { value in
      let number = specification.mean + specification.deviation * factor * value
      switch specification.type {
      case .bf16:
        let bits = number.bitPattern
        return (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
      case .f16: return UInt32(Float16(number).bitPattern)
      default: return number.bitPattern
      }
    }
  }

  /// Fills whole rows: `buffer.count` is a multiple of the bytes of one row.
  mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    if specification.type.byteCount == 2 {
      unsafe fill(buffer.bindMemory(to: UInt16.self))
    } else {
      unsafe fill(buffer.bindMemory(to: UInt32.self))
    }
  }

  private mutating func fill<Element: FixedWidthInteger>(_ elements: UnsafeMutableBufferPointer<Element>) {
    var generator = generator
    unsafe plain.withUnsafeBufferPointer { plain in
      var index = 0
      while index + 4 <= elements.count {
        let random = generator.next()
        unsafe elements[index] = Element(truncatingIfNeeded: plain[Int(random & 0xFFFF)])
        unsafe elements[index + 1] = Element(truncatingIfNeeded: plain[Int(random >> 16 & 0xFFFF)])
        unsafe elements[index + 2] = Element(truncatingIfNeeded: plain[Int(random >> 32 & 0xFFFF)])
        unsafe elements[index + 3] = Element(truncatingIfNeeded: plain[Int(random >> 48)])
        index += 4
      }
      while index < elements.count {
        unsafe elements[index] = Element(truncatingIfNeeded: plain[Int(generator.next() & 0xFFFF)])
        index += 1
      }
    }
    let width = specification.shape.last ?? 1
    for column in outliers {
      for index in stride(from: column, to: elements.count, by: width) {
        unsafe elements[index] = Element(truncatingIfNeeded: large[Int(generator.next() & 0xFFFF)])
      }
    }
    self.generator = generator
  }
}
