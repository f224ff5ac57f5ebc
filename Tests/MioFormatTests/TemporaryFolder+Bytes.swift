import Foundation
import MioTestSupport

extension TemporaryFolder {
  func write(_ bytes: [UInt8], _ name: String = "file.mio") throws -> String {
    try Data(bytes).write(to: url.appendingPathComponent(name))
    return path(name)
  }

  func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: url.appendingPathComponent(name))) }
}
