// Row moves that the image tokenizer needs. The pointers stay inside each function; the preconditions bound them.
extension Activations {
  /// Row by row the patches of an image, left to right and top to bottom: a patch is `channels` planes of
  /// `patch` × `patch` pixels.
  ///
  /// - Parameter pixels: [channels, size, size]
  package mutating func gatherPatches(of pixels: [Float], channels: Int, size: Int, patch: Int) {
    precondition(pixels.count == channels * size * size, "\(pixels.count) pixels are not \(channels) x \(size)²")
    let side = size / patch
    reshape(rows: side * side, columns: channels * patch * patch)
    for index in 0..<rows {
      let target = unsafe row(index)
      let (top, left) = (index / side * patch, index % side * patch)
      for channel in 0..<channels {
        for y in 0..<patch {
          let source = (channel * size + top + y) * size + left
          let start = (channel * patch + y) * patch
          for x in 0..<patch { unsafe target[start + x] = pixels[source + x] }
        }
      }
    }
  }

  /// All elements, row after row, become those of `vector`.
  package mutating func overwrite(with vector: WeightVector) {
    precondition(vector.count == count, "\(vector.count) numbers do not fill \(rows) x \(columns)")
    unsafe _ = elements.update(from: vector.elements)
  }

  /// Adds `vector` to all elements, row after row.
  package mutating func addAll(_ vector: WeightVector) {
    precondition(vector.count == count, "\(vector.count) numbers do not fit \(rows) x \(columns)")
    let (target, source) = unsafe (elements, vector.elements)
    for index in 0..<count { unsafe target[index] += source[index] }
  }

  /// Adds the rows of `other`, as wide, to the rows from `first` on.
  package mutating func addRows(of other: borrowing Activations, from first: Int) {
    precondition(
      columns == other.columns && first >= 0 && first + other.rows <= rows, "the rows do not fit the target")
    for index in 0..<other.rows {
      let (target, source) = unsafe (row(first + index), other.row(index))
      for column in 0..<columns { unsafe target[column] += source[column] }
    }
  }
}
