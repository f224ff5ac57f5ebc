extension StoredTensor {
  /// Whether another tensor of the same shape holds the same numbers, of whatever type; -0 and 0 are the same.
  func hasSameElements(as other: StoredTensor) throws(ConversionError) -> Bool {
    precondition(shape == other.shape, "tensors of different shapes")
    let count = shape.reduce(1, *)
    var scratch: [UInt8] = []
    for start in stride(from: 0, to: count, by: 1 << 20) {
      let range = start..<min(start + 1 << 20, count)
      if try floats(range, scratch: &scratch) != other.floats(range, scratch: &scratch) { return false }
    }
    return true
  }
}
