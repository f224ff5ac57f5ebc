import MioFormat

/// One line of the table that says what becomes of a checkpoint: the tensors of one rule.
package struct PlanLine: Hashable, Sendable {
  package let rule: EncodingRule
  package let encoding: TensorEncoding
  package let tensorCount: Int
  package let elementCount: Int
  /// Bytes in the output.
  package let packedByteCount: Int
}

extension Conversion {
  /// What will become of the tensors, rule by rule, in the order of the output.
  package var planLines: [PlanLine] {
    var lines: [PlanLine] = []
    for plan in components {
      var rules: [EncodingRule] = []
      for tensor in plan.tensors where !rules.contains(tensor.rule) { rules.append(tensor.rule) }
      for rule in rules {
        let tensors = plan.tensors.filter { $0.rule == rule }
        let encoding = rule.encoding(quantization)
        lines.append(
          PlanLine(
            rule: rule, encoding: encoding, tensorCount: tensors.count,
            elementCount: tensors.reduce(0) { $0 + $1.elementCount },
            packedByteCount: tensors.reduce(0) { $0 + (encoding.byteCount(of: $1.shape) ?? 0) }))
      }
    }
    return lines
  }
}

extension Conversion {
  /// Every rule as a Markdown table: which tensors keep how many bits under which quantization, and why.
  package static var rulesTable: String {
    var lines = ["| component | tensors | q4 | q8 | f16 | f32 | why |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for rule in rules {
      let encodings = [rule.q4, rule.q8, rule.f16, rule.f32].map(\.name).joined(separator: " | ")
      lines.append("| \(rule.component) | \(rule.tensors) | \(encodings) | \(rule.reason) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
