import MioFiles
import MioFormat

/// A file written by `torch.save` since PyTorch 1.6: a zip of a pickle and of the storages it refers to.
///
/// The pickle is read by ``Pickle``, which knows tensors and nothing else. Storages may be shared by several tensors,
/// which may be transposed or sliced.
enum TorchArchive {
  /// The longest pickle that is read; the pickle of a state dict takes some 150 bytes for each tensor.
  static let pickleLimit = 16_000_000

  /// The tensors of a file.
  ///
  /// - Parameter label: what messages call the file.
  static func tensors(path: String, label: String) throws(ConversionError) -> TensorSet {
    try tensors(of: MappedFile.open(path, label: label), file: label)
  }

  /// The same for a file that is open.
  static func tensors(of mapping: MappedFile, file label: String) throws(ConversionError) -> TensorSet {
    guard mapping.byteCount >= 2, try mapping.read(0..<2, label: label) == Array("PK".utf8) else {
      throw ConversionError(
        .legacyPickle, file: label,
        "not a zip archive. PyTorch before 1.6 wrote bare pickles; load the file in a newer PyTorch and save it again: "
          + "torch.save(torch.load(file, map_location=\"cpu\", weights_only=True), file)")
    }
    let contents = try Contents(mapping, file: label)
    return try TensorSet(contents.tensors(), files: [label])
  }

  /// The entries of the archive by their names below its one top folder.
  private struct Contents {
    let mapping: MappedFile
    let file: String
    let pickle: ZipArchive.Entry
    let entries: [String: ZipArchive.Entry]

    init(_ mapping: MappedFile, file: String) throws(ConversionError) {
      let archive = try ZipArchive(mapping, file: file)
      let pickles = archive.entries.filter { $0.name.hasSuffix("/data.pkl") }
      guard pickles.count == 1, let pickle = pickles.first else {
        throw ConversionError(
          .badArchive, file: file, "expected one data.pkl, found \(pickles.count); was the file written by torch.save?")
      }
      let folder = pickle.name.dropLast("data.pkl".count)
      var entries: [String: ZipArchive.Entry] = [:]
      for entry in archive.entries where entry.name.hasPrefix(folder) {
        entries[String(entry.name.dropFirst(folder.count))] = entry
      }
      self.mapping = mapping
      self.file = file
      self.pickle = pickle
      self.entries = entries
      if let order = entries["byteorder"],
        try mapping.read(order.range.prefix(16), label: file) != Array("little".utf8)
      {
        throw failure("its numbers are not little-endian; save it again on a little-endian machine")
      }
    }

    func failure(_ message: String, tensor: String? = nil) -> ConversionError {
      ConversionError(.badArchive, file: file, tensor: tensor, message)
    }

    func tensors() throws(ConversionError) -> [StoredTensor] {
      guard pickle.range.count <= TorchArchive.pickleLimit else {
        throw failure("data.pkl has \(pickle.range.count) bytes; at most \(TorchArchive.pickleLimit) are read")
      }
      let bytes = try mapping.read(pickle.range, label: file)
      guard CRC32.checksum(bytes) == pickle.checksum else {
        throw failure("data.pkl is damaged (its checksum differs)")
      }
      let contents: Pickle
      do { contents = try Pickle(parsing: bytes) } catch {
        throw ConversionError(error.code, file: file, "data.pkl \(error.message) (byte \(error.byteOffset))")
      }
      guard case .dictionary(let index) = contents.root else {
        throw failure("holds \(contents.root.kind) instead of a dictionary of tensors")
      }
      return try tensors(in: contents.members(index))
    }

    private func tensors(in members: [Pickle.Value]) throws(ConversionError) -> [StoredTensor] {
      var tensors: [StoredTensor] = []
      var problems: [ConversionError.Problem] = []
      for position in stride(from: 0, to: members.count, by: 2) {
        guard case .string(let name) = members[position] else {
          throw failure("holds a dictionary with \(members[position].kind) as a key; names of tensors are expected")
        }
        guard case .tensor(let tensor) = members[position + 1] else {
          problems.append(
            .init(
              .badArchive, file: file, tensor: name,
              "is \(members[position + 1].kind), not a tensor; save the state dict alone, for example "
                + "torch.save(checkpoint[\"state_dict\"], file)"))
          continue
        }
        do { tensors.append(try stored(name, tensor)) } catch { problems += error.problems }
      }
      if !problems.isEmpty { throw ConversionError(problems) }
      return tensors
    }

    /// Checks that every element of a tensor lies inside its storage, and the storage inside the file.
    private func stored(_ name: String, _ tensor: Pickle.Tensor) throws(ConversionError) -> StoredTensor {
      let storage = tensor.storage
      guard let entry = entries["data/" + storage.key] else {
        throw failure("its storage data/\(storage.key) is not in the archive", tensor: name)
      }
      let (byteCount, overflow) = storage.elementCount.multipliedReportingOverflow(by: storage.type.byteCount)
      guard !overflow, byteCount == entry.range.count else {
        throw failure(
          "its storage claims \(storage.elementCount) x \(storage.type.name), data/\(storage.key) has "
            + "\(entry.range.count) bytes", tensor: name)
      }
      guard tensor.shape.count == tensor.strides.count, tensor.shape.count <= 8,
        (0...storage.elementCount).contains(tensor.offset),
        tensor.shape.allSatisfy({ $0 >= 0 }), tensor.strides.allSatisfy({ $0 >= 0 }),
        reaches(tensor) <= storage.elementCount
      else {
        throw failure(
          "shape \(tensor.shape) with strides \(tensor.strides) from \(tensor.offset) does not lie in its storage of "
            + "\(storage.elementCount)", tensor: name)
      }
      return StoredTensor(
        name: name, shape: tensor.shape, strides: tensor.strides, type: storage.type,
        byteOffset: entry.range.lowerBound + tensor.offset * storage.type.byteCount, file: file, mapping: mapping,
        storage: ChecksummedBytes(range: entry.range, checksum: entry.checksum))
    }

    /// One past the last element that the tensor touches, `Int.max` if that does not fit.
    private func reaches(_ tensor: Pickle.Tensor) -> Int {
      var elements = 1
      var last = tensor.offset
      for (size, stride) in zip(tensor.shape, tensor.strides) {
        if size == 0 { return 0 }
        let (count, countOverflow) = elements.multipliedReportingOverflow(by: size)
        let (distance, distanceOverflow) = (size - 1).multipliedReportingOverflow(by: stride)
        let (sum, sumOverflow) = last.addingReportingOverflow(distance)
        // A tensor expanded with stride 0 can claim any size; real weights never have more elements than 2^40.
        if countOverflow || distanceOverflow || sumOverflow || count > 1 << 40 { return Int.max }
        elements = count
        last = sum
      }
      return last == Int.max ? Int.max : last + 1
    }
  }
}
