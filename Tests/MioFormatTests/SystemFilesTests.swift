import Foundation
import MioFiles
import Testing

/// Programs and files of the system that several layers need.
@Suite struct SystemFilesTests {
  @Test func `finds programs on the search path, and nothing else there`() {
    #expect(SystemProgram.path(of: "sh")?.hasSuffix("/sh") == true)
    #expect(SystemProgram.path(of: "no-such-program-anywhere") == nil)
    // Folders can be entered, which is no reason to run them.
    #expect(SystemProgram.path(of: "") == nil && SystemProgram.path(of: ".") == nil)
  }

  @Test func `scratch files have no name and are not handed on to other programs`() throws {
    let descriptor = try #require(ScratchFile.open())
    defer { close(descriptor) }
    var status = stat()
    #expect(unsafe fstat(descriptor, &status) == 0 && status.st_nlink == 0)
    #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
    #expect(unsafe write(descriptor, "abc", 3) == 3 && lseek(descriptor, 0, SEEK_SET) == 0)
    var bytes = [UInt8](repeating: 0, count: 3)
    #expect(unsafe read(descriptor, &bytes, 3) == 3 && bytes == Array("abc".utf8))
    #expect(ScratchFile.open(beside: "/nonexistent/a") == nil)
  }
}
