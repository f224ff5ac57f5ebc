import CImages

/// Reads the frames of an animated WebP one by one, each as it is shown.
@safe final class WebPAnimation {
  private let width: Int
  private let height: Int
  private let name: String
  private let transparency: Image.Transparency
  private let animation: OpaquePointer
  private var frameCount = 0
  /// Why frames are missing behind those that were handed over.
  private(set) var damage: MediaError?

  init(_ bytes: [UInt8], name: String, transparency: Image.Transparency = .dropped) throws(MediaError) {
    (width, height) = try ImageFile.size(of: bytes, name: name)
    let animation = unsafe bytes.withUnsafeBufferPointer {
      unsafe mio_webp_animation_open($0.baseAddress, $0.count)
    }
    guard let animation = unsafe animation else {
      throw MediaError(.malformed, name, "an animated WebP that is damaged or cut off; copy or export it again")
    }
    unsafe self.animation = animation
    self.name = name
    self.transparency = transparency
  }

  deinit { unsafe mio_webp_animation_close(animation) }

  /// The next frame; nil at the end, and where the rest is damaged.
  func next() throws(MediaError) -> Image? {
    guard (frameCount + 1) * width * height <= GIFReader.workLimit else { throw GIFReader.tooLong(name) }
    var isDamaged: Int32 = 0
    guard let pixels = unsafe mio_webp_animation_next(animation, &isDamaged) else {
      if isDamaged != 0 {
        let error = MediaError(.malformed, name, "an animated WebP whose frame \(frameCount + 1) is damaged; export it again")
        if frameCount == 0 { throw error }
        damage = error
      }
      return nil
    }
    frameCount += 1
    let numbers = unsafe UnsafeBufferPointer(start: pixels, count: 4 * width * height)
    return unsafe Image(
      width: width, height: height, rgb: ImageFile.threeChannels(numbers, channels: 4, transparency) { $0 })
  }
}
