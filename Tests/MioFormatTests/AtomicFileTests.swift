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

  @Test func `folders, devices and missing folders are refused`() {
    #expect(throws: AtomicFileError.notRegular) { try AtomicFile(path: folder.url.path) }
    #expect(throws: AtomicFileError.notRegular) { try AtomicFile(path: "/dev/null") }
    #expect(throws: AtomicFileError.cannotCreate(ENOENT)) { try AtomicFile(path: folder.path("no/a")) }
    #expect(throws: AtomicFileError.cannotCreate(ENOENT)) { try AtomicFile(path: "") }
    #expect(throws: AtomicFileError.cannotCreate(ENAMETOOLONG)) {
      try AtomicFile(path: folder.path(String(repeating: "a", count: 300)))
    }
    #expect(folder.contents.isEmpty)
  }
}
