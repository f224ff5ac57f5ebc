import CMioKernels

/// An image between two layers as 16-bit floats, channels last: half the memory of ``Activations`` for the layers that
/// work on an image strip by strip. Its columns are shared by several sets of channels.
@safe
package final class F16FeatureMap {
  /// Neighbouring columns that hold one set of channels.
  package struct Region: Hashable, Sendable {
    package let first: Int
    package let count: Int

    package init(first: Int, count: Int) { (self.first, self.count) = (first, count) }
  }

  package let height: Int
  package let width: Int
  package let columns: Int
  private let base: UnsafeMutablePointer<UInt16>
  /// The map whose memory this one uses, if it has none of its own.
  private let owner: F16FeatureMap?

  /// A map with unspecified contents.
  package init(height: Int, width: Int, columns: Int) {
    (self.height, self.width, self.columns, owner) = (height, width, columns, nil)
    let count = height * width * columns
    unsafe base = LargeBlocks.shared.allocate(byteCount: max(2 * count, 64)).bindMemory(to: UInt16.self, capacity: count)
  }

  /// A map in the last part of another one's memory.
  private init(height: Int, width: Int, columns: Int, atEndOf owner: F16FeatureMap) {
    let (count, all) = (height * width * columns, owner.height * owner.width * owner.columns)
    precondition(count <= all, "the map is larger than the memory it is to use")
    (self.height, self.width, self.columns, self.owner) = (height, width, columns, owner)
    unsafe base = owner.base + (all - count)
  }

  deinit {
    if owner == nil { unsafe LargeBlocks.shared.deallocate(base, byteCount: max(2 * height * width * columns, 64)) }
  }

  private var pixels: Int { height * width }

  private func check(_ region: Region, _ pixels: Range<Int>) {
    precondition(
      region.first >= 0 && region.count > 0 && region.first + region.count <= columns && pixels.lowerBound >= 0
        && pixels.upperBound <= self.pixels, "the region lies outside the map")
  }

  /// Widens pixels [n, region.count] one after the other.
  func convertToF32(_ pixels: Range<Int>, _ region: Region, into target: UnsafeMutablePointer<Float>, variant: KernelVariant) {
    check(region, pixels)
    let kernel = unsafe variant.table.pointee.f16_to_f32
    for (index, pixel) in pixels.enumerated() {
      let source = unsafe base + pixel * columns + region.first
      unsafe kernel(source, target + index * region.count, region.count)
    }
  }

  /// Stores or adds pixels [n, region.count].
  func convertToF16(
    _ source: UnsafePointer<Float>, adds: Bool, _ pixels: Range<Int>, _ region: Region, variant: KernelVariant
  ) {
    check(region, pixels)
    let kernel = unsafe variant.table.pointee.f32_to_f16
    for (index, pixel) in pixels.enumerated() {
      let target = unsafe base + pixel * columns + region.first
      unsafe kernel(source + index * region.count, adds ? 1 : 0, target, region.count)
    }
  }

  /// Stores all pixels of `x` [H W, C].
  package func store(_ x: borrowing Activations, in region: Region, on context: KernelContext) {
    precondition(x.rows == pixels && x.columns == region.count, "the pixels do not fit the map")
    let (source, lineFloats) = unsafe (x.base, width * region.count)
    context.pool.run(tasks: height) { line in
      unsafe convertToF16(
        source + line * lineFloats, adds: false, (line * width)..<((line + 1) * width), region, variant: context.variant)
    }
  }

  /// A copy of one region alone, at the end of the memory of a map that will hold it at twice the size.
  ///
  /// A convolution that doubles the size may read the copy and write the larger map: it writes from the start, and
  /// reaches a line of the copy only when no window needs it any more.
  package func copy(of region: Region, toEndOf large: F16FeatureMap, on context: KernelContext) -> F16FeatureMap {
    check(region, 0..<pixels)
    precondition(
      large.height == 2 * height && large.width == 2 * width && large.columns >= region.count,
      "the map does not have twice the size")
    let copy = F16FeatureMap(height: height, width: width, columns: region.count, atEndOf: large)
    let (source, target) = unsafe (base + region.first, copy.base)
    context.pool.run(tasks: height) { line in
      for pixel in (line * width)..<((line + 1) * width) {
        unsafe (target + pixel * region.count).update(from: source + pixel * columns, count: region.count)
      }
    }
    return copy
  }
}

extension GroupNormalization {
  /// As `scaling(of:images:activates:on:)`, for the channels of a region.
  package func scaling(
    of x: F16FeatureMap, _ region: F16FeatureMap.Region, activates: Bool, on context: KernelContext
  ) -> ChannelScaling {
    precondition(region.count == weight.count, "the images do not fit the norm")
    return scaling(images: 1, pixels: x.height * x.width, activates: activates) { centers, squared in
      unsafe blockSums(images: 1, pixels: x.height * x.width, on: context) { _, rows, sums in
        unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count * region.count) { buffer in
          guard let values = buffer.baseAddress else { return }
          unsafe x.convertToF32(rows, region, into: values, variant: context.variant)
          unsafe centers.withUnsafeBufferPointer { centers in
            unsafe sumColumns(
              values, rows: rows.count, centers: centers.baseAddress!, squared: squared, into: sums,
              variant: context.variant)
          }
        }
      }
    }
  }
}
