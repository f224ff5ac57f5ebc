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
    guard let program = programPath, let end = program.lastIndex(of: "/") else { return nil }
    let folder = String(program[..<end])
    let places = [
      folder + "/mio-lite_MioLiteDemo.resources/demo.mio",
      (folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? folder + "/..") + "/share/mio-lite/demo.mio",
    ]
    return places.first { place in
      let bytes = PathText.bytes(place).map { CChar(bitPattern: $0) } + [0]
      return unsafe access(bytes, R_OK) == 0
    }.map { URL(fileURLWithPath: $0) }
  }

  /// The file that runs, behind its links; names of folders need not be UTF-8.
  private static var programPath: String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    // Not by `Bundle.main`, which traps where /proc is missing.
    let length = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
    if length > 0 { return PathText.text(buffer[..<length].map { UInt8(bitPattern: $0) }) }
    guard CommandLine.argc > 0, let first = CommandLine.arguments.first, unsafe realpath(first, &buffer) != nil else {
      return nil
    }
    return PathText.text(buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
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
