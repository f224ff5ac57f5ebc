import CMioKernels

// The 3 × 3 convolution of stride 1 in tiles of 2 × 2 results, in 16-bit fixed point: 16 products where 36 would be.
//
// Winograd 1980; Lavin and Gray 2015, arXiv:1509.09308, F(2 × 2, 3 × 3). A tile's 4 × 4 pixels become 16 sums, the nine taps of
// every pair of channels 16 others; sums of the same place are multiplied, which are 16 products of matrices; and 16 products
// become four results. All three steps are in 32-bit floats, and the sums are rounded.
extension Convolution2d {
  /// Whether images of that size are taken in tiles. Does not depend on how many there are.
  func usesTiles(height: Int, width: Int) -> Bool {
    let plan = TilePlan(self, height: height, width: width)
    return stride == 1 && !doubles && height % 2 == 0 && width % 2 == 0 && 16 * plan.matrixBytes <= TilePlan.maxMatrixBytes
  }

  func forwardTiles(
    _ x: borrowing Activations, height: Int, width: Int, images: Int, _ scaling: ChannelScaling?, adds: Bool,
    into y: inout Activations, on context: KernelContext
  ) {
    let plan = TilePlan(self, height: height, width: width)
    let memory = unsafe context.scratch(byteCount: 16 * plan.matrixBytes)
    let matrices = (0..<16).map { place in
      unsafe FixedPointMatrix(weight, groups: plan.groups(place), in: memory + place * plan.matrixBytes, on: context)
    }
    let lines = Activations(unspecified: (2 * plan.blockLines + 2) * (width + 2), columns: inputChannels)
    let sums = FixedPointRows(positionCount: 16 * plan.blockTiles * plan.tilePositions)
    let products = Activations(unspecified: 16 * plan.blockTiles, columns: outputChannels)
    for image in 0..<images {
      for strip in plan.strips {
        unsafe scale(x, image, strip, plan, scaling, into: lines.base, on: context)
        unsafe round(lines.base, strip, plan, into: sums, on: context)
        unsafe multiply(sums, matrices, strip.count * plan.across, plan, into: products.base, on: context)
        let target = unsafe y.base + (image * height + 2 * strip.lowerBound) * width * outputChannels
        unsafe join(products.base, strip.count, plan, adds: adds, into: target, on: context)
      }
    }
  }

  /// Fills the lines under a strip, scaled, with zeros around the image.
  private func scale(
    _ x: borrowing Activations, _ image: Int, _ strip: Range<Int>, _ plan: TilePlan, _ scaling: ChannelScaling?,
    into lines: UnsafeMutablePointer<Float>, on context: KernelContext
  ) {
    let (channels, lineFloats, base) = unsafe (inputChannels, plan.lineFloats, x.base)
    unsafe withPointers(scaling) { factors, offsets in
      context.pool.run(tasks: 2 * strip.count + 2) { task in
        let line = 2 * strip.lowerBound - 1 + task
        let target = unsafe lines + task * lineFloats
        guard (0..<plan.height).contains(line) else { return unsafe target.update(repeating: 0, count: lineFloats) }
        unsafe target.update(repeating: 0, count: channels)
        unsafe (target + lineFloats - channels).update(repeating: 0, count: channels)
        let source = unsafe mio_float_rows(
          base: base + (image * plan.height + line) * plan.width * channels, stride: channels, rows: plan.width,
          columns: channels, factor: factors.map { unsafe $0 + image * channels },
          offset: offsets.map { unsafe $0 + image * channels }, activates: scaling?.activates == true ? 1 : 0)
        unsafe context.variant.table.pointee.scale_rows(source, target + channels)
      }
    }
  }

  private func round(
    _ lines: UnsafeMutablePointer<Float>, _ strip: Range<Int>, _ plan: TilePlan, into sums: borrowing FixedPointRows,
    on context: KernelContext
  ) {
    let (channels, stride) = (inputChannels, plan.blockTiles * plan.tilePositions)
    let (values, scales) = unsafe (sums.values, sums.scales)
    context.pool.run(tasks: strip.count) { line in
      if context.isCancelled() { return }
      let first = line * plan.across * plan.tilePositions
      let source = unsafe mio_tile_line(
        base: lines + 2 * line * plan.lineFloats, line_stride: plan.lineFloats, channels: channels, tiles: plan.across)
      let target = unsafe values + first * FixedPointRows.groupLength
      unsafe context.variant.table.pointee.fix_tiles(source, stride, target, scales + first)
    }
  }

