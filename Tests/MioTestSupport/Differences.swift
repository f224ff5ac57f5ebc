/// The largest absolute difference of two equally long lists; infinite when the lengths differ or a value is no number.
package func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  var largest: Float = 0
  for (x, y) in zip(a, b) {
    let difference = (x - y).magnitude
    if !(difference <= largest) { largest = difference.isNaN ? .infinity : difference }
  }
  return largest
}
