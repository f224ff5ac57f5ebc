/// A picture of 8-bit red, green and blue, `[height, width, 3]`, rows from the top.
package struct Picture: Hashable, Sendable {
  package let width: Int
  package let height: Int
  package let rgb: [UInt8]

  package init(width: Int, height: Int, rgb: [UInt8]) {
    precondition(width > 0 && height > 0, "a picture needs a width and a height")
    precondition(rgb.count == 3 * width * height, "\(rgb.count) numbers do not fill a picture of \(width) x \(height)")
    self.width = width
    self.height = height
    self.rgb = rgb
  }
}
