using Parsimony.Models.TorchFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>A state dictionary of a ReLU SAE in a <c>.pt</c> file, as many small programs save it: <c>W_enc</c>, <c>W_dec</c>, <c>b_enc</c>, <c>b_dec</c>, the matrices as we have them or
/// both transposed; which, the lengths of the biases say.</summary>
internal static class PlainFormat
{
    private const string FileName = "sae.pt";

    public static bool Is(NamedTensors tensors) => tensors.Has("W_enc", "W_dec", "b_enc", "b_dec");

    public static StoredSae Read(string path)
    {
        using var scope = NewDisposeScope();
        using var file = TorchFile.Open(path);
        var tensors = NamedTensors.Of(file);
        int dSae = Length(tensors, "b_enc"), dModel = Length(tensors, "b_dec");
        bool transposed = tensors.Axis("W_enc", 0) == dSae;
        if (transposed && dSae == dModel)
            throw new InvalidDataException($"{path}: W_enc is square, so that nothing says whether it is transposed. Save it as one of the other formats.");
        Tensor Matrix(string name, int rows, int columns) => transposed ? tensors.Read(name, columns, rows).t() : tensors.Read(name, rows, columns);
        var sae = new StandardSae(Matrix("W_enc", dModel, dSae), Matrix("W_dec", dSae, dModel), tensors.Read("b_enc", dSae), tensors.Read("b_dec", dModel));
        tensors.ExpectNoOthers("a plain ReLU SAE");
        return new StoredSae { Sae = sae, From = SaeFormat.Plain };
    }

    public static string Write(string path, StoredSae stored)
    {
        if (stored.Sae is not StandardSae { ApplyBDecToInput: true } sae || stored.Normalisation != StoredSae.Unnormalised)
            throw new NotSupportedException("A plain .pt file cannot say what kind of SAE it holds; only standard ones that take b_dec off their input are written so.");
        string file = Path.HasExtension(path) ? path : Path.Combine(path, FileName);
        TorchFile.Write(file, sae.Weights.Select(w => KeyValuePair.Create(w.Key, (object)w.Value)));
        return file;
    }

    private static int Length(NamedTensors tensors, string name) => tensors.Axis(name, 0);
}
