import MioKernels
import Testing

@Suite struct LargeBlocksTests {
  private let blocks = LargeBlocks()

  private func useBlocks(of byteCounts: [Int]) {
    let bases = byteCounts.map { unsafe blocks.allocate(byteCount: $0) }
    for (base, byteCount) in zip(bases, byteCounts) { unsafe blocks.deallocate(base, byteCount: byteCount) }
  }

  @Test func `what is kept is bounded and goes with the last user`() {
    blocks.addUser()
    blocks.addUser()
    useBlocks(of: [3 << 20, 5 << 20])
    #expect(blocks.keptByteCount == 8 << 20)
    useBlocks(of: [Int](repeating: 64 << 20, count: 8))
    #expect(blocks.keptByteCount == 320 << 20)
    blocks.removeUser()
    #expect(blocks.keptByteCount == 320 << 20)
    blocks.removeUser()
    #expect(blocks.keptByteCount == 0)
  }

  @Test func `nothing is kept for nobody`() {
    useBlocks(of: [3 << 20])
    #expect(blocks.keptByteCount == 0)
  }

  @Test func `a block serves the next of its size`() {
    blocks.addUser()
    let first = unsafe blocks.allocate(byteCount: 5 << 20)
    unsafe blocks.deallocate(first, byteCount: 5 << 20)
    let second = unsafe blocks.allocate(byteCount: 4 << 20)
    unsafe #expect(first == second)
    unsafe blocks.deallocate(second, byteCount: 4 << 20)
    #expect(blocks.keptByteCount == 5 << 20)
    blocks.removeUser()
  }
}
