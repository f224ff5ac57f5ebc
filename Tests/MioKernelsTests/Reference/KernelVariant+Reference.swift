import CMioKernels
import Foundation
import MioKernels

extension KernelVariant {
  /// The definition of every kernel, in plain Swift: what all variants have to equal bit by bit. Slow.
  static let reference = unsafe KernelVariant(name: "reference", table: UnsafePointer(table))

  private nonisolated(unsafe) static let table = {
    let table = UnsafeMutablePointer<mio_kernels>.allocate(capacity: 1)
    unsafe table.initialize(
      to: mio_kernels(
        name: name,
        multiply_q4: { unsafe ReferenceKernels.multiplyQuantized($0, format: .q4, $1!.pointee, $2) },
        multiply_q8: { unsafe ReferenceKernels.multiplyQuantized($0, format: .q8, $1!.pointee, $2) },
        multiply_f32: { unsafe ReferenceKernels.multiplyFloat($0, half: false, $1, $2) },
        multiply_f16: { unsafe ReferenceKernels.multiplyFloat($0, half: true, $1, $2) },
        multiply_fixed: { unsafe FixedPointReference.multiply($0, $1!.pointee, $2) },
        fix_rows: { unsafe FixedPointReference.fixRows($0, $1, $2!, $3!) },
        fix_group: { unsafe FixedPointReference.fixGroup($0!, $1!, $2, $3, $4!, $5!) },
        fix_columns: { unsafe FixedPointReference.fixColumns($0!, $1, $2, $3, $4!, $5!) },
        scale_rows: { unsafe FixedPointReference.scaleRows($0, $1!) },
        fix_tiles: { unsafe TileReference.fixTiles($0, $1, $2!, $3!) },
        join_tiles: { unsafe TileReference.joinTiles($0, $1!, $2!) },
        f16_to_f32: { x, y, count in
          for index in 0..<count { unsafe y![index] = unsafe HalfFloat.float(x![index]) }
        },
        f32_to_f16: { x, adds, y, count in
          for index in 0..<count {
            let before = unsafe HalfFloat.float(y![index])
            unsafe y![index] = unsafe HalfFloat.bits(adds != 0 ? x![index] + before : x![index])
          }
        },
        online_softmax: { unsafe OnlineSoftmaxReference.onlineSoftmax($0) },
        online_softmax_fixed: { unsafe OnlineSoftmaxReference.onlineSoftmaxFixed($0, $1!, $2!) },
        quantize_rows: { unsafe ReferenceKernels.quantize($0, first: $1, columns: $2, $3!.pointee) },
        pack_q4: { rows, rowCount, columns, _, panel in unsafe pack(rows!, rowCount, columns, .q4, panel!) },
        pack_q8: { unsafe pack($0!, $1, $2, .q8, $3!) },
        pack_f16: { unsafe pack($0!, $1, $2, .f16, $3!) },
        pack_f32: { unsafe pack($0!, $1, $2, .f32, $3!) },
        elu: { unsafe RowReference.map($0!, $1) { x in VectorMath.expMinusOne(x).replacing(with: x, where: x .> 0) } },
        silu: { unsafe RowReference.map($0!, $1) { $0 * VectorMath.sigmoid($0) } },
        sigmoid: { unsafe RowReference.map($0!, $1, VectorMath.sigmoid) },
        tanh: { unsafe RowReference.map($0!, $1, VectorMath.tanh) },
        gelu: { unsafe RowReference.map($0!, $1, RowReference.gelu) },
        softmax: { unsafe RowReference.softmax($0!, $1) },
        swiglu: { unsafe RowReference.combine($0!, $1!, $2) { x, gate in gate * VectorMath.sigmoid(gate) * x } },
        snake: { x, alpha, count in
          unsafe RowReference.combine(x!, alpha!, count) { $0 + VectorMath.sineSquared($1 * $0) / ($1 + 1e-9) }
        },
        gelu_bias: { unsafe RowReference.combine($0!, $1!, $2) { RowReference.gelu($0 + $1) } },
        geglu: { x, gate, y, count in
          unsafe y!.update(from: x!, count: count)
          unsafe RowReference.combine(y!, gate!, count) { $0 * RowReference.gelu($1) }
        },
        layer_normalize: { unsafe RowReference.layerNormalize($0!, $1!, $2!, $3, $4!, $5) },
        column_sums: { unsafe RowReference.columnSums($0!, $1, $2, $3!, $4 != 0, $5, $6!) },
        rms_normalize: { unsafe RowReference.rmsNormalize($0!, $1!, $2, $3!, $4) },
        lstm_step: { unsafe RowReference.lstmStep($0!, $1!, $2!, $3) },
        attention: UnsafePointer(attention)))
    return unsafe table
  }()

  private nonisolated(unsafe) static let name = unsafe UnsafePointer(strdup("reference")!)

  private nonisolated(unsafe) static let attention = {
    let table = UnsafeMutablePointer<mio_attention_kernels>.allocate(capacity: 1)
    unsafe table.initialize(
      to: mio_attention_kernels(
        i8: { unsafe AttentionReference.attend($0!.pointee, format: .int8) },
        f16: { unsafe AttentionReference.attend($0!.pointee, format: .f16) },
        f32: { unsafe AttentionReference.attend($0!.pointee, format: .f32) },
        prepare_i8: { unsafe AttentionRowReference.prepare($0!.pointee, format: .int8) },
        prepare_f16: { unsafe AttentionRowReference.prepare($0!.pointee, format: .f16) },
        prepare_f32: { unsafe AttentionRowReference.prepare($0!.pointee, format: .f32) },
        merge: { unsafe AttentionRowReference.merge($0, $1) }))
    return unsafe table
  }()

  private static func pack(
    _ rows: UnsafePointer<Float>, _ rowCount: Int, _ columns: Int, _ format: WeightFormat,
    _ panel: UnsafeMutablePointer<UInt8>
  ) {
    let byteCount = format.panelByteCount(columns: columns)
    unsafe panel.update(repeating: 0, count: byteCount)
    let values = unsafe UnsafeBufferPointer(start: rows, count: rowCount * columns)
    unsafe ReferencePacking.pack(values, columns: columns, format: format, into: UnsafeMutableRawPointer(panel))
  }
}