  /// The 16 products of `count` tiles.
  private func multiply(
    _ sums: borrowing FixedPointRows, _ matrices: [FixedPointMatrix], _ count: Int, _ plan: TilePlan,
    into products: UnsafeMutablePointer<Float>, on context: KernelContext
  ) {
    let (values, scales) = unsafe (sums.values, sums.scales)
    let starts = (0..<count).map { UInt32($0 * plan.tilePositions) }
    let rows = (0..<count).map { UInt32($0) }
    let cuts = (count + TilePlan.taskTiles - 1) / TilePlan.taskTiles
    let perTask = ((count + cuts - 1) / cuts + 5) / 6 * 6
    let panels = 0..<(outputChannels + 15) / 16
    unsafe starts.withUnsafeBufferPointer { starts in
      unsafe rows.withUnsafeBufferPointer { rows in
        guard let starts = starts.baseAddress, let rows = rows.baseAddress else { return }
        context.pool.run(tasks: 16 * cuts) { task in
          let (place, first) = (task / cuts, task % cuts * perTask)
          guard first < count else { return }
          let position = place * plan.blockTiles * plan.tilePositions
          let operand = unsafe mio_fixed_rows(
            values: values + position * FixedPointRows.groupLength, scales: scales + position, starts: starts + first,
            run_groups: plan.tilePositions, run_stride: 0, count: min(perTask, count - first))
          let target = unsafe mio_fixed_target(
            base: products + place * plan.blockTiles * outputChannels, index_map: rows + first, stride: outputChannels,
            columns: outputChannels, bias: nil, adds: 0)
          unsafe matrices[place].multiply(operand, panels: panels, into: target, variant: context.variant)
        }
      }
    }
  }

  private func join(
    _ products: UnsafeMutablePointer<Float>, _ lines: Int, _ plan: TilePlan, adds: Bool,
    into y: UnsafeMutablePointer<Float>, on context: KernelContext
  ) {
    let (channels, across) = (outputChannels, plan.across)
    context.pool.run(tasks: lines) { line in
      if context.isCancelled() { return }
      let source = unsafe mio_tile_products(
        base: products + line * across * channels, stride: plan.blockTiles * channels, columns: channels, tiles: across,
        bias: bias.base, adds: adds ? 1 : 0)
      let upper = unsafe y + 2 * line * plan.width * channels
      let lower = unsafe upper + plan.width * channels
      unsafe context.variant.table.pointee.join_tiles(source, upper, lower)
    }
  }
}

/// How a convolution in tiles is cut.
private struct TilePlan {
  /// Tiles of a strip, about: their sums and products stay in the last cache.
  private static let wantedTiles = 252
  /// Tiles of one task of a product.
  static let taskTiles = 126
  /// Larger matrices are not worth the memory.
  static let maxMatrixBytes = 64 << 20

  let height: Int
  let width: Int
  /// Tiles of a line, and lines of tiles of a strip.
  let across: Int
  let blockLines: Int
  /// Positions of a sum.
  let tilePositions: Int
  /// Bytes of the taps' sums of one place.
  let matrixBytes: Int
  private let channels: Int

  init(_ convolution: Convolution2d, height: Int, width: Int) {
    (self.height, self.width, channels) = (height, width, convolution.inputChannels)
    across = max(1, width / 2)
    let lines = max(1, height / 2)
    let most = max(1, Self.wantedTiles / across)
    let count = (lines + most - 1) / most
    blockLines = (lines + count - 1) / count
    tilePositions = FixedPointRows.positions(columns: convolution.inputChannels)
    matrixBytes = FixedPointMatrix.byteCount(rows: convolution.outputChannels, groups: tilePositions)
  }

  var blockTiles: Int { blockLines * across }
  var lineFloats: Int { (width + 2) * channels }

  /// Lines of tiles.
  var strips: [Range<Int>] {
    let lines = height / 2
    return stride(from: 0, to: lines, by: blockLines).map { $0..<min($0 + blockLines, lines) }
  }

  /// The sums of taps at one place of 4 × 4: what each tap counts along an axis. Stored columns have the column of the tap
  /// outermost, then its row.
  func groups(_ place: Int) -> [FixedPointMatrix.Group] {
    let parts: [[Float]] = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
    let (lines, columns) = (parts[place / 4], parts[place % 4])
    var sources: [Int] = []
    var factors: [Float] = []
    for tap in 0..<9 {
      let factor = lines[tap % 3] * columns[tap / 3]
      guard factor != 0 else { continue }
      sources.append(tap * channels)
      factors.append(factor)
    }
    return stride(from: 0, to: channels, by: FixedPointRows.groupLength).map { channel in
      FixedPointMatrix.Group(
        sources: sources.map { $0 + channel }, factors: factors, count: min(FixedPointRows.groupLength, channels - channel))
    }
  }
}
