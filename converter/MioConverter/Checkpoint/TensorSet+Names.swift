extension TensorSet {
  /// Prefixes that wrappers of a model put before every name: data parallel training, `torch.compile`, PEFT.
  private static let wrappers = ["module.", "_orig_mod.", "base_model.model."]

  /// Without the prefixes of wrappers, which say nothing about the model. A prefix goes only when every name has it, so
  /// that no two names can become one.
  func unwrapped() throws(ConversionError) -> TensorSet {
    var depth = 0
    let names = names
    func stripped(_ name: String) -> String { String(name.dropFirst(depth)) }
    while let wrapper = Self.wrappers.first(where: { wrapper in
      !names.isEmpty && names.allSatisfy { stripped($0).hasPrefix(wrapper) }
    }) { depth += wrapper.count }
    // The compiler may also wrap parts of a model: then the prefix is inside the name.
    let inner = "._orig_mod."
    guard depth > 0 || names.contains(where: { $0.contains(inner) }) else { return self }
    return try renamed { stripped($0).split(separator: inner, omittingEmptySubsequences: false).joined(separator: ".") }
  }

  /// With `model.` before the names of the network, where the network was saved without its head.
  func namedAsCausalModel() throws(ConversionError) -> TensorSet {
    let parts = ["embed_tokens.", "layers.", "norm."]
    let bare = names.filter { name in parts.contains { name.hasPrefix($0) } }
    guard !bare.isEmpty, !names.contains(where: { $0.hasPrefix("model.") }) else { return self }
    return try renamed { name in parts.contains { name.hasPrefix($0) } ? "model." + name : name }
  }
}
