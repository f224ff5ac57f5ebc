import Foundation

extension Double {
  var exponential: Double { exp(self) }
  var logarithm: Double { log(self) }
}

/// Natural logarithms of the probabilities that a row of logits stands for.
func logProbabilities(_ logits: ArraySlice<Float>) -> [Double] {
  let peak = Double(logits.max() ?? 0)
  let sum = peak + logits.reduce(0) { $0 + (Double($1) - peak).exponential }.logarithm
  return logits.map { Double($0) - sum }
}
