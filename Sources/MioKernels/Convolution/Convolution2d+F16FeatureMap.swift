import CMioKernels

extension Convolution2d {
  /// A product of the pixels themselves that is taken in the same sweep as the convolution: the shortcut of a block whose
  /// results replace its input.
  package struct FusedShortcut {
    package let weight: PackedMatrix  // [C', C]
    package let bias: WeightVector  // [C']
    package let target: F16FeatureMap.Region

    package init(weight: PackedMatrix, bias: WeightVector, target: F16FeatureMap.Region) {
      (self.weight, self.bias, self.target) = (weight, bias, target)
    }
  }

  /// Bytes of the 32-bit results of a strip.
  private static let resultBytes = 4 << 20

  /// The convolution of a region of a f16 feature map, strip by strip, in fixed point.
  ///
  /// The target may be the source, and its regions may overlap: lines that the next strip needs are kept in their rounded
  /// form before they are overwritten. Needs matrices of 16-bit floats.
  package func forward(
    _ x: F16FeatureMap, _ source: F16FeatureMap.Region, scaling: ChannelScaling? = nil, shortcut: FusedShortcut? = nil,
    adds: Bool = false, into y: F16FeatureMap, _ target: F16FeatureMap.Region, on context: KernelContext
  ) {
    precondition(source.count == inputChannels && target.count == outputChannels, "the regions do not fit the convolution")
    precondition(y.height == outputLength(x.height) && y.width == outputLength(x.width), "the result has another shape")
    precondition(scaling?.fits(images: 1, channels: source.count) ?? true, "the scaling has another shape")
    precondition(stride == 1 && (shortcut == nil || !doubles), "f16 feature maps have convolutions of stride 1")
    let plan = FixedPointPlan(
      self, height: x.height, width: x.width, images: 1, maxResultBytes: Self.resultBytes)
    let sweep = F16FeatureMapSweep(self, plan, shortcut, on: context)
    var before: FixedPointPlan.Segment?
    for segments in plan.strips {
      let segment = segments[0]
      sweep.round(x, source, scaling, segment, carriedFrom: doubles ? nil : before, on: context)
      sweep.multiply(segment, x, source, on: context)
      sweep.store(segment, adds: adds, y, target, on: context)
      before = segment
    }
  }

  /// The same, with 32-bit results: y becomes [H' W', C'].
  package func forward(
    _ x: F16FeatureMap, _ source: F16FeatureMap.Region, scaling: ChannelScaling? = nil, into y: inout Activations,
    on context: KernelContext
  ) {
    let whole = F16FeatureMap(height: outputLength(x.height), width: outputLength(x.width), columns: outputChannels)
    let region = F16FeatureMap.Region(first: 0, count: outputChannels)
    forward(x, source, scaling: scaling, into: whole, region, on: context)
    precondition(y.rows == whole.height * whole.width && y.columns == outputChannels, "the result has another shape")
    unsafe whole.convertToF32(0..<y.rows, region, into: y.base, variant: context.variant)
  }
}

/// The memory and the rounded weights of one convolution of a f16 feature map.
private struct F16FeatureMapSweep {
  let convolution: Convolution2d
  let plan: FixedPointPlan
  let shortcut: Convolution2d.FusedShortcut?
  private let variants: [FixedPointPlan.Variant]
  private var matrices: [FixedPointMatrix] = []
  private var shortcutMatrix: FixedPointMatrix?
  private let memory: TileMemory

  init(
    _ convolution: Convolution2d, _ plan: FixedPointPlan, _ shortcut: Convolution2d.FusedShortcut?,
    on context: KernelContext
  ) {
    (self.convolution, self.plan, self.shortcut) = (convolution, plan, shortcut)
    variants = plan.variants
    memory = TileMemory(convolution, plan, shortcut)
    let groups = variants.map(\.groups) + (shortcut.map { [FixedPointMatrix.groups(columns: $0.weight.columns)] } ?? [])
    let weights = variants.map { _ in convolution.weight } + (shortcut.map { [$0.weight] } ?? [])
    let byteCounts = zip(weights, groups).map { FixedPointMatrix.byteCount(rows: $0.rows, groups: $1.count) }
    var place = unsafe context.scratch(byteCount: byteCounts.reduce(0, +))
    var all: [FixedPointMatrix] = []
    for (index, byteCount) in byteCounts.enumerated() {
      unsafe all.append(FixedPointMatrix(weights[index], groups: groups[index], in: place, on: context))
      unsafe place += byteCount
    }
    if shortcut != nil { shortcutMatrix = all.removeLast() }
    matrices = all
  }

