import CMioKernels
import MioKernels

/// Sums of tiles of pixels, and pixels of their products: the definition of every result.
enum TileReference {
  private static func differences(_ x: [Lanes]) -> [Lanes] { [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]] }

  /// See `mio_fix_tiles`.
  static func fixTiles(
    _ x: mio_tile_line, _ stride: Int, _ values: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>
  ) {
    let groups = unsafe (x.channels + 63) / 64
    for tile in unsafe 0..<x.tiles {
      for group in 0..<groups {
        var sums = [SIMD64<Float>](repeating: SIMD64(repeating: 0), count: 16)
        for part in Swift.stride(from: 0, to: 64, by: 16) where unsafe group * 64 + part < x.channels {
          for (index, sum) in unsafe sums16(x, tile, group * 64 + part).enumerated() {
            for lane in 0..<16 { sums[index][part + lane] = sum[lane] }
          }
        }
        for (index, sum) in sums.enumerated() {
          let position = index * stride + tile * groups + group
          unsafe FixedPointReference.fix(sum, values + position * 64, &scales[position])
        }
      }
    }
  }

  private static func sums16(_ x: mio_tile_line, _ tile: Int, _ channel: Int) -> [Lanes] {
    let count = unsafe min(16, x.channels - channel)
    let columns: [[Lanes]] = (0..<4).map { column in
      let pixel = unsafe x.base + (2 * tile + column) * x.channels + channel
      let lines: [Lanes] = (0..<4).map { line in unsafe VectorMath.load(pixel + line * x.line_stride, count) }
      return differences(lines)
    }
    return (0..<4).flatMap { line in differences(columns.map { $0[line] }) }
  }

  /// See `mio_join_tiles`.
  static func joinTiles(
    _ x: mio_tile_products, _ upper: UnsafeMutablePointer<Float>, _ lower: UnsafeMutablePointer<Float>
  ) {
    for tile in unsafe 0..<x.tiles {
      for column in unsafe Swift.stride(from: 0, to: x.columns, by: 16) {
        let count = unsafe min(16, x.columns - column)
        let source = unsafe x.base + tile * x.columns + column
        let bias = unsafe VectorMath.load(x.bias + column, count)
        var (first, second): ([Lanes], [Lanes]) = ([], [])
        for j in 0..<4 {
          let m: [Lanes] = (0..<4).map { i in unsafe VectorMath.load(source + (4 * i + j) * x.stride, count) }
          first.append(m[0] + m[1] + m[2])
          second.append(m[1] - m[2] - m[3])
        }
        let left = unsafe 2 * tile * x.columns + column
        let right = unsafe left + x.columns
        let adds = unsafe x.adds != 0
        unsafe put(first[0] + first[1] + first[2] + bias, upper + left, count, adds: adds)
        unsafe put(first[1] - first[2] - first[3] + bias, upper + right, count, adds: adds)
        unsafe put(second[0] + second[1] + second[2] + bias, lower + left, count, adds: adds)
        unsafe put(second[1] - second[2] - second[3] + bias, lower + right, count, adds: adds)
      }
    }
  }

  private static func put(_ value: Lanes, _ target: UnsafeMutablePointer<Float>, _ count: Int, adds: Bool) {
    unsafe VectorMath.store(adds ? VectorMath.load(target, count) + value : value, target, count)
  }
}
