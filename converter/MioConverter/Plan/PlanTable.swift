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
    planLines(components.flatMap(\.tensors).map { encoding($0.rule) })
  }

  /// The same with the encodings of all tensors; a rule whose tensors have several makes a line of each.
  func planLines(_ encodings: [TensorEncoding]) -> [PlanLine] {
    var lines: [PlanLine] = []
    var first = 0
    for plan in components {
      let tensors = zip(plan.tensors, encodings[first..<first + plan.tensors.count])
      first += plan.tensors.count
      var kinds: [(rule: EncodingRule, encoding: TensorEncoding)] = []
      for (tensor, encoding) in tensors where !kinds.contains(where: { $0 == (tensor.rule, encoding) }) {
        let sameRule = kinds.lastIndex { $0.rule == tensor.rule }
        kinds.insert((tensor.rule, encoding), at: sameRule.map { $0 + 1 } ?? kinds.count)
      }
      for (rule, encoding) in kinds {
        let own = tensors.filter { $0.0.rule == rule && $0.1 == encoding }.map(\.0)
        lines.append(
          PlanLine(
            rule: rule, encoding: encoding, tensorCount: own.count, elementCount: own.reduce(0) { $0 + $1.elementCount },
            packedByteCount: own.reduce(0) { $0 + (encoding.byteCount(of: $1.shape) ?? 0) }))
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
      let small = rule.small.map { ", \($0.name) for --small-images" } ?? ""
      let encodings = [rule.q4.name + small, rule.q8.name + small, rule.f16.name, rule.f32.name].joined(separator: " | ")
      lines.append("| \(rule.component) | \(rule.tensors) | \(encodings) | \(rule.reason) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
