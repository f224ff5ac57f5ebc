import Foundation
import Glibc

/// The few routines of BLAS and LAPACK that calibration needs, from OpenBLAS.
///
/// The library is opened when somebody calibrates and not linked, because it takes 30 MB of addresses and starts threads when
/// it is loaded, which every other command would pay for. Each call runs on the thread that makes it; whoever calls cuts
/// the work into pieces that do not depend on the number of threads, so results do not either.
@safe
struct OpenBLAS: Sendable {
  typealias Product =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32, Float,
      UnsafeMutablePointer<Float>, Int32
    ) -> Void
  typealias Factor =
    @convention(c) (
      UnsafePointer<CChar>, UnsafePointer<Int32>, UnsafeMutablePointer<Double>, UnsafePointer<Int32>,
      UnsafeMutablePointer<Int32>
    ) -> Void
  typealias Invert =
    @convention(c) (
      UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafePointer<Int32>, UnsafeMutablePointer<Double>,
      UnsafePointer<Int32>, UnsafeMutablePointer<Int32>
    ) -> Void

  private let product: Product
  private let factor: Factor
  private let invert: Invert

  /// - Throws: `missingFile` if the library is not installed.
  init() throws(ConversionError) {
    // Read when the library is loaded: with one thread it starts none.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    let names = ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"]
    guard let library = unsafe names.lazy.compactMap({ unsafe dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first,
      let product = unsafe dlsym(library, "cblas_sgemm"), let factor = unsafe dlsym(library, "dpotrf_"),
      let invert = unsafe dlsym(library, "dtrtri_")
    else {
      throw ConversionError(
        .missingFile, file: names[0],
        "calibration needs the library OpenBLAS with LAPACK; install it (Debian: apt-get install libopenblas0-pthread)")
    }
    unsafe self.product = unsafeBitCast(product, to: Product.self)
    unsafe self.factor = unsafeBitCast(factor, to: Factor.self)
    unsafe self.invert = unsafeBitCast(invert, to: Invert.self)
  }

  /// c [m, n] = beta c + alpha a [m, k] b [k, n], row-major; `aIsTransposed` means that a lies as [k, m], and so for b.
  @unsafe
  func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ alpha: Float = 1, _ a: UnsafePointer<Float>, _ aStride: Int,
    aIsTransposed: Bool = false, _ b: UnsafePointer<Float>, _ bStride: Int, bIsTransposed: Bool = false,
    _ beta: Float = 0, _ c: UnsafeMutablePointer<Float>, _ cStride: Int
  ) {
    guard m > 0, n > 0, k > 0 else { return }
    let (rowMajor, plain, transposed): (Int32, Int32, Int32) = (101, 111, 112)
    unsafe product(
      rowMajor, aIsTransposed ? transposed : plain, bIsTransposed ? transposed : plain, Int32(m), Int32(n), Int32(k),
      alpha, a, Int32(aStride), b, Int32(bStride), beta, c, Int32(cStride))
  }

  /// Replaces a symmetric positive definite matrix [n, n] by the upper triangle U with `inverse = Uᵀ U`; what lies below
  /// the diagonal has no meaning. False if the matrix is not positive definite.
  @unsafe
  func invertedFactor(_ matrix: UnsafeMutablePointer<Double>, _ n: Int) -> Bool {
    // With both axes turned around, the lower factor of the matrix becomes an upper one: matrix = R Rᵀ, U = R⁻¹.
    unsafe Self.turnAround(matrix, n)
    var (size, status) = (Int32(n), Int32(0))
    // LAPACK counts columns first: its upper triangle is the lower one of rows, matrix = L Lᵀ.
    unsafe factor("U", &size, matrix, &size, &status)
    guard status == 0 else { return false }
    unsafe invert("U", "N", &size, matrix, &size, &status)
    guard status == 0 else { return false }
    unsafe Self.turnAround(matrix, n)
    return true
  }

  private static func turnAround(_ matrix: UnsafeMutablePointer<Double>, _ n: Int) {
    let count = n * n
    for index in 0..<count / 2 {
      let first = unsafe matrix[index]
      unsafe matrix[index] = matrix[count - 1 - index]
      unsafe matrix[count - 1 - index] = first
    }
  }
}

/// Row-major floats that threads fill part by part.
@safe
final class FloatMatrix: @unchecked Sendable {
  let rows: Int
  let columns: Int
  @unsafe let base: UnsafeMutablePointer<Float>

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    unsafe base = .allocate(capacity: max(1, rows * columns))
    unsafe base.initialize(repeating: 0, count: rows * columns)
  }

  deinit { unsafe base.deallocate() }

  @unsafe func row(_ index: Int) -> UnsafeMutablePointer<Float> { unsafe base + index * columns }
}
