import MioConverter

/// The sizes of a random SEED-2 image tokenizer; MIO's own by default.
package struct ImageTokenizerSizes: Hashable, Sendable {
  package var visionHeadCount = 16
  package var visionInnerWidth = 6144
  package var visionLayerCount = 39
  package var patchSize = 14
  package var patchCount = 256
  package var queryHeadCount = 12
  package var queryInnerWidth = 3072
  package var queryLayerCount = 12
  package var queryCount = 32
  package var codebookSize = 8192
  package var codeWidth = 32
  package var embedderLayerCount = 4
  package var embedderWidths = [256, 128, 32]
  package var embeddingWidth = 1024

  package init() {}

  private var visionWidth: Int { 88 * visionHeadCount }
  private var queryWidth: Int { 64 * queryHeadCount }

  /// `eva_vit_g.pth`, in 16 bits as published.
  func visionTensors() -> [TensorSpecification] {
    let (e, f) = (visionWidth, visionInnerWidth)
    var tensors = [
      tensor("cls_token", [1, 1, e], 0.5, .f16), tensor("pos_embed", [1, patchCount + 1, e], 0.3, .f16),
      tensor("patch_embed.proj.weight", [e, 3, patchSize, patchSize], 0.06, .f16),
      tensor("patch_embed.proj.bias", [e], 0.1, .f16),
    ]
    for index in 0..<visionLayerCount {
      let block = "blocks.\(index)."
      tensors += [
        tensor(block + "attn.qkv.weight", [3 * e, e], 1 / Float(e).squareRoot(), .f16),
        tensor(block + "attn.q_bias", [e], 0.1, .f16), tensor(block + "attn.v_bias", [e], 0.1, .f16),
      ]
      tensors += self.block(block, e, f, .f16)
    }
    return tensors
  }

  /// `seed_quantizer.pt`: what is used of it.
  func quantizerTensors() -> [TensorSpecification] {
    let (e, v, d) = (queryWidth, visionWidth, codeWidth)
    var tensors = norm("ln_vision", v, .f32) + norm("Qformer.bert.embeddings.LayerNorm", e, .f32)
    tensors += [
      tensor("query_tokens", [1, queryCount, e], 1, .f32), tensor("pos_embed_image", [1, queryCount, e], 0.3, .f32),
      tensor("quantize.embedding.weight", [codebookSize, d], 0.5, .f32),
    ]
    for index in 0..<queryLayerCount {
      let layer = "Qformer.bert.encoder.layer.\(index)."
      for (name, source) in [("attention.", e)] + (index % 2 == 0 ? [("crossattention.", v)] : []) {
        tensors += projection(layer + name + "self.query", e, e) + projection(layer + name + "self.key", e, source)
        tensors += projection(layer + name + "self.value", e, source) + projection(layer + name + "output.dense", e, e)
        tensors += norm(layer + name + "output.LayerNorm", e, .f32)
      }
      tensors += projection(layer + "intermediate_query.dense", queryInnerWidth, e)
      tensors += projection(layer + "output_query.dense", e, queryInnerWidth)
      tensors += norm(layer + "output_query.LayerNorm", e, .f32)
    }
    tensors += projection("encode_task_layer.0", e, e) + projection("encode_task_layer.2", d, e)
    tensors += projection("decode_task_layer.0", d, d) + projection("decode_task_layer.2", e, d)
    for index in 0..<embedderLayerCount {
      let block = "blocks_image.\(index)."
      tensors += projection(block + "attn.qkv", 3 * e, e) + self.block(block, e, 4 * e, .f32)
    }
    var width = e
    for (index, next) in embedderWidths.enumerated() {
      tensors.append(tensor("image_down.\(2 * index).weight", [next, width], 1 / Float(width).squareRoot(), .f32))
      width = next
    }
    return tensors + projection("distill_image_proj", embeddingWidth, queryCount * width)
  }

  private func block(_ path: String, _ width: Int, _ innerWidth: Int, _ type: StoredType) -> [TensorSpecification] {
    norm(path + "norm1", width, type) + projection(path + "attn.proj", width, width, type)
      + norm(path + "norm2", width, type) + projection(path + "mlp.fc1", innerWidth, width, type)
      + projection(path + "mlp.fc2", width, innerWidth, type)
  }

  private func projection(
    _ name: String, _ outputs: Int, _ inputs: Int, _ type: StoredType = .f32
  ) -> [TensorSpecification] {
    [
      tensor(name + ".weight", [outputs, inputs], 1 / Float(inputs).squareRoot(), type),
      tensor(name + ".bias", [outputs], 0.1, type),
    ]
  }

  private func norm(_ name: String, _ width: Int, _ type: StoredType) -> [TensorSpecification] {
    [
      TensorSpecification(name + ".weight", [width], type: type, mean: 1, deviation: 0.2),
      tensor(name + ".bias", [width], 0.1, type),
    ]
  }

  private func tensor(_ name: String, _ shape: [Int], _ deviation: Float, _ type: StoredType) -> TensorSpecification {
    TensorSpecification(name, shape, type: type, deviation: deviation)
  }
}
