import MioKernels
import MioMedia
import MioModel

extension Model {
  /// The codes of an image of any size: it is scaled to what the image tokenizer sees, without keeping its
  /// proportions, as the reference does.
  package func codes(of image: Image, on context: KernelContext) throws(MioError) -> [Int32] {
    let tokenizer = try requiredImageTokenizer()
    let side = tokenizer.config.imageSize
    do {
      let pixels = try tokenizer.normalized(rgb: image.resized(width: side, height: side).rgb)
      return try tokenizer.encode(pixels: pixels, on: context)
    } catch {
      throw MioError(error)
    }
  }
}
