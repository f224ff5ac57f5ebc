import Foundation
import MioLite

extension Model {
  /// Tests name files by their paths.
  convenience init(path: String, options: Options = Options()) throws(MioError) {
    try self.init(contentsOf: URL(fileURLWithPath: path), options: options)
  }
}

extension MediaSource {
  init(path: String) { self.init(contentsOf: URL(fileURLWithPath: path)) }
}
