import Foundation
import MioLite

/// A small model of simple English in one voice, trained from scratch for this project; it speaks and listens.
///
/// A product of its own, so that only those who ask for it ship its file.
public enum DemoModel {
  /// Where its file lies; `nil` if it is not beside the program.
  ///
  /// It is found in the resources that SwiftPM puts beside a program that uses MioLiteDemo, and in `share/mio-lite` of the
  /// prefix in which the program is installed.
  public static var url: URL? {
    // Not by `Bundle.main`, which traps where /proc is missing.
    let path =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments.first ?? ""
    let program = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    let folder = program.deletingLastPathComponent()
    let places = [
      folder.appendingPathComponent("mio-lite_MioLiteDemo.resources/demo.mio"),
      folder.deletingLastPathComponent().appendingPathComponent("share/mio-lite/demo.mio"),
    ]
    return places.first { FileManager.default.isReadableFile(atPath: $0.path) }
  }

  /// Opens it.
  ///
  /// - Throws: ``MioError`` with code `.failed` if it is not beside the program, else as ``Model/init(contentsOf:options:)``.
  public static func open(options: Model.Options = Model.Options()) throws(MioError) -> Model {
    guard let url else {
      throw MioError(.failed, "the demo model is not beside the program; copy mio-lite_MioLiteDemo.resources there")
    }
    return try Model(contentsOf: url, options: options)
  }
}
