import CMioKernels

/// Causal self-attention of grouped query heads over a ``KeyValueCache``.
///
/// `y[t] = Σ_p softmax_p(q[t] · k[p] / sqrt(D)) v[p]` over the positions p up to that of row t, head by head; query head h
/// reads key/value head h / (H / K). Positions are taken in chunks of 256, each with a softmax of its own, and the chunks
/// are merged in order. A row's result depends on its own sequence alone: not on other rows of the pass, not on how a prompt
/// was cut into passes, not on the number of threads.
package struct Attention: Hashable, Sendable {
  package let headCount: Int  // H
  package let kvHeadCount: Int  // K
  package let headWidth: Int  // D

  package init(headCount: Int, kvHeadCount: Int, headWidth: Int) {
    precondition(
      headCount > 0 && kvHeadCount > 0 && headCount % kvHeadCount == 0,
      "the number of query heads must be a multiple of the number of key/value heads")
    self.headCount = headCount
    self.kvHeadCount = kvHeadCount
    self.headWidth = headWidth
  }

  /// Query heads that share a key/value head.
  package var headsPerGroup: Int { headCount / kvHeadCount }

  /// Packed queries, and the parts of long contexts.
  package struct Scratch: ~Copyable {
    var queries: OwnedBytes
    var parts = OwnedBytes(byteCount: 64)

    package init(_ attention: Attention, format: KeyValueFormat, maxRows: Int) {
      queries = OwnedBytes(
        byteCount: maxRows * attention.headCount * format.queryByteCount(headWidth: attention.headWidth))
    }
  }

  /// Rotates and stores keys and values, rotates the queries, and attends.
  ///
  /// - Parameters:
  ///   - queries: [T, H * D].
  ///   - keys: [U, K * D].
  ///   - values: [U, K * D].
  ///   - rows: where the T queries belong.
  ///   - storing: where the U keys and values belong, if there are more of them than queries; every one is stored before
  ///     any query reads.
  ///   - y: [T, H * D], overwritten.
  package func forward(
    queries: borrowing Activations, keys: borrowing Activations, values: borrowing Activations,
    rows: borrowing AttentionRows, storing stored: borrowing AttentionRows, layer: Int, cache: KeyValueCache,
    rotary: RotaryEmbedding, into y: inout Activations, scratch: inout Scratch, on context: KernelContext
  ) {
    let (queryWidth, keyWidth) = (headCount * headWidth, kvHeadCount * headWidth)
    precondition(
      queries.rows == rows.count && queries.columns == queryWidth && y.rows == rows.count && y.columns == queryWidth,
      "queries and results need the shape [rows, heads * head width]")
    precondition(
      keys.rows == stored.count && keys.columns == keyWidth && values.rows == stored.count && values.columns == keyWidth,
      "keys and values need the shape [stored rows, key/value heads * head width]")
    precondition(
      cache.shape.kvHeadCount == kvHeadCount && cache.shape.headWidth == headWidth && layer < cache.shape.layerCount,
      "the cache was made for another network")
    let format = cache.shape.format
    let queryBytes = format.queryByteCount(headWidth: headWidth)
    precondition(
      unsafe scratch.queries.bytes.count >= rows.count * headCount * queryBytes, "more rows than the scratch was made for")
    guard let packed = unsafe scratch.queries.bytes.baseAddress else { return }

    func operand(_ rows: [AttentionRows.Row]) -> AttentionOperand {
      unsafe AttentionOperand(
        attention: self, kernels: AttentionKernels(context.variant, format: format), format: format,
        queryBytes: queryBytes, layer: layer, queries: queries.base, keys: keys.base, values: values.base,
        packed: packed, output: y.base, cache: cache, rotary: rotary, rows: rows)
    }
    // A task takes a row's key/value head, its queries, or both.
    let reader = operand(rows.rows)
    let (rowCount, storedCount) = (rows.count, stored.count)
    if rowCount == storedCount {
      context.pool.run(tasks: rowCount * kvHeadCount) { task in
        reader.prepare(row: task / kvHeadCount, group: task % kvHeadCount, [.store, .pack])
      }
    } else {
      let writer = operand(stored.rows)
      context.pool.run(tasks: (rowCount + storedCount) * kvHeadCount) { task in
        let (row, group) = (task / kvHeadCount, task % kvHeadCount)
        if row < storedCount {
          writer.prepare(row: row, group: group, .store)
        } else {
          reader.prepare(row: row - storedCount, group: group, .pack)
        }
      }
    }
    attend(reader, tiles: rows.tiles, scratch: &scratch, on: context)
  }

  /// Tiles beyond this number keep all threads busy on their own; fewer are cut into chunks of positions as well.
  private static let tilesToCut = 16

  private func attend(
    _ operand: AttentionOperand, tiles: [AttentionRows.Tile], scratch: inout Scratch, on context: KernelContext
  ) {
    let chunkCount = tiles.reduce(1) { max($0, $1.chunkCount) }
    guard chunkCount > 1, tiles.count <= Self.tilesToCut else {
      context.pool.run(tasks: tiles.count * kvHeadCount) { task in
        operand.attend(tiles[task / kvHeadCount], group: task % kvHeadCount)
      }
      return
    }
    // [tile][group][chunk] parts; tiles with fewer chunks leave theirs unused.
    let partBytes = AttentionPart.byteCount(
      queries: tiles.reduce(0) { max($0, $1.rows.count) } * headsPerGroup, headWidth: headWidth)
    let bytes = tiles.count * kvHeadCount * chunkCount * partBytes
    if unsafe scratch.parts.bytes.count < bytes { scratch.parts = OwnedBytes(byteCount: bytes + bytes / 2) }
    guard let base = unsafe scratch.parts.bytes.baseAddress else { return }
    let parts = unsafe SharedBytes(base)
    context.pool.run(tasks: tiles.count * kvHeadCount * chunkCount) { task in
      let (tile, chunk) = (tiles[task / (kvHeadCount * chunkCount)], task % chunkCount)
      guard chunk < tile.chunkCount else { return }
      unsafe operand.attend(
        tile, group: task / chunkCount % kvHeadCount, chunk: chunk, into: operand.part(tile, parts.base + task * partBytes))
    }
    context.pool.run(tasks: tiles.count * kvHeadCount) { task in
      let tile = tiles[task / kvHeadCount]
      let first = unsafe parts.base + task * chunkCount * partBytes
      let sum = unsafe operand.part(tile, first)
      for chunk in 1..<max(1, tile.chunkCount) {
        unsafe sum.merge(operand.part(tile, first + chunk * partBytes), with: operand.kernels)
      }
      operand.write(sum, tile, group: task % kvHeadCount)
    }
  }
}

