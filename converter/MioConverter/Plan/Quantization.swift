import MioFormat

/// How many bits the weights keep: what `--quantize` chooses.
package enum Quantization: String, Sendable, CaseIterable {
  case q4, q8, f16, f32
}

/// The encoding of one kind of tensor under every quantization, and why it is that.
///
/// The rules of all components make the table that `inspect`, `--help` and the documents print: nothing else decides
/// how a tensor is stored.
package struct EncodingRule: Hashable, Sendable {
  /// The component, `language` for example.
  package let component: String
  /// The tensors, in words a reader of the checkpoint knows.
  package let tensors: String
  package let q4: TensorEncoding
  package let q8: TensorEncoding
  package let f16: TensorEncoding
  package let f32: TensorEncoding
  /// The encoding under q4 and q8 for `smallImages`, if that is another.
  package let small: TensorEncoding?
  /// Why these tensors keep the bits they keep.
  package let reason: String

  package init(
    component: String, tensors: String, q4: TensorEncoding, q8: TensorEncoding, f16: TensorEncoding,
    f32: TensorEncoding, small: TensorEncoding? = nil, reason: String
  ) {
    self.component = component
    self.tensors = tensors
    self.q4 = q4
    self.q8 = q8
    self.f16 = f16
    self.f32 = f32
    self.small = small
    self.reason = reason
  }

  /// A rule for tensors that are stored alike whatever the quantization.
  package init(component: String, tensors: String, always encoding: TensorEncoding, reason: String) {
    self.init(
      component: component, tensors: tensors, q4: encoding, q8: encoding, f16: encoding, f32: encoding, reason: reason)
  }

  /// The encoding under `quantization`; `smallImages` is for networks that see and draw.
  package func encoding(_ quantization: Quantization, smallImages: Bool = false) -> TensorEncoding {
    switch quantization {
    case .q4: smallImages ? small ?? q4 : q4
    case .q8: smallImages ? small ?? q8 : q8
    case .f16: f16
    case .f32: f32
    }
  }
}
