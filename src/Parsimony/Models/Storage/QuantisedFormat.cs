using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>
/// Quantised matrices in a file, in the layout of bitsandbytes as transformers saves it. NF4: the codes under the matrix's own name, <c>.absmax</c>, <c>.quant_map</c>, doubly quantised
/// <c>.nested_absmax</c> and <c>.nested_quant_map</c>, and the rest as JSON bytes in <c>.quant_state.bitsandbytes__nf4</c>. Int8: the codes, and beside <c>x.weight</c> the rows' largest
/// magnitudes as <c>x.SCB</c>.
/// </summary>
internal static class QuantisedFormat
{
    private const string Absmax = ".absmax", Map = ".quant_map", NestedAbsmax = ".nested_absmax", NestedMap = ".nested_quant_map", State = ".quant_state.bitsandbytes__nf4";
    private const string Weight = "weight", RowAbsmax = "SCB";
    private const int Middle = 128; // the code of 0 in an 8-bit map

    private sealed record NestedState(int Blocksize, double Offset);

    /// <summary>Whether a source holds this matrix quantised.</summary>
    public static bool Holds(IWeightSource source, string name) => source.Contains(name + State) || IsInt8(source, name);

    /// <summary>Checks that a quantised matrix is what the config promises.</summary>
    /// <returns>The names of the tensors that make it up.</returns>
    /// <exception cref="InvalidDataException">Another shape, another way of quantising, or a part is missing.</exception>
    public static IEnumerable<string> Ensure(IWeightSource source, string name, long outputs, long inputs)
    {
        void Must(bool right, string what)
        {
            if (!right) throw new InvalidDataException($"'{name}' is quantised in a way that is not read here: {what}. Quantise the original weights with 'parsimony quantise'.");
        }
        if (IsInt8(source, name))
        {
            Must(source.Shape(name).SequenceEqual([outputs, inputs]) && source.Shape(ScaleOf(name)).SequenceEqual([outputs]),
                $"it has shape [{string.Join(", ", source.Shape(name))}] with {string.Join(", ", source.Shape(ScaleOf(name)))} scales; config.json promises [{outputs}, {inputs}]");
            return [name, ScaleOf(name)];
        }
        var (shape, blocksize, nested) = ReadState(source, name);
        Must(shape.SequenceEqual([outputs, inputs]), $"it is of shape [{string.Join(", ", shape)}]; config.json promises [{outputs}, {inputs}]");
        Must(blocksize == Nf4Matrix.Block && (nested is null || nested.Blocksize == Nf4Scales.Block), $"blocks of {blocksize} and {nested?.Blocksize}; read are 64 and 256");
        string[] parts = [name, name + Absmax, .. nested is null ? (string[])[] : [name + NestedAbsmax, name + NestedMap]];
        foreach (string part in parts.Append(name + Map)) Must(source.Contains(part), $"'{part}' is missing");
        using var values = source.Read(name + Map);
        using var ours = tensor(Nf4Matrix.Values);
        Must(values.numel() == ours.numel() && values.allclose(ours, 0, 1e-6), "its sixteen values are not those of NF4");
        return parts;
    }

    /// <summary>Reads a quantised matrix; its codes stay in the source's mapped file where that can be.</summary>
    /// <param name="source">Where it is.</param>
    /// <param name="name">Its name.</param>
    /// <param name="there">Puts a tensor on its device and takes it out of dispose scopes.</param>
    public static IStoredMatrix Read(IWeightSource source, string name, Func<Tensor, Tensor> there)
    {
        using var noGradient = no_grad();
        if (IsInt8(source, name)) return new Int8Matrix(there(source.Stored(name)), there(source.Read(ScaleOf(name))));
        var (shape, _, nested) = ReadState(source, name);
        using var scope = NewDisposeScope();
        long numbers = shape[0] * shape[1], blocks = Nf4Matrix.Blocks(numbers), codeBytes = blocks * Nf4Matrix.Block / 2;
        var codes = source.Stored(name).view(-1);
        if (codes.size(0) < codeBytes) codes = cat([codes, zeros(codeBytes - codes.size(0), ScalarType.Byte)]); // the last block is not full
        return new Nf4Matrix(shape[0], shape[1], there(codes), nested is null ? new Nf4Scales(there(source.Stored(name + Absmax)))
            : Nested(source, name, blocks, nested.Offset, there));
    }