  /// Rounds the lines of a strip; the first two are the last two of the strip before, if there was one.
  func round(
    _ x: F16FeatureMap, _ source: F16FeatureMap.Region, _ scaling: ChannelScaling?, _ segment: FixedPointPlan.Segment,
    carriedFrom before: FixedPointPlan.Segment?, on context: KernelContext
  ) {
    let (line, pixel) = (plan.linePositions, plan.pixelPositions)
    let view = memory.strip.view
    if let before { view.move((before.lineCount - 2) * line..<before.lineCount * line, to: 0) }
    let carried = before == nil ? 0 : 2
    unsafe convolution.withPointers(scaling) { factors, offsets in
      context.pool.run(tasks: segment.lineCount - carried) { task in
        if context.isCancelled() { return }
        let (place, number) = (task + carried, segment.firstLine + task + carried)
        guard (0..<plan.height).contains(number) else { return view.clear(place * line..<(place + 1) * line) }
        view.clear(place * line..<(place * line + pixel))
        view.clear((place + 1) * line - pixel..<(place + 1) * line)
        unsafe round(
          x, source, number * plan.width..<(number + 1) * plan.width, to: place * line + pixel, view,
          (factors, offsets, scaling?.activates == true), variant: context.variant)
      }
    }
  }

  /// Rounds pixels, 64 at a time in 32 bits between.
  private func round(
    _ x: F16FeatureMap, _ source: F16FeatureMap.Region, _ pixels: Range<Int>, to position: Int, _ view: FixedPointView,
    _ scaling: (factors: UnsafePointer<Float>?, offsets: UnsafePointer<Float>?, activates: Bool), variant: KernelVariant
  ) {
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: 64 * source.count) { buffer in
      guard let values = buffer.baseAddress else { return }
      for first in Swift.stride(from: 0, to: pixels.count, by: 64) {
        let part = pixels.lowerBound + first..<min(pixels.lowerBound + first + 64, pixels.upperBound)
        unsafe x.convertToF32(part, source, into: values, variant: variant)
        let rows = unsafe mio_float_rows(
          base: values, stride: source.count, rows: part.count, columns: source.count, factor: scaling.factors,
          offset: scaling.offsets, activates: scaling.activates ? 1 : 0)
        unsafe view.round(rows, stride: plan.pixelPositions, to: position + first * plan.pixelPositions, variant: variant)
      }
    }
  }

  func multiply(
    _ segment: FixedPointPlan.Segment, _ x: F16FeatureMap, _ source: F16FeatureMap.Region, on context: KernelContext
  ) {
    let pixels = plan.resultPixels(segment)
    for (variant, matrix) in zip(variants, matrices) {
      var indexMap = plan.indexMap([segment], variant)
      for index in indexMap.rows.indices { indexMap.rows[index] -= UInt32(pixels.lowerBound) }
      unsafe matrix.multiply(
        memory.strip, indexMap, bias: convolution.bias.base, adds: false, into: memory.results.base,
        stride: convolution.outputChannels, on: context)
    }
    guard let shortcut, let shortcutMatrix else { return }
    let view = memory.shortcutStrip.view
    context.pool.run(tasks: segment.outputs.count) { line in
      if context.isCancelled() { return }
      let first = pixels.lowerBound + line * plan.width
      unsafe round(
        x, source, first..<(first + plan.width), to: line * plan.width * plan.pixelPositions, view, (nil, nil, false),
        variant: context.variant)
    }
    let indexMap = FixedPointMatrix.IndexMap(
      starts: (0..<pixels.count).map { UInt32($0 * plan.pixelPositions) }, rows: (0..<pixels.count).map { UInt32($0) },
      runGroups: plan.pixelPositions, runStride: 0)
    unsafe shortcutMatrix.multiply(
      memory.shortcutStrip, indexMap, bias: shortcut.bias.base, adds: false, into: memory.shortcutResults.base,
      stride: shortcut.weight.rows, on: context)
  }

  /// Moves the results of a strip to their place.
  func store(
    _ segment: FixedPointPlan.Segment, adds: Bool, _ y: F16FeatureMap, _ target: F16FeatureMap.Region,
    on context: KernelContext
  ) {
    let pixels = plan.resultPixels(segment)
    let width = plan.outputWidth
    let (results, shortcutResults) = unsafe (memory.results.base, memory.shortcutResults.base)
    context.pool.run(tasks: pixels.count / width) { line in
      if context.isCancelled() { return }
      let part = pixels.lowerBound + line * width..<pixels.lowerBound + (line + 1) * width
      unsafe y.convertToF16(
        results + line * width * target.count, adds: adds, part, target, variant: context.variant)
      guard let shortcut else { return }
      unsafe y.convertToF16(
        shortcutResults + line * width * shortcut.target.count, adds: false, part, shortcut.target,
        variant: context.variant)
    }
  }
}

/// The buffers of one strip.
private final class TileMemory {
  let strip: FixedPointRows
  let shortcutStrip: FixedPointRows
  let results: Activations
  let shortcutResults: Activations

  init(_ convolution: Convolution2d, _ plan: FixedPointPlan, _ shortcut: Convolution2d.FusedShortcut?) {
    let pixels = plan.strips.map { plan.resultPixels($0[0]).count }.max() ?? 0
    strip = FixedPointRows(positionCount: plan.tilePositions)
    results = Activations(unspecified: pixels, columns: convolution.outputChannels)
    shortcutStrip = FixedPointRows(positionCount: shortcut == nil ? 0 : pixels * plan.pixelPositions)
    shortcutResults = Activations(unspecified: shortcut == nil ? 0 : pixels, columns: shortcut?.weight.rows ?? 0)
  }
}
