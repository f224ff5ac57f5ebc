/// An image of 8-bit red, green and blue, `[height, width, 3]`, rows from the top.
public struct Image: Hashable, Sendable {
  public let width: Int
  public let height: Int
  public let rgb: [UInt8]

  public init(width: Int, height: Int, rgb: [UInt8]) {
    precondition(width > 0 && height > 0, "an image needs a width and a height")
    precondition(rgb.count == 3 * width * height, "\(rgb.count) numbers do not fill an image of \(width) x \(height)")
    self.width = width
    self.height = height
    self.rgb = rgb
  }
}

extension Image {
  /// What becomes of the transparency of an image that is read.
  public enum Transparency: String, CaseIterable, Sendable {
    /// It lies on white, as a page shows it.
    case white
    /// It is left out: transparent pixels have the color that the file gives them, mostly black. So does the reference.
    case dropped
  }
}