    /// <summary>The tensors of a quantised matrix for a file; of a storage that quantises nothing, the matrix itself. They belong to the caller's scope.</summary>
    public static IEnumerable<KeyValuePair<string, Tensor>> Parts(string name, IStoredMatrix matrix)
    {
        switch (matrix)
        {
            case Int8Matrix int8:
                yield return new(name, int8.Codes.alias());
                yield return new(ScaleOf(name), int8.Absmax.alias());
                break;
            case Nf4Matrix nf4:
                yield return new(name, nf4.Codes.narrow(0, 0, (nf4.Outputs * nf4.Inputs + 1) / 2).unsqueeze(1));
                yield return new(name + Map, tensor(Nf4Matrix.Values));
                var state = new Dictionary<string, object> { ["quant_type"] = "nf4", ["blocksize"] = Nf4Matrix.Block, ["dtype"] = "float32", ["shape"] = (long[])[nf4.Outputs, nf4.Inputs] };
                if (nf4.Scales is { Absmax: { } absmax, Mean: { } mean })
                {
                    yield return new(name + Absmax, (nf4.Scales.Kept.to(ScalarType.Int32) + Middle).to(ScalarType.Byte));
                    yield return new(name + NestedAbsmax, absmax.alias());
                    yield return new(name + NestedMap, Linear());
                    (state["nested_blocksize"], state["nested_dtype"], state["nested_offset"]) = (Nf4Scales.Block, "float32", mean.item<float>());
                }
                else yield return new(name + Absmax, nf4.Scales.Kept.alias());
                yield return new(name + State, tensor(JsonSerializer.SerializeToUtf8Bytes(state)));
                break;
            case HalfMatrix half:
                yield return new(name, half.Halves.alias());
                break;
            default:
                yield return new(name, matrix.Rows(0, matrix.Outputs));
                break;
        }
    }

    private static Nf4Scales Nested(IWeightSource source, string name, long blocks, double offset, Func<Tensor, Tensor> there)
    {
        var codes = source.Stored(name + Absmax).view(-1);
        Tensor absmax = source.Read(name + NestedAbsmax), map = source.Read(name + NestedMap), mean = tensor((float)offset);
        using (var ours = Linear())
            if (map.eq(ours).all().item<bool>()) return new Nf4Scales(there((codes.to(ScalarType.Int32) - Middle).to(ScalarType.Int8)), there(absmax), there(mean));
        var scales = map.index_select(0, codes.to(ScalarType.Int32)) * absmax.repeat_interleave(Nf4Scales.Block).narrow(0, 0, blocks) + mean; // another map: what it gives, as float32
        return new Nf4Scales(there(scales));
    }

    /// <summary>The map of our own 8-bit scales: <c>(code - 128) / 127</c>.</summary>
    private static Tensor Linear() => tensor(Enumerable.Range(0, 256).Select(code => Math.Max(-1, (code - Middle) / 127f)).ToArray());

    private static (long[] Shape, int Blocksize, NestedState? Nested) ReadState(IWeightSource source, string name)
    {
        try
        {
            using var bytes = source.Stored(name + State);
            using var json = JsonDocument.Parse(Encoding.UTF8.GetString(bytes.bytes));
            var root = json.RootElement;
            return ([.. root.GetProperty("shape").EnumerateArray().Select(axis => axis.GetInt64())], root.GetProperty("blocksize").GetInt32(),
                root.TryGetProperty("nested_offset", out var offset) ? new NestedState(root.GetProperty("nested_blocksize").GetInt32(), offset.GetDouble()) : null);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"'{name + State}' does not say how the matrix was quantised: {e.Message} Quantise the original weights with 'parsimony quantise'.", e);
        }
    }

    private static bool IsInt8(IWeightSource source, string name) => name.EndsWith(Weight, StringComparison.Ordinal) && source.Contains(ScaleOf(name));

    private static string ScaleOf(string name) => name[..^Weight.Length] + RowAbsmax;
}
