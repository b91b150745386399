using Parsimony.Autoencoders.Formats;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>From the tensors of a SAELens file to the autoencoder: names and shapes by architecture, and the scales that are folded in.</summary>
internal static class SaeWeights
{
    /// <summary>Builds the autoencoder that a config describes.</summary>
    /// <param name="cfg">The config.</param>
    /// <param name="file">The tensors; a dispose scope must be open.</param>
    /// <param name="scale">What inputs are multiplied by before they are encoded, and outputs divided by; null: nothing.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, or of another shape than the config says.</exception>
    public static ISparseAutoencoder Build(SaeConfig cfg, NamedTensors file, double? scale)
    {
        int dSae = cfg.DSae;
        Tensor wEnc = file.Read("W_enc", cfg.DModel, dSae), wDec = file.Read("W_dec", dSae, cfg.DOut), bDec = file.Read("b_dec", cfg.DOut);
        if (scale is { } s)
        {
            wEnc.mul_(s);
            wDec.div_(s);
            bDec.div_(s);
        }
        if (cfg.ScalesDecoder) wDec.mul_(file.Read("scaling_factor", dSae).unsqueeze(1));
        Tensor BEnc() => file.Read("b_enc", dSae);
        Tensor? WSkip() => cfg.Architecture.EndsWith("skip_transcoder", StringComparison.Ordinal) ? file.Read("W_skip", cfg.DOut, cfg.DModel).t() : null;
        int K() => cfg.K is { } k && k >= 1 && k <= dSae ? k
            : throw new InvalidDataException($"The cfg.json beside {file.Path} says k = {cfg.K?.ToString() ?? "nothing"}; expected 1 to d_sae = {dSae}.");
        switch (cfg.Architecture)
        {
            case "standard": return new StandardSae(wEnc, wDec, BEnc(), bDec, cfg.ApplyBDecToInput);
            case "gated":
                return new GatedSae(wEnc, wDec, file.Read("b_gate", dSae), file.Read("b_mag", dSae), file.Read("r_mag", dSae), bDec, cfg.ApplyBDecToInput);
            case "jumprelu":
            case "batchtopk" or "matryoshka_batchtopk": // in training; what is used afterwards is its threshold
                return new JumpReluSae(wEnc, wDec, BEnc(), bDec, Threshold(file, dSae), cfg.ApplyBDecToInput);
            case "topk":
                var bEnc = BEnc();
                if (cfg.RescalesByDecoderNorm) FoldDecoderNorm(wEnc, wDec, bEnc);
                return new TopKSae(wEnc, wDec, bEnc, bDec, K(), cfg.ApplyBDecToInput);
            default:
                bool keepsK = cfg.Architecture.StartsWith(SaeConfigJson.TopKPrefix, StringComparison.Ordinal);
                return new Transcoder(wEnc, wDec, BEnc(), bDec, WSkip(), keepsK ? K() : null);
        }
    }

    private static Tensor Threshold(NamedTensors file, int dSae) =>
        file.Has("topk_threshold") ? file.Read("topk_threshold").expand(dSae)
        : file.Has("log_threshold") ? file.Read("log_threshold", dSae).exp()
        : file.Read("threshold", dSae);

    // Ranking by f |row| and writing f row is ranking by f' and writing f' row / |row|, with f' = f |row|; as SAELens does when it saves for inference.
    private static void FoldDecoderNorm(Tensor wEnc, Tensor wDec, Tensor bEnc)
    {
        var norm = wDec.norm(dim: 1);
        wEnc.mul_(norm);
        bEnc.mul_(norm);
        wDec.div_(norm.unsqueeze(1));
    }
}
