import Foundation
import MioLite
import MioTestSupport

extension Model {
  /// Tests name files by their paths.
  convenience init(path: String, options: Options = Options()) throws(MioError) {
    try self.init(contentsOf: URL(fileURLWithPath: path), options: options)
  }
}

/// Sounds that tests listen to.
enum Sounds {
  /// Real speech; the goldens are noise, which is not transcribed.
  static let spoken = Goldens.root.deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("bench/demo/hello.wav")
}

extension MediaSource {
  init(path: String) { self.init(contentsOf: URL(fileURLWithPath: path)) }
}
