import CMioKernels

/// The operands of one attention call, shared by its tasks; each task writes its own rows and heads.
@safe
struct AttentionOperand: @unchecked Sendable {
  let attention: Attention
  let kernels: AttentionKernels
  let format: KeyValueFormat
  let queryBytes: Int
  let layer: Int
  let queries: UnsafePointer<Float>  // [T, H * D]
  let keys: UnsafePointer<Float>  // [T, K * D]
  let values: UnsafePointer<Float>  // [T, K * D]
  let packed: UnsafeMutableRawPointer  // [T, H] queries of queryBytes
  let output: UnsafeMutablePointer<Float>  // [T, H * D]
  let cache: KeyValueCache
  let rotary: RotaryEmbedding
  let rows: [AttentionRows.Row]

  private var headWidth: Int { attention.headWidth }
  private var headsPerGroup: Int { attention.headsPerGroup }

  // MARK: - Queries, keys and values of one row

  /// What is to be done for a row and key/value head.
  struct Preparation: OptionSet {
    let rawValue: Int
    /// Rotate and store key and value.
    static let store = Preparation(rawValue: 1)
    /// Rotate and pack the queries that read them.
    static let pack = Preparation(rawValue: 2)
  }

  /// Stores the key and value of one row and head, packs the queries that read them, or both.
  func prepare(row: Int, group: Int, _ preparation: Preparation) {
    let position = rows[row].position
    let width = KeyValueFormat.storedWidth(headWidth)
    let offset = cache.shape.offset(layer: layer, head: group)
    let page = unsafe cache.page(of: position, in: rows[row].pages.addresses).assumingMemoryBound(to: UInt8.self) + offset
    let head = row * attention.headCount + group * headsPerGroup
    let key = (row * attention.kvHeadCount + group) * headWidth
    let isStored = preparation.contains(.store)
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { scratch in
      var description = unsafe mio_attention_row(
        head_width: headWidth, rotation: rotary.row(position), key: isStored ? keys + key : nil,
        value: isStored ? values + key : nil, keys: page,
        values: page + cache.shape.blockByteCount, position: position % KeyValueFormat.pageLength,
        queries: queries + head * headWidth, heads: preparation.contains(.pack) ? headsPerGroup : 0,
        packed: (packed + head * queryBytes).assumingMemoryBound(to: UInt8.self), packed_stride: queryBytes,
        factor: factor, scratch: scratch.baseAddress)
      unsafe kernels.prepare(&description)
    }
  }

  /// log2(e) / sqrt(D), which turns products of queries and keys into exponents of 2.
  private var factor: Float { Float(1.4426950408889634 / Double(headWidth).squareRoot()) }

  // MARK: - Tiles

  /// Lays out the result of a tile and one key/value head at `base`.
  @unsafe
  func part(_ tile: AttentionRows.Tile, _ base: UnsafeMutableRawPointer) -> AttentionPart {
    unsafe AttentionPart(queries: tile.rows.count * headsPerGroup, headWidth: headWidth, at: base)
  }

  /// Attends to all positions of a tile, chunk after chunk.
  func attend(_ tile: AttentionRows.Tile, group: Int) {
    let bytes = AttentionPart.byteCount(queries: tile.rows.count * headsPerGroup, headWidth: headWidth)
    unsafe withUnsafeTemporaryAllocation(byteCount: 2 * bytes, alignment: 64) { buffer in
      guard let base = buffer.baseAddress else { return }
      let (sum, next) = unsafe (part(tile, base), part(tile, base + bytes))
      attend(tile, group: group, chunk: 0, into: sum)
      for chunk in 1..<max(1, tile.chunkCount) {
        attend(tile, group: group, chunk: chunk, into: next)
        sum.merge(next, with: kernels)
      }
      write(sum, tile, group: group)
    }
  }

  /// Attends to the positions of one chunk, eight queries at a time.
  func attend(_ tile: AttentionRows.Tile, group: Int, chunk: Int, into part: AttentionPart) {
    let first = chunk * KeyValueFormat.chunkLength
    let pages = unsafe rows[tile.rows.lowerBound].pages.addresses + first / KeyValueFormat.pageLength
    let offset = cache.shape.offset(layer: layer, head: group)
    let limit = Int(MIO_ATTENTION_QUERIES)
    unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>?.self, capacity: limit) { query in
      unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: limit) { visible in
        for start in stride(from: 0, to: part.count, by: limit) {
          let count = min(limit, part.count - start)
          for index in 0..<count {
            let row = tile.rows.lowerBound + (start + index) / headsPerGroup
            let head = group * headsPerGroup + (start + index) % headsPerGroup
            let vector = unsafe packed + (row * attention.headCount + head) * queryBytes
            unsafe query[index] = unsafe UnsafePointer(vector.assumingMemoryBound(to: UInt8.self))
            unsafe visible[index] = Int32(max(0, min(rows[row].position + 1 - first, KeyValueFormat.chunkLength)))
          }
          var block = unsafe mio_attention_block(
            pages: pages, keys: offset, values: offset + cache.shape.blockByteCount, width: part.width, queries: count,
            query: query.baseAddress, visible: visible.baseAddress, maximum: part.maximum + start,
            sum: part.sum + start, output: part.output + start * part.width)
          unsafe kernels.attend(&block)
        }
      }
    }
  }

  /// Divides by the sums and writes the rows and heads of a tile to the output.
  func write(_ part: AttentionPart, _ tile: AttentionRows.Tile, group: Int) {
    for query in 0..<part.count {
      let row = tile.rows.lowerBound + query / headsPerGroup
      let head = group * headsPerGroup + query % headsPerGroup
      let target = unsafe output + (row * attention.headCount + head) * headWidth
      let factor = unsafe 1 / part.sum[query]
      for d in 0..<headWidth { unsafe target[d] = unsafe part.output[query * part.width + d] * factor }
    }
  }
}

/// The attention kernels of one instruction-set variant for one form of the cache; see `mio_attention.h`.
@safe
struct AttentionKernels: @unchecked Sendable {
  /// Computes one block.
  let attend: @convention(c) (UnsafePointer<mio_attention_block>?) -> Void
  /// Stores and packs a row.
  let prepare: @convention(c) (UnsafePointer<mio_attention_row>?) -> Void
  /// Adds the part of later positions.
  let merge: @convention(c) (mio_attention_part, mio_attention_part) -> Void

  init(_ variant: KernelVariant, format: KeyValueFormat) {
    let table = unsafe variant.table.pointee.attention.pointee
    unsafe merge = table.merge
    switch format {
    case .int8: unsafe (attend, prepare) = (table.i8, table.prepare_i8)
    case .f16: unsafe (attend, prepare) = (table.f16, table.prepare_f16)
    case .f32: unsafe (attend, prepare) = (table.f32, table.prepare_f32)
    }
  }
}
