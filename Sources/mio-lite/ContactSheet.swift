import MioLite

extension Image {
  /// The images side by side in rows, with a margin between them.
  static func contactSheet(_ images: [Image], margin: Int = 8) -> Image? {
    guard let first = images.first else { return nil }
    let perRow = Int(Double(images.count).squareRoot().rounded(.up))
    // Cells of at most 256 columns keep the sheet small enough to look at.
    let width = min(first.width, 256)
    let height = max(1, first.height * width / first.width)
    let rows = (images.count + perRow - 1) / perRow
    let (sheetWidth, sheetHeight) = (perRow * (width + margin) + margin, rows * (height + margin) + margin)
    var rgb = [UInt8](repeating: 255, count: 3 * sheetWidth * sheetHeight)
    for (index, image) in images.enumerated() {
      let cell = image.resized(width: width, height: height)
      let (left, top) = (margin + index % perRow * (width + margin), margin + index / perRow * (height + margin))
      for row in 0..<height {
        let target = 3 * ((top + row) * sheetWidth + left)
        rgb.replaceSubrange(target..<target + 3 * width, with: cell.rgb[3 * row * width..<3 * (row + 1) * width])
      }
    }
    return Image(width: sheetWidth, height: sheetHeight, rgb: rgb)
  }
}
