using Parsimony.Autoencoders.Formats;
using Parsimony.Models;
using Parsimony.Models.TorchFiles;
using TorchSharp;

namespace Parsimony.Cli.Runs;

/// <summary>One tensor of a file, for people and for --json.</summary>
internal sealed record TensorFact(string Name, string Type, long[] Shape, long Parameters);

/// <summary>What tensors a file of any kind holds, without reading them.</summary>
internal static class TensorFacts
{
    /// <summary>Adds a file's tensors, and the free text or the plain values in it.</summary>
    public static void Add(string path, List<TensorFact> tensors, Dictionary<string, string> values)
    {
        void Fact(string name, torch.ScalarType type, IEnumerable<long> shape) =>
            tensors.Add(new(name, SafetensorsType.Name(type), [.. shape], shape.Aggregate(1L, (product, axis) => product * axis)));
        switch (Path.GetExtension(path))
        {
            case ".bin" when !IsZip(path):
                using (var checkpoint = Llama2cFile.Open(path))
                    foreach (string name in checkpoint.Names) Fact(name, torch.ScalarType.Float32, checkpoint.Shape(name));
                break;
            case ".pt" or ".pth" or ".bin":
                using (var torchFile = TorchFile.Open(path))
                {
                    foreach (var (name, tensor) in torchFile.Tensors) Fact(name, tensor.Type, tensor.Shape);
                    foreach (var (name, value) in torchFile.Values) values[name] = FormattableString.Invariant($"{value ?? "None"}");
                }
                break;
            case ".npz":
                using (var numpy = NumpyFile.Open(path))
                    foreach (string name in numpy.Names) Fact(name, numpy.Info(name).Type, numpy.Info(name).Shape);
                break;
            case ".npy":
                using (var array = NumpyFile.ReadArray(path)) Fact(Path.GetFileNameWithoutExtension(path), array.dtype, array.shape);
                break;
            default:
                using (var safetensors = SafetensorsFile.Open(path))
                {
                    foreach (var (name, info) in safetensors.Tensors) Fact(name, info.Type, info.Shape);
                    foreach (var (key, value) in safetensors.Metadata) values[key] = value;
                }
                break;
        }
    }

    private static bool IsZip(string path)
    {
        using var stream = File.OpenRead(path);
        return stream.ReadByte() == 'P' && stream.ReadByte() == 'K';
    }
}
