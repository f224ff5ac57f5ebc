import CMioKernels

// The convolution in 16-bit fixed point: an implicit product, whose operand is the image itself with a border.
//
// A strip of the image is scaled and rounded into lines of pixels, each pixel a whole number of groups. A window is a run
// of pixels in each of its lines, so nothing is copied twice. Where every pixel stands for four, the nine taps of a window
// meet only 2 × 2 different pixels; the taps that meet the same one are added up first, differently for the four outputs.
extension Convolution2d {
  func forwardFixed(
    _ x: borrowing Activations, height: Int, width: Int, images: Int, _ scaling: ChannelScaling?, adds: Bool,
    into y: inout Activations, on context: KernelContext
  ) {
    let plan = FixedPointPlan(self, height: height, width: width, images: images)
    let variants = plan.variants
    let byteCounts = variants.map { FixedPointMatrix.byteCount(rows: outputChannels, groups: $0.groups.count) }
    var memory = unsafe context.scratch(byteCount: byteCounts.reduce(0, +))
    var matrices: [FixedPointMatrix] = []
    for (variant, byteCount) in zip(variants, byteCounts) {
      unsafe matrices.append(FixedPointMatrix(weight, groups: variant.groups, in: memory, on: context))
      unsafe memory += byteCount
    }
    let strip = FixedPointRows(positionCount: plan.tilePositions)
    for segments in plan.strips {
      round(x, plan, segments, scaling, into: strip, on: context)
      for (variant, matrix) in zip(variants, matrices) {
        let indexMap = plan.indexMap(segments, variant)
        unsafe matrix.multiply(
          strip, indexMap, bias: bias.base, adds: adds, into: y.base, stride: outputChannels, on: context)
      }
    }
  }

  /// Fills the lines of a strip, and zeros around the images.
  private func round(
    _ x: borrowing Activations, _ plan: FixedPointPlan, _ segments: [FixedPointPlan.Segment],
    _ scaling: ChannelScaling?, into strip: borrowing FixedPointRows, on context: KernelContext
  ) {
    let lines = segments.flatMap { segment in
      (0..<segment.lineCount).map { (image: segment.image, line: segment.firstLine + $0, place: segment.place + $0) }
    }
    let (base, channels, width) = unsafe (x.base, inputChannels, plan.width)
    let (pixel, linePositions) = (plan.pixelPositions, plan.linePositions)
    let target = strip.view
    unsafe withPointers(scaling) { factors, offsets in
      context.pool.run(tasks: lines.count) { task in
        let (image, line, place) = lines[task]
        let first = place * linePositions
        guard (0..<plan.height).contains(line) else { return target.clear(first..<(first + linePositions)) }
        target.clear(first..<(first + pixel))
        target.clear((first + linePositions - pixel)..<(first + linePositions))
        let source = unsafe mio_float_rows(
          base: base + (image * plan.height + line) * width * channels, stride: channels, rows: width,
          columns: channels, factor: factors.map { unsafe $0 + image * channels },
          offset: offsets.map { unsafe $0 + image * channels }, activates: scaling?.activates == true ? 1 : 0)
        unsafe target.round(source, stride: pixel, to: first + pixel, variant: context.variant)
      }
    }
  }

  func withPointers(
    _ scaling: ChannelScaling?, _ body: (UnsafePointer<Float>?, UnsafePointer<Float>?) -> Void
  ) {
    guard let scaling else { return body(nil, nil) }
    unsafe scaling.factors.withUnsafeBufferPointer { factors in
      unsafe scaling.offsets.withUnsafeBufferPointer { offsets in
        unsafe body(factors.baseAddress, offsets.baseAddress)
      }
    }
  }
}

/// How a convolution in fixed point is cut, and where everything lies.
struct FixedPointPlan {
  /// Part of an image in a strip: output lines (lines of the input where each pixel stands for four), and the input lines
  /// under their windows, which lie from line `place` of the strip on.
  struct Segment {
    var image: Int
    var outputs: Range<Int>
    var firstLine: Int
    var lineCount: Int
    var place: Int
  }

  /// A set of outputs whose windows see their pixels in the same way.
  struct Variant {
    var groups: [FixedPointMatrix.Group]
    var runGroups: Int
    /// Which of the 2 × 2 outputs of a pixel; 0 where there is one.
    var row = 0
    var column = 0
  }

  /// Bytes of a strip that are tried for.
  private static let tileBytes = 6 << 20

  let height: Int
  let width: Int
  private let images: Int
  private let channels: Int
  private let stride: Int
  private let doubles: Bool
  private let outputHeight: Int
  let outputWidth: Int
  private let outputChannels: Int
  /// Positions of a pixel, and of a line with its border.
  let pixelPositions: Int
  let linePositions: Int

  /// Most bytes of a strip's results, where they are kept apart.
  private let maxResultBytes: Int

