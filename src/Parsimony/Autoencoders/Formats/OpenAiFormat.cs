using Parsimony.Models.TorchFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>OpenAI's sparse_autoencoder: a state dictionary with <c>pre_bias</c>, <c>latent_bias</c>, <c>encoder.weight [d_sae, d_model]</c>, <c>decoder.weight [d_model, d_sae]</c>, three
/// statistics, and the activation's name. Its TopK SAEs take their input through a LayerNorm, its ReLU SAEs do not.</summary>
internal static class OpenAiFormat
{
    private const string FileName = "autoencoder.pt";
    private static readonly string[] Statistics = ["stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"];

    public static bool Is(NamedTensors tensors) => tensors.Has("pre_bias", "latent_bias");

    public static StoredSae Read(string path)
    {
        using var scope = NewDisposeScope();
        using var file = TorchFile.Open(path);
        var tensors = NamedTensors.Of(file);
        int dSae = tensors.Axis("encoder.weight", 0), dModel = tensors.Axis("encoder.weight", 1);
        Tensor wEnc = tensors.Read("encoder.weight", dSae, dModel).t(), wDec = tensors.Read("decoder.weight", dModel, dSae).t();
        Tensor bEnc = tensors.Read("latent_bias", dSae), bDec = tensors.Read("pre_bias", dModel);
        string activation = file.Values.GetValueOrDefault("activation") as string ?? "nothing";
        string after = file.Values.GetValueOrDefault("activation_state_dict.postact_fn") as string ?? "ReLU";
        long? k = file.Values.GetValueOrDefault("activation_state_dict.k") as long?;
        if (activation is not ("ReLU" or "TopK") || after != "ReLU")
            throw new InvalidDataException($"{path} has activation {activation}{(after == "ReLU" ? "" : $" followed by {after}")}; ReLU and TopK followed by ReLU are read.");
        if (activation == "TopK" && !(k >= 1 && k <= dSae))
            throw new InvalidDataException($"{path} says k = {k?.ToString() ?? "nothing"}; expected 1 to d_sae = {dSae}.");
        ISparseAutoencoder sae = activation == "TopK" ? new TopKSae(wEnc, wDec, bEnc, bDec, (int)k!.Value) : new StandardSae(wEnc, wDec, bEnc, bDec);
        return new StoredSae
        {
            Sae = sae,
            Normalisation = activation == "TopK" ? StoredSae.LayerNorm : StoredSae.Unnormalised,
            Kept = Statistics.Where(name => tensors.Has(name)).ToDictionary(name => name, tensors.Keep),
            From = SaeFormat.Openai,
        };
    }

    public static string Write(string path, StoredSae stored)
    {
        bool topK = stored.Sae is TopKSae { ApplyBDecToInput: true } && stored.Normalisation == StoredSae.LayerNorm;
        if (!topK && !(stored.Sae is StandardSae { ApplyBDecToInput: true } && stored.Normalisation == StoredSae.Unnormalised))
            throw new NotSupportedException("OpenAI's format has ReLU SAEs that take b_dec off their input, and TopK SAEs that also normalise it (layer_norm); this one is "
                + $"{SaeKind.Describe(stored)}.{SaeKind.FoldHint(stored, stored.Sae is StandardSae)}");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var weights = stored.Sae.Weights;
        int dSae = stored.Sae.DSae;
        Tensor Statistic(string name, Tensor born) => stored.From == SaeFormat.Openai && stored.Kept.TryGetValue(name, out var kept) ? kept : born;
        string file = Path.HasExtension(path) ? path : Path.Combine(path, FileName);
        TorchFile.Write(file,
        [
            new("pre_bias", weights["b_dec"]),
            new("latent_bias", weights["b_enc"]),
            new(Statistics[0], Statistic(Statistics[0], zeros(dSae, ScalarType.Int64))),
            new(Statistics[1], Statistic(Statistics[1], ones(dSae))),
            new(Statistics[2], Statistic(Statistics[2], zeros(dSae))),
            new("encoder.weight", weights["W_enc"].t()),
            new("decoder.weight", weights["W_dec"].t()),
            new("activation", topK ? "TopK" : "ReLU"),
            new("activation_state_dict", stored.Sae is TopKSae { K: var k }
                ? new Dictionary<string, object> { ["k"] = (long)k, ["postact_fn"] = "ReLU" } : new Dictionary<string, object>()),
        ]);
        return file;
    }
}