/// Bytes that tasks share; each writes its own part.
@safe
private struct SharedBytes: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }
}

/// Attention over some of the positions: per query the largest score, the sum of the weights relative to it and the
/// weighted sum of the values.
@safe
struct AttentionPart {
  let count: Int  // queries M
  let width: Int  // S
  let maximum: UnsafeMutablePointer<Float>  // [M]
  let sum: UnsafeMutablePointer<Float>  // [M]
  let output: UnsafeMutablePointer<Float>  // [M, S]

  static func byteCount(queries: Int, headWidth: Int) -> Int {
    (queries * (KeyValueFormat.storedWidth(headWidth) + 2) * 4 + 63) / 64 * 64
  }

  /// Lays the part out at `base`.
  @unsafe
  init(queries: Int, headWidth: Int, at base: UnsafeMutableRawPointer) {
    count = queries
    width = KeyValueFormat.storedWidth(headWidth)
    unsafe output = base.assumingMemoryBound(to: Float.self)
    unsafe maximum = output + count * width
    unsafe sum = maximum + count
  }

  /// Adds the part of later positions.
  func merge(_ later: AttentionPart, with kernels: AttentionKernels) { unsafe kernels.merge(description, later.description) }

  private var description: mio_attention_part {
    unsafe mio_attention_part(queries: count, width: width, maximum: maximum, sum: sum, output: output)
  }
}
