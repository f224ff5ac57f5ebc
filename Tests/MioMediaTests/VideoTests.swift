import Foundation
import MioMedia
import MioTestSupport
import Testing

/// Key frames of videos.
@Suite struct VideoTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// An image of one color, which may be told from others by its first number.
  private func plain(_ color: [UInt8]) -> Image {
    Image(width: 64, height: 48, rgb: (0..<64 * 48).flatMap { _ in color })
  }

  private func write(_ count: Int, color: (Int) -> [UInt8]) throws -> String {
    for index in 0..<count { try plain(color(index)).write(to: folder.path("frame_\(index).png")) }
    try Data("no image".utf8).write(to: folder.url.appendingPathComponent("notes.txt"))
    return folder.url.path
  }

  private func indices(_ path: String, _ selection: VideoFile.Selection = .automatic, most: Int = 20) throws -> [Int] {
    try VideoFile(path: path).keyFrames(selection, most: most).map(\.index)
  }

  @Test(arguments: [(100, 10), (101, 11), (25, 13), (19, 19), (9, 9), (1, 1)])
  func `takes as many evenly spaced frames as the reference`(total: Int, count: Int) throws {
    let path = try write(total) { [UInt8($0), 0, 0] }
    let found = try VideoFile(path: path).keyFrames(.uniform)
    #expect(found.count == count)
    // In the order of their numbers, not of their names.
    #expect(found.map { Int($0.image.rgb[0]) } == found.map(\.index))
  }

  @Test func `takes the middle of every scene`() throws {
    let path = try write(97) { $0 < 46 ? [200, 30, 30] : [20, 30, 220] }
    #expect(try indices(path) == [23, 71])
    #expect(try indices(path, .uniform).count == 11)
    #expect(try indices(path, most: 1) == [71])
  }

  @Test func `ignores a cut in the first fifteen frames`() throws {
    let path = try write(99) { $0 < 8 ? [0, 200, 0] : $0 < 58 ? [200, 30, 30] : [20, 30, 220] }
    #expect(try indices(path) == [29, 78])
  }

  @Test func `takes evenly spaced frames of a video without cuts`() throws {
    #expect(try indices(write(40) { [UInt8($0), 0, 0] }) == Array(stride(from: 0, to: 40, by: 4)))
  }

  @Test func `takes all of a few images`() throws {
    #expect(try indices(write(12) { [UInt8($0 * 20), 0, 0] }) == Array(0..<12))
  }

  @Test func `leaves out of a folder what is no image, and does not wait for pipes`() throws {
    let path = try write(3) { [UInt8($0 * 20), 0, 0] }
    #expect(unsafe mkfifo(folder.path("frame_1b.png"), 0o600) == 0)
    try FileManager.default.createDirectory(atPath: folder.path("frame_1c.png"), withIntermediateDirectories: true)
    #expect(try indices(path) == [0, 1, 2])
  }

  @Test func `reads animated GIFs`() throws {
    var writer = GIFWriter(width: 64, height: 48)
    for index in 0..<60 { writer.add(plain(index < 30 ? [250, 10, 10] : [10, 10, 250]), milliseconds: 40) }
    try Data(writer.finish()).write(to: folder.url.appendingPathComponent("film.gif"))
    let frames = try VideoFile(path: folder.path("film.gif")).keyFrames()
    #expect(frames.map(\.index) == [15, 45])
    #expect(frames[0].image.rgb[0] > 200 && frames[1].image.rgb[0] < 50)
  }

  private func code(_ path: String) -> MediaError.Code? {
    #expect(throws: MediaError.self) { try VideoFile(path: path).keyFrames() }?.code
  }

  @Test func `says what is no video`() throws {
    #expect(code(folder.path("none.mp4")) == .cannotOpen)
    #expect(code(folder.url.path) == .empty)
    try Data().write(to: folder.url.appendingPathComponent("empty.mp4"))
    #expect(code(folder.path("empty.mp4")) == .empty)
    try Data("GIF89a".utf8).write(to: folder.url.appendingPathComponent("cut.gif"))
    #expect(code(folder.path("cut.gif")) == .malformed)
    // With ffmpeg it says that no frame is in the file, without it what is missing.
    try Data((0..<5000).map { UInt8($0 & 255) }).write(to: folder.url.appendingPathComponent("noise.mp4"))
    let found = code(folder.path("noise.mp4"))
    #expect(found == .malformed || found == .missingProgram)
  }
}
