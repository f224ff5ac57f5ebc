import MioFormat
import MioKernels

/// One transformer block over the pixels of an image, between two projections:
/// `h = in(norm x)`, `h += attention(norm1 h)`, `h += text(norm2 h)`, `h += W2 geglu(W1 norm3 h)`, `y = x + out(h)`.
///
/// `Transformer2DModel` of huggingface/diffusers. The text is always that of the empty prompt: its keys and values come
/// with the file.
struct Transformer2D: Sendable {
  struct Config: Hashable, Sendable {
    let channels: Int
    let headCount: Int
    let groupCount: Int
    let textLength: Int
  }

  let config: Config
  let norm: GroupNormalization
  let input: LinearLayer  // [C, C]
  let output: LinearLayer  // [C, C]
  let norm1: ChannelNorm
  let queries: LinearLayer  // [C, C]
  let keys: LinearLayer  // [C, C]
  let values: LinearLayer  // [C, C]
  let attended: LinearLayer  // [C, C]
  let norm2: ChannelNorm
  let textQueries: LinearLayer  // [C, C]
  let textKeys: WeightVector  // [T, C]
  let textValues: WeightVector  // [T, C]
  let textAttended: LinearLayer  // [C, C]
  let norm3: ChannelNorm
  let widen: LinearLayer  // [8C, C]
  let narrow: LinearLayer  // [C, 4C]

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    let c = config.channels
    self.config = config
    norm = try weights.groupNorm("norm", c, groups: config.groupCount, epsilon: 1e-6)
    input = try weights.linear("proj_in", [c, c])
    output = try weights.linear("proj_out", [c, c])
    let block = weights["transformer_blocks"][0]
    norm1 = try block.channelNorm("norm1", c)
    queries = try block.linear("attn1.to_q", [c, c], hasBias: false)
    keys = try block.linear("attn1.to_k", [c, c], hasBias: false)
    values = try block.linear("attn1.to_v", [c, c], hasBias: false)
    attended = try block.linear("attn1.to_out.0", [c, c])
    norm2 = try block.channelNorm("norm2", c)
    textQueries = try block.linear("attn2.to_q", [c, c], hasBias: false)
    textKeys = try block.vector("attn2.keys", shape: [config.textLength, c])
    textValues = try block.vector("attn2.values", shape: [config.textLength, c])
    textAttended = try block.linear("attn2.to_out.0", [c, c])
    norm3 = try block.channelNorm("norm3", c)
    widen = try block.linear("ff.net.0.proj", [8 * c, c])
    narrow = try block.linear("ff.net.2", [c, 4 * c])
  }

  /// Whether attention is taken in fixed point: unless its matrices have 32 bits.
  private var isFixedPoint: Bool { queries.weight.format != .f32 }

  /// Returns a new map.
  func forward(_ x: FeatureMap, on context: KernelContext) -> FeatureMap {
    let attention = DenseAttention(
      headCount: config.headCount, headWidth: config.channels / config.headCount, isFixedPoint: isFixedPoint)
    let result = norm(x, activates: false, on: context)
    var h = input(result.rows, on: context)
    attend(&h, attention, images: x.images, on: context)
    attendToText(&h, attention, on: context)
    feedForward(&h, on: context)
    result.rows.copyRows(from: x.rows)
    output.add(h, to: &result.rows, on: context)
    return result
  }

  private func attend(
    _ h: inout Activations, _ attention: DenseAttention, images: Int, on context: KernelContext
  ) {
    var normal = Activations(unspecified: h.rows, columns: h.columns)
    norm1.forward(h, into: &normal, on: context)
    let q = queries(normal, on: context)
    let k = keys(normal, on: context)
    let v = values(normal, on: context)
    attention.forward(queries: q, keys: k, values: v, batch: images, into: &normal, on: context)
    attended.add(normal, to: &h, on: context)
  }

  /// Every image of the batch reads the same text, so that all pixels are one batch.
  private func attendToText(_ h: inout Activations, _ attention: DenseAttention, on context: KernelContext) {
    var normal = Activations(unspecified: h.rows, columns: h.columns)
    norm2.forward(h, into: &normal, on: context)
    let q = textQueries(normal, on: context)
    let k = Activations(rows: config.textLength, copying: textKeys)
    let v = Activations(rows: config.textLength, copying: textValues)
    attention.forward(queries: q, keys: k, values: v, into: &normal, on: context)
    textAttended.add(normal, to: &h, on: context)
  }

  /// Pixels whose wide rows are in memory together.
  private static let feedForwardRows = 1024

  private func feedForward(_ h: inout Activations, on context: KernelContext) {
    let (c, most) = (config.channels, min(h.rows, Self.feedForwardRows))
    var part = Activations(unspecified: most, columns: c)
    var normal = Activations(unspecified: most, columns: c)
    var wide = Activations(unspecified: most, columns: 8 * c)
    var gated = Activations(unspecified: most, columns: 4 * c)
    for first in stride(from: 0, to: h.rows, by: most) {
      let range = first..<min(first + most, h.rows)
      part.reshape(rows: range.count)
      part.copyRows(range, from: h)
      norm3.forward(part, into: &normal, on: context)
      widen.forward(normal, into: &wide, on: context)
      gated.geglu(wide, on: context)
      narrow.forward(gated, into: &normal, on: context)
      part.add(normal, on: context)
      h.copyRows(0..<range.count, from: part, to: first)
    }
  }
}