  init(_ convolution: Convolution2d, height: Int, width: Int, images: Int, maxResultBytes: Int = .max) {
    self.maxResultBytes = maxResultBytes
    outputChannels = convolution.outputChannels
    (self.height, self.width, self.images) = (height, width, images)
    (channels, stride, doubles) = (convolution.inputChannels, convolution.stride, convolution.doubles)
    precondition(!doubles || stride == 1, "a convolution that doubles has a stride of 1")
    (outputHeight, outputWidth) = (convolution.outputLength(height), convolution.outputLength(width))
    pixelPositions = FixedPointRows.positions(columns: convolution.inputChannels)
    linePositions = (width + 2) * pixelPositions
  }

  /// Lines over which windows step.
  private var steps: Int { doubles ? height : outputHeight }

  private func lineCount(outputs: Int) -> Int { doubles ? outputs + 2 : (outputs - 1) * stride + 3 }

  /// Strips of whole images where these are small, else of lines of one image.
  var strips: [[Segment]] {
    let most = max(1, Self.tileBytes / (linePositions * 2 * FixedPointRows.groupLength))
    let whole = lineCount(outputs: steps)
    let resultBytes = (doubles ? 2 : 1) * outputWidth * outputChannels * 4
    let maxSteps = max(1, maxResultBytes / resultBytes)
    if whole <= most, steps <= maxSteps {
      return Swift.stride(from: 0, to: images, by: most / whole).map { first in
        (first..<min(first + most / whole, images)).map { segment($0, 0..<steps, place: ($0 - first) * whole) }
      }
    }
    let outputs = min(maxSteps, max(1, doubles ? most - 2 : (most - 3) / stride + 1))
    return (0..<images).flatMap { image in
      Swift.stride(from: 0, to: steps, by: outputs).map { first in
        [segment(image, first..<min(first + outputs, steps), place: 0)]
      }
    }
  }

  private func segment(_ image: Int, _ outputs: Range<Int>, place: Int) -> Segment {
    Segment(
      image: image, outputs: outputs, firstLine: outputs.lowerBound * (doubles ? 1 : stride) - 1,
      lineCount: lineCount(outputs: outputs.count), place: place)
  }

  var tilePositions: Int {
    (strips.map { $0.reduce(0) { $0 + $1.lineCount } }.max() ?? 0) * linePositions
  }

  /// The taps of a window along one axis that meet each of its pixels.
  private static func taps(doubled parity: Int?) -> [[Int]] {
    switch parity {
    case nil: [[0], [1], [2]]
    case 0: [[0], [1, 2]]
    default: [[0, 1], [2]]
    }
  }

  var variants: [Variant] {
    guard doubles else { return [variant(rows: Self.taps(doubled: nil), columns: Self.taps(doubled: nil))] }
    return (0..<4).map { index in
      var variant = variant(rows: Self.taps(doubled: index / 2), columns: Self.taps(doubled: index % 2))
      (variant.row, variant.column) = (index / 2, index % 2)
      return variant
    }
  }

  /// Groups in the order line, pixel, channel; stored columns have the column of the tap outermost, then its row.
  private func variant(rows: [[Int]], columns: [[Int]]) -> Variant {
    var groups: [FixedPointMatrix.Group] = []
    for rowTaps in rows {
      for columnTaps in columns {
        for channel in Swift.stride(from: 0, to: channels, by: FixedPointRows.groupLength) {
          let sources = columnTaps.flatMap { column in rowTaps.map { (column * 3 + $0) * channels + channel } }
          groups.append(.init(sources: sources, count: min(FixedPointRows.groupLength, channels - channel)))
        }
      }
    }
    return Variant(groups: groups, runGroups: columns.count * pixelPositions)
  }

  /// The pixels of the result that a strip gives.
  func resultPixels(_ segment: Segment) -> Range<Int> {
    let lines = doubles ? 2 * segment.outputs.lowerBound..<2 * segment.outputs.upperBound : segment.outputs
    let first = segment.image * outputHeight
    return (first + lines.lowerBound) * outputWidth..<(first + lines.upperBound) * outputWidth
  }

  /// The windows of a strip.
  func indexMap(_ segments: [Segment], _ variant: Variant) -> FixedPointMatrix.IndexMap {
    var indexMap = FixedPointMatrix.IndexMap(runGroups: variant.runGroups, runStride: linePositions)
    let columns = doubles ? width : outputWidth
    for segment in segments {
      for (index, output) in segment.outputs.enumerated() {
        let line = segment.place + index * (doubles ? 1 : stride) + variant.row
        let target =
          doubles
          ? (segment.image * outputHeight + 2 * output + variant.row) * outputWidth + variant.column
          : (segment.image * outputHeight + output) * outputWidth
        for column in 0..<columns {
          let pixel = column * (doubles ? 1 : stride) + variant.column
          indexMap.starts.append(UInt32(line * linePositions + pixel * pixelPositions))
          indexMap.rows.append(UInt32(target + column * (doubles ? 2 : 1)))
        }
      }
    }
    return indexMap
  }
}
