import MioFormat

/// The weight files of a checkpoint: one file, or the shards that an index names.
enum ShardIndex {
  /// Reads `{"weight_map": {tensor: file}}` and opens every file with `open`.
  ///
  /// - Throws: every shard that is absent or unreadable, or else every tensor that the index places in another file
  ///   than the one that holds it.
  static func tensors(
    _ checkpoint: CheckpointDirectory, index: String,
    open: (_ path: String, _ label: String) throws(ConversionError) -> TensorSet
  ) throws(ConversionError) -> TensorSet {
    let map = try weightMap(try checkpoint.json(index), index: index)
    var shards: [String: TensorSet] = [:]
    var problems: [ConversionError.Problem] = []
    let files = Set(map.values).sorted()
    for file in files {
      guard checkpoint.has(file) else {
        let users = map.values.count { $0 == file }
        problems.append(.init(.missingFile, file: file, "missing; \(index) places \(users) tensors in it"))
        continue
      }
      do { shards[file] = try open(checkpoint.path(of: file), file) } catch { problems += error.problems }
    }
    if !problems.isEmpty { throw ConversionError(problems) }
    problems = disagreements(map, shards, index: index)
    if !problems.isEmpty { throw ConversionError(problems) }
    return try TensorSet(
      files.flatMap { file in shards[file].map { set in set.names.compactMap { set[$0] } } ?? [] }, files: files)
  }

  private static func weightMap(_ json: JSON, index: String) throws(ConversionError) -> [String: String] {
    guard let object = json.object?["weight_map"]?.object, !object.keys.isEmpty else {
      throw ConversionError(.badIndex, file: index, "no weight_map from tensors to files")
    }
    var map: [String: String] = [:]
    for (name, value) in zip(object.keys, object.values) {
      // A shard lies beside its index: a path that leads elsewhere is a mistake or an attack.
      guard let file = value.string, !file.isEmpty, !file.contains("/"), file != "..", file != "." else {
        throw ConversionError(.badIndex, file: index, tensor: name, "its file must be a name without folders")
      }
      map[name] = file
    }
    return map
  }

  /// Rotation tables are computed anew by everyone, and writers leave out a head that is the embedding; an index may name
  /// them all the same. Where the head is needed, its absence is found later.
  private static func isDispensable(_ name: String) -> Bool {
    name.hasSuffix(".rotary_emb.inv_freq") || name.hasSuffix("lm_head.weight")
  }

  private static func disagreements(
    _ map: [String: String], _ shards: [String: TensorSet], index: String
  ) -> [ConversionError.Problem] {
    var problems: [ConversionError.Problem] = []
    for (name, file) in map.sorted(by: { $0.key < $1.key }) where shards[file]?[name] == nil && !isDispensable(name) {
      problems.append(.init(.badIndex, file: index, tensor: name, "should be in \(file), which has no such tensor"))
    }
    for (file, set) in shards.sorted(by: { $0.key < $1.key }) {
      for name in set.names where map[name] != file && !(map[name] == nil && isDispensable(name)) {
        problems.append(
          .init(.badIndex, file: index, tensor: name, "lies in \(file), where the index does not list it"))
      }
    }
    return problems
  }
}
