import Foundation
import MioFiles
import MioTestSupport
import Testing

/// Both ways of writing: without a name where the file system can, and under a hidden one.
@Suite struct AtomicFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func bytes(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path(name))))
  }

  @Test(arguments: [true, false]) func `a file appears when it is complete`(_ preferUnnamed: Bool) throws {
    let file = try AtomicFile(path: folder.path("a"), preferUnnamed: preferUnnamed)
    try file.reserve(100)
    try file.write([3, 4], at: 2)
    try file.write([1, 2], at: 0)
    #expect(folder.contents.count == (preferUnnamed && TemporaryFolder.hasUnnamedFiles ? 0 : 1))
    #expect(!folder.contents.contains("a"))
    try file.setLength(4)
    try file.commit(durably: true)
    #expect(folder.contents == ["a"])
    #expect(try bytes("a") == [1, 2, 3, 4])
  }

  @Test(arguments: [true, false]) func `what is given up leaves what was there`(_ preferUnnamed: Bool) throws {
    try AtomicFile.write([1], to: folder.path("a"))
    let file = try AtomicFile(path: folder.path("a"), preferUnnamed: preferUnnamed)
    try file.write([2], at: 0)
    file.cancel()
    file.cancel()
    #expect(!file.isOpen)
    do {
      let dropped = try AtomicFile(path: folder.path("a"), preferUnnamed: preferUnnamed)
      try dropped.write([3], at: 0)
    }
    #expect(folder.contents == ["a"])
    #expect(try bytes("a") == [1])
  }

  @Test(arguments: [true, false]) func `what a link points to is replaced`(_ preferUnnamed: Bool) throws {
    try AtomicFile.write([1], to: folder.path("a"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "a")
    let file = try AtomicFile(path: folder.path("link"), preferUnnamed: preferUnnamed)
    try file.write([2], at: 0)
    try file.commit()
    #expect(try bytes("a") == [2])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "a")
    #expect(folder.contents == ["a", "link"])
  }

  @Test func `a link whose file does not exist yet leads to the new file`() throws {
    try FileManager.default.createDirectory(atPath: folder.path("inner"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: folder.path("second"), withDestinationPath: "inner/a")
    try FileManager.default.createSymbolicLink(atPath: folder.path("first"), withDestinationPath: folder.path("second"))
    try AtomicFile.write([1], to: folder.path("first"))
    #expect(try bytes("inner/a") == [1])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("first")) == folder.path("second"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("loop"), withDestinationPath: "loop")
    #expect(throws: AtomicFileError.cannotCreate(ELOOP)) { try AtomicFile(path: folder.path("loop")) }
  }

  @Test(arguments: [true, false]) func `what is replaced keeps its permissions`(_ preferUnnamed: Bool) throws {
    try AtomicFile.write([1], to: folder.path("a"))
    unsafe chmod(folder.path("a"), 0o600)
    let file = try AtomicFile(path: folder.path("a"), preferUnnamed: preferUnnamed)
    try file.commit()
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("a"))
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
  }

  @Test(arguments: [true, false]) func `a folder that is gone by the end is an error`(_ preferUnnamed: Bool) throws {
    let path = folder.path("inner")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    let file = try AtomicFile(path: "\(path)/a", preferUnnamed: preferUnnamed)
    try FileManager.default.removeItem(atPath: path)
    #expect(throws: AtomicFileError.cannotName(ENOENT)) { try file.commit() }
  }

  @Test func `devices and pipes are written to and stay what they are`() throws {
    try AtomicFile.write([1, 2, 3], to: "/dev/null")
    #expect(throws: AtomicFileError.cannotWrite(ENOSPC)) { try AtomicFile.write([1], to: "/dev/full") }
    var status = stat()
    #expect(unsafe stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    let pipe = folder.path("pipe")
    #expect(unsafe mkfifo(pipe, 0o600) == 0)
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "pipe")
    for name in ["pipe", "link"] {
      let reader = unsafe open(pipe, O_RDONLY | O_NONBLOCK)
      defer { close(reader) }
      // Checking a place never opens it: a reader would take that for the end.
      _ = try AtomicFile(path: folder.path(name))
      try AtomicFile.write([4, 5], to: folder.path(name))
      var bytes: [UInt8] = [0, 0, 0]
      #expect(unsafe read(reader, &bytes, 3) == 2 && bytes == [4, 5, 0])
    }
    #expect(unsafe lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    #expect(folder.contents == ["link", "pipe"])
  }

  @Test func `what this process has open is written to where it stands`() throws {
    let open = unsafe open(folder.path("a"), O_RDWR | O_CREAT, 0o600)
    defer { close(open) }
    #expect(unsafe write(open, [1, 2] as [UInt8], 2) == 2)
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "/proc/self/fd/\(open)")
    for path in ["/dev/fd/\(open)", "/proc/self/fd/\(open)", folder.path("link")] { try AtomicFile.write([3], to: path) }
    let written = try bytes("a")
    #expect(written == [1, 2, 3, 3, 3])
    let reading = unsafe Foundation.open(folder.path("a"), O_RDONLY)
    defer { close(reading) }
    for number in [reading, 9999] {
      #expect(throws: AtomicFileError.cannotCreate(EBADF)) { try AtomicFile(path: "/dev/fd/\(number)") }
    }
  }

  @Test func `paths are bytes`() throws {
    let (inner, outer): ([UInt8], [UInt8]) = ([0x63, 0xE9, 0xFF], [0x64, 0x80])
    let path = folder.url.path + "/" + PathText.text(outer)
    #expect(unsafe path.withSystemPath { unsafe mkdir($0, 0o700) } == 0)
    for unnamed in [true, false] {
      let file = try AtomicFile(path: path + "/" + PathText.text(inner), preferUnnamed: unnamed)
      try file.write([7], at: 0)
      try file.commit(durably: true)
      var names: [[UInt8]] = []
      let listed = unsafe path.withSystemPath { unsafe opendir($0) }
      let directory = try #require(unsafe listed)
      while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
        if name.first != UInt8(ascii: ".") { names.append(name) }
      }
      unsafe closedir(directory)
      #expect(names == [inner])
      #expect(unsafe (path + "/" + PathText.text(inner)).withSystemPath { unsafe unlink($0) } == 0)
    }
    #expect(unsafe path.withSystemPath { unsafe rmdir($0) } == 0)
  }

  @Test(
    arguments: [
      [], Array("a/b c".utf8), Array("é\u{65E5}\u{1F600}".utf8), [0xE9], [0x61, 0xE2, 0x82], [0xC0, 0x80, 0xFF, 0x41],
      Array("\u{10F7E9}x".utf8), [0xF4, 0x8F, 0x9F],
    ] as [[UInt8]]) func `text of a path gives its bytes back`(_ path: [UInt8])
  {
    let text = PathText.text(path)
    #expect(PathText.bytes(text) == path)
    let isText = String(validating: path, as: UTF8.self) != nil
    if isText && !path.starts(with: [0xF4]) { #expect(text == String(decoding: path, as: UTF8.self)) }
    #expect(!PathText.shown(text).unicodeScalars.contains { $0.value >= 0x10F700 })
  }

  @Test func `folders and missing folders are refused`() {
    #expect(throws: AtomicFileError.notRegular) { try AtomicFile(path: folder.url.path) }
    #expect(throws: AtomicFileError.cannotCreate(ENOENT)) { try AtomicFile(path: folder.path("no/a")) }
    #expect(throws: AtomicFileError.cannotCreate(ENOENT)) { try AtomicFile(path: "") }
    #expect(throws: AtomicFileError.cannotCreate(ENAMETOOLONG)) {
      try AtomicFile(path: folder.path(String(repeating: "a", count: 300)))
    }
    #expect(folder.contents.isEmpty)
  }
}
