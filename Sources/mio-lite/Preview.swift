import Foundation
import MioLite

/// Shows images in a terminal: in full where it can, else with half-block characters.
///
/// Only on a terminal, on standard error: results stay clean. `MIO_PREVIEW` names the way if the guess is wrong: `kitty`,
/// `iterm`, `sixel`, `blocks` or `none`.
enum Preview {
  enum Way: String {
    case kitty, iterm, sixel, blocks, none
  }

  static func show(_ clip: ImageClip) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    let environment = ProcessInfo.processInfo.environment
    let hasAllColors = ["truecolor", "24bit"].contains(environment["COLORTERM"] ?? "")
    guard let bytes = try? rendering(clip, way: way(environment), columns: columns, hasAllColors: hasAllColors) else { return }
    FileHandle.standardError.write(Data(bytes))
  }

  /// What the terminal can do, as far as its environment tells.
  private static func way(_ environment: [String: String]) -> Way {
    if let wish = environment["MIO_PREVIEW"] { return Way(rawValue: wish) ?? .none }
    let terminal = environment["TERM"] ?? ""
    let program = environment["TERM_PROGRAM"] ?? ""
    if terminal == "dumb" || terminal.isEmpty || terminal == "linux" { return .none }
    // Multiplexers pass on text alone.
    if environment["TMUX"] != nil || terminal.hasPrefix("screen") || terminal.hasPrefix("tmux") { return .blocks }
    if environment["KITTY_WINDOW_ID"] != nil || terminal == "xterm-kitty" || program == "ghostty" { return .kitty }
    if ["iTerm.app", "WezTerm", "mintty"].contains(program) || environment["LC_TERMINAL"] == "iTerm2" { return .iterm }
    if terminal.contains("sixel") || terminal.hasPrefix("foot") || terminal.hasPrefix("mlterm") { return .sixel }
    return .blocks
  }

  /// Columns of the terminal.
  private static var columns: Int {
    var size = winsize()
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// The bytes that show an image.
  private static func rendering(_ clip: ImageClip, way: Way, columns: Int, hasAllColors: Bool) throws -> [UInt8] {
    switch way {
    case .none: return []
    case .kitty: return kitty(try clip.thumbnail(within: 512).encoded())
    case .iterm:
      let data = Data(try clip.thumbnail(within: 512).encoded())
      return Array("\u{1B}]1337;File=inline=1;size=\(data.count):\(data.base64EncodedString())\u{7}\n".utf8)
    case .sixel: return sixel(clip.thumbnail(within: 384))
    case .blocks: return blocks(clip, columns: max(2, min(columns - 1, 64)), hasAllColors: hasAllColors)
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
  private static func blocks(_ clip: ImageClip, columns: Int, hasAllColors: Bool) -> [UInt8] {
    let rows = max(1, clip.height * columns / clip.width / 2)
    let small = clip.resized(width: columns, height: 2 * rows)
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

  /// Six rows at a time, color by color, of a cube of 6 x 6 x 6 colors.
  private static func sixel(_ clip: ImageClip) -> [UInt8] {
    var bytes = Array("\u{1B}Pq\"1;1;\(clip.width);\(clip.height)".utf8)
    for color in 0..<216 {
      bytes += Array("#\(color);2;\(color / 36 * 20);\(color / 6 % 6 * 20);\(color % 6 * 20)".utf8)
    }
    for top in stride(from: 0, to: clip.height, by: 6) {
      var masks: [Int: [UInt8]] = [:]
      for row in top..<min(top + 6, clip.height) {
        for column in 0..<clip.width {
          let at = 3 * (row * clip.width + column)
          let color = level(clip.rgb[at]) * 36 + level(clip.rgb[at + 1]) * 6 + level(clip.rgb[at + 2])
          masks[color, default: Array(repeating: 0, count: clip.width)][column] |= 1 << UInt8(row - top)
        }
      }
      for color in masks.keys.sorted() {
        bytes += Array("#\(color)".utf8) + repeated(masks[color] ?? []) + [UInt8(ascii: "$")]
      }
      bytes.append(UInt8(ascii: "-"))
    }
    return bytes + Array("\u{1B}\\\n".utf8)
  }

  /// Columns of six pixels as characters, runs shortened.
  private static func repeated(_ masks: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    var start = 0
    while start < masks.count {
      var end = start + 1
      while end < masks.count, masks[end] == masks[start] { end += 1 }
      if end - start > 3 { bytes += Array("!\(end - start)".utf8) + [masks[start] + 63] } else {
        bytes += Array(repeating: masks[start] + 63, count: end - start)
      }
      start = end
    }
    return bytes
  }
}

extension ImageClip {
  /// The image with sides of at most `side` pixels.
  fileprivate func thumbnail(within side: Int) -> ImageClip {
    let longest = max(width, height)
    guard longest > side else { return self }
    return resized(width: max(1, width * side / longest), height: max(1, height * side / longest))
  }
}
