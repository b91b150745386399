using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>Gemma Scope's <c>params.npz</c>: JumpReLU without b_dec on the input; <c>W_enc [d_model, d_sae]</c>, <c>W_dec</c>, <c>b_enc</c>, <c>b_dec</c>, <c>threshold</c>.</summary>
internal static class GemmaScopeFormat
{
    public const string WeightsFile = "params.npz";

    public static StoredSae Read(string path)
    {
        path = SaeFiles.FileIn(path, WeightsFile);
        using var scope = NewDisposeScope();
        using var file = NumpyFile.Open(path);
        var tensors = NamedTensors.Of(file);
        string W(string name) => tensors.Has("w_" + name) ? "w_" + name : "W_" + name; // both are in use
        int dModel = tensors.Axis(W("enc"), 0), dSae = tensors.Axis(W("enc"), 1);
        var sae = new JumpReluSae(tensors.Read(W("enc"), dModel, dSae), tensors.Read(W("dec"), dSae, dModel), tensors.Read("b_enc", dSae),
            tensors.Read("b_dec", dModel), tensors.Read("threshold", dSae), applyBDecToInput: false);
        tensors.ExpectNoOthers("a Gemma Scope SAE");
        return new StoredSae { Sae = sae, From = SaeFormat.GemmaScope };
    }

    public static string Write(string path, StoredSae stored)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (stored.Normalisation != StoredSae.Unnormalised || stored.Sae is not (JumpReluSae { ApplyBDecToInput: false } or StandardSae { ApplyBDecToInput: false }))
            throw new NotSupportedException("Gemma Scope has JumpReLU SAEs that do not take b_dec off their input (a ReLU is one with thresholds 0); this one is "
                + $"{SaeKind.Describe(stored)}.{SaeKind.FoldHint(stored, stored.Sae is StandardSae or JumpReluSae)}");
        var weights = new Dictionary<string, Tensor>(stored.Sae.Weights);
        weights.TryAdd("threshold", zeros(stored.Sae.DSae));
        string file = Path.GetExtension(path) is ".npz" ? path : Path.Combine(path, WeightsFile);
        NumpyFile.Write(file, weights);
        return file;
    }
}
