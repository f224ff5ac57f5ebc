import Foundation

extension Model {
  /// Where the demo model that is shipped with the library lies; `nil` if it is not beside the program.
  ///
  /// It is found in the resources that SwiftPM puts beside a program that uses MioLite, and in `share/mio-lite` of the
  /// prefix in which the program is installed.
  public static var demoPath: String? {
    let program = (Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])).resolvingSymlinksInPath()
    let folder = program.deletingLastPathComponent()
    let places = [
      folder.appendingPathComponent("mio-lite_MioLite.resources/demo.mio"),
      folder.deletingLastPathComponent().appendingPathComponent("share/mio-lite/demo.mio"),
    ]
    return places.map(\.path).first { FileManager.default.isReadableFile(atPath: $0) }
  }
}
