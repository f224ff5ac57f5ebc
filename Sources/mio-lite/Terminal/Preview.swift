import Foundation
import MioLite

/// Shows images in a terminal: in full where it can, else with half-block characters.
///
/// Only on a terminal, on standard error: results stay clean. `MIO_PREVIEW` names the way if the guess is wrong: `kitty`,
/// `iterm`, `blocks` or `none`. No image needs more than the terminal has.
enum Preview {
  enum Way: String {
    case kitty, iterm, blocks, none
  }

  static func show(_ clip: Image) {
    let terminal = Terminal.shared
    guard terminal.hasNotes else { return }
    let environment = ProcessInfo.processInfo.environment
    let hasAllColors = ["truecolor", "24bit"].contains(environment["COLORTERM"] ?? "")
    let way = way(environment)
    guard let bytes = try? rendering(clip, way: way, within: terminal.size, hasAllColors: hasAllColors), !bytes.isEmpty else {
      return
    }
    terminal.show(image: bytes)
  }

  /// What the terminal can do, as far as its environment tells.
  private static func way(_ environment: [String: String]) -> Way {
    if let wish = environment["MIO_PREVIEW"] { return Way(rawValue: wish) ?? .none }
    let terminal = environment["TERM"] ?? ""
    let program = environment["TERM_PROGRAM"] ?? ""
    if terminal == "dumb" || terminal.isEmpty || terminal == "linux" { return .none }
    let blocks: Way = (environment["NO_COLOR"] ?? "").isEmpty ? .blocks : .none
    // Multiplexers pass on text alone.
    if environment["TMUX"] != nil || terminal.hasPrefix("screen") || terminal.hasPrefix("tmux") { return blocks }
    if environment["KITTY_WINDOW_ID"] != nil || terminal == "xterm-kitty" || program == "ghostty" { return .kitty }
    if ["iTerm.app", "WezTerm", "mintty"].contains(program) || environment["LC_TERMINAL"] == "iTerm2" { return .iterm }
    return blocks
  }

  /// The bytes that show an image.
  private static func rendering(
    _ clip: Image, way: Way, within size: (columns: Int, rows: Int), hasAllColors: Bool
  ) throws -> [UInt8] {
    // Characters have at least 8 x 16 pixels where a terminal shows pixels, and the prompt wants a row, too.
    let (columns, rows) = (size.columns - 1, size.rows - 1)
    guard columns >= 4, rows >= 2 else { return [] }
    func pixels(_ most: Int) -> Image { clip.thumbnail(within: min(most, 8 * columns), min(most, 16 * rows)) }
    switch way {
    case .none: return []
    case .kitty: return kitty(try pixels(512).encoded())
    case .iterm:
      let data = Data(try pixels(512).encoded())
      return Array("\u{1B}]1337;File=inline=1;size=\(data.count):\(data.base64EncodedString())\u{7}\n".utf8)
    // Two pixels to a row.
    case .blocks: return blocks(clip.fitting(within: min(columns, 64), 2 * rows), hasAllColors: hasAllColors)
    }
  }

  /// A PNG in chunks of at most 4096 characters.
  private static func kitty(_ png: [UInt8]) -> [UInt8] {
    let text = Array(Data(png).base64EncodedString().utf8)
    var bytes: [UInt8] = []
    for start in stride(from: 0, to: text.count, by: 4096) {
      let end = min(start + 4096, text.count)
      let more = end < text.count ? 1 : 0
      let head = start == 0 ? "f=100,a=T,m=\(more)" : "m=\(more)"
      bytes += Array("\u{1B}_G\(head);".utf8) + text[start..<end] + Array("\u{1B}\\".utf8)
    }
    return bytes + [10]
  }

  /// Two pixels to a character: the upper as its color, the lower as its background; with 256 colors where no more are
  /// known to be there.
  private static func blocks(_ small: Image, hasAllColors: Bool) -> [UInt8] {
    let (columns, rows) = (small.width, small.height / 2)
    var text = ""
    for row in 0..<rows {
      for column in 0..<columns {
        let upper = 3 * (2 * row * columns + column)
        let lower = upper + 3 * columns
        func color(_ at: Int) -> String {
          if hasAllColors { return "2;\(small.rgb[at]);\(small.rgb[at + 1]);\(small.rgb[at + 2])" }
          return "5;\(16 + 36 * level(small.rgb[at]) + 6 * level(small.rgb[at + 1]) + level(small.rgb[at + 2]))"
        }
        text += "\u{1B}[38;\(color(upper))m\u{1B}[48;\(color(lower))m\u{2580}"
      }
      text += "\u{1B}[0m\n"
    }
    return Array(text.utf8)
  }

  /// A sixth of the way from dark to bright, 0...5.
  private static func level(_ value: UInt8) -> Int { (Int(value) * 5 + 127) / 255 }
}

extension Image {
  /// The image with sides of at most so many pixels.
  fileprivate func thumbnail(within width: Int, _ height: Int) -> Image {
    guard self.width > width || self.height > height else { return self }
    let scale = min(Double(width) / Double(self.width), Double(height) / Double(self.height))
    return resized(width: max(1, Int(Double(self.width) * scale)), height: max(1, Int(Double(self.height) * scale)))
  }

  /// The image as large as it can be within so many pixels, with an even number of rows.
  fileprivate func fitting(within width: Int, _ height: Int) -> Image {
    let scale = min(Double(width) / Double(self.width), Double(height) / Double(self.height))
    return resized(width: max(1, Int(Double(self.width) * scale)), height: 2 * max(1, Int(Double(self.height) * scale / 2)))
  }
}
